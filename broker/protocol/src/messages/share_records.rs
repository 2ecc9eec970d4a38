//! The records of `__share_group_state`, keys and values.

pub mod share_snapshot;
pub mod share_update;

pub use share_snapshot::{ShareSnapshotKey, ShareSnapshotValue};
pub use share_update::{ShareUpdateKey, ShareUpdateValue};
