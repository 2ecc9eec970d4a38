//! The two calls of the system by which a process learns what no seed decides: the time and random bytes. Their symbols are
//! replaced in this binary; on a thread that simulates they answer from the world and the seed, on others as ever.
//!
//! This is what makes `RandomState`, `rand`, `uuid`, tokio's `select!` and the clocks of the standard library the same in
//! every run of a seed.

#![expect(unsafe_code, reason = "symbols of the C library are replaced")]

use std::cell::{Cell, RefCell};
use std::time::Duration;

use milena_world::Random;
use tokio::time::Instant;

/// What the monotonic clock says when a world begins.
const UPTIME: Duration = Duration::from_secs(1_000_000);

thread_local! {
    static RANDOM: RefCell<Option<Random>> = const { RefCell::new(None) };
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
    static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
}

/// From here on this thread has only virtual time and the randomness of `seed`.
pub(crate) fn simulate(seed: u64) {
    RANDOM.set(Some(Random::new(seed ^ 0x5eed)));
    IS_SIMULATED.set(true);
}

/// Ends the process after so many real seconds: virtual time may have come to a standstill.
pub(crate) fn limit(seconds: u32) {
    // SAFETY: no memory is involved.
    unsafe { libc::alarm(seconds) };
}

/// Time passes from here on. To be called in the runtime of the world.
pub(crate) fn begin() {
    BEGAN.set(Some(Instant::now()));
}

fn since_begin() -> Duration {
    match BEGAN.get() {
        Some(began) if tokio::runtime::Handle::try_current().is_ok() => began.elapsed(),
        _ => Duration::ZERO,
    }
}

/// Stands in for the C library's.
///
/// # Safety
/// `time` points to a `timespec` that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    if !IS_SIMULATED.try_with(Cell::get).unwrap_or(false) {
        // SAFETY: the arguments are the caller's.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } as libc::c_int;
    }
    let now = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => milena_world::time_of_day(since_begin()),
        _ => UPTIME + since_begin(),
    };
    let now = libc::timespec {
        tv_sec: now.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(now.subsec_nanos() as i32),
    };
    // SAFETY: by the contract of this function.
    unsafe { time.write(now) };
    0
}

/// Stands in for the C library's.
///
/// # Safety
/// `buffer` points to `length` bytes that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: libc::c_uint) -> isize {
    let filled = RANDOM.try_with(|random| {
        let mut random = random.borrow_mut();
        let random = random.as_mut()?;
        // SAFETY: by the contract of this function.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
        bytes.iter_mut().for_each(|byte| *byte = random.draw() as u8);
        Some(length as isize)
    });
    match filled {
        Ok(Some(filled)) => filled,
        // SAFETY: the arguments are the caller's.
        _ => unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize },
    }
}
