//! Kafka's protocol from the client's side: what brokers say to each other and what the operator asks of a cluster.
//!
//! [`connection`] speaks to one address and never follows metadata; [`admin`] knows a cluster by its bootstrap
//! addresses. The crate dials anew, and resolves the name anew, whenever a connection is gone: addresses of pods change.

pub mod admin;
pub mod connection;
mod error;
mod net;

pub use admin::Admin;
pub use connection::{Connection, Options};
pub use error::{ClientError, Refused};
