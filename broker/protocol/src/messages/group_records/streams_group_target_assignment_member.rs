//! StreamsGroupTargetAssignmentMember, as Kafka writes it.

use crate::{ByteString, Message};

/// Streams group target assignment member key (record key, key 21), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 21, versions = "0")]
pub struct StreamsGroupTargetAssignmentMemberKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Streams group target assignment member value (record value, key 21), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 21, versions = "0", flexible = "0+")]
pub struct StreamsGroupTargetAssignmentMemberValue {
    pub active_tasks: Vec<TaskIds>,
    pub standby_tasks: Vec<TaskIds>,
    pub warmup_tasks: Vec<TaskIds>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TaskIds {
    pub subtopology_id: ByteString,
    pub partitions: Vec<i32>,
}
