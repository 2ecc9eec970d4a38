//! Snapshots: when they come, what they cut, and that no crash in the middle of either costs what was answered.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use milena_core::metadata::{ConfigResource, ResourceType};
use milena_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use milena_storage::disk::Open;

use super::*;

const LOG: &str = "/memory/data/__cluster_metadata-0";
/// A snapshot after every flush, and nothing kept that need not be.
const OFTEN: &[&str] = &[
    "metadata.log.max.record.bytes.between.snapshots=1",
    "metadata.max.retention.bytes=1",
    "metadata.log.max.snapshot.interval.ms=0",
];

/// Names in the folder of the metadata log that end so, sorted.
fn files(disk: &MemDisk, suffix: &str) -> Vec<String> {
    let entries = disk.list(Path::new(LOG)).unwrap().into_iter().map(|entry| entry.name);
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(suffix)).collect();
    names.sort();
    names
}

fn path(name: &str) -> PathBuf {
    Path::new(LOG).join(name)
}

async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !check() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for a snapshot of everything, unless the disk stops at so many changes.
async fn snapshot_or_stop(quorum: &QuorumHandle, disk: &MemDisk, changes_max: u64) {
    let latest = format!("{:020}-", quorum.committed().next_offset().0);
    eventually("a snapshot", || {
        let is_there = files(disk, ".checkpoint").iter().any(|name| name.starts_with(&latest));
        is_there || disk.changes() >= changes_max
    })
    .await;
}

async fn snapshot_of_all(quorum: &QuorumHandle, disk: &MemDisk) {
    snapshot_or_stop(quorum, disk, u64::MAX).await;
}

async fn set_retention(quorum: &QuorumHandle, topic: &str) {
    let config =
        AlterableConfig { name: "retention.ms".into(), config_operation: 0, value: Some("5000".into()) };
    let resource = AlterConfigsResource {
        resource_type: ResourceType::Topic as i8,
        resource_name: topic.into(),
        configs: vec![config],
    };
    let request =
        ControllerRequest::IncrementalAlterConfigs { resources: vec![resource], validate_only: false };
    assert!(matches!(quorum.submit(request).await, ControllerReply::ConfigsAltered(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_takes_the_place_of_the_log_before_it() {
    for voters in [&[][..], &["controller.quorum.voters=1@localhost:9093"]] {
        let config = config(&[OFTEN, voters].concat());
        let disk = Arc::new(MemDisk::new());
        let quorum = start(&config, &disk).await;
        // Like Apache Kafka's, the log is cut before the second of two snapshots.
        for name in ["a", "b", "c"] {
            assert!(create(&quorum, name).await);
            snapshot_of_all(&quorum, &disk).await;
        }
        set_retention(&quorum, "b").await;
        let end = quorum.image().next_offset();
        let latest = format!("{:020}-", end.0);
        eventually("the last snapshot alone, and the log cut before it", || {
            let (snapshots, segments) = (files(&disk, ".checkpoint"), files(&disk, ".log"));
            snapshots.len() == 1
                && snapshots[0].starts_with(&latest)
                && segments == [format!("{:020}.log", end.0)]
        })
        .await;
        quorum.stop().await;
        let before = quorum.image();

        let disk = Arc::new(disk.crash(Survival::None));
        let quorum = start(&config, &disk).await;
        let image = quorum.image();
        assert_eq!(names(&image), ["a", "b", "c"]);
        assert_eq!(image.topic("b").map(|t| t.id), before.topic("b").map(|t| t.id));
        let b = ConfigResource::new(ResourceType::Topic, "b");
        assert_eq!(image.config(&b), before.config(&b));
        assert_eq!(image.features(), before.features());
        assert!(epoch(&quorum) >= end.0);
        assert!(create(&quorum, "d").await);
        quorum.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_log_are_kept_while_the_limits_allow() {
    let config = config(&["metadata.log.max.record.bytes.between.snapshots=1"]);
    let disk = Arc::new(MemDisk::new());
    let quorum = start(&config, &disk).await;
    for name in ["a", "b"] {
        assert!(create(&quorum, name).await);
        snapshot_of_all(&quorum, &disk).await;
    }
    assert!(files(&disk, ".checkpoint").len() >= 3, "{:?}", files(&disk, ".checkpoint"));
    assert_eq!(files(&disk, ".log")[0], format!("{:020}.log", 0));
    quorum.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_due_after_its_interval_when_something_changed() {
    let config = config(&["metadata.log.max.snapshot.interval.ms=1", "metadata.max.retention.ms=0"]);
    let disk = Arc::new(MemDisk::new());
    let quorum = start(&config, &disk).await;
    assert!(create(&quorum, "a").await);
    snapshot_of_all(&quorum, &disk).await;
    quorum.stop().await;
}

/// Runs a cluster until the disk stops; yields the topics that were acknowledged.
async fn run_until_the_disk_stops(
    config: &Arc<Config>,
    disk: &Arc<MemDisk>,
    changes_max: u64,
) -> Vec<&'static str> {
    let mut acknowledged = Vec::new();
    let Ok(quorum) = super::super::start(config.clone(), disk.clone()).await else { return acknowledged };
    let follower = tokio::spawn(quorum.clone().follow(|_, _| {}));
    enlist(config, &quorum).await;
    for name in ["a", "b", "c", "d"] {
        if create_or_fail(&quorum, name).await {
            acknowledged.push(name);
            snapshot_or_stop(&quorum, disk, changes_max).await;
        }
    }
    quorum.stop().await;
    follower.await.ok();
    acknowledged
}

async fn create_or_fail(quorum: &QuorumHandle, name: &str) -> bool {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: -1,
        assignments: Vec::new(),
        ..CreatableTopic::default()
    };
    let request = ControllerRequest::CreateTopics { topics: vec![topic], validate_only: false };
    match quorum.submit(request).await {
        ControllerReply::TopicsCreated(results) => results[0].1.is_ok(),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_write_of_snapshots_and_cuts_keeps_what_was_acknowledged() {
    let config = config(OFTEN);
    let formatted = MemDisk::new();
    start(&config, &Arc::new(formatted.clone())).await.stop().await;
    let mut is_whole = false;
    let mut step = 0;
    while !is_whole {
        let disk = Arc::new(formatted.crash(Survival::All));
        disk.fail_after(step);
        let acknowledged = run_until_the_disk_stops(&config, &disk, step).await;
        is_whole = disk.changes() < step;
        for survival in [Survival::All, Survival::None, Survival::Some(step)] {
            let restarted = Arc::new(disk.crash(survival));
            let quorum = super::super::start(config.clone(), restarted.clone())
                .await
                .unwrap_or_else(|error| panic!("after {step} writes and {survival:?}: {error:#}"));
            let found = names(&quorum.committed());
            let lost: Vec<_> =
                acknowledged.iter().filter(|name| !found.contains(&name.to_string())).collect();
            assert!(lost.is_empty(), "after {step} writes and {survival:?} {lost:?} are lost of {found:?}");
            quorum.stop().await;
        }
        step += 1;
        assert!(step < 1_000, "the disk never lasts");
    }
    assert!(step > 50, "only {step} writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_from_a_torn_end() {
    let config = config(&[]);
    let disk = Arc::new(MemDisk::new());
    let quorum = start(&config, &disk).await;
    assert!(create(&quorum, "a").await && create(&quorum, "b").await);
    quorum.stop().await;
    let segment = path("00000000000000000000.log");
    let change = |position: u64, bytes: &[u8]| {
        let disk = disk.crash(Survival::All);
        disk.open(&segment, Open::Existing).unwrap().write_all_at(&[bytes], position).unwrap();
        Arc::new(disk)
    };
    let error = super::super::start(config.clone(), change(300, &[0xff; 4])).await.err().expect("refused");
    let text = format!("{error:#}");
    assert!(text.contains("00000000000000000000.log is corrupt at byte "), "{text}");
    assert!(text.contains("a whole batch follows at byte "), "{text}");

    let size = disk.read(&segment).unwrap().len() as u64;
    let torn = change(size, &[7; 200]);
    assert_eq!(names(&start(&config, &torn).await.image()), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_missing_snapshot_stops_the_start() {
    let config = config(OFTEN);
    let disk = Arc::new(MemDisk::new());
    let quorum = start(&config, &disk).await;
    assert!(create(&quorum, "a").await);
    let latest = format!("{:020}-", quorum.image().next_offset().0);
    eventually("one snapshot", || {
        let snapshots = files(&disk, ".checkpoint");
        snapshots.len() == 1 && snapshots[0].starts_with(&latest)
    })
    .await;
    quorum.stop().await;
    let name = files(&disk, ".checkpoint").remove(0);

    let damaged = disk.crash(Survival::All);
    damaged.open(&path(&name), Open::Existing).unwrap().write_all_at(&[&[0xff]], 300).unwrap();
    let error = super::super::start(config.clone(), Arc::new(damaged)).await.err().expect("refused");
    assert!(format!("{error:#}").contains(&format!("{name} is damaged at byte ")), "{error:#}");

    let cut = disk.crash(Survival::All);
    let file = cut.open(&path(&name), Open::Existing).unwrap();
    file.set_len(file.len().unwrap() - 75).unwrap();
    let error = super::super::start(config.clone(), Arc::new(cut)).await.err().expect("refused");
    assert!(format!("{error:#}").contains("damaged"), "{error:#}");

    let lost = disk.crash(Survival::All);
    lost.remove_file(&path(&name)).unwrap();
    let error = super::super::start(config.clone(), Arc::new(lost)).await.err().expect("refused");
    assert!(format!("{error:#}").contains("no snapshot covers what lies before"), "{error:#}");
}
