//! Keys of the server: listeners, sockets, threads, replication, quotas, metrics.
//!
//! Source: `KafkaConfig` of Apache Kafka 4.3.1 for names, types, defaults and bounds.

use super::super::{Valid, table::keys};

keys! {
    /// Addresses that clients and peers are told, where they differ from the ones bound by `listeners`.
    ADVERTISED_LISTENERS "advertised.listeners" List = None, Valid::Any, ReadOnly, High;
    /// Java class that may veto changes of configuration.
    ALTER_CONFIG_POLICY_CLASS_NAME "alter.config.policy.class.name" Class = None, Valid::Any, ReadOnly, Low;
    /// Samples kept for the quota on moves between log directories.
    ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM "alter.log.dirs.replication.quota.window.num" Int = Some("11"), Valid::AtLeast(1), ReadOnly, Low;
    /// Length of one sample of the quota on moves between log directories.
    ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS "alter.log.dirs.replication.quota.window.size.seconds" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Low;
    /// Whether a metadata request for a topic that does not exist may create it.
    AUTO_CREATE_TOPICS_ENABLE "auto.create.topics.enable" Boolean = Some("true"), Valid::Any, ReadOnly, High;
    /// Whether leadership returns to the preferred replicas by itself.
    AUTO_LEADER_REBALANCE_ENABLE "auto.leader.rebalance.enable" Boolean = Some("true"), Valid::Any, ReadOnly, High;
    /// Threads for background work.
    BACKGROUND_THREADS "background.threads" Int = Some("10"), Valid::AtLeast(1), ClusterWide, High;
    /// Java class that computes client quotas.
    CLIENT_QUOTA_CALLBACK_CLASS "client.quota.callback.class" Class = None, Valid::Any, ReadOnly, Low;
    /// Providers that resolve `${...}` in values.
    CONFIG_PROVIDERS "config.providers" List = Some(""), Valid::Any, ClusterWide, Low;
    /// Idle time after which a client connection is closed.
    CONNECTIONS_MAX_IDLE_MS "connections.max.idle.ms" Long = Some("600000"), Valid::Any, ReadOnly, Medium;
    /// Whether a stopping broker hands its leaderships over first.
    CONTROLLED_SHUTDOWN_ENABLE "controlled.shutdown.enable" Boolean = Some("true"), Valid::Any, ReadOnly, Medium;
    /// Java class that may veto new topics.
    CREATE_TOPIC_POLICY_CLASS_NAME "create.topic.policy.class.name" Class = None, Valid::Any, ReadOnly, Low;
    /// Replication factor of topics that ask for none.
    DEFAULT_REPLICATION_FACTOR "default.replication.factor" Int = Some("1"), Valid::Any, ReadOnly, Medium;
    /// Requests after which finished waits for deleted records are purged.
    DELETE_RECORDS_PURGATORY_PURGE_INTERVAL_REQUESTS "delete.records.purgatory.purge.interval.requests" Int = Some("1"), Valid::Any, ReadOnly, Medium;
    /// Whether topics may be deleted.
    DELETE_TOPIC_ENABLE "delete.topic.enable" Boolean = Some("true"), Valid::Any, ReadOnly, High;
    /// Upper bound of one answer to a fetch.
    FETCH_MAX_BYTES "fetch.max.bytes" Int = Some("57671680"), Valid::AtLeast(1024), ReadOnly, Medium;
    /// Requests after which finished waits of fetches are purged.
    FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS "fetch.purgatory.purge.interval.requests" Int = Some("1000"), Valid::Any, ReadOnly, Medium;
    /// Name of the listener that brokers use among themselves.
    INTER_BROKER_LISTENER_NAME "inter.broker.listener.name" String = None, Valid::Any, ReadOnly, Medium;
    /// Time between two polls by metrics reporters.
    KAFKA_METRICS_POLLING_INTERVAL_SECS "kafka.metrics.polling.interval.secs" Int = Some("10"), Valid::AtLeast(1), ReadOnly, Low;
    /// Java classes that report the older kind of metrics.
    KAFKA_METRICS_REPORTERS "kafka.metrics.reporters" List = Some(""), Valid::Any, ReadOnly, Low;
    /// Time between two checks for leaders away from their preferred replica.
    LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS "leader.imbalance.check.interval.seconds" Long = Some("300"), Valid::AtLeast(1), ReadOnly, High;
    /// Security protocol of each listener name.
    LISTENER_SECURITY_PROTOCOL_MAP "listener.security.protocol.map" String = Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Valid::Any, PerBroker, Low;
    /// Addresses to bind, as `NAME://host:port` entries.
    LISTENERS "listeners" List = Some("PLAINTEXT://:9092"), Valid::DistinctNonEmpty, PerBroker, High;
    /// Most new connections a second.
    MAX_CONNECTION_CREATION_RATE "max.connection.creation.rate" Int = Some("2147483647"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Most open connections.
    MAX_CONNECTIONS "max.connections" Int = Some("2147483647"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Most open connections from one address.
    MAX_CONNECTIONS_PER_IP "max.connections.per.ip" Int = Some("2147483647"), Valid::AtLeast(0), ClusterWide, Medium;
    /// Exceptions from `max.connections.per.ip`, as `host:number` entries.
    MAX_CONNECTIONS_PER_IP_OVERRIDES "max.connections.per.ip.overrides" String = Some(""), Valid::Any, ClusterWide, Medium;
    /// Most fetch sessions kept at a time.
    MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS "max.incremental.fetch.session.cache.slots" Int = Some("1000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Most partitions in one answer of DescribeTopicPartitions.
    MAX_REQUEST_PARTITION_SIZE_LIMIT "max.request.partition.size.limit" Int = Some("2000"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Java classes that report metrics.
    METRIC_REPORTERS "metric.reporters" List = Some("org.apache.kafka.common.metrics.JmxReporter"), Valid::Any, ClusterWide, Low;
    /// Samples kept for a metric.
    METRICS_NUM_SAMPLES "metrics.num.samples" Int = Some("2"), Valid::AtLeast(1), ReadOnly, Low;
    /// Least level of metrics that are recorded.
    METRICS_RECORDING_LEVEL "metrics.recording.level" String = Some("INFO"), Valid::Any, ReadOnly, Low;
    /// Length of one sample of a metric.
    METRICS_SAMPLE_WINDOW_MS "metrics.sample.window.ms" Long = Some("30000"), Valid::AtLeast(1), ReadOnly, Low;
    /// Threads that process requests.
    NUM_IO_THREADS "num.io.threads" Int = Some("8"), Valid::AtLeast(1), ClusterWide, High;
    /// Threads that serve sockets.
    NUM_NETWORK_THREADS "num.network.threads" Int = Some("3"), Valid::AtLeast(1), ClusterWide, High;
    /// Partitions of topics that ask for no number.
    NUM_PARTITIONS "num.partitions" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Threads that move replicas between log directories.
    NUM_REPLICA_ALTER_LOG_DIRS_THREADS "num.replica.alter.log.dirs.threads" Int = None, Valid::Any, ReadOnly, High;
    /// Fetchers for each peer that is followed.
    NUM_REPLICA_FETCHERS "num.replica.fetchers" Int = Some("1"), Valid::AtLeast(1), ClusterWide, High;
    /// Requests after which finished waits of produce requests are purged.
    PRODUCER_PURGATORY_PURGE_INTERVAL_REQUESTS "producer.purgatory.purge.interval.requests" Int = Some("1000"), Valid::Any, ReadOnly, Medium;
    /// Bound on the bytes of queued requests; -1 is none.
    QUEUED_MAX_REQUEST_BYTES "queued.max.request.bytes" Long = Some("-1"), Valid::Any, ReadOnly, Medium;
    /// Bound on the number of queued requests.
    QUEUED_MAX_REQUESTS "queued.max.requests" Int = Some("500"), Valid::AtLeast(1), ReadOnly, High;
    /// Samples kept for client quotas.
    QUOTA_WINDOW_NUM "quota.window.num" Int = Some("11"), Valid::AtLeast(1), ReadOnly, Low;
    /// Length of one sample of client quotas.
    QUOTA_WINDOW_SIZE_SECONDS "quota.window.size.seconds" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Low;
    /// Pause of a follower after a failed fetch of a partition.
    REPLICA_FETCH_BACKOFF_MS "replica.fetch.backoff.ms" Int = Some("1000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Bytes a follower asks for of each partition.
    REPLICA_FETCH_MAX_BYTES "replica.fetch.max.bytes" Int = Some("1048576"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Bytes for which a follower's fetch waits.
    REPLICA_FETCH_MIN_BYTES "replica.fetch.min.bytes" Int = Some("1"), Valid::Any, ReadOnly, High;
    /// Bytes a follower asks for in one fetch.
    REPLICA_FETCH_RESPONSE_MAX_BYTES "replica.fetch.response.max.bytes" Int = Some("10485760"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Longest wait of a follower's fetch.
    REPLICA_FETCH_WAIT_MAX_MS "replica.fetch.wait.max.ms" Int = Some("500"), Valid::Any, ReadOnly, High;
    /// Time between two checkpoints of high watermarks.
    REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS "replica.high.watermark.checkpoint.interval.ms" Long = Some("5000"), Valid::Any, ReadOnly, High;
    /// Time behind the leader after which a follower leaves the in-sync replicas.
    REPLICA_LAG_TIME_MAX_MS "replica.lag.time.max.ms" Long = Some("30000"), Valid::Any, ReadOnly, High;
    /// Java class that picks the replica a consumer should read from.
    REPLICA_SELECTOR_CLASS "replica.selector.class" String = None, Valid::Any, ReadOnly, Medium;
    /// Receive buffer of a follower's socket.
    REPLICA_SOCKET_RECEIVE_BUFFER_BYTES "replica.socket.receive.buffer.bytes" Int = Some("65536"), Valid::Any, ReadOnly, High;
    /// Time a follower waits for the network.
    REPLICA_SOCKET_TIMEOUT_MS "replica.socket.timeout.ms" Int = Some("30000"), Valid::Any, ReadOnly, High;
    /// Samples kept for replication quotas.
    REPLICATION_QUOTA_WINDOW_NUM "replication.quota.window.num" Int = Some("11"), Valid::AtLeast(1), ReadOnly, Low;
    /// Length of one sample of replication quotas.
    REPLICATION_QUOTA_WINDOW_SIZE_SECONDS "replication.quota.window.size.seconds" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Low;
    /// Time to wait for an answer of a peer.
    REQUEST_TIMEOUT_MS "request.timeout.ms" Int = Some("30000"), Valid::Any, ReadOnly, High;
    /// Longest time to connect, after backoff.
    SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS "socket.connection.setup.timeout.max.ms" Long = Some("30000"), Valid::Any, ReadOnly, Medium;
    /// Time to connect.
    SOCKET_CONNECTION_SETUP_TIMEOUT_MS "socket.connection.setup.timeout.ms" Long = Some("10000"), Valid::Any, ReadOnly, Medium;
    /// Connections that may wait to be accepted.
    SOCKET_LISTEN_BACKLOG_SIZE "socket.listen.backlog.size" Int = Some("50"), Valid::AtLeast(1), ReadOnly, Medium;
    /// Receive buffer of server sockets; -1 is the system's default.
    SOCKET_RECEIVE_BUFFER_BYTES "socket.receive.buffer.bytes" Int = Some("102400"), Valid::Any, ReadOnly, High;
    /// Largest request that is accepted.
    SOCKET_REQUEST_MAX_BYTES "socket.request.max.bytes" Int = Some("104857600"), Valid::AtLeast(1), ReadOnly, High;
    /// Send buffer of server sockets; -1 is the system's default.
    SOCKET_SEND_BUFFER_BYTES "socket.send.buffer.bytes" Int = Some("102400"), Valid::Any, ReadOnly, High;
}
