//! Keys of the log; most are the defaults of topic keys.
//!
//! Source: `KafkaConfig` of Apache Kafka 4.3.1 for names, types, defaults and bounds.

use super::super::{Valid, table::keys};

keys! {
    /// Effort of gzip where the broker compresses; -1 is the codec's default.
    COMPRESSION_GZIP_LEVEL "compression.gzip.level" Int = Some("-1"), Valid::GzipLevel, ClusterWide, Medium;
    /// Effort of lz4 where the broker compresses.
    COMPRESSION_LZ4_LEVEL "compression.lz4.level" Int = Some("9"), Valid::Between(1, 17), ClusterWide, Medium;
    /// Codec of stored batches: a codec by name, `uncompressed`, or `producer` to keep them as they came.
    COMPRESSION_TYPE "compression.type" String = Some("producer"), Valid::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), ClusterWide, High;
    /// Effort of zstd where the broker compresses.
    COMPRESSION_ZSTD_LEVEL "compression.zstd.level" Int = Some("3"), Valid::Between(-131072, 22), ClusterWide, Medium;
    /// Log directories that get no new replicas.
    CORDONED_LOG_DIRS "cordoned.log.dirs" List = Some(""), Valid::Any, PerBroker, Medium;
    /// Pause of the cleaner when there is nothing to clean.
    LOG_CLEANER_BACKOFF_MS "log.cleaner.backoff.ms" Long = Some("15000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Memory of all cleaner threads for finding older records of a key.
    LOG_CLEANER_DEDUPE_BUFFER_SIZE "log.cleaner.dedupe.buffer.size" Long = Some("134217728"), Valid::Any, ClusterWide, Medium;
    /// Time for which tombstones stay in a compacted log.
    LOG_CLEANER_DELETE_RETENTION_MS "log.cleaner.delete.retention.ms" Long = Some("86400000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Whether the cleaner runs.
    LOG_CLEANER_ENABLE "log.cleaner.enable" Boolean = Some("true"), Valid::Any, ReadOnly, Medium;
    /// How full the cleaner's table of keys may get.
    LOG_CLEANER_IO_BUFFER_LOAD_FACTOR "log.cleaner.io.buffer.load.factor" Double = Some("0.9"), Valid::Any, ClusterWide, Medium;
    /// Memory of all cleaner threads for reading and writing.
    LOG_CLEANER_IO_BUFFER_SIZE "log.cleaner.io.buffer.size" Int = Some("524288"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Bound on what the cleaner reads and writes.
    LOG_CLEANER_IO_MAX_BYTES_PER_SECOND "log.cleaner.io.max.bytes.per.second" Double = Some("1.7976931348623157E308"), Valid::Any, ClusterWide, Medium;
    /// Longest time a record may stay outside compaction.
    LOG_CLEANER_MAX_COMPACTION_LAG_MS "log.cleaner.max.compaction.lag.ms" Long = Some("9223372036854775807"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Share of uncleaned bytes from which a log is worth cleaning.
    LOG_CLEANER_MIN_CLEANABLE_RATIO "log.cleaner.min.cleanable.ratio" Double = Some("0.5"), Valid::Ratio(0.0, 1.0), ClusterWide, Medium;
    /// Shortest time a record stays outside compaction.
    LOG_CLEANER_MIN_COMPACTION_LAG_MS "log.cleaner.min.compaction.lag.ms" Long = Some("0"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Threads that clean logs.
    LOG_CLEANER_THREADS "log.cleaner.threads" Int = Some("1"), Valid::AtLeast(0), ClusterWide, Medium;
    /// What happens to old segments: `delete`, `compact`, or both.
    LOG_CLEANUP_POLICY "log.cleanup.policy" List = Some("delete"), Valid::Entries(&["compact", "delete"]), ClusterWide, Medium;
    /// The log directory where `log.dirs` is not set.
    LOG_DIR "log.dir" List = Some("/tmp/kafka-logs"), Valid::DistinctNonEmpty, ReadOnly, High;
    /// Time after which a broker stops when the controller cannot learn of its failed directory.
    LOG_DIR_FAILURE_TIMEOUT_MS "log.dir.failure.timeout.ms" Long = Some("30000"), Valid::AtLeast(1), ReadOnly, Low;
    /// Directories of partition data.
    LOG_DIRS "log.dirs" List = None, Valid::DistinctNonEmpty, ReadOnly, High;
    /// Records after which a log is synced to the disk.
    LOG_FLUSH_INTERVAL_MESSAGES "log.flush.interval.messages" Long = Some("9223372036854775807"), Valid::AtLeast(1), ClusterWide, High;
    /// Time after which a log is synced to the disk.
    LOG_FLUSH_INTERVAL_MS "log.flush.interval.ms" Long = None, Valid::Any, ClusterWide, High;
    /// Time between two checkpoints of recovery points.
    LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS "log.flush.offset.checkpoint.interval.ms" Int = Some("60000"), Valid::AtLeast(0), ReadOnly, High;
    /// Time between two searches for logs that are due for a sync.
    LOG_FLUSH_SCHEDULER_INTERVAL_MS "log.flush.scheduler.interval.ms" Long = Some("9223372036854775807"), Valid::Any, ReadOnly, High;
    /// Time between two checkpoints of log start offsets.
    LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS "log.flush.start.offset.checkpoint.interval.ms" Int = Some("60000"), Valid::AtLeast(0), ReadOnly, High;
    /// Bytes of records between two entries of the offset index.
    LOG_INDEX_INTERVAL_BYTES "log.index.interval.bytes" Int = Some("4096"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Largest size of an index file.
    LOG_INDEX_SIZE_MAX_BYTES "log.index.size.max.bytes" Int = Some("10485760"), Valid::AtLeast(4), ClusterWide, Medium;
    /// Delay of the log's background tasks after a start.
    LOG_INITIAL_TASK_DELAY_MS "log.initial.task.delay.ms" Long = Some("30000"), Valid::AtLeast(0), ReadOnly, Low internal;
    /// Bytes of a tiered partition kept on local disks; -2 follows `log.retention.bytes`.
    LOG_LOCAL_RETENTION_BYTES "log.local.retention.bytes" Long = Some("-2"), Valid::AtLeast(-2), ClusterWide, Medium;
    /// Time for which a tiered segment stays on local disks; -2 follows `log.retention.ms`.
    LOG_LOCAL_RETENTION_MS "log.local.retention.ms" Long = Some("-2"), Valid::AtLeast(-2), ClusterWide, Medium;
    /// How far a record's timestamp may lie ahead of the broker's clock.
    LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS "log.message.timestamp.after.max.ms" Long = Some("3600000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// How far a record's timestamp may lie behind the broker's clock.
    LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS "log.message.timestamp.before.max.ms" Long = Some("9223372036854775807"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Whether a record carries the time of its creation or of its append.
    LOG_MESSAGE_TIMESTAMP_TYPE "log.message.timestamp.type" String = Some("CreateTime"), Valid::OneOf(&["CreateTime", "LogAppendTime"]), ClusterWide, Medium;
    /// Whether segment files get their full size at creation.
    LOG_PREALLOCATE "log.preallocate" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
    /// Size from which the oldest segments of a partition are deleted; -1 is unlimited.
    LOG_RETENTION_BYTES "log.retention.bytes" Long = Some("-1"), Valid::Any, ClusterWide, High;
    /// Time between two searches for segments to delete.
    LOG_RETENTION_CHECK_INTERVAL_MS "log.retention.check.interval.ms" Long = Some("300000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Hours for which a segment is kept.
    LOG_RETENTION_HOURS "log.retention.hours" Int = Some("168"), Valid::Any, ReadOnly, High;
    /// Minutes for which a segment is kept; wins over hours.
    LOG_RETENTION_MINUTES "log.retention.minutes" Int = None, Valid::Any, ReadOnly, High;
    /// Milliseconds for which a segment is kept; wins over minutes and hours; -1 is for ever.
    LOG_RETENTION_MS "log.retention.ms" Long = None, Valid::Any, ClusterWide, High;
    /// Hours after which a new segment is begun.
    LOG_ROLL_HOURS "log.roll.hours" Int = Some("168"), Valid::AtLeast(1), ReadOnly, High;
    /// Largest random shortening of `log.roll.hours`.
    LOG_ROLL_JITTER_HOURS "log.roll.jitter.hours" Int = Some("0"), Valid::AtLeast(0), ReadOnly, High;
    /// Largest random shortening of `log.roll.ms`.
    LOG_ROLL_JITTER_MS "log.roll.jitter.ms" Long = None, Valid::Any, ClusterWide, High;
    /// Time after which a new segment is begun; wins over hours.
    LOG_ROLL_MS "log.roll.ms" Long = None, Valid::Any, ClusterWide, High;
    /// Size at which a new segment is begun.
    LOG_SEGMENT_BYTES "log.segment.bytes" Int = Some("1073741824"), Valid::AtLeast(1048576), ClusterWide, High;
    /// Time between the removal of a segment from the log and of its file from the disk.
    LOG_SEGMENT_DELETE_DELAY_MS "log.segment.delete.delay.ms" Long = Some("60000"), Valid::AtLeast(0), ClusterWide, High;
    /// Largest record batch that is accepted.
    MESSAGE_MAX_BYTES "message.max.bytes" Int = Some("1048588"), Valid::AtLeast(0), ClusterWide, High;
    /// Replicas that must be in sync for a write with `acks=all`.
    MIN_INSYNC_REPLICAS "min.insync.replicas" Int = Some("1"), Valid::AtLeast(1), ClusterWide, High;
    /// Threads that recover the logs of one directory.
    NUM_RECOVERY_THREADS_PER_DATA_DIR "num.recovery.threads.per.data.dir" Int = Some("2"), Valid::AtLeast(1), ClusterWide, High;
    /// Whether a replica that is not in sync may lead when no other can, at the price of records.
    UNCLEAN_LEADER_ELECTION_ENABLE "unclean.leader.election.enable" Boolean = Some("false"), Valid::Any, ClusterWide, High;
    /// Time between two searches for partitions that need an unclean election.
    UNCLEAN_LEADER_ELECTION_INTERVAL_MS "unclean.leader.election.interval.ms" Long = Some("300000"), Valid::AtLeast(1), ReadOnly, Medium internal;
}
