//! Whole lives of logs on a disk in memory: what compaction keeps, and what a crash at any moment leaves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compaction;
mod crashes;
mod support;
