//! ConsumerGroupCurrentMemberAssignment, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Consumer group current member assignment key (record key, key 8), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 8, versions = "0")]
pub struct ConsumerGroupCurrentMemberAssignmentKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Consumer group current member assignment value (record value, key 8), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 8, versions = "0", flexible = "0+")]
pub struct ConsumerGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub state: i8,
    pub assigned_partitions: Vec<TopicPartitions>,
    pub partitions_pending_revocation: Vec<TopicPartitions>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
    #[field(nullable, tag = 0)]
    pub assignment_epochs: Option<Vec<i32>>,
}
