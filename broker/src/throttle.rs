//! Throttles of replication (KIP-73): one for what this broker sends as leader, one for what it fetches as follower.
//!
//! They concern partitions alone that a topic's `*.replication.throttled.replicas` names, and replicas that are not in
//! sync. Which rates hold is read anew each time.

use std::sync::{Arc, Mutex, PoisonError};

use milena_core::config::Key;
use milena_core::config::broker::{server, throttles};
use milena_core::quota::{ByteRate, Windows};

use crate::config::LiveProperties;
use crate::partition::now;

/// Both throttles; clones share them.
#[derive(Clone)]
pub(crate) struct Throttles {
    pub(crate) leader: Arc<Throttle>,
    pub(crate) follower: Arc<Throttle>,
}

/// See the file.
pub(crate) struct Throttle {
    limit: &'static Key,
    live: LiveProperties,
    rate: Mutex<ByteRate>,
}

impl Throttles {
    pub(crate) fn new(live: &LiveProperties) -> Self {
        let properties = live.current();
        let count = usize::try_from(properties.int(&server::REPLICATION_QUOTA_WINDOW_NUM)).unwrap_or(1);
        let seconds = i64::from(properties.int(&server::REPLICATION_QUOTA_WINDOW_SIZE_SECONDS));
        let windows = Windows { count, length_ms: seconds * 1_000 };
        let throttle = |limit| Arc::new(Throttle::new(live, limit, windows));
        Self {
            leader: throttle(&throttles::LEADER_REPLICATION_THROTTLED_RATE),
            follower: throttle(&throttles::FOLLOWER_REPLICATION_THROTTLED_RATE),
        }
    }
}

impl Throttle {
    fn new(live: &LiveProperties, limit: &'static Key, windows: Windows) -> Self {
        Self { limit, live: live.clone(), rate: Mutex::new(ByteRate::new(windows)) }
    }

    /// What is moved between log directories (KIP-113).
    pub(crate) fn of_moves(live: &LiveProperties) -> Self {
        let properties = live.current();
        let count = properties.int(&server::ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM);
        let seconds = properties.int(&server::ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS);
        let windows =
            Windows { count: usize::try_from(count).unwrap_or(1), length_ms: i64::from(seconds) * 1_000 };
        Self::new(live, &throttles::REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND, windows)
    }

    /// Counts bytes of a throttled partition.
    pub(crate) fn record(&self, bytes: usize) {
        if bytes > 0 {
            self.rate.lock().unwrap_or_else(PoisonError::into_inner).record(now(), bytes as u64);
        }
    }

    /// Whether replicas that are behind are to wait.
    pub(crate) fn is_exceeded(&self) -> bool {
        let limit = u64::try_from(self.live.current().long(self.limit)).unwrap_or(0);
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).is_above(now(), limit)
    }
}
