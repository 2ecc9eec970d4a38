//! Keys of the node, its roles and the metadata quorum.
//!
//! Source: `KafkaConfig` of Apache Kafka 4.3.1 for names, types, defaults and bounds.

use super::super::{Valid, table::keys};

keys! {
    /// Time between two heartbeats from a broker to the controller.
    BROKER_HEARTBEAT_INTERVAL_MS "broker.heartbeat.interval.ms" Int = Some("2000"), Valid::Any, ReadOnly, Medium;
    /// Older name of `node.id`.
    BROKER_ID "broker.id" Int = Some("-1"), Valid::Any, ReadOnly, High;
    /// Rack or zone of this broker; replicas are spread over racks.
    BROKER_RACK "broker.rack" String = None, Valid::Any, ReadOnly, Medium;
    /// Silence after which the controller fences a broker.
    BROKER_SESSION_TIMEOUT_MS "broker.session.timeout.ms" Int = Some("9000"), Valid::Any, ReadOnly, Medium;
    /// Names of the listeners that carry controller traffic.
    CONTROLLER_LISTENER_NAMES "controller.listener.names" List = None, Valid::DistinctNonEmpty, ReadOnly, High;
    /// Duration from which a controller event is always logged.
    CONTROLLER_PERFORMANCE_ALWAYS_LOG_THRESHOLD_MS "controller.performance.always.log.threshold.ms" Long = Some("2000"), Valid::AtLeast(0), ReadOnly, Medium internal;
    /// Period over which controller events are sampled.
    CONTROLLER_PERFORMANCE_SAMPLE_PERIOD_MS "controller.performance.sample.period.ms" Long = Some("60000"), Valid::AtLeast(100), ReadOnly, Medium internal;
    /// Time the leader of the quorum may gather records before it writes them.
    CONTROLLER_QUORUM_APPEND_LINGER_MS "controller.quorum.append.linger.ms" Int = Some("25"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Whether a controller adds itself to the voters when it finds itself missing.
    CONTROLLER_QUORUM_AUTO_JOIN_ENABLE "controller.quorum.auto.join.enable" Boolean = Some("false"), Valid::Any, ReadOnly, Low;
    /// Addresses through which nodes find a quorum whose voters are recorded in its own log.
    CONTROLLER_QUORUM_BOOTSTRAP_SERVERS "controller.quorum.bootstrap.servers" List = Some(""), Valid::Any, ReadOnly, High;
    /// Longest random pause before a new election after a tied one.
    CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS "controller.quorum.election.backoff.max.ms" Int = Some("1000"), Valid::AtLeast(0), ReadOnly, High;
    /// Time without a leader after which a voter starts an election.
    CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS "controller.quorum.election.timeout.ms" Int = Some("1000"), Valid::AtLeast(0), ReadOnly, High;
    /// Upper bound of one fetch of the metadata log.
    CONTROLLER_QUORUM_FETCH_MAX_BYTES "controller.quorum.fetch.max.bytes" Int = Some("1048576"), Valid::AtLeast(1), ReadOnly, Low;
    /// Upper bound of one fetch of a metadata snapshot.
    CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES "controller.quorum.fetch.snapshot.max.bytes" Int = Some("1048576"), Valid::AtLeast(1), ReadOnly, Low;
    /// Time without a successful fetch after which a leader or a follower gives up its role.
    CONTROLLER_QUORUM_FETCH_TIMEOUT_MS "controller.quorum.fetch.timeout.ms" Int = Some("2000"), Valid::AtLeast(0), ReadOnly, High;
    /// Time to wait for an answer within the quorum.
    CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS "controller.quorum.request.timeout.ms" Int = Some("2000"), Valid::AtLeast(0), ReadOnly, Medium;
    /// Pause before a request within the quorum is repeated.
    CONTROLLER_QUORUM_RETRY_BACKOFF_MS "controller.quorum.retry.backoff.ms" Int = Some("20"), Valid::AtLeast(0), ReadOnly, Low;
    /// The fixed set of voters as `id@host:port` entries; excludes `controller.quorum.bootstrap.servers`.
    CONTROLLER_QUORUM_VOTERS "controller.quorum.voters" List = Some(""), Valid::Any, ReadOnly, High;
    /// Samples kept for the quota on controller mutations.
    CONTROLLER_QUOTA_WINDOW_NUM "controller.quota.window.num" Int = Some("11"), Valid::AtLeast(1), ReadOnly, Low;
    /// Length of one sample of the quota on controller mutations.
    CONTROLLER_QUOTA_WINDOW_SIZE_SECONDS "controller.quota.window.size.seconds" Int = Some("1"), Valid::AtLeast(1), ReadOnly, Low;
    /// Time to wait for an answer between brokers and controllers.
    CONTROLLER_SOCKET_TIMEOUT_MS "controller.socket.timeout.ms" Int = Some("30000"), Valid::Any, ReadOnly, Medium;
    /// Listeners that open before the metadata is complete.
    EARLY_START_LISTENERS "early.start.listeners" List = None, Valid::Any, ReadOnly, High;
    /// Time a starting broker tries to register before it gives up.
    INITIAL_BROKER_REGISTRATION_TIMEOUT_MS "initial.broker.registration.timeout.ms" Int = Some("60000"), Valid::Any, ReadOnly, Medium;
    /// Delay before files of the metadata log are removed.
    INTERNAL_METADATA_DELETE_DELAY_MILLIS "internal.metadata.delete.delay.millis" Long = Some("60000"), Valid::Any, ReadOnly, Low internal;
    /// Segment size of the metadata log, for tests.
    INTERNAL_METADATA_LOG_SEGMENT_BYTES "internal.metadata.log.segment.bytes" Int = None, Valid::Any, ReadOnly, Low internal;
    /// Largest batch of the metadata log.
    INTERNAL_METADATA_MAX_BATCH_SIZE_IN_BYTES "internal.metadata.max.batch.size.in.bytes" Int = Some("8388608"), Valid::Any, ReadOnly, Low internal;
    /// Directory of the metadata log; the first log directory where not set.
    METADATA_LOG_DIR "metadata.log.dir" String = None, Valid::Any, ReadOnly, High;
    /// Bytes of new metadata after which a snapshot is written.
    METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS "metadata.log.max.record.bytes.between.snapshots" Long = Some("20971520"), Valid::AtLeast(1), ReadOnly, High;
    /// Time after which a snapshot of changed metadata is written; 0 is never.
    METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS "metadata.log.max.snapshot.interval.ms" Long = Some("3600000"), Valid::AtLeast(0), ReadOnly, High;
    /// Segment size of the metadata log.
    METADATA_LOG_SEGMENT_BYTES "metadata.log.segment.bytes" Int = Some("1073741824"), Valid::AtLeast(8388608), ReadOnly, High;
    /// Time after which a new segment of the metadata log is begun.
    METADATA_LOG_SEGMENT_MS "metadata.log.segment.ms" Long = Some("604800000"), Valid::Any, ReadOnly, High;
    /// Time after which the active controller writes a no-op record; 0 is never.
    METADATA_MAX_IDLE_INTERVAL_MS "metadata.max.idle.interval.ms" Int = Some("500"), Valid::AtLeast(0), ReadOnly, Low;
    /// Size of metadata log and snapshots from which old ones are removed.
    METADATA_MAX_RETENTION_BYTES "metadata.max.retention.bytes" Long = Some("104857600"), Valid::Any, ReadOnly, High;
    /// Age from which old metadata snapshots and segments are removed.
    METADATA_MAX_RETENTION_MS "metadata.max.retention.ms" Long = Some("604800000"), Valid::Any, ReadOnly, High;
    /// Number of this node, unique in the cluster.
    NODE_ID "node.id" Int = None, Valid::AtLeast(0), ReadOnly, High;
    /// Roles of this process: `broker`, `controller`, or both.
    PROCESS_ROLES "process.roles" List = None, Valid::DistinctEntries(&["broker", "controller"]), ReadOnly, High;
    /// Longest time a start may take.
    SERVER_MAX_STARTUP_TIME_MS "server.max.startup.time.ms" Long = Some("9223372036854775807"), Valid::AtLeast(0), ReadOnly, Medium internal;
    /// Whether unfinished versions of APIs are offered.
    UNSTABLE_API_VERSIONS_ENABLE "unstable.api.versions.enable" Boolean = Some("false"), Valid::Any, ReadOnly, High internal;
    /// Whether unfinished feature levels are offered.
    UNSTABLE_FEATURE_VERSIONS_ENABLE "unstable.feature.versions.enable" Boolean = Some("false"), Valid::Any, ReadOnly, High internal;
}
