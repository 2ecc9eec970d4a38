//! StreamsGroupCurrentMemberAssignment, as Kafka writes it.

use crate::{ByteString, Message};

/// Streams group current member assignment key (record key, key 22), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 22, versions = "0")]
pub struct StreamsGroupCurrentMemberAssignmentKey {
    pub group_id: ByteString,
    pub member_id: ByteString,
}

/// Streams group current member assignment value (record value, key 22), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 22, versions = "0", flexible = "0+")]
pub struct StreamsGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub state: i8,
    pub active_tasks: Vec<TaskIds>,
    pub standby_tasks: Vec<TaskIds>,
    pub warmup_tasks: Vec<TaskIds>,
    pub active_tasks_pending_revocation: Vec<TaskIds>,
    pub standby_tasks_pending_revocation: Vec<TaskIds>,
    pub warmup_tasks_pending_revocation: Vec<TaskIds>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TaskIds {
    pub subtopology_id: ByteString,
    pub partitions: Vec<i32>,
    #[field(nullable, tag = 0)]
    pub assignment_epochs: Option<Vec<i32>>,
}
