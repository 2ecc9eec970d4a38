//! Several processes that are one cluster: how it forms, and what it bears.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

mod dirs;
mod leaders;
mod life;
mod mixed;
mod moves;
mod requests;
mod tools;
mod voters;

/// How long any step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
