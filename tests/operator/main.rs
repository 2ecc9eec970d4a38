//! The operator's process against a real API server, and a real broker where topics are concerned.

mod api;
mod brokers;
mod cluster;
mod control_plane;
mod process;
mod replicated;
mod stage;
mod topic;
