//! What the machine itself costs at the time of the run.
//!
//! A virtual machine whose host takes free memory back pays for every page that is touched first, whoever touches it: the
//! page cache above all. Where that takes seconds a GiB, it is most of what producing costs, of the floor too.

use std::time::Instant;

const PAGE_BYTES: usize = 4096;
const TOUCHED_BYTES: usize = 1 << 30;

/// Cores, processor and memory in one line.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let [first, again] = touch_memory();
    format!("{cores} cores, {model}; to touch a GiB of memory takes {first:.2} s first, {again:.2} s again")
}

/// Seconds to write into every page of fresh memory, and to do so again.
fn touch_memory() -> [f64; 2] {
    let mut memory = vec![0_u8; TOUCHED_BYTES];
    [1, 2].map(|mark| {
        let started = Instant::now();
        memory.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = mark);
        std::hint::black_box(&mut memory);
        started.elapsed().as_secs_f64()
    })
}
