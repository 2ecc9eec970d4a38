//! BrokerRegistrationChangeRecord, as Kafka writes it.

use crate::{Message, Uuid};

/// Broker registration change record (record, key 17), versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 17, versions = "0-3", flexible = "0+")]
pub struct BrokerRegistrationChangeRecord {
    pub broker_id: i32,
    pub broker_epoch: i64,
    #[field(tag = 0)]
    pub fenced: i8,
    #[field(versions = "1+", tag = 1)]
    pub in_controlled_shutdown: i8,
    #[field(versions = "2+", tag = 2)]
    pub log_dirs: Vec<Uuid>,
    #[field(versions = "3+", nullable, tag = 3, default = null)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}
