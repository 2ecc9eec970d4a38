//! What a broker process must stand: being killed at any moment, and bytes that no client would send.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

mod configs;
mod connections;
mod controllers;
mod crash;
mod directory;
mod disk_full;
mod features;
mod formats;
mod groups;
mod handover;
mod hostile;
mod metrics;
mod never_reads;
mod pitfalls;
mod records;
mod replicas;
mod replication;
mod sessions;
mod validation;
mod waiting;

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
