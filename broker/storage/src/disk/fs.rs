//! The real file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use milena_protocol::{FileSlice, Records, Timestamp};

use super::{DirEntry, Disk, DiskFile, Open};

/// Parts that one `pwritev` takes; the kernel's limit is 1024.
const PARTS_PER_WRITE_MAX: usize = 64;

/// Where Linux tells one run of it from another.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsDisk;

impl Disk for FsDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(open == Open::Create)
            .truncate(false)
            .open(path)?;
        Ok(Arc::new(FsFile(Arc::new(file))))
    }

    fn boot_id(&self) -> Option<String> {
        fs::read_to_string(BOOT_ID).ok().map(|id| id.trim().to_owned())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let describe = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            let is_dir = entry.file_type()?.is_dir();
            let size_bytes = if is_dir { 0 } else { entry.metadata()?.len() };
            Ok(DirEntry { name: entry.file_name().to_string_lossy().into_owned(), is_dir, size_bytes })
        };
        // A file that went away meanwhile is not there.
        let is_there = |entry: &io::Result<DirEntry>| !matches!(entry, Err(error) if error.kind() == io::ErrorKind::NotFound);
        fs::read_dir(path)?.map(describe).filter(is_there).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        // Linux since 5.8 reports a write that failed since somebody was told last.
        Ok(rustix::fs::syncfs(File::open(path)?)?)
    }
}

#[derive(Debug)]
struct FsFile(Arc<File>);

impl DiskFile for FsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, parts: &[&[u8]], mut position: u64) -> io::Result<()> {
        for parts in parts.chunks(PARTS_PER_WRITE_MAX) {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let written = match rustix::io::pwritev(&*self.0, rest, position) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(rustix::io::Errno::INTR) => 0,
                    Err(error) => return Err(error.into()),
                };
                position += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn modified(&self) -> io::Result<Option<Timestamp>> {
        let since = self.0.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).ok().map(Timestamp))
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.0.set_modified(UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0)))
    }

    fn slice(&self, position: u64, length: u64) -> io::Result<Records> {
        Ok(Records::File(FileSlice { file: self.0.clone(), position, len: length }))
    }
}
