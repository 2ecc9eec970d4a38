//! Keys that are only ever set while a broker runs: how fast replicas are moved (KIP-73). No page and no description lists
//! them, as in Apache Kafka; `kafka-reassign-partitions.sh --throttle` sets them.
//!
//! Source: `QuotaConfig` of Apache Kafka 4.3.1.

use super::super::{Valid, table::keys};

keys! {
    /// Bytes a second that this broker sends to followers of throttled partitions that are not in sync.
    LEADER_REPLICATION_THROTTLED_RATE "leader.replication.throttled.rate" Long = Some("9223372036854775807"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Bytes a second that this broker fetches of throttled partitions in which it is not in sync.
    FOLLOWER_REPLICATION_THROTTLED_RATE "follower.replication.throttled.rate" Long = Some("9223372036854775807"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Bytes a second that are moved between log directories.
    REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND "replica.alter.log.dirs.io.max.bytes.per.second" Long = Some("9223372036854775807"), Valid::AtLeast(0), ClusterWide, Medium;
}
