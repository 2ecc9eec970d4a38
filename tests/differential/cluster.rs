//! What a client asks of the cluster as a whole.

use milena_protocol::messages::describe_log_dirs::DescribableLogDirTopic;
use milena_protocol::messages::update_features::FeatureUpdateKey;
use milena_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, DescribeLogDirsRequest, FindCoordinatorRequest,
    UpdateFeaturesRequest,
};
use milena_tests::Dice;

use crate::lockstep::{Effect, Lockstep};
use crate::side::Side;
use crate::topics;

const FEATURES: &[&str] = &[
    "metadata.version",
    "kraft.version",
    "group.version",
    "transaction.version",
    "eligible.leader.replicas.version",
    "share.version",
    "streams.version",
];

/// Asks which versions are served, and which features there are.
pub(crate) fn api_versions(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| ApiVersionsRequest {
        client_software_name: dice.mostly(&["harness", "a.b-c"], &["", "no name", "-x"]).into(),
        client_software_version: dice.mostly(&["1", "4.3.1"], &["", "1 2", "."]).into(),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response.finalized_features_epoch = response.finalized_features_epoch.min(0);
        response.api_keys.sort_by_key(|api| api.api_key);
        response.supported_features.sort_by(|a, b| a.name.cmp(&b.name));
        response.finalized_features.sort_by(|a, b| a.name.cmp(&b.name));
    });
}

/// Asks whether feature levels could be changed.
pub(crate) fn update_features(lockstep: &mut Lockstep, dice: &mut Dice) {
    let version = dice.of(&[1, 2]);
    let make = |dice: &mut Dice, _: &Side| UpdateFeaturesRequest {
        timeout_ms: 30_000,
        feature_updates: dice.several(2, |dice| FeatureUpdateKey {
            feature: dice.mostly(FEATURES, &["", "no.such.feature", "käse"]).into(),
            max_version_level: dice.mostly(&[0, 1, 29, 30], &[-1, 2, 31, i16::MAX, i16::MIN]),
            allow_downgrade: false,
            upgrade_type: dice.mostly(&[1, 2, 3], &[0, 4, -1]),
        }),
        validate_only: true,
    };
    lockstep.ask_at((version, Effect::Reads), dice, make, |_, response| {
        response.results.sort_by(|a, b| a.feature.cmp(&b.feature));
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
