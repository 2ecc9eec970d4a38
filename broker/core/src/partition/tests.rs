//! One replica as leader: high watermark, epochs, and the sequences of idempotent producers.

use milena_protocol::records::{BatchBuilder, NewRecord, RecordBatch};
use milena_protocol::{ProducerEpoch, ProducerId};

mod isr;
mod property;

use super::*;

const NODE: NodeId = NodeId(1);
const CLIENT: AppendOrigin = AppendOrigin::Client { acks_all: true };
const NOW: Timestamp = Timestamp(1_700_000_000_000);

const LAG_MS_MAX: i64 = 30_000;

fn mk_replica(log_end: i64) -> Replica {
    Replica::new(NODE, Offset(log_end), ReplicaRules { min_insync_replicas: 1, lag_ms_max: LAG_MS_MAX })
}

fn mk_leader(isr: &[i32]) -> Replica {
    let mut replica = mk_replica(0);
    lead(&mut replica, mk_leadership(0, isr));
    replica
}

/// Every broker is alive, in the epoch of its id.
fn alive(node: NodeId) -> Option<LiveBroker> {
    Some(LiveBroker { epoch: node.0.into(), is_stopping: false })
}

fn lead(replica: &mut Replica, leadership: Leadership) {
    replica.lead(leadership, &alive, NOW);
}

fn mk_fetch(replica: &Replica, node: i32, offset: i64) -> FollowerFetch {
    FollowerFetch {
        node: NodeId(node),
        broker_epoch: node.into(),
        offset: Offset(offset),
        log_start: Offset(0),
        leader_end: replica.log_end(),
    }
}

fn fetch_at(
    replica: &mut Replica,
    node: i32,
    offset: i64,
    at_ms: i64,
) -> Result<Option<IsrProposal>, ErrorCode> {
    let fetch = mk_fetch(replica, node, offset);
    replica.fetched(&fetch, NOW.plus_ms(at_ms))
}

fn fetch(replica: &mut Replica, node: i32, offset: i64) -> Option<IsrProposal> {
    fetch_at(replica, node, offset, 0).unwrap()
}

fn mk_leadership(epoch: i32, isr: &[i32]) -> Leadership {
    let nodes: Vec<NodeId> = isr.iter().copied().map(NodeId).collect();
    Leadership { epoch: LeaderEpoch(epoch), partition_epoch: epoch, replicas: nodes.clone(), isr: nodes }
}

/// `count` records of producer 7.
fn mk_batch(epoch: i16, base_sequence: i32, count: usize) -> RecordBatch {
    let mut builder = BatchBuilder::default().producer(ProducerId(7), ProducerEpoch(epoch), base_sequence);
    (0..count).for_each(|_| builder.push(NewRecord { timestamp: NOW, ..NewRecord::default() }));
    builder.build()
}

/// Plans and applies; yields the offset of the first record and whether it was there already.
fn append(replica: &mut Replica, batch: &RecordBatch) -> Result<(i64, bool), ErrorCode> {
    match replica.plan_append(batch.header(), CLIENT)? {
        AppendPlan::Append { base_offset, .. } => {
            replica.apply(batch.header(), base_offset, NOW);
            Ok((base_offset.0, false))
        }
        AppendPlan::Duplicate(batch) => Ok((batch.first_offset().0, true)),
    }
}

#[test]
fn sole_replica_commits_what_it_appends() {
    let mut replica = mk_leader(&[1]);
    assert_eq!(append(&mut replica, &mk_batch(0, 0, 3)), Ok((0, false)));
    assert_eq!((replica.log_end(), replica.high_watermark()), (Offset(3), Offset(3)));
}

#[test]
fn high_watermark_is_the_smallest_log_end_in_the_isr() {
    let mut replica = mk_leader(&[1, 2, 3]);
    append(&mut replica, &mk_batch(0, 0, 10)).unwrap();
    assert_eq!(replica.high_watermark(), Offset(0));
    fetch(&mut replica, 2, 8);
    assert_eq!(replica.high_watermark(), Offset(0));
    fetch(&mut replica, 3, 5);
    assert_eq!(replica.high_watermark(), Offset(5));
    let mut shrunk = mk_leadership(0, &[1, 2, 3]);
    shrunk.isr.pop();
    lead(&mut replica, shrunk.clone());
    assert_eq!(replica.high_watermark(), Offset(5), "it may come back in a moment");
    replica.lead(shrunk, &|node| alive(node).filter(|_| node != NodeId(3)), NOW);
    assert_eq!(replica.high_watermark(), Offset(8), "not when it is dead");
    assert_eq!(fetch_at(&mut replica, 9, 10, 0), Err(ErrorCode::UnknownLeaderEpoch));
}

#[test]
fn too_few_in_sync_replicas_refuse_acks_all_alone() {
    let two = ReplicaRules { min_insync_replicas: 2, lag_ms_max: LAG_MS_MAX };
    let mut replica = mk_leader(&[1, 2, 3]);
    replica.set_rules(two, NOW);
    let mut shrunk = mk_leadership(0, &[1, 2, 3]);
    shrunk.isr.truncate(1);
    lead(&mut replica, shrunk);
    let batch = mk_batch(0, 0, 1);
    let plan = |replica: &Replica, origin| replica.plan_append(batch.header(), origin);
    assert_eq!(plan(&replica, CLIENT), Err(ErrorCode::NotEnoughReplicas));
    assert_eq!(plan(&replica, AppendOrigin::Coordinator), Err(ErrorCode::NotEnoughReplicas));
    assert!(plan(&replica, AppendOrigin::Client { acks_all: false }).is_ok());
    let mut sole = mk_leader(&[1]);
    sole.set_rules(two, NOW);
    assert!(plan(&sole, CLIENT).is_ok(), "one replica cannot be two");
}

#[test]
fn appends_need_leadership() {
    let mut replica = mk_replica(5);
    let batch = mk_batch(0, 0, 1);
    assert_eq!(replica.plan_append(batch.header(), CLIENT), Err(ErrorCode::NotLeaderOrFollower));
    lead(&mut replica, mk_leadership(4, &[1]));
    let plan = AppendPlan::Append { base_offset: Offset(5), leader_epoch: LeaderEpoch(4) };
    assert_eq!(replica.plan_append(batch.header(), CLIENT), Ok(plan));
    replica.resign(LeaderEpoch(5));
    assert_eq!(replica.plan_append(batch.header(), CLIENT), Err(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn believed_epoch_decides_the_error() {
    let mut replica = mk_leader(&[1]);
    lead(&mut replica, mk_leadership(4, &[1]));
    let check = |replica: &Replica, epoch| replica.check_leader(LeaderEpoch(epoch));
    assert_eq!(check(&replica, -1), Ok(()));
    assert_eq!(check(&replica, 4), Ok(()));
    assert_eq!(check(&replica, 3), Err(ErrorCode::FencedLeaderEpoch));
    assert_eq!(check(&replica, 5), Err(ErrorCode::UnknownLeaderEpoch));
    replica.resign(LeaderEpoch(6));
    assert_eq!(check(&replica, 4), Err(ErrorCode::FencedLeaderEpoch));
    assert_eq!(check(&replica, 6), Err(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn retry_of_one_of_the_last_five_batches_is_a_duplicate() {
    let mut replica = mk_leader(&[1]);
    for index in 0..6 {
        assert_eq!(append(&mut replica, &mk_batch(0, index * 2, 2)), Ok((i64::from(index) * 2, false)));
    }
    for index in 1..6 {
        assert_eq!(append(&mut replica, &mk_batch(0, index * 2, 2)), Ok((i64::from(index) * 2, true)));
    }
    assert_eq!(append(&mut replica, &mk_batch(0, 0, 2)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(append(&mut replica, &mk_batch(0, 10, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(replica.log_end(), Offset(12));
}

#[test]
fn gap_in_sequences_is_refused() {
    let mut replica = mk_leader(&[1]);
    append(&mut replica, &mk_batch(0, 0, 2)).unwrap();
    assert_eq!(append(&mut replica, &mk_batch(0, 3, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(append(&mut replica, &mk_batch(0, 2, 1)), Ok((2, false)));
}

#[test]
fn sequence_after_the_largest_is_zero() {
    let mut replica = mk_leader(&[1]);
    append(&mut replica, &mk_batch(0, i32::MAX - 1, 3)).unwrap();
    assert_eq!(append(&mut replica, &mk_batch(0, i32::MAX - 1, 3)), Ok((0, true)));
    assert_eq!(append(&mut replica, &mk_batch(0, 1, 1)), Ok((3, false)));
}

#[test]
fn unknown_producer_may_begin_anywhere() {
    let mut replica = mk_leader(&[1]);
    assert_eq!(append(&mut replica, &mk_batch(3, 41, 1)), Ok((0, false)));
    replica.expire_producers(NOW.plus_ms(1_000), 1_000);
    assert!(replica.producers().is_empty());
    assert_eq!(append(&mut replica, &mk_batch(3, 99, 1)), Ok((1, false)));
}

#[test]
fn newer_epoch_begins_at_zero_and_fences_the_older() {
    let mut replica = mk_leader(&[1]);
    assert_eq!(append(&mut replica, &mk_batch(-253, 3, 2)), Err(ErrorCode::InvalidProducerEpoch));
    append(&mut replica, &mk_batch(0, 0, 2)).unwrap();
    assert_eq!(append(&mut replica, &mk_batch(1, 2, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(append(&mut replica, &mk_batch(1, 0, 1)), Ok((2, false)));
    assert_eq!(append(&mut replica, &mk_batch(0, 2, 1)), Err(ErrorCode::InvalidProducerEpoch));
}

#[test]
fn replayed_log_and_snapshot_rebuild_the_same_producers() {
    let mut leader = mk_leader(&[1]);
    let mut replayed = mk_replica(0);
    for index in 0..7 {
        let batch = mk_batch(0, index * 3, 3);
        let (base_offset, _) = append(&mut leader, &batch).unwrap();
        replayed.replay(batch.stamped(Offset(base_offset), LeaderEpoch(0)).header(), NOW);
    }
    let mut restored = mk_replica(leader.log_end().0);
    leader.producers().iter().for_each(|producer| restored.restore(producer));
    for replica in [&mut replayed, &mut restored] {
        lead(replica, mk_leadership(1, &[1]));
        assert_eq!(replica.log_end(), Offset(21));
        assert_eq!(append(replica, &mk_batch(0, 18, 3)), Ok((18, true)));
        assert_eq!(append(replica, &mk_batch(0, 21, 1)), Ok((21, false)));
    }
}

#[test]
fn records_are_deleted_up_to_the_high_watermark() {
    let mut replica = mk_leader(&[1, 2]);
    append(&mut replica, &mk_batch(0, 0, 10)).unwrap();
    fetch(&mut replica, 2, 8);
    let plan = |offset| replica.plan_new_start(Offset(offset), false).map(|start| start.0);
    assert_eq!([plan(0), plan(8), plan(-1)], [Ok(0), Ok(8), Ok(8)]);
    assert_eq!([plan(9), plan(-2)], [Err(ErrorCode::OffsetOutOfRange); 2]);
    assert_eq!(replica.plan_new_start(Offset(0), true), Err(ErrorCode::PolicyViolation));
    replica.resign(LeaderEpoch(1));
    assert_eq!(replica.plan_new_start(Offset(0), true), Err(ErrorCode::NotLeaderOrFollower));
}
