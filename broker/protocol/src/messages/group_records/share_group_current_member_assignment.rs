//! ShareGroupCurrentMemberAssignment, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Share group current member assignment key (record key, key 14), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 14, versions = "0")]
pub struct ShareGroupCurrentMemberAssignmentKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Share group current member assignment value (record value, key 14), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 14, versions = "0", flexible = "0+")]
pub struct ShareGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub state: i8,
    pub assigned_partitions: Vec<TopicPartitions>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}
