//! ConsumerProtocolAssignment, as Kafka writes it.

use crate::{ByteString, Bytes, Message};

/// Consumer protocol assignment, versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolAssignment {
    pub assigned_partitions: Vec<TopicPartition>,
    #[field(nullable, default = null)]
    pub user_data: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic: ByteString,
    pub partitions: Vec<i32>,
}
