//! The identity of the log directories: formatted when they are empty, kept when they are not.
//!
//! | file | written |
//! |---|---|
//! | `bootstrap.checkpoint` | first; the feature levels of a new cluster |
//! | `__cluster_metadata-0/00000000000000000000-0000000000.checkpoint` | with dynamic voters: the first voters, unless this node joins a quorum that others formed |
//! | `meta.properties` | last, so that a crash in between formats again |
//!
//! That is the directory of the metadata log (`metadata.log.dir`, by default the first of `log.dirs`). Each other one has
//! a `meta.properties` of its own: the same cluster and node, another directory id (KIP-858). One that cannot be read is
//! offline until the next start, as long as it is not that of the metadata log.
//!
//! A formatted directory keeps its cluster id, whatever the configuration says: a cluster that is set up again adopts
//! the volumes it finds. With dynamic voters and a given cluster id the directory id follows from cluster id and node
//! id, so that several nodes can be formatted in parallel, each knowing the ids of all; otherwise it is random.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use milena_core::controller::{bootstrap_records, feature_records};
use milena_core::metadata::MetadataImage;
use milena_protocol::ids::base64;
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::{Offset, Timestamp, TopicId, Uuid};
use milena_storage::{Disk, MetaProperties, StorageError, dir};

use super::{registration, snapshot, voters};
use crate::config::Config;

/// The folder of the metadata log.
pub(super) const METADATA_FOLDER: &str = "__cluster_metadata-0";
/// The topic id that Kafka gives to the metadata log.
const METADATA_TOPIC_ID: Uuid = Uuid::from_u128(1);
const BOOTSTRAP: &str = "bootstrap.checkpoint";
const FIRST_SNAPSHOT: &str = "00000000000000000000-0000000000.checkpoint";

/// A directory of partitions, as its `meta.properties` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) folder: PathBuf,
    /// `None` where it could not be read: it is offline.
    pub(crate) id: Option<Uuid>,
}

/// The formatted log directories.
#[derive(Debug)]
pub(super) struct LogDir {
    /// Of the directory that holds the metadata log.
    pub(super) meta: MetaProperties,
    /// The directories of the partitions.
    pub(super) directories: Vec<Directory>,
    /// The folder of the metadata log.
    pub(super) metadata: PathBuf,
    /// The file with the records of a new cluster.
    pub(super) bootstrap: PathBuf,
}

impl LogDir {
    /// Formats the directories of `config` if that was not done before. The caller has locked them.
    pub(super) fn open(config: &Config, disk: &Arc<dyn Disk>, now: Timestamp) -> anyhow::Result<Self> {
        let folder = config.metadata_dir.as_path();
        let known = read(&**disk, folder)?;
        let others = config.log_dirs.iter().filter(|other| *other != folder);
        let others: Vec<_> = others.map(|other| (other.as_path(), read(&**disk, other))).collect();
        let meta = match known {
            Some(meta) => adopt(config, folder, meta)?,
            None => {
                let formatted = others.iter().find(|(_, known)| matches!(known, Ok(Some(_))));
                if let Some((other, _)) = formatted {
                    bail!(
                        "log directory {} is formatted, metadata.log.dir={} is not: its metadata log is elsewhere",
                        other.display(),
                        folder.display()
                    );
                }
                format(config, &**disk, now)?
            }
        };
        let mut ids = HashMap::from([(folder, meta.directory_id)]);
        for (other, known) in others {
            ids.extend(join_or_leave(config, &**disk, &meta, (other, known))?.map(|id| (other, id)));
        }
        let directory =
            |folder: &PathBuf| Directory { folder: folder.clone(), id: ids.get(folder.as_path()).copied() };
        let directories = config.log_dirs.iter().map(directory).collect();
        let (metadata, bootstrap) = (folder.join(METADATA_FOLDER), folder.join(BOOTSTRAP));
        Ok(Self { meta, directories, metadata, bootstrap })
    }
}

/// The id of a directory of partitions; `None` where the disk does not give it.
fn join_or_leave(
    config: &Config,
    disk: &dyn Disk,
    meta: &MetaProperties,
    (folder, known): (&Path, anyhow::Result<Option<MetaProperties>>),
) -> anyhow::Result<Option<Uuid>> {
    match known.and_then(|known| join(config, disk, meta, (folder, known))) {
        Ok(id) => Ok(Some(id)),
        Err(error) if matches!(error.downcast_ref(), Some(StorageError::Io { .. })) => {
            let error = format!("{error:#}");
            tracing::error!(folder = %folder.display(), error, "log directory is offline until the next start");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read(disk: &dyn Disk, folder: &Path) -> anyhow::Result<Option<MetaProperties>> {
    let made = disk.create_dir_all(folder);
    made.map_err(|source| StorageError::Io { action: "create log directory", path: folder.into(), source })?;
    Ok(MetaProperties::read(disk, folder)?)
}

/// Makes a directory of partitions one of the cluster of `meta`, or finds that it is. Yields its id.
fn join(
    config: &Config,
    disk: &dyn Disk,
    meta: &MetaProperties,
    (folder, known): (&Path, Option<MetaProperties>),
) -> anyhow::Result<Uuid> {
    ensure!(
        disk.list(&folder.join(METADATA_FOLDER)).is_err(),
        "log directory {} holds a metadata log, that of this process is in {}",
        folder.display(),
        config.metadata_dir.display()
    );
    if let Some(known) = known {
        let known = adopt(config, folder, known)?;
        ensure!(
            known.cluster_id == meta.cluster_id,
            "log directory {} belongs to cluster {}, the metadata log to cluster {}",
            folder.display(),
            known.cluster_id,
            meta.cluster_id
        );
        return Ok(known.directory_id);
    }
    let new = MetaProperties { directory_id: random_id(), ..meta.clone() };
    new.write(disk, folder)?;
    Ok(new.directory_id)
}

fn adopt(config: &Config, folder: &Path, meta: MetaProperties) -> anyhow::Result<MetaProperties> {
    let folder = folder.display();
    ensure!(
        meta.node_id == config.node_id,
        "log directory {folder} belongs to node.id={}, this node has node.id={}",
        meta.node_id,
        config.node_id
    );
    if config.cluster_id.as_deref().is_some_and(|wanted| wanted != meta.cluster_id) {
        tracing::warn!(
            cluster_id = meta.cluster_id,
            "log directory keeps its cluster id, the configured one is ignored"
        );
    }
    Ok(meta)
}

fn format(config: &Config, disk: &dyn Disk, now: Timestamp) -> anyhow::Result<MetaProperties> {
    let folder = config.metadata_dir.as_path();
    let metadata = folder.join(METADATA_FOLDER);
    disk.create_dir_all(&metadata).with_context(|| format!("create {}", metadata.display()))?;
    let holds_log = disk.list(&metadata)?.iter().any(|entry| entry.name.ends_with(".log"));
    if holds_log {
        bail!("log directory {} has a metadata log but no meta.properties", folder.display());
    }
    let cluster_id = config.cluster_id.as_ref().map_or_else(|| base64(random_id()), ToString::to_string);
    ensure!(
        config.cluster_id.is_some() || config.initial_controllers.is_empty(),
        "initial controllers are named, but no cluster id, from which their directory ids follow"
    );
    let directory_id = match &config.cluster_id {
        Some(cluster_id) if !config.voters.is_static() => derived_id(cluster_id, config.node_id.0),
        _ => random_id(),
    };
    let meta = MetaProperties { cluster_id, node_id: config.node_id, directory_id };
    let records: Vec<_> = feature_records().collect();
    replace(disk, &folder.join(BOOTSTRAP), &snapshot::bootstrap(&records, now))?;
    if !config.voters.is_static() {
        let initial = voters::initial(config, &meta.cluster_id, directory_id);
        if initial.voters.is_empty() {
            tracing::info!("formatting without voters: this node follows a quorum that others formed");
        } else {
            let record = voters::to_record(&initial);
            replace(disk, &metadata.join(FIRST_SNAPSHOT), &snapshot::voters(&record, now))?;
        }
    }
    dir::write_topic_id(disk, &metadata, TopicId(METADATA_TOPIC_ID))?;
    meta.write(disk, folder)?;
    tracing::info!(folder = %folder.display(), cluster_id = meta.cluster_id, "formatted log directory");
    Ok(meta)
}

/// What a new cluster starts with: the levels of `bootstrap.checkpoint`, which another formatter may have written.
pub(super) fn first_records(
    disk: &dyn Disk,
    dir: &LogDir,
    min_isr: i32,
) -> anyhow::Result<Vec<MetadataRecord>> {
    let is_level = |record: &MetadataRecord| matches!(record, MetadataRecord::FeatureLevelRecord(_));
    let levels = snapshot::read(disk, &dir.bootstrap)?.unwrap_or_default().records;
    let levels: Vec<MetadataRecord> = levels.into_iter().filter(is_level).collect();
    if levels.is_empty() {
        return Ok(bootstrap_records(feature_records(), min_isr));
    }
    let mut image = MetadataImage::default();
    for (offset, record) in (0..).map(Offset).zip(&levels) {
        image.replay(offset, record)?;
    }
    registration::check(&image).with_context(|| dir.bootstrap.display().to_string())?;
    Ok(bootstrap_records(levels, min_isr))
}

fn replace(disk: &dyn Disk, path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    disk.replace(path, contents, true).with_context(|| format!("write {}", path.display()))
}

/// A random id. Kafka shuns those whose text starts with a dash: they read as options of its tools.
pub(super) fn random_id() -> Uuid {
    std::iter::repeat_with(Uuid::new_v4).find(|id| !base64(*id).starts_with('-')).expect("endless")
}

/// The directory id that every node of the cluster can tell: a hash of cluster id, node id and a counter that avoids
/// what Kafka shuns.
pub(super) fn derived_id(cluster_id: &str, node_id: i32) -> Uuid {
    let attempt =
        |n: u32| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{cluster_id}/{node_id}/{n}").as_bytes());
    (0..).map(attempt).find(|id| !base64(*id).starts_with('-')).expect("endless")
}
