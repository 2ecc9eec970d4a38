//! Kafka's checkpoint files: a line with the version 0, a line with the number of entries, one line for each.

use std::io;
use std::path::Path;

use crate::disk::Disk;
use crate::error::{Context, StorageError};

/// The entries; `None` where the file is absent or not whole.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<String>>, StorageError> {
    let contents = match disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        contents => contents.context("read", path)?,
    };
    Ok(parse(&contents))
}

fn parse(contents: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(contents).ok()?;
    let mut lines = text.lines();
    let is_known = lines.next()?.trim() == "0";
    let count: usize = lines.next()?.trim().parse().ok()?;
    let entries: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    // A number that was cut short is one too.
    let is_whole = entries.len() == count && text.ends_with('\n');
    (is_known && is_whole).then_some(entries)
}

/// Replaces the file in one step.
pub(crate) fn write(
    disk: &dyn Disk,
    path: &Path,
    lines: impl ExactSizeIterator<Item = String>,
    durable: bool,
) -> Result<(), StorageError> {
    let mut text = format!("0\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    disk.replace(path, text.as_bytes(), durable)
}
