//! The files of offsets beside the logs of each directory: recovery points, log starts, high watermarks, ends of
//! cleanings; one line for each partition.
//!
//! They are written from time to time, where anything changed, and at an orderly stop. Lines of logs that could not be
//! opened are carried over: what they say must hold when the logs can be opened again. Nothing is
//! written to a directory that failed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use milena_protocol::Offset;
use milena_storage::dir::{self, Offsets};
use milena_storage::{Disk, Opening, PartitionKey, StorageError};

use super::recover::key_of;
use super::{Hosted, Inner, LogDir, Partitions};
use crate::partition::Partition;

/// What the files said of a log at the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) opening: Opening,
    pub(super) high_watermark: Option<Offset>,
    pub(super) cleaned_to: Option<Offset>,
}

/// One of the files.
struct File {
    write: fn(&dyn Disk, &Path, &Offsets) -> Result<(), StorageError>,
    /// -1 where there is nothing to say.
    offset: fn(&Partition) -> Offset,
    known: fn(&Known) -> Option<Offset>,
    written: fn(&Written) -> &AtomicU64,
}

const RECOVERY_POINTS: File = File {
    write: dir::write_recovery_points,
    offset: Partition::recovery_point,
    known: |known| known.opening.recovery_point,
    written: |written| &written.recovery_points,
};
const START_OFFSETS: File = File {
    write: dir::write_start_offsets,
    offset: Partition::log_start_offset,
    known: |known| known.opening.start_offset,
    written: |written| &written.start_offsets,
};
const HIGH_WATERMARKS: File = File {
    write: dir::write_high_watermarks,
    offset: Partition::high_watermark,
    known: |known| known.high_watermark,
    written: |written| &written.high_watermarks,
};
const CLEANER_OFFSETS: File = File {
    write: dir::write_cleaner_offsets,
    offset: Partition::cleaned_to,
    known: |known| known.cleaned_to,
    written: |written| &written.cleaner_offsets,
};

/// Fingerprints of what the files say now; 0 where that is not known.
#[derive(Debug, Default)]
pub(super) struct Written {
    recovery_points: AtomicU64,
    start_offsets: AtomicU64,
    high_watermarks: AtomicU64,
    cleaner_offsets: AtomicU64,
}

impl Partitions {
    /// Moves recovery points that fell far behind, and writes all of them.
    pub(super) fn write_recovery_points(&self) -> Result<(), StorageError> {
        let far: Vec<_> = self.all().iter().map(|partition| partition.checkpoint_if_far()).collect();
        let noted = self.note_recovery_points();
        far.into_iter().chain([noted]).collect()
    }

    /// The same in one directory, as they are.
    pub(super) fn note_recovery_points_in(&self, dir: &LogDir) -> Result<(), StorageError> {
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.write_offsets_in(dir, &self.0.hosted.load(), &RECOVERY_POINTS)
    }

    /// Writes recovery points as they are.
    pub(crate) fn note_recovery_points(&self) -> Result<(), StorageError> {
        self.write_offsets(&RECOVERY_POINTS)
    }

    /// Writes where each log starts.
    pub(super) fn write_start_offsets(&self) -> Result<(), StorageError> {
        self.write_offsets(&START_OFFSETS)
    }

    /// Writes what is committed.
    pub(super) fn write_high_watermarks(&self) -> Result<(), StorageError> {
        self.write_offsets(&HIGH_WATERMARKS)
    }

    /// Writes up to where each compacted log is clean.
    pub(super) fn write_cleaner_offsets(&self) -> Result<(), StorageError> {
        self.write_offsets(&CLEANER_OFFSETS)
    }

    fn write_offsets(&self, file: &File) -> Result<(), StorageError> {
        // No change in between: what is deleted must not come back into the files.
        let _one = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.write_offsets(&self.0.hosted.load(), file)
    }
}

impl Inner {
    /// Writes all files, whether anything changed or not.
    ///
    /// To be called too when a partition is deleted, before another of the same name is there: after a crash the files
    /// would give it the log start of its predecessor.
    pub(super) fn write_checkpoints(&self, hosted: &Hosted) -> Result<(), StorageError> {
        let files = [&RECOVERY_POINTS, &START_OFFSETS, &HIGH_WATERMARKS, &CLEANER_OFFSETS];
        let write = |file: &File| {
            self.dirs.all().iter().for_each(|dir| (file.written)(&dir.written).store(0, Ordering::Relaxed));
            self.write_offsets(hosted, file)
        };
        files.map(write).into_iter().collect()
    }

    /// One directory's failure keeps nothing out of the others.
    fn write_offsets(&self, hosted: &Hosted, file: &File) -> Result<(), StorageError> {
        let write = |dir: &Arc<LogDir>| {
            self.write_offsets_in(dir, hosted, file).inspect_err(|error| {
                dir.health.report(error);
            })
        };
        let written: Vec<_> = self.dirs.online().map(write).collect();
        written.into_iter().collect()
    }

    fn write_offsets_in(&self, dir: &LogDir, hosted: &Hosted, file: &File) -> Result<(), StorageError> {
        let here = || hosted.partitions().filter(|partition| partition.is_in(dir));
        let (written, fingerprint) = ((file.written)(&dir.written), fingerprint(here(), file.offset));
        if written.load(Ordering::Relaxed) == fingerprint {
            return Ok(());
        }
        let all = here().map(|partition| (key_of(partition), (file.offset)(partition)));
        let mut offsets: Offsets = all.filter(|(_, offset)| offset.0 >= 0).collect();
        let unopened = dir.unopened();
        let known = |(key, known): (&PartitionKey, &Known)| Some((key.clone(), (file.known)(known)?));
        offsets.extend(unopened.iter().filter_map(known));
        (file.write)(&*self.disk, &dir.folder, &offsets)?;
        written.store(fingerprint, Ordering::Relaxed);
        Ok(())
    }
}

/// Tells two states apart without naming the partitions. Never 0.
fn fingerprint<'a>(
    partitions: impl Iterator<Item = &'a Arc<Partition>>,
    offset: fn(&Partition) -> Offset,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    for partition in partitions {
        (std::ptr::from_ref(partition).addr(), offset(partition)).hash(&mut hasher);
    }
    hasher.finish() | 1
}
