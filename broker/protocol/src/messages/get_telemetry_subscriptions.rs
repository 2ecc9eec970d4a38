//! GetTelemetrySubscriptions: the request of key 71 and its response.

use crate::{ByteString, Message, Uuid};

/// Get telemetry subscriptions request, key 71, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 71, response = GetTelemetrySubscriptionsResponse, versions = "0", flexible = "0+")]
pub struct GetTelemetrySubscriptionsRequest {
    pub client_instance_id: Uuid,
}

/// Get telemetry subscriptions response, key 71, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct GetTelemetrySubscriptionsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub client_instance_id: Uuid,
    pub subscription_id: i32,
    pub accepted_compression_types: Vec<i8>,
    pub push_interval_ms: i32,
    pub telemetry_max_bytes: i32,
    pub delta_temporality: bool,
    pub requested_metrics: Vec<ByteString>,
}
