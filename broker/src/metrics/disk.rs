//! A disk over another one that measures how long it takes to make something durable.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use milena_protocol::{Records, Timestamp};
use milena_storage::disk::{DirEntry, Disk, DiskFile, Open};

use super::Histogram;

/// See the file.
#[derive(Debug)]
pub(crate) struct MeasuredDisk {
    disk: Arc<dyn Disk>,
    sync_time: Arc<Histogram>,
}

#[derive(Debug)]
struct MeasuredFile {
    file: Arc<dyn DiskFile>,
    sync_time: Arc<Histogram>,
}

impl MeasuredDisk {
    pub(super) fn new(disk: Arc<dyn Disk>, sync_time: Arc<Histogram>) -> Self {
        Self { disk, sync_time }
    }
}

fn measured<T>(time: &Histogram, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    time.observe_time(started.elapsed());
    result
}

impl Disk for MeasuredDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, open)?;
        Ok(Arc::new(MeasuredFile { file, sync_time: self.sync_time.clone() }))
    }

    fn boot_id(&self) -> Option<String> {
        self.disk.boot_id()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        measured(&self.sync_time, || self.disk.sync_dir(path))
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        measured(&self.sync_time, || self.disk.sync_all(path))
    }
}

impl DiskFile for MeasuredFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.file.write_all_at(parts, position)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        measured(&self.sync_time, || self.file.sync())
    }

    fn modified(&self) -> io::Result<Option<Timestamp>> {
        self.file.modified()
    }

    fn set_modified(&self, to: Timestamp) -> io::Result<()> {
        self.file.set_modified(to)
    }

    fn slice(&self, position: u64, length: u64) -> io::Result<Records> {
        self.file.slice(position, length)
    }
}
