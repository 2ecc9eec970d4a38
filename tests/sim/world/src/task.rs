//! Tasks of hosts: what `tokio::spawn` and its kin are to a process that runs on a machine.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::{CURRENT, HostId, SKEW_MS, State, with};

/// A task that could run gives way to others once in so many times, so that seeds differ in their interleavings.
const YIELD_ONE_IN: u64 = 16;

/// Runs a future on the host whose task calls.
///
/// # Panics
/// Outside of every host.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_on(CURRENT.get().expect("a task of a host spawns"), future)
}

/// Runs a future on `host`.
pub fn spawn_on<F>(host: HostId, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (process, number) = with(|world| {
        let number = world.random.draw();
        let at = &mut world.hosts[host.0];
        at.live_tasks += 1;
        if at.tasks.len() > 2 * at.live_tasks + 64 {
            at.tasks.retain(|task| !task.is_finished());
        }
        (at.process, number)
    });
    let task = tokio::spawn(Hosted { host, process, number, future: Some(Box::pin(future)) });
    with(|world| world.hosts[host.0].tasks.push(task.abort_handle()));
    task
}

/// Runs work that blocks: at once, in the next turn, for nothing blocks here.
pub fn spawn_blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    spawn(async move { work() })
}

/// Does `work`.
pub fn block_in_place<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// The host whose task is polled.
pub fn current() -> Option<HostId> {
    CURRENT.get()
}

struct Hosted<F> {
    host: HostId,
    process: u64,
    number: u64,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Hosted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (host, process, number) = (self.host, self.process, self.number);
        let skew_ms = with(|world| {
            let at = &mut world.hosts[host.0];
            if at.process != process {
                return None;
            }
            if at.state != State::Running {
                at.parked.push(context.waker().clone());
                return None;
            }
            let skew_ms = at.skew_ms;
            if world.random.one_in(YIELD_ONE_IN) {
                context.waker().wake_by_ref();
                return None;
            }
            world.happened(host.0 as u64, number);
            Some(skew_ms)
        });
        let Some(skew_ms) = skew_ms else { return Poll::Pending };
        let _here = Here::at(host, skew_ms);
        self.future.as_mut().map_or(Poll::Pending, |future| future.as_mut().poll(context))
    }
}

impl<F> Drop for Hosted<F> {
    fn drop(&mut self) {
        let _here = Here::at(self.host, 0);
        self.future = None;
        with(|world| world.hosts[self.host.0].live_tasks -= 1);
    }
}

/// While it lives, a task of the host is polled.
struct Here(Option<HostId>, i64);

impl Here {
    fn at(host: HostId, skew_ms: i64) -> Self {
        Self(CURRENT.replace(Some(host)), SKEW_MS.replace(skew_ms))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        CURRENT.set(self.0);
        SKEW_MS.set(self.1);
    }
}
