//! A disk over another one that keeps few files open: a file is opened when it is first used and closed again when
//! others are used more.
//!
//! Which one is closed is found by going round: a file that was used since the last round stays for another. A slice on
//! its way to a socket holds its file open by itself. An open file keeps its contents when its name is removed or
//! goes to another file, as on any disk; this one therefore opens a file before it takes its name away, and
//! follows files and folders that are renamed.
//!
//! Closing a file with unsynced writes loses nothing: they are the inode's, and where the kernel fails to write them,
//! it tells the next sync of the file, through whichever descriptor (Linux since 4.16), unless it has forgotten the inode
//! in between.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use milena_protocol::{Records, Timestamp};

use super::{DirEntry, Disk, DiskFile, Open};
use crate::error::StorageError;

/// A disk that keeps few files open. Clones share them.
#[derive(Debug, Clone)]
pub struct LazyDisk(Arc<Shared>);

/// Locks are taken in this order: the path of a file, `open`, `files`.
#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    open_files_max: usize,
    /// Every file that somebody holds, by its name of now.
    files: Mutex<BTreeMap<PathBuf, Weak<LazyFile>>>,
    /// The open ones, the next to be looked at first.
    open: Mutex<VecDeque<Weak<LazyFile>>>,
}

impl LazyDisk {
    /// Over `disk`, with at most `open_files_max` files open, besides those that are in use at the moment.
    pub fn new(disk: Arc<dyn Disk>, open_files_max: usize) -> Self {
        let (files, open) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Shared { disk, open_files_max, files, open }))
    }

    /// The file that has this name, for as long as somebody holds it. Made known if it is not.
    fn file(&self, path: &Path) -> Arc<LazyFile> {
        let mut files = lock(&self.0.files);
        if let Some(file) = files.get(path).and_then(Weak::upgrade) {
            return file;
        }
        let file = Arc::new_cyclic(|me| LazyFile {
            me: me.clone(),
            shared: self.0.clone(),
            path: Mutex::new(path.to_owned()),
            file: ArcSwapOption::empty(),
            is_used: AtomicBool::new(false),
            is_kept: AtomicBool::new(false),
        });
        files.insert(path.to_owned(), Arc::downgrade(&file));
        file
    }

    /// The files that have this name or lie in the folder of this name.
    fn files_in(&self, path: &Path) -> Vec<Arc<LazyFile>> {
        let files = lock(&self.0.files);
        let inside = files.range(path.to_owned()..).take_while(|(name, _)| name.starts_with(path));
        inside.filter_map(|(_, file)| file.upgrade()).collect()
    }

    /// To be called before the name goes to nobody or to another file.
    fn keep_open(&self, path: &Path) {
        let file = lock(&self.0.files).remove(path).and_then(|file| file.upgrade());
        if let Some(file) = file {
            let path = lock(&file.path);
            {
                // Whoever closes files looks under this lock.
                let _open = lock(&self.0.open);
                file.is_kept.store(true, Ordering::Relaxed);
            }
            // A file that cannot be opened now could not be read later either.
            let _ = file.open_as(&path);
        }
    }
}

impl Disk for LazyDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.file(path);
        if open != Open::Listed {
            let path = lock(&file.path);
            if file.file.load().is_none() {
                file.opened(self.0.disk.open(&path, open)?);
            }
        }
        Ok(file)
    }

    fn boot_id(&self) -> Option<String> {
        self.0.disk.boot_id()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.keep_open(to);
        let moved = self.files_in(from);
        let mut paths: Vec<_> = moved.iter().map(|file| lock(&file.path)).collect();
        self.0.disk.rename(from, to)?;
        let mut files = lock(&self.0.files);
        for (path, file) in paths.iter_mut().zip(&moved) {
            let Ok(rest) = path.strip_prefix(from) else { continue };
            let target = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            files.remove(&**path);
            files.insert(target.clone(), Arc::downgrade(file));
            **path = target;
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.keep_open(path);
        self.0.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.disk.sync_dir(path)
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        self.0.disk.sync_all(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.disk.read(path)
    }

    fn replace(&self, path: &Path, contents: &[u8], durable: bool) -> Result<(), StorageError> {
        self.keep_open(path);
        self.0.disk.replace(path, contents, durable)
    }
}

/// A file that is open or will be.
#[derive(Debug)]
struct LazyFile {
    me: Weak<LazyFile>,
    shared: Arc<Shared>,
    /// Its name of now. Held while the file is opened and while it is renamed.
    path: Mutex<PathBuf>,
    file: ArcSwapOption<Arc<dyn DiskFile>>,
    /// Since it was looked at last.
    is_used: AtomicBool,
    /// The name is gone: once closed, the file could not be opened again.
    is_kept: AtomicBool,
}

impl LazyFile {
    fn file(&self) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = &*self.file.load() {
            if !self.is_used.load(Ordering::Relaxed) {
                self.is_used.store(true, Ordering::Relaxed);
            }
            return Ok(Arc::clone(file));
        }
        let path = lock(&self.path);
        self.open_as(&path)
    }

    /// Opens the file; the caller holds its name.
    fn open_as(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = &*self.file.load() {
            return Ok(Arc::clone(file));
        }
        let file = self.shared.disk.open(path, Open::Existing)?;
        self.opened(file.clone());
        Ok(file)
    }

    fn opened(&self, file: Arc<dyn DiskFile>) {
        self.file.store(Some(Arc::new(file)));
        self.is_used.store(true, Ordering::Relaxed);
        let mut open = lock(&self.shared.open);
        open.push_back(self.me.clone());
        // Nobody is looked at more than twice, however busy the others are.
        for _ in 0..2 * open.len() {
            if open.len() <= self.shared.open_files_max {
                break;
            }
            let Some(other) = open.pop_front().and_then(|other| other.upgrade()) else { continue };
            if other.is_kept.load(Ordering::Relaxed) {
                continue;
            }
            if other.is_used.swap(false, Ordering::Relaxed) {
                open.push_back(other.me.clone());
            } else {
                other.file.store(None);
            }
        }
    }
}

impl Drop for LazyFile {
    fn drop(&mut self) {
        let path = self.path.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut files = lock(&self.shared.files);
        if files.get(path).is_some_and(|file| file.ptr_eq(&self.me)) {
            files.remove(path);
        }
    }
}

impl DiskFile for LazyFile {
    fn len(&self) -> io::Result<u64> {
        self.file()?.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file()?.read_at(buffer, position)
    }

    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.file()?.write_all_at(parts, position)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file()?.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file()?.sync()
    }

    fn modified(&self) -> io::Result<Option<Timestamp>> {
        self.file()?.modified()
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.file()?.set_modified(at)
    }

    fn slice(&self, position: u64, length: u64) -> io::Result<Records> {
        self.file()?.slice(position, length)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
