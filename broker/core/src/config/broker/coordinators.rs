//! Keys of the coordinators: groups, offsets, transactions, shares, producer ids, client telemetry.
//!
//! Source: `KafkaConfig` of Apache Kafka 4.3.1 for names, types, defaults and bounds.

use super::super::{Valid, table::keys};

keys! {
    /// Longest pause of a broker that retries to add partitions to a transaction on behalf of a client.
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS "add.partitions.to.txn.retry.backoff.max.ms" Int = Some("100"), Valid::AtLeast(0), ReadOnly, High;
    /// Pause of a broker before it retries to add partitions to a transaction on behalf of a client.
    ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS "add.partitions.to.txn.retry.backoff.ms" Int = Some("20"), Valid::AtLeast(1), ReadOnly, High;
    /// Shortest time between two assignments of a consumer group.
    GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS "group.consumer.assignment.interval.ms" Int = Some("1000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Server-side assignors of consumer groups, the first is the default.
    GROUP_CONSUMER_ASSIGNORS "group.consumer.assignors" List = Some("uniform,range"), Valid::DistinctNonEmpty, ReadOnly, Medium;
    /// Heartbeat interval given to members of consumer groups.
    GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS "group.consumer.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Largest assignment interval a consumer group may set.
    GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS "group.consumer.max.assignment.interval.ms" Int = Some("15000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Largest heartbeat interval a consumer group may set.
    GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS "group.consumer.max.heartbeat.interval.ms" Int = Some("15000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Largest session timeout a consumer group may set.
    GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS "group.consumer.max.session.timeout.ms" Int = Some("60000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Most members of one consumer group.
    GROUP_CONSUMER_MAX_SIZE "group.consumer.max.size" Int = Some("2147483647"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Which conversions between classic and consumer groups are allowed.
    GROUP_CONSUMER_MIGRATION_POLICY "group.consumer.migration.policy" String = Some("bidirectional"), Valid::OneOfIgnoringCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]), ReadOnly, Medium;
    /// Smallest assignment interval a consumer group may set.
    GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS "group.consumer.min.assignment.interval.ms" Int = Some("0"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Smallest heartbeat interval a consumer group may set.
    GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS "group.consumer.min.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Smallest session timeout a consumer group may set.
    GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS "group.consumer.min.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Time between two evaluations of subscribed patterns.
    GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS "group.consumer.regex.refresh.interval.ms" Int = Some("600000"), Valid::AtLeast(10000), ReadOnly, Medium internal;
    /// Silence after which a member of a consumer group is removed.
    GROUP_CONSUMER_SESSION_TIMEOUT_MS "group.consumer.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Time a coordinator may gather records before it writes them; -1 adapts to the load.
    GROUP_COORDINATOR_APPEND_LINGER_MS "group.coordinator.append.linger.ms" Int = Some("-1"), Valid::AtLeast(-1), ReadOnly, Medium;
    /// Threads for a coordinator's background work.
    GROUP_COORDINATOR_BACKGROUND_THREADS "group.coordinator.background.threads" Int = Some("2"), Valid::AtLeast(1), ReadOnly, High;
    /// Largest write buffer a coordinator keeps for reuse.
    GROUP_COORDINATOR_CACHED_BUFFER_MAX_BYTES "group.coordinator.cached.buffer.max.bytes" Int = Some("1048588"), Valid::AtLeast(524288), ClusterWide, Medium;
    /// Group protocols that are offered.
    GROUP_COORDINATOR_REBALANCE_PROTOCOLS "group.coordinator.rebalance.protocols" List = Some("classic,consumer,streams"), Valid::DistinctEntries(&["consumer", "classic", "share", "streams"]), ReadOnly, Medium;
    /// Threads of the group coordinator.
    GROUP_COORDINATOR_THREADS "group.coordinator.threads" Int = Some("4"), Valid::AtLeast(1), ReadOnly, High;
    /// Time an empty group waits for more members before its first rebalance.
    GROUP_INITIAL_REBALANCE_DELAY_MS "group.initial.rebalance.delay.ms" Int = Some("3000"), Valid::Any, ReadOnly, Medium;
    /// Largest session timeout of a classic member.
    GROUP_MAX_SESSION_TIMEOUT_MS "group.max.session.timeout.ms" Int = Some("1800000"), Valid::Any, ReadOnly, Medium;
    /// Most members of one classic group.
    GROUP_MAX_SIZE "group.max.size" Int = Some("2147483647"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Smallest session timeout of a classic member.
    GROUP_MIN_SESSION_TIMEOUT_MS "group.min.session.timeout.ms" Int = Some("6000"), Valid::Any, ReadOnly, Medium;
    /// Shortest time between two assignments of a share group.
    GROUP_SHARE_ASSIGNMENT_INTERVAL_MS "group.share.assignment.interval.ms" Int = Some("1000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Server-side assignors of share groups.
    GROUP_SHARE_ASSIGNORS "group.share.assignors" List = Some("simple"), Valid::DistinctNonEmpty, ReadOnly, Medium;
    /// Deliveries after which a shared record is given up.
    GROUP_SHARE_DELIVERY_COUNT_LIMIT "group.share.delivery.count.limit" Int = Some("5"), Valid::Between(2, 10), ReadOnly, Medium;
    /// Heartbeat interval given to members of share groups.
    GROUP_SHARE_HEARTBEAT_INTERVAL_MS "group.share.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Pause before the initialisation of share state is repeated.
    GROUP_SHARE_INITIALIZE_RETRY_INTERVAL_MS "group.share.initialize.retry.interval.ms" Int = Some("30000"), Valid::AtLeast(1), ReadOnly, Low internal;
    /// Largest assignment interval a share group may set.
    GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS "group.share.max.assignment.interval.ms" Int = Some("15000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Largest delivery count limit a share group may set.
    GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT "group.share.max.delivery.count.limit" Int = Some("10"), Valid::Between(5, 25), ReadOnly, Medium;
    /// Largest heartbeat interval a share group may set.
    GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS "group.share.max.heartbeat.interval.ms" Int = Some("15000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Largest number of record locks a share group may set.
    GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS "group.share.max.partition.max.record.locks" Int = Some("4000"), Valid::Between(2000, 10000), ReadOnly, Medium;
    /// Longest record lock a share group may set.
    GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS "group.share.max.record.lock.duration.ms" Int = Some("60000"), Valid::Between(30000, 3600000), ReadOnly, Medium;
    /// Largest session timeout a share group may set.
    GROUP_SHARE_MAX_SESSION_TIMEOUT_MS "group.share.max.session.timeout.ms" Int = Some("60000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Most share sessions of one broker.
    GROUP_SHARE_MAX_SHARE_SESSIONS "group.share.max.share.sessions" Int = Some("2000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Most members of one share group.
    GROUP_SHARE_MAX_SIZE "group.share.max.size" Int = Some("200"), Valid::Between(1, 1000), ReadOnly, Medium;
    /// Smallest assignment interval a share group may set.
    GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS "group.share.min.assignment.interval.ms" Int = Some("0"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Smallest delivery count limit a share group may set.
    GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT "group.share.min.delivery.count.limit" Int = Some("2"), Valid::Between(2, 5), ReadOnly, Medium;
    /// Smallest heartbeat interval a share group may set.
    GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS "group.share.min.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Smallest number of record locks a share group may set.
    GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS "group.share.min.partition.max.record.locks" Int = Some("100"), Valid::Between(100, 2000), ReadOnly, Medium;
    /// Shortest record lock a share group may set.
    GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS "group.share.min.record.lock.duration.ms" Int = Some("15000"), Valid::Between(1000, 30000), ReadOnly, Medium;
    /// Smallest session timeout a share group may set.
    GROUP_SHARE_MIN_SESSION_TIMEOUT_MS "group.share.min.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Most records of a shared partition that may be locked at a time.
    GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS "group.share.partition.max.record.locks" Int = Some("2000"), Valid::Between(100, 10000), ReadOnly, Medium;
    /// Java class that stores share state.
    GROUP_SHARE_PERSISTER_CLASS_NAME "group.share.persister.class.name" String = Some("org.apache.kafka.server.share.persister.DefaultStatePersister"), Valid::Any, ReadOnly, Medium internal;
    /// Time for which a delivered shared record is locked.
    GROUP_SHARE_RECORD_LOCK_DURATION_MS "group.share.record.lock.duration.ms" Int = Some("30000"), Valid::Between(1000, 3600000), ReadOnly, Medium;
    /// Silence after which a member of a share group is removed.
    GROUP_SHARE_SESSION_TIMEOUT_MS "group.share.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Shortest time between two assignments of a streams group.
    GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS "group.streams.assignment.interval.ms" Int = Some("1000"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Heartbeat interval given to members of streams groups.
    GROUP_STREAMS_HEARTBEAT_INTERVAL_MS "group.streams.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Time an empty streams group waits for more members before its first rebalance.
    GROUP_STREAMS_INITIAL_REBALANCE_DELAY_MS "group.streams.initial.rebalance.delay.ms" Int = Some("3000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Largest assignment interval a streams group may set.
    GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS "group.streams.max.assignment.interval.ms" Int = Some("15000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Largest heartbeat interval a streams group may set.
    GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS "group.streams.max.heartbeat.interval.ms" Int = Some("15000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Largest session timeout a streams group may set.
    GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS "group.streams.max.session.timeout.ms" Int = Some("60000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Most members of one streams group.
    GROUP_STREAMS_MAX_SIZE "group.streams.max.size" Int = Some("2147483647"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Largest number of standby replicas a streams group may set.
    GROUP_STREAMS_MAX_STANDBY_REPLICAS "group.streams.max.standby.replicas" Int = Some("2"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Smallest assignment interval a streams group may set.
    GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS "group.streams.min.assignment.interval.ms" Int = Some("0"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Smallest heartbeat interval a streams group may set.
    GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS "group.streams.min.heartbeat.interval.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Smallest session timeout a streams group may set.
    GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS "group.streams.min.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Standby replicas of each stateful streams task.
    GROUP_STREAMS_NUM_STANDBY_REPLICAS "group.streams.num.standby.replicas" Int = Some("0"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Silence after which a member of a streams group is removed.
    GROUP_STREAMS_SESSION_TIMEOUT_MS "group.streams.session.timeout.ms" Int = Some("45000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Longest metadata string of a committed offset.
    OFFSET_METADATA_MAX_BYTES "offset.metadata.max.bytes" Int = Some("4096"), Valid::Any, ReadOnly, High;
    /// Time a commit may wait for the replicas of its topic.
    OFFSETS_COMMIT_TIMEOUT_MS "offsets.commit.timeout.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, High;
    /// Bytes read at a time while groups are loaded.
    OFFSETS_LOAD_BUFFER_SIZE "offsets.load.buffer.size" Int = Some("5242880"), Valid::AtLeast(1), ReadOnly, High;
    /// Time between two searches for expired offsets.
    OFFSETS_RETENTION_CHECK_INTERVAL_MS "offsets.retention.check.interval.ms" Long = Some("600000"), Valid::AtLeast(1), ReadOnly, High;
    /// Time after which the offsets of an empty group are forgotten.
    OFFSETS_RETENTION_MINUTES "offsets.retention.minutes" Int = Some("10080"), Valid::AtLeast(1), ReadOnly, High;
    /// Codec of the offsets topic by number; 0 is none.
    OFFSETS_TOPIC_COMPRESSION_CODEC "offsets.topic.compression.codec" Int = Some("0"), Valid::Any, ReadOnly, High;
    /// Partitions of the offsets topic; never change it later.
    OFFSETS_TOPIC_NUM_PARTITIONS "offsets.topic.num.partitions" Int = Some("50"), Valid::AtLeast(1), ReadOnly, High;
    /// Replication factor of the offsets topic.
    OFFSETS_TOPIC_REPLICATION_FACTOR "offsets.topic.replication.factor" Short = Some("3"), Valid::AtLeast(1), ReadOnly, High;
    /// Segment size of the offsets topic.
    OFFSETS_TOPIC_SEGMENT_BYTES "offsets.topic.segment.bytes" Int = Some("104857600"), Valid::AtLeast(1), ReadOnly, High;
    /// Time between two searches for idle producer ids.
    PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS "producer.id.expiration.check.interval.ms" Int = Some("600000"), Valid::AtLeast(1), ReadOnly, Low internal;
    /// Idle time after which the state of an idempotent producer is forgotten.
    PRODUCER_ID_EXPIRATION_MS "producer.id.expiration.ms" Int = Some("86400000"), Valid::AtLeast(1), ClusterWide, Low;
    /// Time the share coordinator may gather records before it writes them; -1 adapts to the load.
    SHARE_COORDINATOR_APPEND_LINGER_MS "share.coordinator.append.linger.ms" Int = Some("-1"), Valid::AtLeast(-1), ReadOnly, Medium;
    /// Largest write buffer the share coordinator keeps for reuse.
    SHARE_COORDINATOR_CACHED_BUFFER_MAX_BYTES "share.coordinator.cached.buffer.max.bytes" Int = Some("1048588"), Valid::AtLeast(524288), ClusterWide, Medium;
    /// Time after which idle share state gets a snapshot.
    SHARE_COORDINATOR_COLD_PARTITION_SNAPSHOT_INTERVAL_MS "share.coordinator.cold.partition.snapshot.interval.ms" Int = Some("300000"), Valid::AtLeast(1), ReadOnly, Low internal;
    /// Bytes read at a time while share state is loaded.
    SHARE_COORDINATOR_LOAD_BUFFER_SIZE "share.coordinator.load.buffer.size" Int = Some("5242880"), Valid::AtLeast(1), ReadOnly, High;
    /// Updates between two snapshots of share state.
    SHARE_COORDINATOR_SNAPSHOT_UPDATE_RECORDS_PER_SNAPSHOT "share.coordinator.snapshot.update.records.per.snapshot" Int = Some("500"), Valid::Between(0, 500), ReadOnly, Medium;
    /// Codec of the share state topic by number; 0 is none.
    SHARE_COORDINATOR_STATE_TOPIC_COMPRESSION_CODEC "share.coordinator.state.topic.compression.codec" Int = Some("0"), Valid::Any, ReadOnly, High;
    /// `min.insync.replicas` of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR "share.coordinator.state.topic.min.isr" Short = Some("2"), Valid::AtLeast(1), ReadOnly, High;
    /// Partitions of the share state topic; never change it later.
    SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS "share.coordinator.state.topic.num.partitions" Int = Some("50"), Valid::AtLeast(1), ReadOnly, High;
    /// Time between two prunings of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_PRUNE_INTERVAL_MS "share.coordinator.state.topic.prune.interval.ms" Int = Some("300000"), Valid::AtLeast(1), ReadOnly, Low internal;
    /// Replication factor of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR "share.coordinator.state.topic.replication.factor" Short = Some("3"), Valid::AtLeast(1), ReadOnly, High;
    /// Segment size of the share state topic.
    SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES "share.coordinator.state.topic.segment.bytes" Int = Some("104857600"), Valid::AtLeast(1), ReadOnly, High;
    /// Threads of the share coordinator.
    SHARE_COORDINATOR_THREADS "share.coordinator.threads" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Time a write of share state may wait for its replicas.
    SHARE_COORDINATOR_WRITE_TIMEOUT_MS "share.coordinator.write.timeout.ms" Int = Some("5000"), Valid::AtLeast(1), ReadOnly, High;
    /// Requests after which finished waits of share fetches are purged.
    SHARE_FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS "share.fetch.purgatory.purge.interval.requests" Int = Some("1000"), Valid::Any, ReadOnly, Medium;
    /// Largest metrics push of a client.
    TELEMETRY_MAX_BYTES "telemetry.max.bytes" Int = Some("1048576"), Valid::AtLeast(1), ReadOnly, Low;
    /// Time between two searches for timed-out transactions.
    TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int = Some("10000"), Valid::AtLeast(1), ReadOnly, Low;
    /// Longest transaction timeout a client may ask for.
    TRANSACTION_MAX_TIMEOUT_MS "transaction.max.timeout.ms" Int = Some("900000"), Valid::AtLeast(1), ReadOnly, High;
    /// Whether a partition checks that its transaction is really open.
    TRANSACTION_PARTITION_VERIFICATION_ENABLE "transaction.partition.verification.enable" Boolean = Some("true"), Valid::Any, ClusterWide, Low;
    /// Time between two searches for expired transactional ids.
    TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS "transaction.remove.expired.transaction.cleanup.interval.ms" Int = Some("3600000"), Valid::AtLeast(1), ReadOnly, Low;
    /// Bytes read at a time while transactions are loaded.
    TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE "transaction.state.log.load.buffer.size" Int = Some("5242880"), Valid::AtLeast(1), ReadOnly, High;
    /// `min.insync.replicas` of the transaction topic.
    TRANSACTION_STATE_LOG_MIN_ISR "transaction.state.log.min.isr" Int = Some("2"), Valid::AtLeast(1), ReadOnly, High;
    /// Partitions of the transaction topic; never change it later.
    TRANSACTION_STATE_LOG_NUM_PARTITIONS "transaction.state.log.num.partitions" Int = Some("50"), Valid::AtLeast(1), ReadOnly, High;
    /// Replication factor of the transaction topic.
    TRANSACTION_STATE_LOG_REPLICATION_FACTOR "transaction.state.log.replication.factor" Short = Some("3"), Valid::AtLeast(1), ReadOnly, High;
    /// Segment size of the transaction topic.
    TRANSACTION_STATE_LOG_SEGMENT_BYTES "transaction.state.log.segment.bytes" Int = Some("104857600"), Valid::AtLeast(1), ReadOnly, High;
    /// Whether transactions may be prepared by an outside coordinator.
    TRANSACTION_TWO_PHASE_COMMIT_ENABLE "transaction.two.phase.commit.enable" Boolean = Some("false"), Valid::Any, ReadOnly, Low;
    /// Idle time after which a transactional id is forgotten.
    TRANSACTIONAL_ID_EXPIRATION_MS "transactional.id.expiration.ms" Int = Some("604800000"), Valid::AtLeast(1), ReadOnly, High;
}
