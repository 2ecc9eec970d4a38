//! The decisions of a broker, a controller and the coordinators: pure, no tokio, no files, no clock, no global
//! randomness. Time and random numbers are arguments; durable state changes only by replaying records.

pub mod config;
pub mod controller;
pub mod follower;
pub mod group;
pub mod lifecycle;
pub mod machine;
pub mod metadata;
pub mod partition;
pub mod placement;
pub mod quota;
pub mod raft;
pub mod session;
