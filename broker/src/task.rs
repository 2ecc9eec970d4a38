//! How work is run: on tokio's threads, or in the one thread of the simulation, where every task belongs to a host that
//! can be paused and killed.
//!
//! Everything else spawns through these functions, and blocks nowhere but in them.

use std::io;

#[cfg(not(feature = "simulation"))]
pub(crate) use tokio::{
    spawn,
    task::{block_in_place, spawn_blocking},
};

#[cfg(feature = "simulation")]
pub(crate) use milena_world::task::{block_in_place, spawn, spawn_blocking};

/// Runs `future` on a thread with a runtime of its own, so that nothing else holds it up.
#[cfg(not(feature = "simulation"))]
pub(crate) fn run_apart(
    name: &'static str,
    future: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || runtime.block_on(future);
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Runs `future` as a task like any other.
#[cfg(feature = "simulation")]
pub(crate) fn run_apart(
    _: &'static str,
    future: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    drop(spawn(future));
    Ok(())
}

/// Does `work` on every item, on so many threads at a time; the results are in no order.
#[cfg(not(feature = "simulation"))]
pub(crate) fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    use std::sync::{Mutex, PoisonError};

    let workers = threads.min(items.len());
    let queue = Mutex::new(items);
    let results = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = next() {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` on one item after the other.
#[cfg(feature = "simulation")]
pub(crate) fn in_parallel<T, R>(items: Vec<T>, _: usize, work: impl Fn(T) -> R) -> Vec<R> {
    items.into_iter().map(work).collect()
}
