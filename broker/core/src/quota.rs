//! Limits on what clients may use of a broker: connections and the rate at which they come.

pub mod connections;
mod rate;

pub use rate::{Rate, Windows};
