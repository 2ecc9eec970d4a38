//! ConsumerGroupRegularExpression, as Kafka writes it.

use crate::{ByteString, Message};

/// Consumer group regular expression key (record key, key 16), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 16, versions = "0")]
pub struct ConsumerGroupRegularExpressionKey {
    pub group_id: ByteString,
    pub regular_expression: ByteString,
}

/// Consumer group regular expression value (record value, key 16), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 16, versions = "0", flexible = "0+")]
pub struct ConsumerGroupRegularExpressionValue {
    pub topics: Vec<ByteString>,
    pub version: i64,
    pub timestamp: i64,
}
