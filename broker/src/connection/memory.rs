//! Bounds on what requests and responses hold in memory, over all connections.
//!
//! A request is charged for the room it makes as it arrives, never for what it announces, until its response has
//! left. Requests that have arrived in part would wait for each other once the pool is empty; so one at a time may go
//! on without it. Together they hold at most the pool and one request of `socket.request.max.bytes`.
//!
//! A response is made before its size is known, so its bound is a soft one: while finished responses hold more than
//! [`ResponseMemory`] allows, no further request is started. Slices of files cost no memory and are not counted.
//!
//! Both tell whether others wait for memory. Then peers that are slow to send or to read are ended sooner.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1024;

/// The pool, and the permission to go beyond it.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    pool: Arc<Semaphore>,
    total: u32,
    beyond: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What one request holds.
#[derive(Debug, Default)]
pub(super) struct Grant {
    pool: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl RequestMemory {
    /// A pool of `bytes_max` bytes, rounded up to whole KiB.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let total = permits(bytes_max).clamp(1, u32::MAX >> 4);
        let (pool, beyond) = (Arc::new(Semaphore::new(total as usize)), Arc::new(Semaphore::new(1)));
        Self { pool, total, beyond, waiting: AtomicUsize::new(0) }
    }

    /// Whether a request waits for memory that others hold.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Bytes of the pool that are taken.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.total as usize).saturating_sub(self.pool.available_permits()) * PERMIT_BYTES
    }

    /// Waits until `grant` may grow by `bytes`. Cancel safe.
    pub(super) async fn grow(&self, grant: &mut Grant, bytes: usize) {
        if grant.beyond.is_some() {
            return;
        }
        let wanted = permits(bytes);
        let _waiting = Waiting::new(&self.waiting);
        // Neither semaphore is ever closed; a request that found one closed would go uncharged.
        tokio::select! {
            biased;
            permit = self.pool.clone().acquire_many_owned(wanted), if wanted <= self.total => {
                grant.add(permit.ok());
            }
            permit = self.beyond.clone().acquire_owned() => grant.beyond = permit.ok(),
        }
    }
}

/// Counts itself while it is there.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What finished responses hold until they were sent.
#[derive(Debug)]
pub(crate) struct ResponseMemory {
    used: AtomicUsize,
    bytes_max: usize,
    freed: Notify,
}

/// What one response holds; gives it back when it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    memory: Arc<ResponseMemory>,
    bytes: usize,
}

impl ResponseMemory {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), bytes_max, freed: Notify::new() })
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether no further response should be made.
    pub(super) fn is_full(&self) -> bool {
        self.used_bytes() >= self.bytes_max
    }

    /// Counts a response of so many bytes in memory.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Charge { memory: self.clone(), bytes }
    }

    /// Waits until it is not full. Cancel safe.
    pub(super) async fn room(&self) {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Before the look, so that nothing is freed unseen between the two.
            freed.as_mut().enable();
            if !self.is_full() {
                return;
            }
            freed.await;
        }
    }
}

impl Charge {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let before = self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
        if before >= self.memory.bytes_max {
            self.memory.freed.notify_waiters();
        }
    }
}

impl Grant {
    fn add(&mut self, more: Option<OwnedSemaphorePermit>) {
        match (&mut self.pool, more) {
            (Some(held), Some(more)) => held.merge(more),
            (held, more) => *held = more,
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn one_request_at_a_time_goes_beyond_the_pool() {
        let memory = RequestMemory::new(4 * PERMIT_BYTES);
        let [mut first, mut second, mut third] = [Grant::default(), Grant::default(), Grant::default()];
        assert!(memory.grow(&mut first, 4 * PERMIT_BYTES).now_or_never().is_some());
        assert!(memory.grow(&mut second, PERMIT_BYTES).now_or_never().is_some());
        assert!(memory.grow(&mut second, 100 * PERMIT_BYTES).now_or_never().is_some());
        assert!(memory.grow(&mut third, PERMIT_BYTES).now_or_never().is_none());
        drop(second);
        assert!(memory.grow(&mut third, PERMIT_BYTES).now_or_never().is_some());
    }

    #[test]
    fn request_that_waits_makes_memory_wanted() {
        let memory = RequestMemory::new(PERMIT_BYTES);
        let [mut first, mut second, mut third] = [Grant::default(), Grant::default(), Grant::default()];
        assert!(memory.grow(&mut first, PERMIT_BYTES).now_or_never().is_some());
        assert!(memory.grow(&mut second, PERMIT_BYTES).now_or_never().is_some());
        assert!(!memory.is_wanted());
        {
            let mut waiting = std::pin::pin!(memory.grow(&mut third, PERMIT_BYTES));
            assert!(waiting.as_mut().now_or_never().is_none());
            assert!(memory.is_wanted());
        }
        assert!(!memory.is_wanted());
    }

    #[test]
    fn full_response_memory_waits_for_what_is_sent() {
        let memory = ResponseMemory::new(10);
        let [first, second] = [memory.charge(9), memory.charge(5)];
        assert!(memory.is_full() && memory.room().now_or_never().is_none());
        let mut room = std::pin::pin!(memory.room());
        assert!(room.as_mut().now_or_never().is_none());
        drop(second);
        assert!(room.now_or_never().is_some());
        drop(first);
        assert_eq!(memory.used_bytes(), 0);
    }

    #[test]
    fn grants_return_what_they_took() {
        let memory = RequestMemory::new(4 * PERMIT_BYTES);
        for _ in 0..3 {
            let mut grant = Grant::default();
            for _ in 0..4 {
                assert!(memory.grow(&mut grant, PERMIT_BYTES).now_or_never().is_some());
            }
            assert_eq!(memory.pool.available_permits(), 0);
            assert!(grant.beyond.is_none());
        }
        assert_eq!(memory.pool.available_permits(), 4);
    }
}
