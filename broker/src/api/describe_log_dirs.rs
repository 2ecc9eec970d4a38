//! DescribeLogDirs (key 35, versions 1-5): the log directory, its volume, and the size of the logs in it (KIP-113).
//!
//! - Topics null is every partition here; partitions that are not here are left out, as are topics without any.
//! - A log's size is that of its segments, without indexes. It has no lag: a log is behind its high watermark only
//!   while it moves between directories, and there is one directory.
//! - A directory that is full or failed carries KAFKA_STORAGE_ERROR; the sizes of its logs come all the same.
//! - The metadata log is not a partition of a topic and is left out.
//! - Versions: error code of the whole (3), total and usable bytes of the volume (4, KIP-827), whether the directory is
//!   cordoned (5, KIP-1066), which it never is.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytestring::ByteString;
use milena_protocol::ErrorCode;
use milena_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::broker::{Broker, RequestContext};
use crate::dispatch::Answer;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeLogDirsRequest,
) -> Answer<DescribeLogDirsResponse> {
    let broker = broker.clone();
    let described = tokio::task::spawn_blocking(move || describe(&broker, request.topics)).await;
    let Ok(result) = described else { return Answer::Close("DescribeLogDirs did not end".to_owned()) };
    Answer::Send(DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() })
}

fn describe(broker: &Broker, topics: Option<Vec<DescribableLogDirTopic>>) -> DescribeLogDirsResult {
    let folder =
        std::path::absolute(&broker.config.log_dir).unwrap_or_else(|_| broker.config.log_dir.clone());
    let nothing =
        DescribeLogDirsResult { log_dir: folder.to_string_lossy().as_ref().into(), ..Default::default() };
    match volume_bytes(&folder) {
        Ok((total_bytes, usable_bytes)) => {
            let error_code = broker.partitions.health().check_write().err().unwrap_or(ErrorCode::None).code();
            DescribeLogDirsResult {
                error_code,
                topics: logs(broker, topics),
                total_bytes,
                usable_bytes,
                ..nothing
            }
        }
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot look at the volume of the log directory");
            DescribeLogDirsResult { error_code: ErrorCode::KafkaStorageError.code(), ..nothing }
        }
    }
}

fn logs(broker: &Broker, topics: Option<Vec<DescribableLogDirTopic>>) -> Vec<DescribeLogDirsTopic> {
    let wanted: Option<BTreeSet<(ByteString, i32)>> = topics.map(|topics| {
        let partitions = |topic: DescribableLogDirTopic| {
            topic.partitions.into_iter().map(move |index| (topic.topic.clone(), index))
        };
        topics.into_iter().flat_map(partitions).collect()
    });
    let mut by_topic = BTreeMap::<ByteString, Vec<DescribeLogDirsPartition>>::new();
    for partition in broker.partitions.all() {
        let key = (partition.topic.clone(), partition.index.0);
        if wanted.as_ref().is_none_or(|wanted| wanted.contains(&key)) {
            by_topic.entry(key.0).or_default().push(DescribeLogDirsPartition {
                partition_index: key.1,
                partition_size: signed(partition.size_bytes()),
                ..DescribeLogDirsPartition::default()
            });
        }
    }
    by_topic.into_iter().map(|(name, partitions)| DescribeLogDirsTopic { name, partitions }).collect()
}

/// All bytes of the volume, and those that a process without privileges may still write.
fn volume_bytes(folder: &Path) -> io::Result<(i64, i64)> {
    let volume = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| signed(blocks.saturating_mul(volume.f_frsize));
    Ok((bytes(volume.f_blocks), bytes(volume.f_bavail)))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
