//! What a partition promises while its disk is slow, full or failing.

use futures::FutureExt;
use milena_storage::Call;
use rustix::io::Errno;

use super::*;

fn append(partition: &Arc<Partition>, sequence: i32, value: &str) -> Result<Appended, ErrorCode> {
    let records = mk_batch(sequence, &[value]).into_bytes();
    partition.produce(records, ACKS_ALL).map_err(|rejection| rejection.code)
}

fn values_after_power_loss(disk: &MemDisk) -> Vec<String> {
    values(&mk_partition(&disk.crash(Survival::None), |_| {}))
}

#[test]
fn one_sync_serves_all_who_wait_and_nothing_counts_before_it() {
    let one_thread = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    one_thread.block_on(async {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || gate.recv().ok());
        let disk = MemDisk::new();
        let partition = mk_partition(&disk, |config| config.flush_messages = 1);
        let before = disk.changes();
        let appended: Vec<_> =
            (0..20).map(|sequence| append(&partition, sequence, &sequence.to_string()).unwrap()).collect();
        let writes = disk.changes() - before;
        assert_eq!(append(&partition, 19, "19").unwrap().base_offset, Offset(19), "a retry waits too");
        assert_eq!(partition.high_watermark(), Offset(0));
        assert!(values(&partition).is_empty(), "nothing is read that a power loss takes back");
        assert!(partition.durable(&appended[0]).now_or_never().is_none());
        assert!(partition.committed(&appended[0]).now_or_never().is_none());
        drop(release);
        for appended in &appended {
            partition.durable(appended).await.unwrap();
            partition.committed(appended).await.unwrap();
        }
        assert_eq!(disk.changes() - before - writes, 3, "the segment, its folder and the one above, once");
        assert_eq!(partition.high_watermark(), Offset(20));
        assert_eq!(values_after_power_loss(&disk).len(), 20);
    });
}

#[tokio::test]
async fn flush_messages_lets_fewer_unsynced_records_count() {
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, |config| config.flush_messages = 3);
    for sequence in 0..2 {
        append(&partition, sequence, "x").unwrap();
        assert_eq!(partition.high_watermark(), Offset(i64::from(sequence) + 1));
    }
    assert!(values_after_power_loss(&disk).is_empty());
    let third = append(&partition, 2, "x").unwrap();
    partition.committed(&third).await.unwrap();
    assert_eq!(values_after_power_loss(&disk).len(), 3);
}

#[tokio::test]
async fn failed_sync_is_an_error_to_all_who_wait_and_ends_the_partition() {
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, |config| config.flush_messages = 1);
    partition.committed(&append(&partition, 0, "a").unwrap()).await.unwrap();
    disk.refuse(Call::Sync, Some(Errno::IO.raw_os_error()));
    let waits = append(&partition, 1, "b").unwrap();
    assert_eq!(partition.durable(&waits).await, Err(ErrorCode::KafkaStorageError));
    assert_eq!(partition.committed(&waits).await, Err(ErrorCode::KafkaStorageError));
    disk.refuse(Call::Sync, None);
    assert_eq!(append(&partition, 1, "b"), Err(ErrorCode::KafkaStorageError), "a second sync proves nothing");
    assert_eq!(partition.high_watermark(), Offset(1));
    assert_eq!(values_after_power_loss(&disk), ["a"]);
}

#[test]
fn records_that_a_checkpoint_made_durable_do_not_wait_for_another_append() {
    let one_thread = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    one_thread.block_on(async {
        let disk = MemDisk::new();
        let partition = mk_partition(&disk, |config| config.flush_messages = 1);
        // The first record takes the topic's id to the disk with it.
        partition.durable(&append(&partition, 0, "a").unwrap()).await.unwrap();
        disk.refuse(Call::Sync, Some(Errno::MFILE.raw_os_error()));
        let waits = append(&partition, 1, "b").unwrap();
        // After the flush, on the same thread.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(partition.durable(&waits).now_or_never().is_none(), "the flush opened no file");
        disk.refuse(Call::Sync, None);
        partition.synced(partition.log().checkpoint()).unwrap();
        partition.flush_if_old().unwrap();
        assert_eq!(partition.durable(&waits).now_or_never(), Some(Ok(())));
        assert_eq!(partition.committed(&waits).now_or_never(), Some(Ok(())));
    });
}

#[tokio::test]
async fn full_disk_refuses_appends_keeps_what_was_acknowledged_and_goes_on() {
    for call in [Call::Write, Call::Open, Call::Rename] {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/data")).unwrap();
        let partition = mk_partition(&disk, |config| config.segment_bytes = 200);
        let mut acknowledged = vec!["first".to_owned()];
        append(&partition, 0, "first").unwrap();
        disk.refuse(call, Some(Errno::NOSPC.raw_os_error()));
        // Not every append opens or renames a file.
        let mut sequence = 1;
        while let Ok(appended) = append(&partition, sequence, "more") {
            partition.committed(&appended).await.unwrap();
            acknowledged.push("more".to_owned());
            sequence += 1;
            if sequence == 10 {
                break;
            }
        }
        let is_refused = partition.dir().health.is_full();
        assert_eq!(is_refused, call != Call::Rename, "a producer snapshot is no record");
        disk.refuse(call, None);
        assert_eq!(append(&partition, sequence, "early").is_err(), is_refused, "until a probe finds room");
        if !is_refused {
            acknowledged.push("early".to_owned());
            sequence += 1;
        }
        assert_eq!(partition.dir().health.probe(&disk), is_refused);
        append(&partition, sequence, "last").unwrap();
        acknowledged.push("last".to_owned());
        assert_eq!(all_values(&partition), acknowledged, "{call:?}");
        assert_eq!(all_values(&mk_partition(&disk.crash(Survival::All), |_| {})), acknowledged, "{call:?}");
    }
}

/// Over all segments.
fn all_values(partition: &Partition) -> Vec<String> {
    let mut found = Vec::new();
    let mut offset = partition.log_start_offset();
    while offset < partition.high_watermark() {
        let request = ReadRequest {
            offset,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: 1 << 20,
            at_least_one: true,
            isolation: Isolation::Uncommitted,
            leader_only: true,
        };
        for batch in batches(partition.read(&request).unwrap().records.into_bytes().unwrap()) {
            let batch = batch.unwrap();
            offset = batch.header().next_offset();
            let records = batch.records().unwrap().map(Result::unwrap);
            found.extend(records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn error_of_the_disk_refuses_everything_and_loses_nothing() {
    for (call, errno) in [
        (Call::Write, Errno::IO),
        (Call::Write, Errno::ROFS),
        (Call::Open, Errno::IO),
        (Call::Sync, Errno::NOSPC),
    ] {
        let disk = MemDisk::new();
        let partition =
            mk_partition(&disk, |config| (config.segment_bytes, config.flush_messages) = (200, 1));
        let mut acknowledged = Vec::new();
        for sequence in 0..10 {
            if sequence == 3 {
                disk.refuse(call, Some(errno.raw_os_error()));
            }
            let Ok(appended) = append(&partition, sequence, &sequence.to_string()) else { break };
            if partition.committed(&appended).await.is_err() {
                break;
            }
            acknowledged.push(sequence.to_string());
        }
        assert!((3..10).contains(&acknowledged.len()), "{call:?} {errno}");
        disk.refuse(call, None);
        assert_eq!(append(&partition, 10, "x"), Err(ErrorCode::KafkaStorageError));
        let request = ReadRequest {
            offset: Offset(0),
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            bytes_max: 1,
            at_least_one: true,
            isolation: Isolation::Uncommitted,
            leader_only: true,
        };
        assert_eq!(partition.read(&request), Err(ErrorCode::KafkaStorageError));
        for survival in [Survival::All, Survival::None] {
            let restarted = mk_partition(&disk.crash(survival), |_| {});
            let found = all_values(&restarted);
            assert_eq!(found[..acknowledged.len()], acknowledged, "{call:?} {errno} {survival:?}");
        }
    }
}

#[test]
fn flush_of_a_deleted_partition_says_nothing_about_the_disk() {
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, |_| {});
    append(&partition, 0, "value").unwrap();
    disk.refuse(Call::Sync, Some(Errno::NOENT.raw_os_error()));
    let missing = partition.flush().unwrap_err();
    assert!(!partition.is_gone_with(&missing), "a log that lives must not lack anything");
    partition.retire(|_| ());
    assert!(partition.is_gone_with(&missing));
    disk.refuse(Call::Sync, Some(Errno::IO.raw_os_error()));
    let failed = partition.flush().unwrap_err();
    assert!(!partition.is_gone_with(&failed), "{failed}");
}

#[test]
fn retry_of_a_deleted_record_is_a_duplicate_after_a_crash() {
    let disk = MemDisk::new();
    let partition = mk_partition(&disk, |_| {});
    assert_eq!(append(&partition, 0, "value").unwrap().base_offset, Offset(0));
    partition.move_start(partition.plan_new_start(Offset(1)).unwrap()).unwrap();
    let opening = Opening { start_offset: Some(Offset(1)), ..Opening::default() };
    let again = open(&disk, |_| {}, opening);
    assert_eq!(again.log_start_offset(), Offset(1));
    assert_eq!(append(&again, 0, "value").unwrap().base_offset, Offset(0));
}

#[test]
fn who_waits_for_a_partition_that_is_deleted_hears_that_nobody_leads_it() {
    let partition = mk_partition(&MemDisk::new(), |_| {});
    let appended = append(&partition, 0, "value").unwrap();
    partition.retire(|_| ());
    assert_eq!(partition.committed(&appended).now_or_never(), Some(Err(ErrorCode::NotLeaderOrFollower)));
}
