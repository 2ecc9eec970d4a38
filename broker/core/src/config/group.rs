//! Every group key. Defaults follow the broker key `group.` + name where there is one.
//!
//! Source: `GroupConfig` of Apache Kafka 4.3.1.

use super::{ConfigError, Key, Valid, Value, broker, table::keys};

/// The group key called `name`.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|key| key.name == name)
}

/// The broker key that gives `key` its default.
pub fn synonym(key: &Key) -> Option<&'static Key> {
    broker::key(&format!("group.{}", key.name))
}

/// Checks the whole set of values that a group would have of its own.
pub fn validate<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), ConfigError> {
    for (name, value) in values {
        let key = key(name).ok_or_else(|| ConfigError(format!("Unknown group config name: {name}")))?;
        let value = key.parse(value)?;
        check_bounds(key, &value)?;
    }
    Ok(())
}

/// Brokers bound what groups may set. The bounds are those of a broker that sets none itself.
fn check_bounds(key: &Key, value: &Value) -> Result<(), ConfigError> {
    let (Value::Integer(value), Some((kind, rest))) = (value, key.name.split_once('.')) else {
        return Ok(());
    };
    let bound = |which: &str| {
        let name = format!("group.{kind}.{which}.{rest}");
        broker::key(&name).and_then(|key| Some((name, key.default?.parse::<i64>().ok()?)))
    };
    if let Some((name, _)) = bound("min").filter(|(_, least)| value < least) {
        return Err(ConfigError(format!("{} must be greater than or equal to {name}", key.name)));
    }
    if let Some((name, _)) = bound("max").filter(|(_, most)| value > most) {
        return Err(ConfigError(format!("{} must be less than or equal to {name}", key.name)));
    }
    Ok(())
}

keys! {
    /// Shortest time between two assignments of the consumer group.
    CONSUMER_ASSIGNMENT_INTERVAL_MS "consumer.assignment.interval.ms" Int = Some("1000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Heartbeat interval given to the consumer group's members.
    CONSUMER_HEARTBEAT_INTERVAL_MS "consumer.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Silence after which a member of the consumer group is removed.
    CONSUMER_SESSION_TIMEOUT_MS "consumer.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Shortest time between two assignments of the share group.
    SHARE_ASSIGNMENT_INTERVAL_MS "share.assignment.interval.ms" Int = Some("1000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Where a new share group starts to read.
    SHARE_AUTO_OFFSET_RESET "share.auto.offset.reset" String = Some("latest"), Valid::OffsetReset, ClusterWide, Medium;
    /// Deliveries after which a shared record is given up.
    SHARE_DELIVERY_COUNT_LIMIT "share.delivery.count.limit" Int = Some("5"), Valid::AtLeast(2), ClusterWide, Medium;
    /// Heartbeat interval given to the share group's members.
    SHARE_HEARTBEAT_INTERVAL_MS "share.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Whether the share group sees records of open and aborted transactions.
    SHARE_ISOLATION_LEVEL "share.isolation.level" String = Some("read_uncommitted"), Valid::OneOf(&["read_committed", "read_uncommitted"]), ClusterWide, Medium;
    /// Most records of a shared partition that may be locked at a time.
    SHARE_PARTITION_MAX_RECORD_LOCKS "share.partition.max.record.locks" Int = Some("2000"), Valid::AtLeast(100), ClusterWide, Medium;
    /// Time for which a delivered shared record is locked.
    SHARE_RECORD_LOCK_DURATION_MS "share.record.lock.duration.ms" Int = Some("30000"), Valid::AtLeast(1000), ClusterWide, Medium;
    /// Whether members may extend the lock of a record.
    SHARE_RENEW_ACKNOWLEDGE_ENABLE "share.renew.acknowledge.enable" Boolean = Some("true"), Valid::Any, ClusterWide, Medium;
    /// Silence after which a member of the share group is removed.
    SHARE_SESSION_TIMEOUT_MS "share.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Shortest time between two assignments of the streams group.
    STREAMS_ASSIGNMENT_INTERVAL_MS "streams.assignment.interval.ms" Int = Some("1000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Heartbeat interval given to the streams group's members.
    STREAMS_HEARTBEAT_INTERVAL_MS "streams.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Time the empty streams group waits for more members before its first rebalance.
    STREAMS_INITIAL_REBALANCE_DELAY_MS "streams.initial.rebalance.delay.ms" Int = Some("3000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Standby replicas of each stateful streams task.
    STREAMS_NUM_STANDBY_REPLICAS "streams.num.standby.replicas" Int = Some("0"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Silence after which a member of the streams group is removed.
    STREAMS_SESSION_TIMEOUT_MS "streams.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ClusterWide, Medium;
}
