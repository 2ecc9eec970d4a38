//! ShareGroupTargetAssignmentMember, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Share group target assignment member key (record key, key 13), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 13, versions = "0")]
pub struct ShareGroupTargetAssignmentMemberKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Share group target assignment member value (record value, key 13), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 13, versions = "0", flexible = "0+")]
pub struct ShareGroupTargetAssignmentMemberValue {
    pub topic_partitions: Vec<TopicPartition>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}
