//! What each key does in this version, said for the reference page and for whoever describes a configuration.
//!
//! The lists are checked against the source by `tests/reference`: a key is obeyed when something outside the registry
//! reads it.

use super::{Key, broker, topic};

/// What comes of setting a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does what it says.
    Obeyed,
    /// It is kept and shown; what it is for is not built yet.
    Kept,
    /// It is kept and shown; what it tunes in Apache Kafka has no counterpart here.
    Unneeded,
    /// A value other than the default stops the start: ignoring it would be worse.
    Refused,
}

impl Effect {
    /// In a few words, for a table.
    pub fn words(self) -> &'static str {
        match self {
            Self::Obeyed => "obeyed",
            Self::Kept => "no effect yet",
            Self::Unneeded => "not needed",
            Self::Refused => "refused",
        }
    }
}

/// What comes of setting a broker key.
pub fn of_broker(key: &Key) -> Effect {
    let among = |names: &[&str]| names.contains(&key.name);
    let defaults = topic::KEYS.iter().filter(|topic| topic::synonyms(topic).iter().any(|s| s.key == key));
    match () {
        () if among(OBEYED) => Effect::Obeyed,
        () if among(UNNEEDED) => Effect::Unneeded,
        () if among(REFUSED) || broker::is_security(key.name) => Effect::Refused,
        () => defaults.map(|topic| of_topic(topic)).next().unwrap_or(Effect::Kept),
    }
}

/// What comes of setting a topic key.
pub fn of_topic(key: &Key) -> Effect {
    match key.name {
        "remote.storage.enable" => Effect::Refused,
        name if TOPIC_KEPT.contains(&name) => Effect::Kept,
        _ => Effect::Obeyed,
    }
}

/// Topic keys of what is not built: tiers.
const TOPIC_KEPT: &[&str] = &[
    "local.retention.bytes",
    "local.retention.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "unclean.leader.election.enable",
];

/// Broker keys that are obeyed, beside those that are the default of a topic key.
const OBEYED: &[&str] = &[
    "advertised.listeners",
    "alter.log.dirs.replication.quota.window.num",
    "alter.log.dirs.replication.quota.window.size.seconds",
    "auto.create.topics.enable",
    "auto.leader.rebalance.enable",
    "broker.heartbeat.interval.ms",
    "broker.id",
    "broker.rack",
    "broker.session.timeout.ms",
    "connections.max.idle.ms",
    "controlled.shutdown.enable",
    "controller.listener.names",
    "controller.quorum.auto.join.enable",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.election.backoff.max.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.max.bytes",
    "controller.quorum.fetch.snapshot.max.bytes",
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.request.timeout.ms",
    "controller.quorum.retry.backoff.ms",
    "controller.quorum.voters",
    "controller.socket.timeout.ms",
    "cordoned.log.dirs",
    "default.replication.factor",
    "delete.topic.enable",
    "fetch.max.bytes",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "group.max.size",
    "group.min.session.timeout.ms",
    "initial.broker.registration.timeout.ms",
    "inter.broker.listener.name",
    "internal.metadata.log.segment.bytes",
    "internal.metadata.max.batch.size.in.bytes",
    "leader.imbalance.check.interval.seconds",
    "listener.security.protocol.map",
    "listeners",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.enable",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.threads",
    "log.dir",
    "log.dir.failure.timeout.ms",
    "log.dirs",
    "log.flush.offset.checkpoint.interval.ms",
    "log.flush.start.offset.checkpoint.interval.ms",
    "log.retention.check.interval.ms",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "max.incremental.fetch.session.cache.slots",
    "max.request.partition.size.limit",
    "metadata.log.dir",
    "metadata.log.max.record.bytes.between.snapshots",
    "metadata.log.max.snapshot.interval.ms",
    "metadata.log.segment.bytes",
    "metadata.log.segment.ms",
    "metadata.max.idle.interval.ms",
    "metadata.max.retention.bytes",
    "metadata.max.retention.ms",
    "node.id",
    "num.partitions",
    "num.recovery.threads.per.data.dir",
    "num.replica.alter.log.dirs.threads",
    "num.replica.fetchers",
    "offset.metadata.max.bytes",
    "offsets.commit.timeout.ms",
    "offsets.retention.check.interval.ms",
    "offsets.retention.minutes",
    "offsets.topic.compression.codec",
    "offsets.topic.num.partitions",
    "offsets.topic.replication.factor",
    "offsets.topic.segment.bytes",
    "process.roles",
    "producer.id.expiration.check.interval.ms",
    "producer.id.expiration.ms",
    "quota.window.num",
    "quota.window.size.seconds",
    "replica.fetch.backoff.ms",
    "replica.fetch.max.bytes",
    "replica.fetch.min.bytes",
    "replica.fetch.response.max.bytes",
    "replica.fetch.wait.max.ms",
    "replica.high.watermark.checkpoint.interval.ms",
    "replica.lag.time.max.ms",
    "replica.selector.class",
    "replica.socket.timeout.ms",
    "replication.quota.window.num",
    "replication.quota.window.size.seconds",
    "request.timeout.ms",
    "security.inter.broker.protocol",
    "share.coordinator.state.topic.num.partitions",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.segment.bytes",
    "socket.request.max.bytes",
    "transaction.state.log.num.partitions",
    "transaction.state.log.replication.factor",
    "transaction.state.log.segment.bytes",
    "unclean.leader.election.interval.ms",
];

/// Broker keys of what has another shape here: thread pools, request queues, purgatories, buffers kept for reuse, samples
/// and reporters of Java metrics.
const UNNEEDED: &[&str] = &[
    "background.threads",
    "controller.performance.always.log.threshold.ms",
    "controller.performance.sample.period.ms",
    "controller.quorum.append.linger.ms",
    "delete.records.purgatory.purge.interval.requests",
    "fetch.purgatory.purge.interval.requests",
    "group.coordinator.append.linger.ms",
    "group.coordinator.background.threads",
    "group.coordinator.cached.buffer.max.bytes",
    "group.coordinator.threads",
    "internal.metadata.delete.delay.millis",
    "kafka.metrics.polling.interval.secs",
    "kafka.metrics.reporters",
    "log.cleaner.io.buffer.size",
    "log.initial.task.delay.ms",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "num.io.threads",
    "num.network.threads",
    "offsets.load.buffer.size",
    "producer.purgatory.purge.interval.requests",
    "queued.max.request.bytes",
    "queued.max.requests",
    "share.coordinator.append.linger.ms",
    "share.coordinator.cached.buffer.max.bytes",
    "share.coordinator.load.buffer.size",
    "share.coordinator.threads",
    "share.fetch.purgatory.purge.interval.requests",
    "transaction.state.log.load.buffer.size",
];

/// Broker keys that stop the start, beside those of security.
const REFUSED: &[&str] = &[
    "alter.config.policy.class.name",
    "client.quota.callback.class",
    "config.providers",
    "create.topic.policy.class.name",
    "remote.log.storage.system.enable",
    "unstable.api.versions.enable",
];
