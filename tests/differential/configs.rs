//! Configurations of topics, brokers, groups and client metrics: described and changed, with values right and wrong.

use milena_core::config::{Key, broker, group, topic};
use milena_protocol::ByteString;
use milena_protocol::messages::describe_configs::DescribeConfigsResource;
use milena_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    alter_configs, incremental_alter_configs,
};

use crate::lockstep::{Effect, Lockstep};
use crate::side::Side;
use crate::topics;
use milena_tests::Dice;

/// Keys of topics, with values that are right for them.
const TOPIC_ENTRIES: &[(&str, &[&str])] = &[
    ("cleanup.policy", &["delete", "compact", "delete,compact", "compact,delete", "", " delete "]),
    ("compression.type", &["producer", "gzip", "zstd", "uncompressed", "lz4", "snappy"]),
    ("message.timestamp.type", &["CreateTime", "LogAppendTime"]),
    ("min.insync.replicas", &["1", "2"]),
    ("max.message.bytes", &["1048588", "0", "2000", "600"]),
    ("retention.ms", &["-1", "315360000000", "9223372036854775807"]),
    ("retention.bytes", &["-1", "1073741824"]),
    ("segment.bytes", &["1048576", "1073741824"]),
    ("segment.ms", &["604800000", "1"]),
    // With an index of 4 bytes a partition of Apache Kafka never gets its leader.
    ("segment.index.bytes", &["10485760", "4096"]),
    ("flush.messages", &["1", "9223372036854775807"]),
    ("unclean.leader.election.enable", &["true", "false", "TRUE", " false"]),
    ("preallocate", &["false"]),
    ("min.cleanable.dirty.ratio", &["0.5", "0", "1", "5e-1"]),
    ("message.timestamp.after.max.ms", &["3600000", "9223372036854775807"]),
    ("message.timestamp.before.max.ms", &["9223372036854775807"]),
    ("delete.retention.ms", &["86400000", "0"]),
    ("index.interval.bytes", &["4096", "0"]),
    ("leader.replication.throttled.replicas", &["", "*", "0:1,1:1", "none"]),
    ("follower.replication.throttled.replicas", &["*", "0:1"]),
];
/// Keys that topics do not have, and values that are wrong for those they have.
const ODD_KEYS: &[&str] =
    &["", "no.such.key", "log.retention.ms", "message.format.version", "segment.jitter.ms"];
const ODD_VALUES: &[&str] =
    &["", "x", "-2", "1.5", "99999999999999999999", " 7 ", "delete,none", "Delete", "0x10"];

/// Values for any key: right for some, wrong for others.
const ANY_VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "-2",
    "3",
    "4096",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "0.5",
    "true",
    "latest",
    "",
    "x",
];

/// Keys of brokers that are safe to change at any moment.
const BROKER_ENTRIES: &[(&str, &[&str])] = &[
    ("background.threads", &["10", "8"]),
    ("num.io.threads", &["8", "9"]),
    ("message.max.bytes", &["1048588", "1000000"]),
    ("min.insync.replicas", &["1"]),
    ("compression.type", &["producer"]),
];
const ODD_BROKER_KEYS: &[&str] = &["broker.id", "log.dirs", "process.roles"];

const GROUP_ENTRIES: &[(&str, &[&str])] = &[
    ("consumer.session.timeout.ms", &["45000", "50000", "1"]),
    ("consumer.heartbeat.interval.ms", &["5000", "10000", "1"]),
    ("share.session.timeout.ms", &["45000"]),
];
const CLIENT_METRICS_ENTRIES: &[(&str, &[&str])] = &[
    ("interval.ms", &["1000", "3600000", "99", "x"]),
    ("metrics", &["*", "", "org.apache.kafka.producer.", "a,b"]),
    ("match", &["client_id=a.*", "nothing", "client_software_name=x"]),
];

const UNKNOWN: i8 = 0;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

/// A key and its value; none is how a request says null.
type Entry = (ByteString, Option<ByteString>);

/// A key of topics and a value for it.
pub(crate) fn topic_entry(dice: &mut Dice) -> Entry {
    entry(dice, TOPIC_ENTRIES, ODD_KEYS)
}

/// Any key of a table, with a value that is its default or may be anything.
fn any_entry(dice: &mut Dice, keys: &[&'static Key]) -> Entry {
    let key = dice.of(keys);
    let value = key.default.filter(|_| dice.percent(30)).unwrap_or_else(|| dice.of(ANY_VALUES));
    (key.name.into(), Some(value.into()))
}

fn entry(dice: &mut Dice, entries: &[(&str, &[&str])], odd: &[&str]) -> Entry {
    let (key, values) = dice.of(entries);
    let key = if dice.percent(8) { dice.of(odd) } else { key };
    (key.into(), (!dice.percent(4)).then(|| dice.mostly(values, ODD_VALUES).into()))
}

/// Type and name of a resource.
fn resource(dice: &mut Dice) -> (i8, ByteString) {
    let kind = dice.mostly(
        &[TOPIC, TOPIC, TOPIC, BROKER, CLIENT_METRICS, GROUP],
        &[UNKNOWN, 1, 3, 64, -1, BROKER_LOGGER],
    );
    let name = match kind {
        BROKER | BROKER_LOGGER => dice.mostly(&["1", ""], &["2", "x", "-1", " 1"]),
        CLIENT_METRICS => dice.mostly(&["metrics-a", "metrics-b"], &["", "käse"]),
        GROUP => dice.mostly(&["group-a", "group-b"], &[""]),
        _ => topics::any_name(dice),
    };
    (kind, name.into())
}

/// An entry for a resource. What only validates may name any key; what changes a broker must leave it usable.
fn entry_of(dice: &mut Dice, kind: i8, validate_only: bool) -> Entry {
    let any = dice.percent(30);
    match kind {
        TOPIC if any => any_entry(dice, topic::KEYS),
        GROUP if any => any_entry(dice, group::KEYS),
        BROKER if any && validate_only => any_entry(dice, &broker::keys().collect::<Vec<_>>()),
        BROKER => entry(dice, BROKER_ENTRIES, ODD_BROKER_KEYS),
        CLIENT_METRICS => entry(dice, CLIENT_METRICS_ENTRIES, &["no.such.key"]),
        GROUP => entry(dice, GROUP_ENTRIES, &["no.such.key"]),
        _ => topic_entry(dice),
    }
}

/// Describes configurations.
pub(crate) fn describe(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DescribeConfigsRequest {
        // What is asked twice we answer once.
        resources: dice.several(3, |dice| {
            let (resource_type, resource_name) = resource(dice);
            let configuration_keys =
                dice.percent(40).then(|| dice.several(4, |dice| entry_of(dice, resource_type, true).0));
            DescribeConfigsResource { resource_type, resource_name, configuration_keys }
        }),
        include_synonyms: dice.percent(50),
        include_documentation: dice.percent(30),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response
            .results
            .sort_by(|a, b| (a.resource_type, &a.resource_name).cmp(&(b.resource_type, &b.resource_name)));
        for result in &mut response.results {
            result.configs.sort_by(|a, b| a.name.cmp(&b.name));
        }
    });
}

/// Changes single keys.
pub(crate) fn alter(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| {
        let validate_only = dice.percent(20);
        let resources = dice.several(2, |dice| {
            let (resource_type, resource_name) = resource(dice);
            let configs = dice.several(3, |dice| {
                let (name, value) = entry_of(dice, resource_type, validate_only);
                // An unknown operation makes Apache Kafka drop the other changes too.
                let odd: &[i8] = if validate_only { &[2, 3, 4, -1] } else { &[2, 3] };
                // Of several faults another may be named first.
                let odd = if resource_name.is_empty() { &[1][..] } else { odd };
                let config_operation = dice.mostly(&[0, 0, 1], odd);
                incremental_alter_configs::AlterableConfig { name, config_operation, value }
            });
            incremental_alter_configs::AlterConfigsResource { resource_type, resource_name, configs }
        });
        IncrementalAlterConfigsRequest { resources, validate_only }
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, response| {
        response
            .responses
            .sort_by(|a, b| (a.resource_type, &a.resource_name).cmp(&(b.resource_type, &b.resource_name)));
    });
}

/// Replaces whole configurations.
pub(crate) fn replace(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| {
        let validate_only = dice.percent(20);
        let resources = dice.several(2, |dice| {
            let (resource_type, resource_name) = resource(dice);
            let configs = dice.several(3, |dice| {
                let (name, value) = entry_of(dice, resource_type, validate_only);
                alter_configs::AlterableConfig { name, value }
            });
            alter_configs::AlterConfigsResource { resource_type, resource_name, configs }
        });
        AlterConfigsRequest { resources, validate_only }
    };
    lockstep.ask(dice, Effect::ChangesMetadata, make, |_, response| {
        response
            .responses
            .sort_by(|a, b| (a.resource_type, &a.resource_name).cmp(&(b.resource_type, &b.resource_name)));
    });
}

/// Lists what has a configuration.
pub(crate) fn list(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| ListConfigResourcesRequest {
        resource_types: dice.several(3, |dice| {
            dice.mostly(&[TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP], &[UNKNOWN, 1, 64, -1])
        }),
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response
            .config_resources
            .sort_by(|a, b| (a.resource_type, &a.resource_name).cmp(&(b.resource_type, &b.resource_name)));
    });
}
