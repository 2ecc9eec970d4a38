//! The codec against bytes that Apache Kafka's own serializers wrote (`Golden.java`, committed under `vectors/`), and
//! against bytes that nobody should send: cut, with hostile lengths, mutated, random.
//!
//! `make golden` prints the vectors and the message declarations again.

mod batches;
mod headers;
mod hostile;
mod memory;
mod messages;
mod vector;
