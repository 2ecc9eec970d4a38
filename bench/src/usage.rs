//! What the operating system says that a process uses.

use std::fs;

use anyhow::Context;

/// What `/proc/PID/stat` counts in: `USER_HZ`, 100 on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) anonymous: f64,
    pub(crate) file: f64,
}

/// User and system time of a process so far, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit(')').next().context("a command in stat")?.split_whitespace();
    // utime and stime are the fields 14 and 15, the 12th and 13th after the command.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// Resident memory of a process.
pub(crate) fn memory(process: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("a field of status")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        anyhow::Ok(kibibytes * 1024.0)
    };
    Ok(Memory { anonymous: field("RssAnon:")?, file: field("RssFile:")? })
}

/// Open descriptors of a process.
pub(crate) fn descriptors(process: u32) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}
