//! Replicas and leaders as administrators ask for them: on one broker all that can be told is why nothing moves.

use milena_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use milena_protocol::messages::elect_leaders::TopicPartitions;
use milena_protocol::messages::list_partition_reassignments::ListPartitionReassignmentsTopics;
use milena_protocol::messages::{
    AlterPartitionReassignmentsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
    UnregisterBrokerRequest,
};
use milena_tests::Dice;

use crate::lockstep::{Effect, Lockstep};
use crate::side::Side;
use crate::topics::{name, replicas};

const PARTITIONS: &[i32] = &[0, 0, 1, 2];
const ODD_PARTITIONS: &[i32] = &[-1, 77, i32::MAX];

/// Asks for other replicas.
pub(crate) fn reassign(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| AlterPartitionReassignmentsRequest {
        timeout_ms: 30_000,
        allow_replication_factor_change: dice.percent(80),
        topics: dice.several(2, |dice| ReassignableTopic {
            name: name(dice).into(),
            partitions: dice.several(2, |dice| ReassignablePartition {
                partition_index: dice.mostly(PARTITIONS, ODD_PARTITIONS),
                replicas: dice.percent(70).then(|| replicas(dice)),
            }),
        }),
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, _| {});
}

/// Asks what is being reassigned.
pub(crate) fn list_reassignments(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| ListPartitionReassignmentsRequest {
        timeout_ms: 30_000,
        topics: dice.percent(60).then(|| {
            dice.several(2, |dice| ListPartitionReassignmentsTopics {
                name: name(dice).into(),
                partition_indexes: dice.several(2, |dice| dice.mostly(PARTITIONS, ODD_PARTITIONS)),
            })
        }),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, _| {});
}

/// Asks for elections.
pub(crate) fn elect(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| ElectLeadersRequest {
        election_type: dice.mostly(&[0, 1], &[-1, 2]),
        topic_partitions: dice.percent(70).then(|| {
            dice.several(2, |dice| TopicPartitions {
                topic: name(dice).into(),
                partitions: dice.several(2, |dice| dice.mostly(PARTITIONS, ODD_PARTITIONS)),
            })
        }),
        timeout_ms: 30_000,
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, response| {
        response.replica_election_results.sort_by(|a, b| a.topic.cmp(&b.topic));
    });
}

/// Asks to forget brokers that nobody knows.
pub(crate) fn unregister(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| UnregisterBrokerRequest { broker_id: dice.of(&[-1, 7, i32::MAX]) };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, _| {});
}
