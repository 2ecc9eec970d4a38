//! DescribeClientQuotas: the request of key 48 and its response.

use crate::{ByteString, Message};

/// Describe client quotas request, key 48, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 48, response = DescribeClientQuotasResponse, versions = "0-1", flexible = "1+")]
pub struct DescribeClientQuotasRequest {
    pub components: Vec<ComponentData>,
    pub strict: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ComponentData {
    pub entity_type: ByteString,
    pub match_type: i8,
    #[field(nullable)]
    pub r#match: Option<ByteString>,
}

/// Describe client quotas response, key 48, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct DescribeClientQuotasResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    #[field(nullable)]
    pub entries: Option<Vec<EntryData>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EntryData {
    pub entity: Vec<EntityData>,
    pub values: Vec<ValueData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct EntityData {
    pub entity_type: ByteString,
    #[field(nullable)]
    pub entity_name: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ValueData {
    pub key: ByteString,
    pub value: f64,
}
