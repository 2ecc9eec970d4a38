//! PartitionChangeRecord, as Kafka writes it.

use crate::{Message, Uuid};

/// Partition change record (record, key 5), versions 0 to 2.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 5, versions = "0-2", flexible = "0+")]
pub struct PartitionChangeRecord {
    #[field(default = -1)]
    pub partition_id: i32,
    pub topic_id: Uuid,
    #[field(nullable, tag = 0, default = null)]
    pub isr: Option<Vec<i32>>,
    #[field(tag = 1, default = -2)]
    pub leader: i32,
    #[field(nullable, tag = 2, default = null)]
    pub replicas: Option<Vec<i32>>,
    #[field(nullable, tag = 3, default = null)]
    pub removing_replicas: Option<Vec<i32>>,
    #[field(nullable, tag = 4, default = null)]
    pub adding_replicas: Option<Vec<i32>>,
    #[field(tag = 5, default = -1)]
    pub leader_recovery_state: i8,
    #[field(versions = "1+", nullable, tag = 8, default = null)]
    pub directories: Option<Vec<Uuid>>,
    #[field(versions = "2+", nullable, tag = 6, default = null)]
    pub eligible_leader_replicas: Option<Vec<i32>>,
    #[field(versions = "2+", nullable, tag = 7, default = null)]
    pub last_known_elr: Option<Vec<i32>>,
}
