//! Limits on what clients may use of a broker: connections and the rate at which they come; and on what replicas may.

pub mod connections;
mod rate;
pub mod replication;

pub use rate::{Rate, Windows};
pub use replication::{ByteRate, Throttled};
