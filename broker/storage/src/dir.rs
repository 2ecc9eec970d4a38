//! What a log directory holds beside logs, in Kafka's bytes.
//!
//! | file | contents |
//! |---|---|
//! | `.lock` | locked while a broker runs |
//! | `meta.properties` | cluster id, node id, directory id |
//! | `recovery-point-offset-checkpoint` | per partition, from which offset on the start after a crash reads the log |
//! | `replication-offset-checkpoint` | per partition, the high watermark |
//! | `cleaner-offset-checkpoint` | per compacted partition, up to which offset it is clean |
//! | `log-start-offset-checkpoint` | per partition, below which offset records were deleted, where that is inside a segment |
//! | `.kafka_cleanshutdown` | there after a stop in order (KIP-966: with the broker's epoch) |
//! | `.milena_run` | under which epoch the broker is registered, and in which run of the machine |
//! | `<topic>-<partition>/` | a log, with `partition.metadata`: the topic's id |
//! | `<topic>-<partition>.<32 hex digits>-delete/` | a log on its way out |

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use milena_protocol::ids::{base64, from_base64};
use milena_protocol::{NodeId, Offset, PartitionIndex, TopicId, Uuid};

use crate::checkpoint;
use crate::disk::{Disk, Open};
use crate::error::{Context, StorageError};

const LOCK: &str = ".lock";
const META_PROPERTIES: &str = "meta.properties";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const RUN: &str = ".milena_run";
const PARTITION_METADATA: &str = "partition.metadata";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const START_OFFSETS: &str = "log-start-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";
/// Ending of the folder of a log that is being deleted.
pub const DELETED_SUFFIX: &str = "-delete";
/// The longest name a folder may have, in bytes.
const FOLDER_NAME_BYTES_MAX: usize = 255;

/// A partition, as the names of folders and checkpoints spell it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// Name of the topic.
    pub topic: String,
    /// Number of the partition.
    pub index: PartitionIndex,
}

impl PartitionKey {
    /// The partition whose folder has this name; `None` for any other folder.
    pub fn of_folder(name: &str) -> Option<Self> {
        let (topic, index) = name.rsplit_once('-')?;
        let is_number = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        let index = PartitionIndex(index.parse().ok().filter(|_| is_number && !topic.is_empty())?);
        Some(Self { topic: topic.to_owned(), index })
    }

    /// The name of the folder while the log is being deleted; `unique` keeps it apart from others.
    pub fn deleted_folder(&self, unique: Uuid) -> String {
        let suffix = format!(".{}{DELETED_SUFFIX}", unique.simple());
        let mut name = self.to_string();
        // Topic names are ASCII.
        name.truncate(FOLDER_NAME_BYTES_MAX - suffix.len());
        name + &suffix
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

/// Keeps a second broker out of a log directory until it is dropped.
#[derive(Debug)]
pub struct LogDirLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl LogDirLock {
    /// Locks the directory; `None` where another process has it.
    ///
    /// # Errors
    /// Of the disk.
    pub fn acquire(folder: &Path) -> Result<Option<Self>, StorageError> {
        let path = folder.join(LOCK);
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&path).context("open", &path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error).context("lock", &path),
        }
    }
}

/// Whose directory this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: String,
    /// The node.
    pub node_id: NodeId,
    /// The directory itself (KIP-858).
    pub directory_id: Uuid,
}

impl MetaProperties {
    /// Reads `meta.properties`; `None` where the directory is not formatted.
    ///
    /// # Errors
    /// `Corrupt` where a key is missing or the version is unknown; those of the disk.
    pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, StorageError> {
        let path = folder.join(META_PROPERTIES);
        let Some(contents) = read_optional(disk, &path)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&contents);
        let value = |key: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == key)
        };
        let value = |key: &str| value(key).map(|(_, value)| value.trim().replace("\\=", "="));
        let parse = || {
            let node_id = NodeId(value("node.id")?.parse().ok()?);
            let directory_id = value("directory.id").map_or(Some(Uuid::nil()), |id| from_base64(&id))?;
            (value("version")? == "1").then_some(())?;
            Some(Self { cluster_id: value("cluster.id")?, node_id, directory_id })
        };
        parse()
            .map(Some)
            .ok_or_else(|| StorageError::corrupt(&path, 0, "not the meta.properties of version 1"))
    }

    /// Writes `meta.properties` durably.
    ///
    /// # Errors
    /// Of the disk.
    pub fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        let path = folder.join(META_PROPERTIES);
        let (cluster, directory) = (&self.cluster_id, base64(self.directory_id));
        let text = format!(
            "#\ncluster.id={cluster}\ndirectory.id={directory}\nnode.id={}\nversion=1\n",
            self.node_id
        );
        disk.replace(&path, text.as_bytes(), true)
    }
}

/// The mark of a stop in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The epoch under which the broker was registered.
    pub broker_epoch: i64,
}

impl CleanShutdown {
    /// Reads the mark and removes it, so that a crash from here on is seen as one.
    ///
    /// # Errors
    /// Of the disk.
    pub fn take(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, StorageError> {
        let path = folder.join(CLEAN_SHUTDOWN);
        let Some(contents) = read_optional(disk, &path)? else { return Ok(None) };
        disk.remove_file(&path).context("remove", &path)?;
        disk.sync_dir(folder).context("sync folder", folder)?;
        let text = String::from_utf8_lossy(&contents);
        let digits = text.split_once("\"brokerEpoch\"").map(|(_, rest)| rest.trim_start_matches([':', ' ']));
        let digits = digits.map(|rest| rest.trim_end_matches(|c: char| !c.is_ascii_digit()));
        Ok(Some(Self { broker_epoch: digits.and_then(|digits| digits.parse().ok()).unwrap_or(-1) }))
    }

    /// Writes the mark durably. Everything else must be durable before.
    ///
    /// # Errors
    /// Of the disk.
    pub fn write(self, disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        let path = folder.join(CLEAN_SHUTDOWN);
        let text = format!("{{\"version\":0,\"brokerEpoch\":{}}}", self.broker_epoch);
        disk.replace(&path, text.as_bytes(), true)
    }
}

/// The mark of a run of the broker. A process that is killed leaves everything it wrote, synced or not, to its successor on
/// the same machine: only when the machine ends too may something be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The epoch under which the broker is registered.
    pub broker_epoch: i64,
}

impl Run {
    /// The run before this one, if the machine has not ended since it began.
    pub fn read(disk: &dyn Disk, folder: &Path) -> Option<Self> {
        let contents = String::from_utf8(disk.read(&folder.join(RUN)).ok()?).ok()?;
        let (boot_id, broker_epoch) = contents.trim_end().split_once(' ')?;
        let broker_epoch = broker_epoch.parse().ok()?;
        (disk.boot_id()? == boot_id).then_some(Self { broker_epoch })
    }

    /// Writes the mark. It need not outlive the machine.
    ///
    /// # Errors
    /// Of the disk; the mark of an earlier run, with another epoch, may be there then.
    pub fn write(self, disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        let Some(boot_id) = disk.boot_id() else { return Ok(()) };
        disk.replace(&folder.join(RUN), format!("{boot_id} {}\n", self.broker_epoch).as_bytes(), false)
    }

    /// Takes the mark away: something that was written may be missing all the same.
    ///
    /// # Errors
    /// Of the disk.
    pub fn remove(disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        let path = folder.join(RUN);
        match disk.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("remove", &path),
            _ => Ok(()),
        }
    }
}

/// An offset per partition.
pub type Offsets = BTreeMap<PartitionKey, Offset>;

/// Reads `recovery-point-offset-checkpoint`. An absent or damaged one is empty: everything is then checked.
///
/// # Errors
/// Of the disk.
pub fn read_recovery_points(disk: &dyn Disk, folder: &Path) -> Result<Offsets, StorageError> {
    read_offsets(disk, &folder.join(RECOVERY_POINTS))
}

/// Writes `recovery-point-offset-checkpoint` durably.
///
/// # Errors
/// Of the disk.
pub fn write_recovery_points(disk: &dyn Disk, folder: &Path, offsets: &Offsets) -> Result<(), StorageError> {
    write_offsets(disk, &folder.join(RECOVERY_POINTS), offsets)
}

/// Reads `log-start-offset-checkpoint`. An absent or damaged one is empty.
///
/// # Errors
/// Of the disk.
pub fn read_start_offsets(disk: &dyn Disk, folder: &Path) -> Result<Offsets, StorageError> {
    read_offsets(disk, &folder.join(START_OFFSETS))
}

/// Writes `log-start-offset-checkpoint` durably.
///
/// # Errors
/// Of the disk.
pub fn write_start_offsets(disk: &dyn Disk, folder: &Path, offsets: &Offsets) -> Result<(), StorageError> {
    write_offsets(disk, &folder.join(START_OFFSETS), offsets)
}

/// Reads `replication-offset-checkpoint`. An absent or damaged one is empty.
///
/// # Errors
/// Of the disk.
pub fn read_high_watermarks(disk: &dyn Disk, folder: &Path) -> Result<Offsets, StorageError> {
    read_offsets(disk, &folder.join(HIGH_WATERMARKS))
}

/// Writes `replication-offset-checkpoint` durably.
///
/// # Errors
/// Of the disk.
pub fn write_high_watermarks(disk: &dyn Disk, folder: &Path, offsets: &Offsets) -> Result<(), StorageError> {
    write_offsets(disk, &folder.join(HIGH_WATERMARKS), offsets)
}

/// Reads `cleaner-offset-checkpoint`. An absent or damaged one is empty: logs are then cleaned from their start.
///
/// # Errors
/// Of the disk.
pub fn read_cleaner_offsets(disk: &dyn Disk, folder: &Path) -> Result<Offsets, StorageError> {
    read_offsets(disk, &folder.join(CLEANER_OFFSETS))
}

/// Writes `cleaner-offset-checkpoint` durably.
///
/// # Errors
/// Of the disk.
pub fn write_cleaner_offsets(disk: &dyn Disk, folder: &Path, offsets: &Offsets) -> Result<(), StorageError> {
    write_offsets(disk, &folder.join(CLEANER_OFFSETS), offsets)
}

/// Reads `partition.metadata` of a log's folder; `None` where it is absent or damaged.
///
/// # Errors
/// Of the disk.
pub fn read_topic_id(disk: &dyn Disk, log_folder: &Path) -> Result<Option<TopicId>, StorageError> {
    let Some(contents) = read_optional(disk, &log_folder.join(PARTITION_METADATA))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&contents);
    let mut ids = text.lines().filter_map(|line| line.strip_prefix("topic_id:"));
    Ok(ids.next().and_then(|id| from_base64(id.trim())).map(TopicId))
}

/// Writes `partition.metadata` into a log's folder. It is durable before the first record of the log: see
/// [`sync_topic_id`].
///
/// # Errors
/// Of the disk.
pub fn write_topic_id(disk: &dyn Disk, log_folder: &Path, topic_id: TopicId) -> Result<(), StorageError> {
    let text = format!("version: 0\ntopic_id: {topic_id}\n");
    disk.replace(&log_folder.join(PARTITION_METADATA), text.as_bytes(), false)
}

/// Makes the contents of `partition.metadata` durable, if it is there: no record of a log may outlive a crash of the machine
/// without them, or the records of a deleted topic would be handed to the next one of its name.
///
/// # Errors
/// Of the disk.
pub(crate) fn sync_topic_id(disk: &dyn Disk, log_folder: &Path) -> Result<(), StorageError> {
    let path = log_folder.join(PARTITION_METADATA);
    match disk.open(&path, Open::Existing).and_then(|file| file.sync()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced.context("sync", &path),
    }
}

fn read_optional(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        contents => contents.map(Some).context("read", path),
    }
}

fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, StorageError> {
    let lines = checkpoint::read(disk, path)?.unwrap_or_default();
    let parse = |line: String| {
        let mut words = line.split(' ');
        let (topic, index, offset) = (words.next()?, words.next()?, words.next()?);
        let key = PartitionKey { topic: topic.to_owned(), index: PartitionIndex(index.parse().ok()?) };
        Some((key, Offset(offset.parse().ok()?)))
    };
    Ok(lines.into_iter().filter_map(parse).collect())
}

fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &Offsets) -> Result<(), StorageError> {
    let lines = offsets.iter().map(|(key, offset)| format!("{} {} {offset}", key.topic, key.index));
    checkpoint::write(disk, path, lines, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemDisk;

    fn mk_disk() -> (MemDisk, &'static Path) {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new("/data")).unwrap();
        (disk, Path::new("/data"))
    }

    #[test]
    fn meta_properties_survive_a_round_trip() {
        let (disk, folder) = mk_disk();
        assert_eq!(MetaProperties::read(&disk, folder).unwrap(), None);
        let properties = MetaProperties {
            cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
            node_id: NodeId(3),
            directory_id: Uuid::max(),
        };
        properties.write(&disk, folder).unwrap();
        assert_eq!(MetaProperties::read(&disk, folder).unwrap(), Some(properties));
    }

    #[test]
    fn clean_shutdown_counts_once() {
        let (disk, folder) = mk_disk();
        CleanShutdown { broker_epoch: 42 }.write(&disk, folder).unwrap();
        assert_eq!(CleanShutdown::take(&disk, folder).unwrap(), Some(CleanShutdown { broker_epoch: 42 }));
        assert_eq!(CleanShutdown::take(&disk, folder).unwrap(), None);
    }

    #[test]
    fn offsets_survive_a_round_trip_and_damage_is_empty() {
        let (disk, folder) = mk_disk();
        let key = PartitionKey::of_folder("truck-gps.v1-12").unwrap();
        assert_eq!((key.topic.as_str(), key.index.0), ("truck-gps.v1", 12));
        let offsets = Offsets::from([(key, Offset(7))]);
        write_recovery_points(&disk, folder, &offsets).unwrap();
        assert_eq!(read_recovery_points(&disk, folder).unwrap(), offsets);
        let file = disk.open(&folder.join(RECOVERY_POINTS), Open::Existing).unwrap();
        file.set_len(5).unwrap();
        assert_eq!(read_recovery_points(&disk, folder).unwrap(), Offsets::new());
    }

    #[test]
    fn only_partition_folders_have_a_key() {
        for name in ["a", "a-", "-1", "a-b", "a-1.0123-delete", "a-+1"] {
            assert_eq!(PartitionKey::of_folder(name), None, "{name}");
        }
        let long = PartitionKey { topic: "t".repeat(249), index: PartitionIndex(1_000) };
        assert_eq!(long.deleted_folder(Uuid::nil()).len(), FOLDER_NAME_BYTES_MAX);
    }

    #[test]
    fn topic_id_survives_a_round_trip() {
        let (disk, folder) = mk_disk();
        assert_eq!(read_topic_id(&disk, folder).unwrap(), None);
        write_topic_id(&disk, folder, TopicId(Uuid::max())).unwrap();
        assert_eq!(read_topic_id(&disk, folder).unwrap(), Some(TopicId(Uuid::max())));
    }
}
