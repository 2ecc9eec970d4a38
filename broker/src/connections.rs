//! Every open connection of the broker: who may be accepted, and who ends when there are too many.
//!
//! The listeners ask [`Connections::admit`], which waits as `core::quota` says; the [`Slot`] it yields counts the
//! connection until it is dropped. A connection of the brokers' listener that comes when `max.connections` are there
//! ends the one of another listener that was idle longest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use milena_core::quota::Windows;
use milena_core::quota::connections::{self as quota, Limits};
use milena_protocol::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Listener;

/// The connections of the listeners that share limits.
pub(crate) struct Connections {
    state: Mutex<State>,
    /// A connection ended, or the limits changed.
    room: Notify,
    started: Instant,
}

struct State {
    counts: quota::Connections,
    open: HashMap<u64, Arc<Open>>,
    next_id: u64,
}

/// An open connection as others see it.
struct Open {
    listener: Arc<Listener>,
    ip: IpAddr,
    /// Milliseconds since the table was made.
    last_active_ms: AtomicI64,
    in_excess: CancellationToken,
}

/// A connection that was accepted, until it is dropped.
pub(crate) struct Slot {
    table: Arc<Connections>,
    id: u64,
    open: Arc<Open>,
}

/// The address has as many connections as it may have.
#[derive(Debug)]
pub(crate) struct TooMany(pub(crate) usize);

impl Connections {
    pub(crate) fn new(limits: Limits, windows: Windows) -> Arc<Self> {
        let counts = quota::Connections::new(limits, windows);
        let state = Mutex::new(State { counts, open: HashMap::new(), next_id: 0 });
        Arc::new(Self { state, room: Notify::new(), started: Instant::now() })
    }

    /// Takes over other limits. Connections that are too many now end.
    pub(crate) fn limit(&self, limits: Limits) {
        let mut state = self.lock();
        state.counts.limit(limits);
        state.end_excess();
        drop(state);
        self.room.notify_waiters();
    }

    /// Waits until the rate and the number of connections allow another, and takes it in. Cancel safe but for the rate,
    /// which counts it all the same.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        ip: IpAddr,
    ) -> Result<Slot, TooMany> {
        let ip = ip.to_canonical();
        let wait_ms = self.lock().counts.arrive(self.now(), &listener.name);
        if let Some(wait_ms) = u64::try_from(wait_ms).ok().filter(|wait_ms| *wait_ms > 0) {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        loop {
            let room = self.room.notified();
            let mut room = std::pin::pin!(room);
            // Before the look, so that no end is missed between the two.
            room.as_mut().enable();
            if let Some(admitted) = self.try_admit(listener, ip) {
                return admitted;
            }
            room.await;
        }
    }

    fn try_admit(self: &Arc<Self>, listener: &Arc<Listener>, ip: IpAddr) -> Option<Result<Slot, TooMany>> {
        let mut state = self.lock();
        if !state.counts.has_room(&listener.name) {
            return None;
        }
        if let Err(max) = state.counts.open(&listener.name, ip) {
            return Some(Err(TooMany(max)));
        }
        let open = Arc::new(Open {
            listener: listener.clone(),
            ip,
            last_active_ms: AtomicI64::new(self.now().0),
            in_excess: CancellationToken::new(),
        });
        let id = state.next_id;
        state.next_id += 1;
        state.open.insert(id, open.clone());
        state.end_excess();
        Some(Ok(Slot { table: self.clone(), id, open }))
    }

    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells as many connections to end as there are too many; those that were told before count.
    fn end_excess(&self) {
        let excess = self.counts.excess();
        if excess == 0 {
            return;
        }
        let told = self.open.values().filter(|open| open.in_excess.is_cancelled()).count();
        let may_end = |open: &&Arc<Open>| {
            !open.in_excess.is_cancelled() && !self.counts.is_protected(&open.listener.name)
        };
        let mut idle: Vec<_> = self.open.values().filter(may_end).collect();
        idle.sort_by_key(|open| open.last_active_ms.load(Ordering::Relaxed));
        for open in idle.into_iter().take(excess.saturating_sub(told)) {
            open.in_excess.cancel();
        }
    }
}

impl Slot {
    /// Something came or went over the connection.
    pub(crate) fn active(&self) {
        self.open.last_active_ms.store(self.table.now().0, Ordering::Relaxed);
    }

    /// Resolves when the connection has to end in favour of others.
    pub(crate) async fn in_excess(&self) {
        self.open.in_excess.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.table.lock();
        state.open.remove(&self.id);
        state.counts.close(&self.open.listener.name, self.open.ip);
        drop(state);
        self.table.room.notify_waiters();
    }
}
