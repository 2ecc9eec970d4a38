//! What lies in the data directory when no process has it open.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use milena_tests::{Dice, dump};

use crate::world;

/// Whether the data directory, or the folder of a partition, has an entry whose name `is_wanted`.
pub(crate) fn any(data: &Path, is_wanted: impl Fn(&str) -> bool + Copy) -> bool {
    let folders = names(data);
    folders.iter().any(|name| is_wanted(name))
        || folders.iter().any(|name| names(&data.join(name)).iter().any(|name| is_wanted(name)))
}

/// Names in a folder, none where there is no folder: a broker may be at work in it.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The last segment of every log, by which it is seen that logs roll.
#[derive(Debug, Default)]
pub(crate) struct Segments(HashMap<PathBuf, PathBuf>);

impl Segments {
    /// How many segments have come since the last look, and are still there.
    pub(crate) fn count_new(&mut self, data: &Path) -> usize {
        let mut new = 0;
        for folder in dump::partitions(data) {
            let mut logs = dump::dumpable(&folder);
            logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
            let Some(last) = logs.last().cloned() else { continue };
            if let Some(before) = self.0.insert(folder, last) {
                new += logs.iter().filter(|path| **path > before).count();
            }
        }
        new
    }
}

/// Does to the files of a log what a loss of power may do to those that a kill left: a batch that is cut off at its end,
/// or an index of the active segment that is gone. False where there is nothing to lose: a stop that was complete before
/// the kill had synced everything.
pub(crate) fn damage(data: &Path, dice: &mut Dice) -> bool {
    if data.join(".kafka_cleanshutdown").exists() {
        return false;
    }
    let folders = dump::partitions(data).into_iter();
    let is_whole = |folder: &PathBuf| !is_stray(folder) && !is_half_compacted(folder) && has_log(folder);
    let folders: Vec<_> = folders.filter(is_whole).collect();
    let active = dump::active_segment(&folders[dice.below(folders.len())]);
    if dice.percent(50) {
        let bytes = fs::read(&active).unwrap();
        let cut = &bytes[..bytes.len().min(TORN_BYTES)];
        fs::OpenOptions::new().append(true).open(&active).unwrap().write_all(cut).unwrap();
        return !cut.is_empty();
    }
    fs::remove_file(active.with_extension(dice.of(&["index", "timeindex"]))).is_ok()
}

/// What is left of a batch that is cut off: less than its header.
const TORN_BYTES: usize = 40;

/// Has Apache Kafka's tool read everything, and yields how many files that were. After a kill, half of a compaction may
/// lie in a folder, and a batch that was cut off at the end of a log.
pub(crate) fn assert_readable(data: &Path, is_killed: bool) -> usize {
    let folders = dump::partitions(data).into_iter();
    let folders = folders.filter(|folder| !is_stray(folder) && (!is_killed || !is_half_compacted(folder)));
    let files: Vec<PathBuf> = folders.flat_map(|folder| dump::dumpable(&folder)).collect();
    let is_paired = |path: &PathBuf| {
        let is_index =
            path.extension().is_some_and(|extension| extension == "index" || extension == "timeindex");
        !is_index || path.with_extension("log").exists()
    };
    assert!(is_killed || files.iter().all(is_paired), "an index without its log");
    let files: Vec<PathBuf> = files.into_iter().filter(is_paired).collect();
    let is_fine = |file: &Path, line: &str| {
        let folder = file.parent().expect("files lie in folders");
        let is_torn =
            || is_killed && line.contains(dump::INVALID_TAIL) && dump::active_segment(folder) == file;
        (has_holes(folder) && (dump::is_hole(line) || dump::is_emptied(line))) || is_torn()
    };
    dump::assert_sane_indexes(&files);
    let count = files.len();
    assert_eq!(dump::complaint(files, &is_fine), None);
    count
}

/// A log of a topic whose deletion was cut short.
fn is_stray(folder: &Path) -> bool {
    folder.to_string_lossy().ends_with("-stray")
}

fn is_half_compacted(folder: &Path) -> bool {
    names(folder).iter().any(|name| name.ends_with(".cleaned") || name.ends_with(".swap"))
}

/// A kill may come between the making of a folder and that of its first segment.
fn has_log(folder: &Path) -> bool {
    names(folder).iter().any(|name| name.ends_with(".log"))
}

fn has_holes(folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy();
    name.rsplit_once('-').is_some_and(|(topic, _)| world::has_holes(topic))
}
