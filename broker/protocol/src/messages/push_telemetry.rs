//! PushTelemetry: the request of key 72 and its response.

use crate::{Bytes, Message, Uuid};

/// Push telemetry request, key 72, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 72, response = PushTelemetryResponse, versions = "0", flexible = "0+")]
pub struct PushTelemetryRequest {
    pub client_instance_id: Uuid,
    pub subscription_id: i32,
    pub terminating: bool,
    pub compression_type: i8,
    pub metrics: Bytes,
}

/// Push telemetry response, key 72, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct PushTelemetryResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}
