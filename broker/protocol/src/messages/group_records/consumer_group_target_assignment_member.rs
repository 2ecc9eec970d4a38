//! ConsumerGroupTargetAssignmentMember, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Consumer group target assignment member key (record key, key 7), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 7, versions = "0")]
pub struct ConsumerGroupTargetAssignmentMemberKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Consumer group target assignment member value (record value, key 7), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 7, versions = "0", flexible = "0+")]
pub struct ConsumerGroupTargetAssignmentMemberValue {
    pub topic_partitions: Vec<TopicPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}
