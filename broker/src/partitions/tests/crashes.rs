//! A broker's logs are cut off at every single write: while a topic is written, compacted, deleted and made again.

use std::collections::BTreeSet;

use milena_protocol::messages::metadata_records::ConfigRecord;
use milena_protocol::records::batches;
use milena_storage::disk::crash_everywhere;

use super::*;

const KEYS: i64 = 3;

pub(super) fn mk_compacted_image(topic_id: u128) -> MetadataImage {
    let mut image = mk_image(topic_id);
    let configs = [
        ("cleanup.policy", "compact"),
        ("internal.segment.bytes", "250"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("file.delete.delay.ms", "0"),
    ];
    for (offset, (name, value)) in (2..).zip(configs) {
        let record = ConfigRecord {
            resource_type: 2,
            resource_name: TOPIC.into(),
            name: name.into(),
            value: Some(value.into()),
        };
        image.replay(Offset(offset), &record.into()).unwrap();
    }
    image
}

/// What was promised when the disk stopped.
struct Promise {
    /// The topic of the committed metadata, 1 or 2.
    topic: u128,
    acknowledged: i64,
    flushed: i64,
}

/// One more record of `topic`, with its offset as value, under one of three keys.
pub(super) fn append(partition: &Arc<Partition>, topic: u128) -> Result<Offset, ErrorCode> {
    let (key, value) =
        (partition.log_end_offset().0 % KEYS, format!("{topic}/{}", partition.log_end_offset()));
    let mut builder = BatchBuilder::default();
    let timestamp = Timestamp(1_700_000_000_000);
    let (key, value) = (key.to_be_bytes(), Some(value.as_bytes()));
    builder.push(NewRecord { timestamp, key: Some(&key), value, headers: &[] });
    let terms = ProduceTerms { acks_all: true, zstd_allowed: true };
    let appended =
        partition.produce(builder.build().into_bytes(), terms).map_err(|rejection| rejection.code)?;
    Ok(appended.base_offset)
}

/// Goes on until the disk stops.
async fn live(disk: &MemDisk, promise: &mut Promise) -> anyhow::Result<()> {
    let (first, second) = (mk_compacted_image(1), mk_compacted_image(2));
    let partitions = try_open(disk, &first).await?;
    let partition = partitions.of(TOPIC, PartitionIndex(0)).map_err(|code| anyhow::anyhow!("{code}"))?;
    for round in 0..2 {
        for _ in 0..7 + round {
            let offset = append(&partition, 1).map_err(|code| anyhow::anyhow!("{code}"))?;
            promise.acknowledged = offset.0 + 1;
        }
        partition.flush_if_old()?;
        promise.flushed = partition.recovery_point().0;
        partitions.compact_dirtiest(1, &Default::default());
        promise.flushed = promise.flushed.max(partition.recovery_point().0);
        partitions.write_high_watermarks()?;
    }
    // The metadata is committed elsewhere, and stays.
    *promise = Promise { topic: 2, acknowledged: 0, flushed: 0 };
    change(&partitions, &first, &second);
    let partition = partitions.of(TOPIC, PartitionIndex(0)).map_err(|code| anyhow::anyhow!("{code}"))?;
    for _ in 0..4 {
        let offset = append(&partition, 2).map_err(|code| anyhow::anyhow!("{code}"))?;
        promise.acknowledged = offset.0 + 1;
    }
    partitions.sweep();
    partitions.close(1).await?;
    promise.flushed = promise.acknowledged;
    Ok(())
}

pub(super) fn values(partition: &Partition) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), partition.log_start_offset());
    loop {
        let request = ReadRequest {
            offset: next,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: 1 << 20,
            at_least_one: true,
            isolation: Isolation::Uncommitted,
            leader_only: true,
        };
        let bytes = partition.read(&request).unwrap().records.into_bytes().unwrap();
        let Some(last) = batches(bytes.clone()).last() else { return found };
        next = last.unwrap().header().next_offset();
        for record in batches(bytes).flat_map(|batch| batch.unwrap().records().unwrap()) {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            assert_eq!(value.split_once('/').unwrap().1, record.offset.to_string(), "at its offset");
            found.insert(value);
        }
    }
}

#[test]
fn topics_cut_off_at_any_write_keep_what_was_promised_and_nothing_of_each_other() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let scenario = |disk: &MemDisk| {
        let mut promise = Promise { topic: 1, acknowledged: 0, flushed: 0 };
        let _ = runtime.block_on(live(disk, &mut promise));
        promise
    };
    let crashes = crash_everywhere(MemDisk::new, scenario, |crash, promise| {
        let topic = promise.topic;
        let partitions = runtime.block_on(open(&crash.disk, &mk_compacted_image(topic)));
        let found = values(&sole(&partitions));
        let context = || format!("step {} {:?} topic {topic}: {found:?}", crash.step, crash.survival);
        let end = if crash.is_of_process() { promise.acknowledged } else { promise.flushed };
        // The last record of each key, or a later one of it that was being written.
        for offset in end - KEYS.min(end)..end {
            let later =
                (offset..20).step_by(KEYS as usize).any(|at| found.contains(&format!("{topic}/{at}")));
            assert!(later, "{}: offset {offset} of {end}", context());
        }
        let prefix = format!("{topic}/");
        assert!(found.iter().all(|value| value.starts_with(&prefix)), "{}", context());
        append(&sole(&partitions), topic).unwrap();
        partitions.sweep();
        let names = crash.disk.list(Path::new("/memory/data")).unwrap();
        assert!(!names.iter().any(|entry| entry.name.ends_with("-delete")), "{names:?}");
    });
    assert!(crashes > 500, "{crashes}");
}
