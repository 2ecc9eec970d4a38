//! What storage asks of a disk. Two disks exist, [`FsDisk`] and [`MemDisk`], and [`LazyDisk`] over either.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use milena_protocol::{Records, Timestamp};

use crate::error::{Context as _, StorageError};

mod crash;
mod fs;
mod lazy;
mod memory;

pub use crash::{Crash, crash_everywhere};
pub use fs::FsDisk;
pub use lazy::LazyDisk;
pub use memory::{Call, MemDisk, Survival};

/// Whether an absent file is an error or is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// The file must exist.
    Existing,
    /// The file is made where it does not exist.
    Create,
    /// The file was seen in its folder. A disk may put off opening it, and the error of one that is gone.
    Listed,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Without the folder.
    pub name: String,
    /// Folder or file.
    pub is_dir: bool,
    /// Of a file; 0 for a folder.
    pub size_bytes: u64,
}

/// A file system.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, open: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a folder and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Moves a file or folder, replacing a file that is in the way.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open files stay readable.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes created, renamed and removed names of a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything durable that was done on the file system that holds `path`.
    fn sync_all(&self, path: &Path) -> io::Result<()>;
    /// Names the run of the machine: what was written outlives the process, but what was not synced ends with the run.
    /// `None` where that is not known.
    fn boot_id(&self) -> Option<String>;

    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, Open::Existing)?;
        let mut contents = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        let read = file.read_at(&mut contents, 0)?;
        contents.truncate(read);
        Ok(contents)
    }

    /// Replaces a whole file in one step: readers see the old contents or the new. Durable ones survive a crash of
    /// the machine from here on.
    ///
    /// # Errors
    /// Of the disk: to "write" leaves the old contents, to "sync" leaves it open which of the two a crash would show.
    fn replace(&self, path: &Path, contents: &[u8], durable: bool) -> Result<(), StorageError> {
        let temporary = path.with_added_extension("tmp");
        let write = || {
            let file = self.open(&temporary, Open::Create)?;
            file.set_len(0)?;
            file.write_all_at(&[contents], 0)?;
            if durable {
                file.sync()?;
            }
            self.rename(&temporary, path)
        };
        write().context("write", path)?;
        match (durable, path.parent()) {
            (true, Some(parent)) => self.sync_dir(parent).context("sync", parent),
            _ => Ok(()),
        }
    }
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Size in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads until `buffer` is full or the file ends; yields the bytes read.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes `parts` one after the other, starting at `position`. Part of them may be written when it fails.
    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()>;
    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes the contents durable.
    fn sync(&self) -> io::Result<()>;
    /// When the file was written last; `None` on a disk without a clock.
    fn modified(&self) -> io::Result<Option<Timestamp>>;
    /// Changes what [`DiskFile::modified`] says.
    fn set_modified(&self, at: Timestamp) -> io::Result<()>;
    /// A part of the file for a socket, read as late as possible.
    fn slice(&self, position: u64, length: u64) -> io::Result<Records>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
