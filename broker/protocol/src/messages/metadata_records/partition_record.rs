//! PartitionRecord, as Kafka writes it.

use crate::{Message, Uuid};

/// Partition record (record, key 3), versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 3, versions = "0-2", flexible = "0+")]
pub struct PartitionRecord {
    #[field(default = -1)]
    pub partition_id: i32,
    pub topic_id: Uuid,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub removing_replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    #[field(default = -1)]
    pub leader: i32,
    #[field(tag = 0)]
    pub leader_recovery_state: i8,
    #[field(default = -1)]
    pub leader_epoch: i32,
    #[field(default = -1)]
    pub partition_epoch: i32,
    #[field(versions = "1+")]
    pub directories: Vec<Uuid>,
    #[field(versions = "2+", nullable, tag = 1, default = null)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    #[field(versions = "2+", nullable, tag = 2, default = null)]
    pub last_known_elr: Option<Vec<i32>>,
}
