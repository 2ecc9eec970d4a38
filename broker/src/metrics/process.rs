//! The process, under the names that every Prometheus client uses. Source: proc(5).

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::page::{Family, Page, family};

const BUILD: Family = family("milena_build_info", "Always 1; the label is the version");
const CPU: Family = family("process_cpu_seconds", "Processor time of the process");
const START: Family = family("process_start_time_seconds", "When the process started, since the epoch");
const MEMORY: Family = family("process_resident_memory_bytes", "Resident memory");
const THREADS: Family = family("process_threads", "Threads of the process");
const FILES: Family = family("process_open_fds", "Open file descriptors");
const FILES_MAX: Family = family("process_max_fds", "Limit of open file descriptors");

/// What does not change.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Process {
    pub(super) fn started_now() -> Self {
        Self { started: SystemTime::now() }
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.gauges(BUILD, [([("version", env!("CARGO_PKG_VERSION"))], 1)].into_iter())?;
        page.counter(CPU, cpu_seconds())?;
        page.gauge(START, started.as_secs_f64())?;
        page.gauge(MEMORY, number_after(&status, "VmRSS:").saturating_mul(1024))?;
        page.gauge(THREADS, number_after(&status, "Threads:"))?;
        page.gauge(FILES, open_files())?;
        page.gauge(FILES_MAX, number_after(&limits, "Max open files"))
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The first number of the line that begins with `name`; 0 if there is none.
fn number_after(text: &str, name: &str) -> i64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn open_files() -> i64 {
    // The folder is open while it is listed.
    let listed = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count().saturating_sub(1));
    i64::try_from(listed).unwrap_or(i64::MAX)
}
