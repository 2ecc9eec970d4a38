//! DescribeLogDirs (key 35, versions 1-5): the log directories, their volumes, and the size of the logs in them (KIP-113).
//!
//! - Topics null is every partition here; partitions that are not here are left out, as are topics without any.
//! - A log's size is that of its segments, without indexes. It has no lag.
//! - The copy of a log that moves to the directory is told as the future log, which is as far behind as it lacks offsets.
//! - A directory that is full or failed carries KAFKA_STORAGE_ERROR; the sizes of the logs in a full one come all the same.
//! - The metadata log is not a partition of a topic and is left out.
//! - Versions: error code of the whole (3), total and usable bytes of the volume (4, KIP-827), whether the directory is
//!   cordoned (5, KIP-1066).

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
use crate::partitions::{LogDir, absolute};
use crate::task;

/// Names and numbers of partitions; `None` for all of them.
type Wanted = Option<BTreeSet<(ByteString, i32)>>;

pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeLogDirsRequest,
) -> Answer<DescribeLogDirsResponse> {
    let broker = broker.clone();
    let described = task::spawn_blocking(move || describe(&broker, request.topics)).await;
    let Ok(results) = described else { return Answer::Close("DescribeLogDirs did not end".to_owned()) };
    Answer::Send(DescribeLogDirsResponse { results, ..DescribeLogDirsResponse::default() })
}

fn describe(broker: &Broker, topics: Option<Vec<DescribableLogDirTopic>>) -> Vec<DescribeLogDirsResult> {
    let wanted: Wanted = topics.map(|topics| {
        let partitions = |topic: DescribableLogDirTopic| {
            topic.partitions.into_iter().map(move |index| (topic.topic.clone(), index))
        };
        topics.into_iter().flat_map(partitions).collect()
    });
    let cordoned = broker.partitions.cordoned();
    let describe = |dir: &Arc<LogDir>| DescribeLogDirsResult {
        is_cordoned: cordoned.contains(&dir.id),
        ..describe_one(broker, dir, &wanted)
    };
    broker.partitions.dirs().iter().map(describe).collect()
}

fn describe_one(broker: &Broker, dir: &LogDir, wanted: &Wanted) -> DescribeLogDirsResult {
    let folder = absolute(&dir.folder);
    let nothing =
        DescribeLogDirsResult { log_dir: folder.to_string_lossy().as_ref().into(), ..Default::default() };
    let error_code = dir.health.check_write().err().unwrap_or(ErrorCode::None).code();
    if !dir.is_online() {
        return DescribeLogDirsResult { error_code, ..nothing };
    }
    match volume_bytes(&folder) {
        Ok((total_bytes, usable_bytes)) => DescribeLogDirsResult {
            error_code,
            topics: logs(broker, dir, wanted),
            total_bytes,
            usable_bytes,
            ..nothing
        },
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot look at the volume of a log directory");
            DescribeLogDirsResult { error_code: ErrorCode::KafkaStorageError.code(), ..nothing }
        }
    }
}

fn logs(broker: &Broker, dir: &LogDir, wanted: &Wanted) -> Vec<DescribeLogDirsTopic> {
    let mut by_topic = BTreeMap::<ByteString, Vec<DescribeLogDirsPartition>>::new();
    for partition in broker.partitions.all() {
        let key = (partition.topic.clone(), partition.index.0);
        if partition.is_in(dir) && wanted.as_ref().is_none_or(|wanted| wanted.contains(&key)) {
            by_topic.entry(key.0).or_default().push(DescribeLogDirsPartition {
                partition_index: key.1,
                partition_size: signed(partition.size_bytes()),
                ..DescribeLogDirsPartition::default()
            });
            continue;
        }
        let future = partition.future_log().filter(|future| std::ptr::eq(&*future.dir, dir));
        if let Some(future) = future.filter(|_| wanted.as_ref().is_none_or(|wanted| wanted.contains(&key))) {
            by_topic.entry(key.0).or_default().push(DescribeLogDirsPartition {
                partition_index: key.1,
                partition_size: signed(future.size_bytes),
                offset_lag: future.lag,
                is_future_key: true,
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
