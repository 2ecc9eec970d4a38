//! What a client asks of the cluster as a whole.

use milena_protocol::messages::describe_log_dirs::DescribableLogDirTopic;
use milena_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, DescribeLogDirsRequest, FindCoordinatorRequest,
};

use crate::lockstep::{Effect, Lockstep};
use crate::side::Side;
use crate::topics;
use milena_tests::Dice;

/// Asks which versions are served. Of the list, only what Milena serves is compared.
pub(crate) fn api_versions(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| ApiVersionsRequest {
        client_software_name: dice.mostly(&["harness", "a.b-c"], &["", "no name", "-x"]).into(),
        client_software_version: dice.mostly(&["1", "4.3.1"], &["", "1 2", "."]).into(),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response.api_keys.clear();
        response.finalized_features_epoch = response.finalized_features_epoch.min(0);
        response.supported_features.clear();
        response.finalized_features.clear();
    });
}

/// Describes the cluster.
pub(crate) fn describe(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DescribeClusterRequest {
        include_cluster_authorized_operations: dice.percent(50),
        endpoint_type: dice.mostly(&[1], &[0, 2, 3, -1]),
        include_fenced_brokers: dice.percent(50),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, _| {});
}

/// Describes the directories of partitions.
pub(crate) fn log_dirs(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DescribeLogDirsRequest {
        topics: dice.percent(80).then(|| {
            dice.several(3, |dice| DescribableLogDirTopic {
                topic: topics::name(dice).into(),
                partitions: dice.several(3, |dice| dice.mostly(&[0, 1, 2], &[-1, 9])),
            })
        }),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        for result in &mut response.results {
            (result.total_bytes, result.usable_bytes) =
                (result.total_bytes.min(1), result.usable_bytes.min(1));
            result.topics.retain(|topic| !topic.name.starts_with("__"));
            result.topics.sort_by(|a, b| a.name.cmp(&b.name));
            for topic in &mut result.topics {
                topic.partitions.sort_by_key(|partition| partition.partition_index);
            }
        }
    });
}

/// Asks where groups are coordinated.
pub(crate) fn find_coordinator(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| FindCoordinatorRequest {
        key: dice.mostly(&["group-a", "group-b"], &[""]).into(),
        key_type: dice.mostly(&[0], &[2, 3, -1]),
        coordinator_keys: dice.several(3, |dice| dice.mostly(&["group-a", "group-b"], &[""]).into()),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, _| {});
}
