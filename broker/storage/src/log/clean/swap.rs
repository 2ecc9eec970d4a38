//! A cleaned segment takes the place of the ones it was made of, so that a crash at any point leaves all of them or it.
//!
//! | in the folder | after a crash |
//! |---|---|
//! | `.cleaned` files, with some of theirs `.swap` already | all of them are removed: the old segments stand |
//! | `.log.swap` | it counts: segments within its offsets are removed, every `.swap` gets its name |
//! | `.deleted` files | removed |
//!
//! The files are durable before the first one is `.swap`, the log is the last to become that, and the first to get its
//! name. Source: `LocalLog.replaceSegments` and `LogLoader` of Apache Kafka, which leave and understand the same names.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use milena_protocol::Offset;
use milena_protocol::records::{BATCH_HEADER_BYTES, BatchHeader};

use super::output::{CLEANED, Cleaned, cleaned_path};
use crate::disk::{DirEntry, Disk, Open};
use crate::error::{Context, StorageError};
use crate::log::Log;
use crate::segment::{EXTENSIONS, Segment, SegmentEnd, offset_of_name, segment_path};

/// Ending of the names of a segment that is to take the place of others.
const SWAP: &str = "swap";
/// Endings of names that a crash left half done.
const LEFTOVERS: [&str; 4] = [".tmp", ".deleted", ".cleaned", ".swap"];
/// Ending of the names of files on their way out.
pub(in crate::log) const DELETED: &str = "deleted";

impl Log {
    /// Puts `cleaned`, once its indexes are written, in the place of its group. False where the group is no longer part
    /// of the log; nothing changes then.
    ///
    /// # Errors
    /// Of the disk. The log goes on with the old segments until it is opened again, and must not be cleaned before,
    /// whatever the error: the `.cleaned` files of another try would undo a swap that the next start can complete.
    pub fn swap(&self, cleaned: &Cleaned) -> Result<bool, StorageError> {
        let extensions = cleaned.extensions();
        {
            let _writer = self.lock();
            let segments = self.segments.load_full();
            let Some(first) = place_of(&segments, cleaned) else {
                self.discard(cleaned)?;
                return Ok(false);
            };
            self.rename_cleaned(cleaned, &extensions)?;
            let segment = Segment::open(self.disk(), self.folder(), cleaned.base_offset)?;
            segment.set_end(SegmentEnd { position: cleaned.size, offset: cleaned.end });
            segment.set_max_timestamp(cleaned.max_timestamp.0);
            let mut list = segments.to_vec();
            list.splice(first..first + cleaned.segments.len(), [Arc::new(segment)]);
            self.segments.store(Arc::new(list));
            self.names_changed.fetch_add(1, Ordering::AcqRel);
        }
        self.syncing(|| self.sync_names())?;
        self.sweep_unless_delayed()?;
        let is_gone = |at| at > cleaned.base_offset && at < cleaned.end;
        self.remove_producer_snapshots(is_gone)?;
        Ok(true)
    }

    /// Removes what a cleaning that ended early has left.
    ///
    /// # Errors
    /// Of the disk.
    pub fn discard(&self, cleaned: &Cleaned) -> Result<(), StorageError> {
        for extension in EXTENSIONS {
            remove_if_there(self.disk(), &cleaned_path(self, cleaned.base_offset, extension))?;
        }
        Ok(())
    }

    fn rename_cleaned(&self, cleaned: &Cleaned, extensions: &[&str]) -> Result<(), StorageError> {
        let path = |extension: &str| segment_path(self.folder(), cleaned.base_offset, extension);
        for extension in extensions {
            let from = cleaned_path(self, cleaned.base_offset, extension);
            rename(self.disk(), &from, &path(extension).with_added_extension(SWAP))?;
        }
        self.condemn(&cleaned.segments)?;
        for extension in extensions.iter().rev() {
            rename(self.disk(), &path(extension).with_added_extension(SWAP), &path(extension))?;
        }
        Ok(())
    }
}

/// Where the group stands in the list, if all of it does.
fn place_of(segments: &[Arc<Segment>], cleaned: &Cleaned) -> Option<usize> {
    let first = segments.partition_point(|segment| segment.base_offset < cleaned.base_offset);
    let there = segments.get(first..first + cleaned.segments.len())?;
    let is_same = there.iter().zip(&cleaned.segments).all(|(there, group)| Arc::ptr_eq(there, group));
    is_same.then_some(first)
}

/// Completes or undoes what a crash has left half done in the folder of a log that holds `entries`, before its
/// segments are looked at. False where there was nothing.
pub(in crate::log) fn settle(
    disk: &dyn Disk,
    folder: &Path,
    entries: &[DirEntry],
) -> Result<bool, StorageError> {
    let is_left = |entry: &DirEntry| LEFTOVERS.iter().any(|ending| entry.name.ends_with(ending));
    if !entries.iter().any(is_left) {
        return Ok(false);
    }
    let of = |suffix: &str| suffixed(entries, suffix);
    for (name, _) in of("tmp").into_iter().chain(of(DELETED)) {
        remove_if_there(disk, &folder.join(name))?;
    }
    let cleaned = of(CLEANED);
    let undone = cleaned.iter().filter_map(|(_, base)| *base).min();
    let (cancelled, swaps): (Vec<_>, Vec<_>) = of(SWAP)
        .into_iter()
        .partition(|(_, base)| undone.is_some_and(|undone| base.is_none_or(|base| base >= undone)));
    for (name, _) in cancelled.iter().chain(&cleaned) {
        remove_if_there(disk, &folder.join(name))?;
    }
    for (name, base) in &swaps {
        if let Some(base) = base.filter(|_| name.ends_with(".log.swap")) {
            complete(disk, folder, base, entries)?;
        }
    }
    for (name, _) in swaps.iter().filter(|(name, _)| !name.ends_with(".log.swap")) {
        let target = folder.join(name.trim_end_matches(".swap"));
        match disk.open(&target, Open::Existing) {
            // The index of a segment that stayed: the swap it belongs to was never complete.
            Ok(_) => remove_if_there(disk, &folder.join(name))?,
            Err(_) => rename(disk, &folder.join(name), &target)?,
        }
    }
    Ok(true)
}

/// Names with this ending, and the base offset in each.
fn suffixed<'a>(entries: &'a [DirEntry], suffix: &str) -> Vec<(&'a str, Option<Offset>)> {
    let files = entries.iter().filter(|entry| !entry.is_dir);
    let found = files.filter_map(|entry| {
        let name = entry.name.strip_suffix(suffix)?.strip_suffix('.')?;
        let base = EXTENSIONS.iter().find_map(|extension| offset_of_name(name, extension));
        Some((entry.name.as_str(), base))
    });
    found.collect()
}

/// Removes the segments that `<base>.log.swap` was made of, then gives it its name.
fn complete(disk: &dyn Disk, folder: &Path, base: Offset, entries: &[DirEntry]) -> Result<(), StorageError> {
    let path = segment_path(folder, base, "log");
    let swap = path.with_added_extension(SWAP);
    let next = next_offset(disk, &swap, base)?;
    for entry in entries {
        let offset = EXTENSIONS.iter().find_map(|extension| offset_of_name(&entry.name, extension));
        if offset.is_some_and(|offset| offset == base || (base..next).contains(&offset)) {
            remove_if_there(disk, &folder.join(&entry.name))?;
        }
    }
    rename(disk, &swap, &path)
}

/// The offset after the last batch of a file; `base` without any.
fn next_offset(disk: &dyn Disk, path: &Path, base: Offset) -> Result<Offset, StorageError> {
    let file = disk.open(path, Open::Existing).context("open", path)?;
    let (mut position, mut next) = (0, base);
    let mut header = [0; BATCH_HEADER_BYTES];
    while file.read_at(&mut header, position).context("read", path)? == header.len() {
        let Ok(header) = BatchHeader::parse(&header) else { break };
        position += header.size_bytes() as u64;
        next = header.next_offset();
    }
    Ok(next)
}

fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StorageError> {
    disk.rename(from, to).context("rename", from)
}

pub(in crate::log) fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), StorageError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.context("remove", path),
    }
}
