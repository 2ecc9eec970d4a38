//! Topics: created, grown, deleted and described, with names, counts and assignments that are right, odd or wrong.

use milena_protocol::messages::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use milena_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use milena_protocol::messages::delete_topics::DeleteTopicState;
use milena_protocol::messages::describe_topic_partitions::{RequestCursor, TopicRequest};
use milena_protocol::messages::metadata::MetadataRequestTopic;
use milena_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeTopicPartitionsRequest,
    MetadataRequest, MetadataResponse,
};
use milena_protocol::{ByteString, Uuid};

use crate::configs;
use crate::lockstep::{Effect, Lockstep};
use crate::side::Side;
use milena_tests::Dice;

/// Names that topics of a run have.
pub(crate) const NAMES: &[&str] = &["alpha", "beta", "gamma", "delta", "fleet.truck.gps", "eta_9"];
/// Names that no topic may have, that collide with one of [`NAMES`], or that belong to the broker.
const ODD_NAMES: &[&str] =
    &["", ".", "..", "no topic", "fleet_truck.gps", "fleet.truck_gps", "käse", "a/b", "eta.9", LONGER];
/// One character longer than a name may be.
const LONGER: &str = "n23456789n123456789n123456789n123456789n123456789n123456789n123456789n123456789n123456789\
n123456789n123456789n123456789n123456789n123456789n123456789n123456789n123456789n123456789n123456789\
n123456789n123456789n123456789n123456789n123456789n1234567890";

/// A name: most often one of a topic that may exist.
pub(crate) fn name(dice: &mut Dice) -> &'static str {
    dice.mostly(NAMES, ODD_NAMES)
}

/// One or two names.
pub(crate) fn names(dice: &mut Dice) -> Vec<&'static str> {
    let mut names = vec![name(dice), name(dice)];
    names.truncate(dice.of(&[1, 1, 2]));
    names.dedup();
    names
}

/// The same, or a topic of the broker.
pub(crate) fn any_name(dice: &mut Dice) -> &'static str {
    if dice.percent(4) { "__consumer_offsets" } else { name(dice) }
}

/// Creates topics.
pub(crate) fn create(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| CreateTopicsRequest {
        topics: dice.several(3, creatable),
        timeout_ms: 30_000,
        validate_only: dice.percent(15),
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, response| {
        response.topics.sort_by(|a, b| a.name.cmp(&b.name));
        for configs in response.topics.iter_mut().filter_map(|topic| topic.configs.as_mut()) {
            configs.sort_by(|a, b| a.name.cmp(&b.name));
        }
    });
}

fn creatable(dice: &mut Dice) -> CreatableTopic {
    let mut topic = CreatableTopic {
        name: any_name(dice).into(),
        num_partitions: dice.mostly(&[1, 2, 3, -1], &[0, -2, i32::MIN, 10_001, 1_000_000]),
        replication_factor: dice.mostly(&[1, -1], &[0, -2, 2, i16::MAX, i16::MIN]),
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    if dice.percent(20) {
        topic.assignments = dice.several(3, assignment);
        if dice.percent(80) {
            (topic.num_partitions, topic.replication_factor) = (-1, -1);
        }
    }
    if dice.percent(40) {
        topic.configs = dice.several(3, |dice| {
            let (name, value) = configs::topic_entry(dice);
            CreatableTopicConfig { name, value }
        });
    }
    topic
}

fn assignment(dice: &mut Dice) -> CreatableReplicaAssignment {
    CreatableReplicaAssignment {
        partition_index: dice.mostly(&[0, 1, 2], &[-1, 7]),
        broker_ids: replicas(dice),
    }
}

pub(crate) fn replicas(dice: &mut Dice) -> Vec<i32> {
    if dice.percent(80) { vec![1] } else { dice.several(3, |dice| dice.of(&[1, 1, 2, -1])) }
}

/// Adds partitions.
pub(crate) fn grow(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| {
        let validate_only = dice.percent(20);
        // Apache Kafka refuses too many partitions, and adds as many as fit into its limit all the same.
        let odd: &[i32] = if validate_only { &[20_000, i32::MAX] } else { &[0, -1, i32::MIN] };
        let topics = dice.several(3, |dice| CreatePartitionsTopic {
            name: any_name(dice).into(),
            count: dice.mostly(&[1, 2, 3, 4], odd),
            assignments: dice
                .percent(30)
                .then(|| dice.several(3, |dice| CreatePartitionsAssignment { broker_ids: replicas(dice) })),
        });
        CreatePartitionsRequest { topics, timeout_ms: 30_000, validate_only }
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, response| {
        response.results.sort_by(|a, b| a.name.cmp(&b.name));
    });
}

/// Deletes topics, by name or by id.
pub(crate) fn delete(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, side: &Side| DeleteTopicsRequest {
        topics: dice.several(2, |dice| {
            let (name, id) = name_or_id(dice, side);
            DeleteTopicState { name, topic_id: id }
        }),
        topic_names: dice.several(2, |dice| name(dice).into()),
        timeout_ms: 30_000,
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |side, response| {
        response.responses.sort_by_cached_key(|topic| {
            (topic.name.clone(), side.common_name(&topic.topic_id.to_string()), topic.error_code)
        });
    });
}

fn name_or_id(dice: &mut Dice, side: &Side) -> (Option<ByteString>, Uuid) {
    let name = name(dice);
    match dice.below(10) {
        0 => (Some(name.into()), side.topic_id(name)),
        1 => (None, Uuid::nil()),
        2..=5 => (Some(name.into()), Uuid::nil()),
        _ => (None, side.topic_id(name)),
    }
}

/// Asks for metadata of all topics, or of some.
pub(crate) fn metadata(lockstep: &mut Lockstep, dice: &mut Dice) {
    let version = lockstep.version::<MetadataRequest>(dice);
    let make = |dice: &mut Dice, side: &Side| MetadataRequest {
        topics: dice.percent(80).then(|| {
            dice.several(3, |dice| {
                let name = any_name(dice);
                let by_id = version >= 10 && dice.percent(30);
                let topic_id = if by_id { side.topic_id(name) } else { Uuid::nil() };
                let with_name = !by_id || dice.percent(10);
                MetadataRequestTopic { topic_id, name: with_name.then(|| name.into()) }
            })
        }),
        allow_auto_topic_creation: false,
        include_cluster_authorized_operations: dice.percent(30),
        include_topic_authorized_operations: dice.percent(30),
    };
    if version < 4 {
        // These versions create what they name.
        return create_by_name(lockstep, dice);
    }
    lockstep.ask_at((version, Effect::Reads), dice, make, tidy_metadata);
}

fn tidy_metadata(side: &Side, response: &mut MetadataResponse) {
    response.topics.sort_by_cached_key(|topic| {
        (topic.name.clone(), side.common_name(&topic.topic_id.to_string()), topic.error_code)
    });
    for topic in &mut response.topics {
        topic.partitions.sort_by_key(|partition| partition.partition_index);
    }
}

/// Asks for metadata of topics that come to be by being asked for.
pub(crate) fn create_by_name(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| MetadataRequest {
        // Of two names that collide, either may come first.
        topics: Some(vec![MetadataRequestTopic { topic_id: Uuid::nil(), name: Some(name(dice).into()) }]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    };
    lockstep.ask(dice, Effect::Writes, make, tidy_metadata);
    lockstep.await_same_topics();
}

/// Asks for partitions page by page.
pub(crate) fn describe_partitions(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DescribeTopicPartitionsRequest {
        topics: dice.several(4, |dice| TopicRequest { name: any_name(dice).into() }),
        response_partition_limit: dice.mostly(&[1, 2, 5, 2000], &[0, -1, i32::MAX, i32::MIN]),
        cursor: dice.percent(30).then(|| RequestCursor {
            topic_name: any_name(dice).into(),
            partition_index: dice.mostly(&[0, 1, 2], &[-1, 9, 1_000_000, i32::MIN]),
        }),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, _| {});
}
