//! The bound on what large requests in flight hold in memory, over all connections.
//!
//! A request is charged for the room it makes as it arrives, never for what it announces, until its response has
//! left. Requests that have arrived in part would wait for each other once the pool is empty; so one at a time may go
//! on without it. Together they hold at most the pool and one request of `socket.request.max.bytes`.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1024;

/// The pool, and the permission to go beyond it.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    pool: Arc<Semaphore>,
    total: u32,
    beyond: Arc<Semaphore>,
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
        Self { pool: Arc::new(Semaphore::new(total as usize)), total, beyond: Arc::new(Semaphore::new(1)) }
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
