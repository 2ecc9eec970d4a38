//! The harness of the tests that need a running broker: its process, the reference broker, and real clients.
//!
//! `MILENA_TEST_BROKER=kafka` puts Apache Kafka in the place of the broker, for every test that asks for a
//! [`TestBroker`]: a test that fails on both is wrong about Kafka, or its client is.

pub mod broker;
pub mod cluster;
pub mod dice;
pub mod disk;
pub mod dump;
pub mod frame;
pub mod java;
pub mod network;
pub mod paths;
pub mod process;
pub mod wait;

pub use broker::{Flavor, TestBroker};
pub use cluster::{Node, Role, TestCluster};
pub use dice::Dice;
pub use disk::SmallDisk;
pub use network::{Host, Network};
pub use process::Process;
pub use wait::{eventually, within};
