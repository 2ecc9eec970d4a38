//! ConsumerProtocolSubscription, as Kafka writes it.

use crate::{ByteString, Bytes, Message};

/// Consumer protocol subscription, versions 0 to 3.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolSubscription {
    pub topics: Vec<ByteString>,
    #[field(nullable, default = null)]
    pub user_data: Option<Bytes>,
    #[field(versions = "1+")]
    pub owned_partitions: Vec<TopicPartition>,
    #[field(versions = "2+", default = -1)]
    pub generation_id: i32,
    #[field(versions = "3+", nullable, default = null)]
    pub rack_id: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct TopicPartition {
    pub topic: ByteString,
    pub partitions: Vec<i32>,
}
