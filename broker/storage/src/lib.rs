//! Logs on disk in Kafka's segment format, and the small files that stand beside them.
//!
//! A [`Log`] is a folder of segments: one replica of a partition, or the metadata log of the quorum. [`dir`] reads and
//! writes what a log directory holds beside logs. Everything is synchronous and goes through a [`Disk`]: [`FsDisk`] for
//! a broker, [`MemDisk`] for tests and the simulation, which can lose unsynced writes.
//!
//! Invariants: a reader never waits for an append, it sees an immutable list of segments and atomic ends; an append that fails leaves
//! the log as it was; what `flush` returned for survives a crash of the machine, everything else that was appended
//! survives a crash of the process; bytes of the disk never panic.

pub mod dir;
pub mod disk;
pub mod log;

mod aborted;
mod checkpoint;
mod error;
mod index;
mod producers;
mod segment;

pub use aborted::AbortedTransaction;
pub use dir::{CleanShutdown, LogDirLock, MetaProperties, PartitionKey, Run};
pub use disk::{Call, Disk, DiskFile, FsDisk, LazyDisk, MemDisk, Open, Survival};
pub use error::StorageError;
pub use log::{
    Appended, CleanRules, Cleaned, Cleaning, EpochStart, Group, LastBatch, Log, LogConfig, Opening, Pace,
    Placed, ReadLimits, Retention, SegmentSummary, SegmentTimes, TimestampedOffset,
};
pub use producers::ProducerEntry;
