//! Kafka's wire protocol: bytes to types and back, for the broker, its clients and the operator.
//!
//! Nothing here does IO or keeps state. Decoding borrows: strings and records are slices of the frame. Every length is
//! checked against what remains before memory is reserved, and [`DECODED_BYTES_PER_BYTE_MAX`] bounds what a frame may
//! grow to. Encoding writes one buffer and splices records and file slices between its parts.

// Lets the derive name this crate from inside.
extern crate self as milena_protocol;

pub mod catalogue;
pub mod error_code;
pub mod frames;
pub mod ids;
pub mod messages;
pub mod metadata_record;
pub mod primitives;
pub mod records;
pub mod wire;

pub use bytes::Bytes;
pub use bytestring::ByteString;
pub use error_code::ErrorCode;
pub use ids::{
    LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, TopicId, Uuid,
};
pub use metadata_record::MetadataRecord;
pub use primitives::{
    DECODED_BYTES_PER_BYTE_MAX, DecodeError, DecodeReason, Decoder, Encoder, FileSlice, Records, Segment,
};
pub use wire::{Message, Record, Request};
