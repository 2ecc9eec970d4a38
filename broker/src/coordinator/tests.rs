//! The coordinator's task over a log in memory, whose commits and refusals the test decides.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use milena_core::group::{
    Caller, CommitOffsets, FetchOffsets, GroupRecord, JoinGroup, Joined, PartitionCommit, Protocol,
    TopicCommit, TopicOffsets,
};
use milena_protocol::messages::control_records::EndTxnMarker;
use milena_protocol::messages::group_records::{OffsetCommitKey, OffsetCommitValue};
use milena_protocol::records::{BatchBuilder, ControlRecordType, NewRecord, RecordBatch};
use milena_protocol::{Message as _, Offset, ProducerEpoch, ProducerId, Timestamp, Uuid};

use super::*;

/// A log in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    batches: Mutex<Vec<RecordBatch>>,
    refusal: Mutex<Option<ErrorCode>>,
    /// As many batches are taken before one is refused.
    refuses_after: Mutex<usize>,
    /// Commits wait while this is true.
    holds: watch::Sender<bool>,
    high_watermark: watch::Sender<Offset>,
}

impl Memory {
    fn end(&self) -> Offset {
        self.0.batches.lock().unwrap().last().map_or(Offset::ZERO, |batch| batch.header().last_offset() + 1)
    }

    fn hold(&self, holds: bool) {
        self.0.holds.send_replace(holds);
        if !holds {
            self.0.high_watermark.send_replace(self.end());
        }
    }

    fn refuse(&self, code: Option<ErrorCode>) {
        *self.0.refusal.lock().unwrap() = code;
    }
}

impl Journal for Memory {
    fn append(&self, batch: &RecordBatch) -> Result<Offset, ErrorCode> {
        if let Some(code) = *self.0.refusal.lock().unwrap() {
            let mut left = self.0.refuses_after.lock().unwrap();
            *left = left.checked_sub(1).ok_or(code)?;
        }
        let batch = batch.stamped(self.end(), LeaderEpoch(0));
        self.0.batches.lock().unwrap().push(batch);
        if !*self.0.holds.borrow() {
            self.0.high_watermark.send_replace(self.end());
        }
        Ok(self.end())
    }

    fn high_watermark(&self) -> Offset {
        *self.0.high_watermark.borrow()
    }

    async fn committed(&self, end: Offset) -> Result<(), ErrorCode> {
        let mut high_watermark = self.0.high_watermark.subscribe();
        high_watermark
            .wait_for(|reached| *reached >= end)
            .await
            .map_err(|_| ErrorCode::NotLeaderOrFollower)?;
        Ok(())
    }

    fn range(&self) -> (Offset, Offset) {
        (Offset::ZERO, self.end())
    }

    fn read(&self, offset: Offset) -> Result<Bytes, ErrorCode> {
        let batches = self.0.batches.lock().unwrap();
        let found = batches.iter().find(|batch| batch.header().last_offset() >= offset);
        Ok(found.map(|batch| batch.bytes().clone()).unwrap_or_default())
    }
}

/// Starts a coordinator; yields how to reach it and how to end it.
async fn start(memory: &Memory) -> (mpsc::Sender<Call>, CancellationToken) {
    start_with(memory, Duration::from_secs(30)).await
}

async fn start_with(memory: &Memory, commit_timeout: Duration) -> (mpsc::Sender<Call>, CancellationToken) {
    let settings = Settings {
        groups: GroupSettings { group_initial_rebalance_delay_ms: 0, ..GroupSettings::default() },
        commit_timeout,
        compression: Compression::None,
    };
    let (calls, received) = mpsc::channel(CALLS_MAX);
    let (serves, mut ready) = watch::channel(false);
    let stop = CancellationToken::new();
    tokio::spawn(task::run(memory.clone(), settings, received, serves, stop.clone()));
    ready.wait_for(|ready| *ready).await.unwrap();
    (calls, stop)
}

fn commit(offset: i64) -> Request {
    Request::Commit(offsets(offset))
}

fn caller(joined: &Joined) -> Caller {
    Caller { group: "g".into(), member: joined.member.clone(), instance: None, generation: joined.generation }
}

fn offsets(offset: i64) -> CommitOffsets {
    let partition = PartitionCommit {
        index: PartitionIndex(0),
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(0),
        metadata: None,
    };
    let topic =
        TopicCommit { name: "t".into(), id: TopicId(Uuid::from_u128(1)), partitions: vec![partition] };
    CommitOffsets {
        caller: Caller { group: "g".into(), generation: -1, ..Caller::default() },
        retention_time_ms: -1,
        names_unknown_groups: true,
        topics: vec![topic],
    }
}

async fn fetch(calls: &mpsc::Sender<Call>) -> Vec<Offset> {
    let request = Request::Fetch(FetchOffsets { group: "g".into(), topics: None });
    let Ok(Reply::Fetch(topics)) = ask(calls, request).await else { panic!("offsets") };
    topics.into_iter().flat_map(|topic: TopicOffsets| topic.partitions).map(|found| found.offset).collect()
}

fn join(client: &'static str) -> Request {
    Request::Join(JoinGroup {
        group: "g".into(),
        member: ByteString::new(),
        instance: None,
        client_id: client.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::new() }],
        requires_known_member: false,
        may_skip_assignment: true,
        random: Uuid::nil(),
    })
}

#[tokio::test]
async fn offsets_outlive_the_coordinator() {
    let memory = Memory::default();
    let (calls, stop) = start(&memory).await;
    ask(&calls, commit(7)).await.unwrap();
    stop.cancel();
    let (calls, _stop) = start(&memory).await;
    assert_eq!(fetch(&calls).await, [Offset(7)]);
}

/// What Apache Kafka writes for a transaction: the offset, and the marker of its end.
fn transaction(memory: &Memory, offset: i64, end: Option<ControlRecordType>) {
    let (producer, epoch) = (ProducerId(3), ProducerEpoch(0));
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 0 };
    let value = OffsetCommitValue { offset, ..OffsetCommitValue::default() };
    let (key, value) = GroupRecord::Offset { key, value: Some(value) }.encode();
    let mut batch = BatchBuilder::default().producer(producer, epoch, 0).transactional();
    batch.push(NewRecord { timestamp: Timestamp(1), key: Some(&key), value: value.as_deref(), headers: &[] });
    memory.append(&batch.build()).unwrap();
    if let Some(end) = end {
        let marker = EndTxnMarker { coordinator_epoch: 0 }.to_versioned_bytes(0);
        let mut batch = BatchBuilder::default().producer(producer, epoch, -1).transactional();
        batch.push_control(end, Timestamp(1), &marker);
        memory.append(&batch.build()).unwrap();
    }
}

#[tokio::test]
async fn offsets_of_transactions_count_when_they_are_committed() {
    use ControlRecordType::{Abort, Commit};
    for (transactions, expected) in [
        (&[(5, Some(Commit))][..], 5),
        (&[(5, Some(Commit)), (6, Some(Abort))], 5),
        (&[(5, Some(Commit)), (6, None)], 5),
        (&[(5, Some(Abort)), (6, Some(Commit))], 6),
    ] {
        let memory = Memory::default();
        transactions.iter().for_each(|(offset, end)| transaction(&memory, *offset, *end));
        let (calls, _stop) = start(&memory).await;
        assert_eq!(fetch(&calls).await, [Offset(expected)], "{transactions:?}");
    }
}

#[tokio::test]
async fn answers_wait_for_the_commit_those_without_records_included() {
    let memory = Memory::default();
    let (calls, _stop) = start(&memory).await;
    memory.hold(true);
    let write = tokio::spawn({
        let calls = calls.clone();
        async move { ask(&calls, commit(7)).await }
    });
    while memory.end() == Offset::ZERO {
        tokio::task::yield_now().await;
    }
    let read = fetch(&calls);
    tokio::pin!(read);
    assert!(futures::poll!(&mut read).is_pending());
    assert!(!write.is_finished());
    memory.hold(false);
    assert_eq!(read.await, [Offset(7)]);
    assert!(matches!(write.await.unwrap(), Ok(Reply::Commit(Ok(_)))));
}

#[tokio::test]
async fn commit_that_takes_too_long_is_not_available() {
    let memory = Memory::default();
    let (calls, _stop) = start_with(&memory, Duration::from_millis(10)).await;
    memory.hold(true);
    assert_eq!(ask(&calls, commit(7)).await, Err(ErrorCode::CoordinatorNotAvailable));
}

#[tokio::test]
async fn refused_append_changes_nothing() {
    let memory = Memory::default();
    let (calls, _stop) = start(&memory).await;
    ask(&calls, commit(7)).await.unwrap();
    memory.refuse(Some(ErrorCode::NotEnoughReplicas));
    assert_eq!(ask(&calls, commit(8)).await, Err(ErrorCode::CoordinatorNotAvailable));
    memory.refuse(None);
    assert_eq!(fetch(&calls).await, [Offset(7)]);
}

#[tokio::test]
async fn coordinator_goes_on_when_a_full_disk_has_room_again() {
    let memory = Memory::default();
    let (calls, _stop) = start(&memory).await;
    ask(&calls, commit(7)).await.unwrap();
    memory.refuse(Some(ErrorCode::KafkaStorageError));
    assert_eq!(ask(&calls, commit(8)).await, Err(ErrorCode::NotCoordinator));
    memory.refuse(None);
    assert_eq!(fetch(&calls).await, [Offset(7)]);
    assert!(matches!(ask(&calls, commit(9)).await, Ok(Reply::Commit(Ok(_)))));
}

#[tokio::test]
async fn what_the_log_took_of_a_refused_request_counts_before_a_restart_and_after() {
    let memory = Memory::default();
    let (calls, stop) = start(&memory).await;
    let mut large = offsets(0);
    let partition = |index| PartitionCommit {
        index: PartitionIndex(index),
        offset: Offset(5),
        leader_epoch: LeaderEpoch(0),
        metadata: Some("m".repeat(4096).into()),
    };
    large.topics[0].partitions = (0..300).map(partition).collect();
    memory.refuse(Some(ErrorCode::KafkaStorageError));
    *memory.0.refuses_after.lock().unwrap() = 1;
    assert_eq!(ask(&calls, Request::Commit(large)).await, Err(ErrorCode::NotCoordinator));
    let taken = fetch(&calls).await;
    assert!(!taken.is_empty() && taken.len() < 300, "{}", taken.len());
    stop.cancel();
    let (calls, _stop) = start(&memory).await;
    assert_eq!(fetch(&calls).await, taken);
}

#[tokio::test]
async fn lost_leadership_answers_everybody_who_waits() {
    let memory = Memory::default();
    let (calls, _stop) = start(&memory).await;
    let Ok(Reply::Join(Ok(joined))) = ask(&calls, join("leader")).await else { panic!("admitted") };
    let parked = tokio::spawn({
        let calls = calls.clone();
        async move { ask(&calls, join("follower")).await }
    });
    let heartbeat = || Request::Heartbeat(caller(&joined));
    while ask(&calls, heartbeat()).await != Ok(Reply::Heartbeat(Err(ErrorCode::RebalanceInProgress))) {}
    memory.refuse(Some(ErrorCode::NotLeaderOrFollower));
    let committed = Request::Commit(CommitOffsets { caller: caller(&joined), ..offsets(8) });
    assert_eq!(ask(&calls, committed).await, Err(ErrorCode::NotCoordinator));
    assert_eq!(parked.await.unwrap(), Err(ErrorCode::NotCoordinator));
    assert_eq!(ask(&calls, heartbeat()).await, Err(ErrorCode::NotCoordinator));
}

#[tokio::test]
async fn time_passes_without_requests() {
    let memory = Memory::default();
    let (calls, _stop) = start(&memory).await;
    let admitted = tokio::time::timeout(Duration::from_secs(5), ask(&calls, join("client"))).await;
    assert!(matches!(admitted, Ok(Ok(Reply::Join(Ok(_))))), "the initial delay ends by itself");
}

#[test]
fn groups_are_spread_as_java_hashes_their_names() {
    // Values of "name".hashCode() in Java.
    assert_eq!(java_hash(""), 0);
    assert_eq!(java_hash("trucks"), -865_120_268);
    assert_eq!(java_hash("größe-🚚"), 175_616_825);
    assert_eq!(java_hash("polygenelubricants"), i32::MIN);
}
