//! Every topic key, and the broker keys that give a topic its default.
//!
//! Source: `LogConfig` and `ServerTopicConfigSynonyms` of Apache Kafka 4.3.1.

use super::broker::{self, log};
use super::{ConfigError, Key, Valid, table::keys};

const HOUR_MS: i64 = 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// The topic key called `name`.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|key| key.name == name)
}

/// A broker key that gives a topic key its default, and the factor between their units.
#[derive(Debug, Clone, Copy)]
pub struct Synonym {
    /// The broker key.
    pub key: &'static Key,
    /// What its value is multiplied by.
    pub scale: i64,
}

/// The broker keys that give `key` its default, the strongest first.
pub fn synonyms(key: &Key) -> Vec<Synonym> {
    let scaled = |key| Synonym { key, scale: 1 };
    match key.name {
        "segment.ms" => {
            vec![scaled(&log::LOG_ROLL_MS), Synonym { key: &log::LOG_ROLL_HOURS, scale: HOUR_MS }]
        }
        "segment.jitter.ms" => {
            vec![
                scaled(&log::LOG_ROLL_JITTER_MS),
                Synonym { key: &log::LOG_ROLL_JITTER_HOURS, scale: HOUR_MS },
            ]
        }
        "retention.ms" => vec![
            scaled(&log::LOG_RETENTION_MS),
            Synonym { key: &log::LOG_RETENTION_MINUTES, scale: MINUTE_MS },
            Synonym { key: &log::LOG_RETENTION_HOURS, scale: HOUR_MS },
        ],
        "flush.ms" => {
            vec![scaled(&log::LOG_FLUSH_INTERVAL_MS), scaled(&log::LOG_FLUSH_SCHEDULER_INTERVAL_MS)]
        }
        name => same_unit(name).into_iter().map(scaled).collect(),
    }
}

fn same_unit(topic_key: &str) -> Option<&'static Key> {
    let name = match topic_key {
        "segment.bytes" => "log.segment.bytes",
        "segment.index.bytes" => "log.index.size.max.bytes",
        "flush.messages" => "log.flush.interval.messages",
        "retention.bytes" => "log.retention.bytes",
        "max.message.bytes" => "message.max.bytes",
        "index.interval.bytes" => "log.index.interval.bytes",
        "delete.retention.ms" => "log.cleaner.delete.retention.ms",
        "min.compaction.lag.ms" => "log.cleaner.min.compaction.lag.ms",
        "max.compaction.lag.ms" => "log.cleaner.max.compaction.lag.ms",
        "file.delete.delay.ms" => "log.segment.delete.delay.ms",
        "min.cleanable.dirty.ratio" => "log.cleaner.min.cleanable.ratio",
        "cleanup.policy" => "log.cleanup.policy",
        "preallocate" => "log.preallocate",
        "message.timestamp.type" => "log.message.timestamp.type",
        "message.timestamp.before.max.ms" => "log.message.timestamp.before.max.ms",
        "message.timestamp.after.max.ms" => "log.message.timestamp.after.max.ms",
        "local.retention.ms" => "log.local.retention.ms",
        "local.retention.bytes" => "log.local.retention.bytes",
        "unclean.leader.election.enable" | "min.insync.replicas" => topic_key,
        name if name.starts_with("compression.") => topic_key,
        _ => return None,
    };
    broker::key(name)
}

/// Checks the whole set of values that a topic would have of its own.
pub fn validate<'a>(values: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Result<(), ConfigError> {
    if let Some((name, _)) = values.clone().find(|(name, _)| key(name).is_none()) {
        return Err(ConfigError(format!("Unknown topic config name: {name}")));
    }
    for (name, value) in values.clone() {
        key(name).map_or(Ok(()), |key| key.parse(value).map(drop))?;
    }
    let lag = |wanted: &Key| {
        let own = values.clone().find(|(name, _)| *name == wanted.name).map(|(_, value)| value);
        own.or(wanted.default).and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0)
    };
    let (min, max) = (lag(&MIN_COMPACTION_LAG_MS), lag(&MAX_COMPACTION_LAG_MS));
    if min > max {
        let message = format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        );
        return Err(ConfigError(message));
    }
    remote_storage(values)
}

/// Tiered storage is not built: a topic must not believe that it has it.
fn remote_storage<'a>(mut values: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), ConfigError> {
    let wanted = values
        .any(|(name, value)| name == REMOTE_STORAGE_ENABLE.name && value.trim().eq_ignore_ascii_case("true"));
    if wanted {
        return Err(ConfigError("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.".into()));
    }
    Ok(())
}

keys! {
    /// What happens to old segments: `delete`, `compact`, or both.
    CLEANUP_POLICY "cleanup.policy" List = Some("delete"), Valid::Entries(&["compact", "delete"]), ClusterWide, Medium;
    /// Effort of gzip where the broker compresses; -1 is the codec's default.
    COMPRESSION_GZIP_LEVEL "compression.gzip.level" Int = Some("-1"), Valid::GzipLevel, ClusterWide, Medium;
    /// Effort of lz4 where the broker compresses.
    COMPRESSION_LZ4_LEVEL "compression.lz4.level" Int = Some("9"), Valid::Between(1, 17), ClusterWide, Medium;
    /// Codec of stored batches: a codec by name, `uncompressed`, or `producer` to keep them as they came.
    COMPRESSION_TYPE "compression.type" String = Some("producer"), Valid::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), ClusterWide, Medium;
    /// Effort of zstd where the broker compresses.
    COMPRESSION_ZSTD_LEVEL "compression.zstd.level" Int = Some("3"), Valid::Between(-131072, 22), ClusterWide, Medium;
    /// Time for which tombstones stay in a compacted log.
    DELETE_RETENTION_MS "delete.retention.ms" Long = Some("86400000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Time between the removal of a segment from the log and of its file from the disk.
    FILE_DELETE_DELAY_MS "file.delete.delay.ms" Long = Some("60000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Records after which the log is synced to the disk.
    FLUSH_MESSAGES "flush.messages" Long = Some("9223372036854775807"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Time after which the log is synced to the disk.
    FLUSH_MS "flush.ms" Long = Some("9223372036854775807"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Replicas whose followers are throttled: `*` or partition:broker entries.
    FOLLOWER_REPLICATION_THROTTLED_REPLICAS "follower.replication.throttled.replicas" List = Some(""), Valid::ThrottledReplicas, ClusterWide, Medium;
    /// Bytes of records between two entries of the offset index.
    INDEX_INTERVAL_BYTES "index.interval.bytes" Int = Some("4096"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Segment size, for tests.
    INTERNAL_SEGMENT_BYTES "internal.segment.bytes" Int = None, Valid::Any, ClusterWide, Medium internal;
    /// Replicas whose leaders are throttled: `*` or partition:broker entries.
    LEADER_REPLICATION_THROTTLED_REPLICAS "leader.replication.throttled.replicas" List = Some(""), Valid::ThrottledReplicas, ClusterWide, Medium;
    /// Bytes of a tiered partition kept on local disks; -2 follows `retention.bytes`.
    LOCAL_RETENTION_BYTES "local.retention.bytes" Long = Some("-2"), Valid::AtLeast(-2), ClusterWide, Medium;
    /// Time for which a tiered segment stays on local disks; -2 follows `retention.ms`.
    LOCAL_RETENTION_MS "local.retention.ms" Long = Some("-2"), Valid::AtLeast(-2), ClusterWide, Medium;
    /// Longest time a record may stay outside compaction.
    MAX_COMPACTION_LAG_MS "max.compaction.lag.ms" Long = Some("9223372036854775807"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Largest record batch that is accepted.
    MAX_MESSAGE_BYTES "max.message.bytes" Int = Some("1048588"), Valid::AtLeast(0), ClusterWide, Medium;
    /// How far a record's timestamp may lie ahead of the broker's clock.
    MESSAGE_TIMESTAMP_AFTER_MAX_MS "message.timestamp.after.max.ms" Long = Some("3600000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// How far a record's timestamp may lie behind the broker's clock.
    MESSAGE_TIMESTAMP_BEFORE_MAX_MS "message.timestamp.before.max.ms" Long = Some("9223372036854775807"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Whether a record carries the time of its creation or of its append.
    MESSAGE_TIMESTAMP_TYPE "message.timestamp.type" String = Some("CreateTime"), Valid::OneOf(&["CreateTime", "LogAppendTime"]), ClusterWide, Medium;
    /// Share of uncleaned bytes from which the log is worth cleaning.
    MIN_CLEANABLE_DIRTY_RATIO "min.cleanable.dirty.ratio" Double = Some("0.5"), Valid::Ratio(0.0, 1.0), ClusterWide, Medium;
    /// Shortest time a record stays outside compaction.
    MIN_COMPACTION_LAG_MS "min.compaction.lag.ms" Long = Some("0"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Replicas that must be in sync for a write with `acks=all`.
    MIN_INSYNC_REPLICAS "min.insync.replicas" Int = Some("1"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Whether segment files get their full size at creation.
    PREALLOCATE "preallocate" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
    /// Whether tiered data becomes read-only and no new segment is copied.
    REMOTE_LOG_COPY_DISABLE "remote.log.copy.disable" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
    /// Whether turning the tier off deletes what is in it.
    REMOTE_LOG_DELETE_ON_DISABLE "remote.log.delete.on.disable" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
    /// Whether the topic is tiered.
    REMOTE_STORAGE_ENABLE "remote.storage.enable" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
    /// Size from which the oldest segments of a partition are deleted; -1 is unlimited.
    RETENTION_BYTES "retention.bytes" Long = Some("-1"), Valid::Any, ClusterWide, Medium;
    /// Time for which a segment is kept; -1 is for ever.
    RETENTION_MS "retention.ms" Long = Some("604800000"), Valid::AtLeast(-1), ClusterWide, Medium;
    /// Size at which a new segment is begun.
    SEGMENT_BYTES "segment.bytes" Int = Some("1073741824"), Valid::AtLeast(1048576), ClusterWide, Medium;
    /// Largest size of an index file.
    SEGMENT_INDEX_BYTES "segment.index.bytes" Int = Some("10485760"), Valid::AtLeast(4), ClusterWide, Medium;
    /// Largest random shortening of `segment.ms`.
    SEGMENT_JITTER_MS "segment.jitter.ms" Long = Some("0"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Time after which a new segment is begun.
    SEGMENT_MS "segment.ms" Long = Some("604800000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Whether a replica that is not in sync may lead when no other can, at the price of records.
    UNCLEAN_LEADER_ELECTION_ENABLE "unclean.leader.election.enable" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
}
