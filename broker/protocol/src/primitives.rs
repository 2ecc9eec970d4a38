//! The primitive types of the protocol: a [`Decoder`] over one frame, an [`Encoder`] into buffer and splices.
//!
//! Source: the Kafka protocol guide, "Protocol Primitive Types". All integers are big-endian. A *flexible* message
//! (KIP-482) writes lengths as unsigned varints of length + 1 and ends each struct with tagged fields; the older form
//! has 16-bit string lengths and 32-bit array lengths with -1 for null.

mod decoder;
mod encoder;
mod records;

pub use decoder::{DECODED_BYTES_PER_BYTE_MAX, DecodeError, DecodeReason, Decoder};
pub use encoder::{Encoder, FileSlice, Segment};
pub use records::Records;

#[cfg(test)]
mod tests;
