//! A disk in memory that knows what a crash may lose.
//!
//! Names (created, renamed, removed) are durable at once and in order, as on a journaling file system. Contents are
//! durable when synced; until then each write and each change of length may be lost on its own, a write may be torn, and
//! of one over several pages any may be missing. [`MemDisk::crash`] yields the disk that a restarted machine finds. [`MemDisk::fail_after`] stops the disk at
//! any step, so that a test can crash at every one of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use milena_protocol::{Records, Timestamp};

use super::{DirEntry, Disk, DiskFile, Open};

/// What the page cache writes at a time.
const PAGE_BYTES: usize = 4096;

/// What is left of unsynced changes after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// Everything: the process died, the page cache did not.
    All,
    /// Nothing.
    None,
    /// Each change by the toss of a coin from this seed; a surviving write may be torn.
    Some(u64),
}

/// What a disk can be told to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Opening a file, whether it exists or not.
    Open,
    /// Writing to a file or changing its length.
    Write,
    /// Making a file's contents, or a folder's names, durable.
    Sync,
    /// Renaming a file or folder.
    Rename,
    /// Removing a file or folder.
    Remove,
}

/// A disk in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// `None` is a folder.
    names: BTreeMap<PathBuf, Option<Arc<Mutex<Contents>>>>,
    /// How often the machine lost what was not synced.
    boots: u64,
    changes: u64,
    changes_max: Option<u64>,
    opens: u64,
    open_files: u64,
    /// Errors by the call that ends with them.
    refused: BTreeMap<Call, i32>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    durable: Vec<u8>,
    /// Since the last sync, in order.
    pending: Vec<Change>,
    current: Vec<u8>,
    /// As it was set; there is no clock.
    modified: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    Length(usize),
}

impl MemDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many changes (writes, syncs, names) were made so far.
    pub fn changes(&self) -> u64 {
        lock(&self.0).changes
    }

    /// How often a file was opened.
    pub fn opens(&self) -> u64 {
        lock(&self.0).opens
    }

    /// How many files are open.
    pub fn open_files(&self) -> u64 {
        lock(&self.0).open_files
    }

    /// Lets `changes` more changes through; the next one, and all after it, fail. A write that fails is done by half.
    pub fn fail_after(&self, changes: u64) {
        let mut state = lock(&self.0);
        state.changes_max = Some(state.changes + changes);
    }

    /// Lets every `call` fail with this error number of the system, until told otherwise by `None`.
    pub fn refuse(&self, call: Call, errno: Option<i32>) {
        let refused = &mut lock(&self.0).refused;
        match errno {
            Some(errno) => drop(refused.insert(call, errno)),
            None => drop(refused.remove(&call)),
        }
    }

    /// The disk as a restart finds it. This one stays as it is.
    #[must_use]
    pub fn crash(&self, survival: Survival) -> Self {
        let state = lock(&self.0);
        let mut coin = Coin(if let Survival::Some(seed) = survival { seed } else { 0 });
        let names = state
            .names
            .iter()
            .map(|(path, file)| {
                let file =
                    file.as_ref().map(|file| Arc::new(Mutex::new(lock(file).crash(survival, &mut coin))));
                (path.clone(), file)
            })
            .collect();
        let boots = state.boots + u64::from(survival != Survival::All);
        Self(Arc::new(Mutex::new(State { names, boots, ..State::default() })))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn allow(&self, call: Call) -> io::Result<()> {
        self.refused.get(&call).map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(*errno)))
    }

    /// Counts a change, or refuses it.
    fn change(&mut self, call: Call) -> io::Result<()> {
        self.allow(call)?;
        if self.changes_max.is_some_and(|max| self.changes >= max) {
            return Err(io::Error::other("disk stopped"));
        }
        self.changes += 1;
        Ok(())
    }
}

impl Contents {
    fn apply(&mut self, change: Change) {
        apply(&mut self.current, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        self.durable = self.current.clone();
        self.pending.clear();
    }

    fn crash(&self, survival: Survival, coin: &mut Coin) -> Self {
        let durable = match survival {
            Survival::All => self.current.clone(),
            Survival::None => self.durable.clone(),
            Survival::Some(_) => {
                let mut bytes = self.durable.clone();
                for change in &self.pending {
                    match (coin.toss(4), change) {
                        (0, _) => {}
                        (1, Change::Write { position, bytes: written }) => {
                            let torn = written[..coin.toss(written.len() as u64 + 1) as usize].to_vec();
                            apply(&mut bytes, &Change::Write { position: *position, bytes: torn });
                        }
                        (2, Change::Write { position, bytes: written }) => {
                            for page in pages(*position, written).filter(|_| coin.toss(2) == 0) {
                                apply(&mut bytes, &page);
                            }
                        }
                        _ => apply(&mut bytes, change),
                    }
                }
                bytes
            }
        };
        Self { current: durable.clone(), durable, pending: Vec::new(), modified: self.modified }
    }
}

/// The parts of a write that go to the disk one by one, in any order.
fn pages(position: usize, written: &[u8]) -> impl Iterator<Item = Change> {
    let end = position + written.len();
    let starts = std::iter::successors(Some(position), |start| Some((start / PAGE_BYTES + 1) * PAGE_BYTES));
    starts.take_while(move |start| *start < end).map(move |start| {
        let page_end = ((start / PAGE_BYTES + 1) * PAGE_BYTES).min(end);
        Change::Write { position: start, bytes: written[start - position..page_end - position].to_vec() }
    })
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length, 0),
        Change::Write { position, bytes: written } => {
            let end = position + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*position..end].copy_from_slice(written);
        }
    }
}

/// A small generator, good enough to vary which writes survive.
struct Coin(u64);

impl Coin {
    fn toss(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, open: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = lock(&self.0);
        state.allow(Call::Open)?;
        let contents = match (state.names.get(path), open) {
            (Some(Some(contents)), _) => contents.clone(),
            (Some(None), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (None, Open::Existing | Open::Listed) => return Err(io::ErrorKind::NotFound.into()),
            (None, Open::Create) => {
                if path.parent().is_some_and(|parent| !state.names.contains_key(parent)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                state.change(Call::Open)?;
                let contents = Arc::<Mutex<Contents>>::default();
                state.names.insert(path.to_owned(), Some(contents.clone()));
                contents
            }
        };
        state.opens += 1;
        state.open_files += 1;
        Ok(Arc::new(MemFile { disk: self.0.clone(), contents }))
    }

    fn boot_id(&self) -> Option<String> {
        Some(lock(&self.0).boots.to_string())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.change(Call::Write)?;
        for folder in path.ancestors() {
            state.names.entry(folder.to_owned()).or_insert(None);
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = lock(&self.0);
        if !matches!(state.names.get(path), Some(None)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.iter().filter(|(name, _)| name.parent() == Some(path));
        Ok(inside
            .filter_map(|(name, file)| {
                let size_bytes = file.as_ref().map_or(0, |file| lock(file).current.len() as u64);
                let name = name.file_name()?.to_str()?.to_owned();
                Some(DirEntry { name, is_dir: file.is_none(), size_bytes })
            })
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Call::Rename)?;
        let moved: Vec<PathBuf> = state.names.keys().filter(|name| name.starts_with(from)).cloned().collect();
        for name in moved {
            let file = state.names.remove(&name).flatten();
            let target = match name.strip_prefix(from) {
                Ok(rest) if !rest.as_os_str().is_empty() => to.join(rest),
                _ => to.to_owned(),
            };
            state.names.insert(target, file);
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        if !matches!(state.names.get(path), Some(Some(_))) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Call::Remove)?;
        state.names.remove(path);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.change(Call::Remove)?;
        state.names.retain(|name, _| !name.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        lock(&self.0).change(Call::Sync)
    }

    fn sync_all(&self, _path: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.change(Call::Sync)?;
        for contents in state.names.values().flatten() {
            lock(contents).sync();
        }
        Ok(())
    }
}

#[derive(Debug)]
struct MemFile {
    disk: Arc<Mutex<State>>,
    contents: Arc<Mutex<Contents>>,
}

impl Drop for MemFile {
    fn drop(&mut self) {
        lock(&self.disk).open_files -= 1;
    }
}

impl DiskFile for MemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.contents).current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let contents = lock(&self.contents);
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(contents.current.len());
        let count = buffer.len().min(contents.current.len() - start);
        buffer[..count].copy_from_slice(&contents.current[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        let allowed = lock(&self.disk).change(Call::Write);
        let mut bytes = parts.concat();
        if allowed.is_err() {
            bytes.truncate(bytes.len() / 2);
        }
        let position = usize::try_from(position).map_err(io::Error::other)?;
        lock(&self.contents).apply(Change::Write { position, bytes });
        allowed
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        lock(&self.disk).change(Call::Write)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        lock(&self.contents).apply(Change::Length(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        lock(&self.disk).change(Call::Sync)?;
        lock(&self.contents).sync();
        Ok(())
    }

    fn modified(&self) -> io::Result<Option<Timestamp>> {
        Ok(lock(&self.contents).modified)
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        lock(&self.contents).modified = Some(at);
        Ok(())
    }

    fn slice(&self, position: u64, length: u64) -> io::Result<Records> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = self.read_at(&mut bytes, position)?;
        bytes.truncate(read);
        Ok(Records::Bytes(Bytes::from(bytes)))
    }
}
