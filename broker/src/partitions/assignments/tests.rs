//! What is told, and what is told again.

use std::sync::atomic::{AtomicUsize, Ordering};

use milena_protocol::messages::assign_replicas_to_dirs::{
    ResponseDirectoryData, ResponsePartitionData, ResponseTopicData,
};

use super::*;

fn mk_answer(request: &AssignReplicasToDirsRequest, code: ErrorCode) -> AssignReplicasToDirsResponse {
    let partition = |partition: &RequestPartitionData| ResponsePartitionData {
        partition_index: partition.partition_index,
        error_code: code.code(),
    };
    let topic = |topic: &RequestTopicData| ResponseTopicData {
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(partition).collect(),
    };
    let directory = |directory: &RequestDirectoryData| ResponseDirectoryData {
        id: directory.id,
        topics: directory.topics.iter().map(topic).collect(),
    };
    let directories = request.directories.iter().map(directory).collect();
    AssignReplicasToDirsResponse { directories, ..Default::default() }
}

fn key(partition: usize) -> Key {
    (TopicId(Uuid::max()), PartitionIndex(i32::try_from(partition).unwrap()))
}

#[tokio::test]
async fn every_log_is_told_until_it_is_taken_and_the_last_directory_counts() {
    let (assignments, stop, asked) = (Assignments::default(), CancellationToken::new(), AtomicUsize::new(0));
    for partition in 0..ASSIGNMENTS_MAX + 2 {
        assignments.submit(key(partition), Uuid::from_u128(100));
    }
    assignments.submit(key(0), Uuid::from_u128(200));
    let told = Mutex::new(BTreeMap::new());
    let ask = |request: AssignReplicasToDirsRequest| {
        assert_eq!((request.broker_id, request.broker_epoch), (1, 7));
        let code = match asked.fetch_add(1, Ordering::Relaxed) {
            0 => ErrorCode::UnknownServerError,
            _ => ErrorCode::None,
        };
        let mut told = told.lock().unwrap();
        for directory in request.directories.iter().filter(|_| code == ErrorCode::None) {
            for partition in &directory.topics[0].partitions {
                told.insert(partition.partition_index, directory.id);
            }
        }
        if told.len() == ASSIGNMENTS_MAX + 2 {
            stop.cancel();
        }
        std::future::ready(Ok(mk_answer(&request, code)))
    };
    assignments.clone().run(ask, || (NodeId(1), 7), stop.clone()).await;
    let told = told.into_inner().unwrap();
    assert_eq!((told[&0], told[&1]), (Uuid::from_u128(200), Uuid::from_u128(100)));
    assert!(asked.into_inner() >= 3, "one request is refused, and one has no room for all");
}

#[test]
fn who_is_no_replica_any_more_has_nothing_to_tell() {
    let told = BTreeMap::from([(key(0), Uuid::from_u128(100))]);
    for (code, is_again) in [
        (ErrorCode::NotLeaderOrFollower, false),
        (ErrorCode::UnknownTopicId, false),
        (ErrorCode::NotController, true),
    ] {
        let answer = mk_answer(&request((NodeId(1), 7), &told), code);
        assert_eq!(refused(told.clone(), Ok(answer)).len(), usize::from(is_again), "{code}");
    }
    let as_a_whole =
        AssignReplicasToDirsResponse { error_code: ErrorCode::StaleBrokerEpoch.code(), ..Default::default() };
    assert_eq!(refused(told.clone(), Ok(as_a_whole)), told);
}
