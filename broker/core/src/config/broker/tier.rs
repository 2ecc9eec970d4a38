//! Keys of tiered storage.
//!
//! Source: `KafkaConfig` of Apache Kafka 4.3.1 for names, types, defaults and bounds.

use super::super::{Valid, table::keys};

keys! {
    /// Whether an empty replica starts from the last tiered offset.
    FOLLOWER_FETCH_LAST_TIERED_OFFSET_ENABLE "follower.fetch.last.tiered.offset.enable" Boolean = Some("false"), Valid::Any, ClusterWide, Medium;
    /// Longest wait of a fetch for tiered data.
    REMOTE_FETCH_MAX_WAIT_MS "remote.fetch.max.wait.ms" Int = Some("500"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Longest wait of a ListOffsets request for tiered data.
    REMOTE_LIST_OFFSETS_REQUEST_TIMEOUT_MS "remote.list.offsets.request.timeout.ms" Long = Some("30000"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Space for cached indexes of tiered segments.
    REMOTE_LOG_INDEX_FILE_CACHE_TOTAL_SIZE_BYTES "remote.log.index.file.cache.total.size.bytes" Long = Some("1073741824"), Valid::AtLeast(1), ClusterWide, Low;
    /// Time for which an index of a tiered segment stays cached.
    REMOTE_LOG_INDEX_FILE_CACHE_TTL_MS "remote.log.index.file.cache.ttl.ms" Long = Some("900000"), Valid::AtLeast(-1), ReadOnly, Low internal;
    /// Threads that copy segments to the tier.
    REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE "remote.log.manager.copier.thread.pool.size" Int = Some("10"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Bound on the rate of copies to the tier.
    REMOTE_LOG_MANAGER_COPY_MAX_BYTES_PER_SECOND "remote.log.manager.copy.max.bytes.per.second" Long = Some("9223372036854775807"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Samples kept for the bound on copies.
    REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_NUM "remote.log.manager.copy.quota.window.num" Int = Some("11"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Length of one sample of the bound on copies.
    REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_SIZE_SECONDS "remote.log.manager.copy.quota.window.size.seconds" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Threads that remove expired tiered segments.
    REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE "remote.log.manager.expiration.thread.pool.size" Int = Some("10"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Bound on the rate of reads from the tier.
    REMOTE_LOG_MANAGER_FETCH_MAX_BYTES_PER_SECOND "remote.log.manager.fetch.max.bytes.per.second" Long = Some("9223372036854775807"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Samples kept for the bound on tier reads.
    REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_NUM "remote.log.manager.fetch.quota.window.num" Int = Some("11"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Length of one sample of the bound on tier reads.
    REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_SIZE_SECONDS "remote.log.manager.fetch.quota.window.size.seconds" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Threads of followers that read tiered state.
    REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE "remote.log.manager.follower.thread.pool.size" Int = Some("2"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Time between two runs of tiering tasks.
    REMOTE_LOG_MANAGER_TASK_INTERVAL_MS "remote.log.manager.task.interval.ms" Long = Some("30000"), Valid::AtLeast(1), ReadOnly, Low;
    /// Longest pause of a failing tiering task.
    REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MAX_MS "remote.log.manager.task.retry.backoff.max.ms" Long = Some("30000"), Valid::AtLeast(1), ReadOnly, Low internal;
    /// First pause of a failing tiering task.
    REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MS "remote.log.manager.task.retry.backoff.ms" Long = Some("500"), Valid::AtLeast(1), ReadOnly, Low internal;
    /// Randomness of the pause of a failing tiering task.
    REMOTE_LOG_MANAGER_TASK_RETRY_JITTER "remote.log.manager.task.retry.jitter" Double = Some("0.2"), Valid::Ratio(0.0, 0.5), ReadOnly, Low internal;
    /// Threads of tiering tasks.
    REMOTE_LOG_MANAGER_THREAD_POOL_SIZE "remote.log.manager.thread.pool.size" Int = Some("2"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Largest custom metadata of a tiered segment.
    REMOTE_LOG_METADATA_CUSTOM_METADATA_MAX_BYTES "remote.log.metadata.custom.metadata.max.bytes" Int = Some("128"), Valid::AtLeast(0), ReadOnly, Low;
    /// Java class that stores metadata of tiered segments.
    REMOTE_LOG_METADATA_MANAGER_CLASS_NAME "remote.log.metadata.manager.class.name" String = Some("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager"), Valid::NonEmpty, ReadOnly, Medium;
    /// Class path of the metadata store of tiered segments.
    REMOTE_LOG_METADATA_MANAGER_CLASS_PATH "remote.log.metadata.manager.class.path" String = None, Valid::Any, ReadOnly, Medium;
    /// Prefix of the keys given to the metadata store of tiered segments.
    REMOTE_LOG_METADATA_MANAGER_IMPL_PREFIX "remote.log.metadata.manager.impl.prefix" String = Some("rlmm.config."), Valid::NonEmpty, ReadOnly, Medium;
    /// Listener that the metadata store of tiered segments uses.
    REMOTE_LOG_METADATA_MANAGER_LISTENER_NAME "remote.log.metadata.manager.listener.name" String = None, Valid::NonEmpty, ReadOnly, Medium;
    /// Most queued reads from the tier.
    REMOTE_LOG_READER_MAX_PENDING_TASKS "remote.log.reader.max.pending.tasks" Int = Some("100"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Threads that read from the tier.
    REMOTE_LOG_READER_THREADS "remote.log.reader.threads" Int = Some("10"), Valid::AtLeast(1), ClusterWide, Medium;
    /// Java class that stores tiered segments.
    REMOTE_LOG_STORAGE_MANAGER_CLASS_NAME "remote.log.storage.manager.class.name" String = None, Valid::NonEmpty, ReadOnly, Medium;
    /// Class path of the tier's storage.
    REMOTE_LOG_STORAGE_MANAGER_CLASS_PATH "remote.log.storage.manager.class.path" String = None, Valid::Any, ReadOnly, Medium;
    /// Prefix of the keys given to the tier's storage.
    REMOTE_LOG_STORAGE_MANAGER_IMPL_PREFIX "remote.log.storage.manager.impl.prefix" String = Some("rsm.config."), Valid::NonEmpty, ReadOnly, Medium;
    /// Whether tiered storage is on.
    REMOTE_LOG_STORAGE_SYSTEM_ENABLE "remote.log.storage.system.enable" Boolean = Some("false"), Valid::Any, ReadOnly, Medium;
}
