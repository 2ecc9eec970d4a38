//! The disks of the nodes: in memory, kept over a restart, and read from the side by the checks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use milena_protocol::records::{RecordBatch, batches};
use milena_storage::disk::DirEntry;
use milena_storage::{Disk, DiskFile, MemDisk, Open};

/// Where every node keeps its data.
pub(crate) const DATA: &str = "/data";

/// A disk that forgets votes: the file that holds them never takes its place. One of the mistakes that are built in.
#[derive(Debug)]
pub(crate) struct Forgetful(pub(crate) MemDisk);

impl Disk for Forgetful {
    fn open(&self, path: &Path, open: Open) -> io::Result<Arc<dyn DiskFile>> {
        self.0.open(path, open)
    }

    fn boot_id(&self) -> Option<String> {
        self.0.boot_id()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if to.ends_with("quorum-state") { self.0.remove_file(from) } else { self.0.rename(from, to) }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.0.sync_all(path)
    }
}

/// A record of a partition, as the clients of the simulation write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Value {
    /// Who wrote it.
    pub(crate) lane: u32,
    /// The how manieth it is of its writer, from 0.
    pub(crate) number: u32,
}

impl Value {
    pub(crate) fn to_bytes(self, padding: usize) -> Vec<u8> {
        let mut bytes = [self.lane.to_be_bytes(), self.number.to_be_bytes()].concat();
        bytes.resize(8 + padding, b'.');
        bytes
    }

    pub(crate) fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        (bytes.len() >= 8).then(|| Self { lane: bytes.get_u32(), number: bytes.get_u32() })
    }
}

/// The batches of a log, in order, whatever is damaged left out.
pub(crate) fn batches_of(disk: &MemDisk, folder: &Path) -> Vec<RecordBatch> {
    let mut names: Vec<_> =
        disk.list(folder).unwrap_or_default().into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name.ends_with(".log"));
    names.sort();
    let contents = names.into_iter().filter_map(|name| disk.read(&folder.join(name)).ok());
    contents.flat_map(|bytes| batches(Bytes::from(bytes)).map_while(Result::ok).collect::<Vec<_>>()).collect()
}

/// Offsets and values of the records in batches.
pub(crate) fn values(batches: &[RecordBatch]) -> impl Iterator<Item = (i64, Value)> {
    let records = batches.iter().filter_map(|batch| batch.records().ok()).flatten().filter_map(Result::ok);
    records.filter_map(|record| Some((record.offset.0, Value::from_bytes(record.value?)?)))
}

/// The folder of a partition.
pub(crate) fn folder(topic: &str, index: i32) -> PathBuf {
    Path::new(DATA).join(format!("{topic}-{index}"))
}
