//! What the folder of a log holds, told by names and sizes alone.

use std::collections::BTreeMap;
use std::path::Path;

use milena_protocol::Offset;

use super::clean::swap;
use crate::disk::{DirEntry, Disk};
use crate::error::{Context, StorageError};
use crate::segment::{ListedSegment, offset_of_name};

#[derive(Debug, Default)]
pub(super) struct Listing {
    /// By base offset.
    pub(super) segments: Vec<ListedSegment>,
    /// Offsets of producer snapshots, in no order.
    pub(super) snapshots: Vec<Offset>,
}

impl Listing {
    /// Lists the folder. What a crash left half done in it is completed or removed.
    pub(super) fn of(disk: &dyn Disk, folder: &Path) -> Result<Self, StorageError> {
        let mut listing = Self::default();
        let mut indexes = BTreeMap::new();
        let mut entries = disk.list(folder).context("list", folder)?;
        if swap::settle(disk, folder, &entries)? {
            entries = disk.list(folder).context("list", folder)?;
        }
        for entry in &entries {
            listing.note(entry, &mut indexes);
        }
        for segment in &mut listing.segments {
            let size = |extension| indexes.get(&(segment.base_offset, extension)).copied();
            (segment.index_bytes, segment.time_index_bytes) = (size("index"), size("timeindex"));
        }
        listing.segments.sort_unstable_by_key(|segment| segment.base_offset);
        Ok(listing)
    }

    fn note(&mut self, entry: &DirEntry, indexes: &mut BTreeMap<(Offset, &'static str), u64>) {
        self.snapshots.extend(offset_of_name(&entry.name, "snapshot"));
        for extension in ["index", "timeindex"] {
            let base_offset = offset_of_name(&entry.name, extension);
            indexes.extend(base_offset.map(|base| ((base, extension), entry.size_bytes)));
        }
        self.segments.extend(offset_of_name(&entry.name, "log").map(|base_offset| ListedSegment {
            base_offset,
            log_bytes: entry.size_bytes,
            index_bytes: None,
            time_index_bytes: None,
        }));
    }
}
