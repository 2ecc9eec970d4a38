//! A small file system in memory, which fills up and is freed again.
//!
//! Mounting takes root, or sudo without a password. It carries the process in its name: what a killed test left mounted goes at
//! the next mount. When a test fails, a copy of what was on it stays beside the folder.

use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Duration;
use std::{fs, thread};

use crate::wait::within;

/// Before the process in the names of mounts.
const PREFIX: &str = "milena-";
/// How long a mount that is written to may refuse its new size.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file system on a folder, for as long as this lives.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    bytes: u64,
}

impl SmallDisk {
    /// Puts an empty one of so many bytes on a folder.
    ///
    /// # Panics
    /// If it may not.
    pub fn mount(folder: &Path, bytes: u64) -> Self {
        sweep();
        let (options, name) = (format!("size={bytes},mode=1777"), format!("{PREFIX}{}", process::id()));
        let mut mount = privileged("mount");
        let status = mount.args(["-t", "tmpfs", "-o", &options, &name]).arg(folder).status();
        let is_mounted = status.is_ok_and(|status| status.success());
        assert!(is_mounted, "mounting a file system takes root, or sudo without a password");
        Self { folder: folder.to_owned(), bytes }
    }

    /// Leaves it no room beyond what is in use.
    ///
    /// # Panics
    /// If it may not.
    pub fn fill(&self) {
        within(PATIENCE, || self.resize(self.used()).then_some(())).expect("a disk of another size");
    }

    /// Gives it all its room again.
    ///
    /// # Panics
    /// If it may not.
    pub fn free(&self) {
        assert!(self.resize(self.bytes), "a disk of its own size");
    }

    fn used(&self) -> u64 {
        let output = Command::new("df").args(["-B1", "--output=used"]).arg(&self.folder).output();
        let text = String::from_utf8(output.expect("df").stdout).expect("a number");
        text.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("the bytes in use")
    }

    fn resize(&self, bytes: u64) -> bool {
        let mut mount = privileged("mount");
        let status = mount.args(["-o", &format!("remount,size={bytes}")]).arg(&self.folder).output();
        status.is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if thread::panicking() {
            let copy = self.folder.with_extension("copy");
            Command::new("cp").arg("-a").arg(&self.folder).arg(copy).status().ok();
        }
        unmount(&self.folder);
    }
}

fn unmount(folder: &Path) {
    privileged("umount").arg("-l").arg(folder).status().ok();
}

/// Unmounts what processes left behind that are gone.
fn sweep() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let owner = fields.next().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if let (Some(owner), Some(folder)) = (owner, fields.next())
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            eprintln!("unmounting {folder}, which process {owner} left behind");
            unmount(Path::new(folder));
        }
    }
}

fn privileged(program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"[ "$(id -u)" = 0 ] && exec "$@"; exec sudo -n "$@""#, "sh", program]);
    command
}
