//! AlterClientQuotas: the request of key 49 and its response.

use crate::{ByteString, Message};

/// Alter client quotas request, key 49, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 49, response = AlterClientQuotasResponse, versions = "0-1", flexible = "1+")]
pub struct AlterClientQuotasRequest {
    pub entries: Vec<RequestEntryData>,
    pub validate_only: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestEntryData {
    pub entity: Vec<RequestEntityData>,
    pub ops: Vec<OpData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct RequestEntityData {
    pub entity_type: ByteString,
    #[field(nullable)]
    pub entity_name: Option<ByteString>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct OpData {
    pub key: ByteString,
    pub value: f64,
    pub remove: bool,
}

/// Alter client quotas response, key 49, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "1+")]
pub struct AlterClientQuotasResponse {
    pub throttle_time_ms: i32,
    pub entries: Vec<ResponseEntryData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseEntryData {
    pub error_code: i16,
    #[field(nullable)]
    pub error_message: Option<ByteString>,
    pub entity: Vec<ResponseEntityData>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct ResponseEntityData {
    pub entity_type: ByteString,
    #[field(nullable)]
    pub entity_name: Option<ByteString>,
}
