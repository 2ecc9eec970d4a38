//! ShareGroupDescribe: the request of key 77 and its response.

use crate::{ByteString, Message, Uuid};

/// Share group describe request, key 77, version 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 77, response = ShareGroupDescribeResponse, versions = "1", flexible = "1+")]
pub struct ShareGroupDescribeRequest {
    pub group_ids: Vec<ByteString>,
    pub include_authorized_operations: bool,
}

/// Share group describe response, key 77, version 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "1", flexible = "1+")]
pub struct ShareGroupDescribeResponse {
    pub throttle_time_ms: i32,
    pub groups: Vec<DescribedGroup>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct DescribedGroup {
    pub error_code: i16,
    #[field(nullable, default = null)]
    pub error_message: Option<ByteString>,
    pub group_id: ByteString,
    pub group_state: ByteString,
    pub group_epoch: i32,
    pub assignment_epoch: i32,
    pub assignor_name: ByteString,
    pub members: Vec<Member>,
    #[field(default = -2147483648)]
    pub authorized_operations: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Member {
    pub member_id: ByteString,
    #[field(nullable, default = null)]
    pub rack_id: Option<ByteString>,
    pub member_epoch: i32,
    pub client_id: ByteString,
    pub client_host: ByteString,
    pub subscribed_topic_names: Vec<ByteString>,
    pub assignment: Assignment,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartitions {
    pub topic_id: Uuid,
    pub topic_name: ByteString,
    pub partitions: Vec<i32>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Assignment {
    pub topic_partitions: Vec<TopicPartitions>,
}
