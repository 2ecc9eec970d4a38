//! StreamsGroupHeartbeat: the request of key 88 and its response.

use crate::{ByteString, Message};

/// Streams group heartbeat request, key 88, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 88, response = StreamsGroupHeartbeatResponse, versions = "0", flexible = "0+")]
pub struct StreamsGroupHeartbeatRequest {
    pub group_id: ByteString,
    pub member_id: ByteString,
    pub member_epoch: i32,
    pub endpoint_information_epoch: i32,
    #[field(nullable, default = null)]
    pub instance_id: Option<ByteString>,
    #[field(nullable, default = null)]
    pub rack_id: Option<ByteString>,
    #[field(default = -1)]
    pub rebalance_timeout_ms: i32,
    #[field(nullable, default = null)]
    pub topology: Option<Topology>,
    #[field(nullable, default = null)]
    pub active_tasks: Option<Vec<RequestTaskIds>>,
    #[field(nullable, default = null)]
    pub standby_tasks: Option<Vec<RequestTaskIds>>,
    #[field(nullable, default = null)]
    pub warmup_tasks: Option<Vec<RequestTaskIds>>,
    #[field(nullable, default = null)]
    pub process_id: Option<ByteString>,
    #[field(nullable, default = null)]
    pub user_endpoint: Option<RequestEndpoint>,
    #[field(nullable, default = null)]
    pub client_tags: Option<Vec<KeyValue>>,
    #[field(nullable, default = null)]
    pub task_offsets: Option<Vec<TaskOffset>>,
    #[field(nullable, default = null)]
    pub task_end_offsets: Option<Vec<TaskOffset>>,
    pub shutdown_application: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Topology {
    pub epoch: i32,
    pub subtopologies: Vec<Subtopology>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Subtopology {
    pub subtopology_id: ByteString,
    pub source_topics: Vec<ByteString>,
    pub source_topic_regex: Vec<ByteString>,
    pub state_changelog_topics: Vec<TopicInfo>,
    pub repartition_sink_topics: Vec<ByteString>,
    pub repartition_source_topics: Vec<TopicInfo>,
    pub copartition_groups: Vec<CopartitionGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct CopartitionGroup {
    pub source_topics: Vec<i16>,
    pub source_topic_regex: Vec<i16>,
    pub repartition_source_topics: Vec<i16>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct KeyValue {
    pub key: ByteString,
    pub value: ByteString,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicInfo {
    pub name: ByteString,
    pub partitions: i32,
    pub replication_factor: i16,
    pub topic_configs: Vec<KeyValue>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestEndpoint {
    pub host: ByteString,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TaskOffset {
    pub subtopology_id: ByteString,
    pub partition: i32,
    pub offset: i64,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestTaskIds {
    pub subtopology_id: ByteString,
    pub partitions: Vec<i32>,
}

/// Streams group heartbeat response, key 88, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StreamsGroupHeartbeatResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub member_id: ByteString,
    pub member_epoch: i32,
    pub heartbeat_interval_ms: i32,
    pub acceptable_recovery_lag: i32,
    pub task_offset_interval_ms: i32,
    #[field(nullable)]
    pub status: Option<Vec<Status>>,
    #[field(nullable, default = null)]
    pub active_tasks: Option<Vec<ResponseTaskIds>>,
    #[field(nullable, default = null)]
    pub standby_tasks: Option<Vec<ResponseTaskIds>>,
    #[field(nullable, default = null)]
    pub warmup_tasks: Option<Vec<ResponseTaskIds>>,
    pub endpoint_information_epoch: i32,
    #[field(nullable, default = null)]
    pub partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EndpointToPartitions {
    pub user_endpoint: ResponseEndpoint,
    pub active_partitions: Vec<TopicPartition>,
    pub standby_partitions: Vec<TopicPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Status {
    pub status_code: i8,
    pub status_detail: ByteString,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic: ByteString,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseTaskIds {
    pub subtopology_id: ByteString,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseEndpoint {
    pub host: ByteString,
    pub port: u16,
}
