//! The bounded table of sessions: by id, by last use, and by how readily they are given up.

use std::collections::{BTreeSet, HashMap};

use milena_protocol::Timestamp;

use super::{PARTITIONS_MAX, Session};

/// A session that is unused for longer may be dropped for any other; one that lived longer may be dropped for a larger.
pub const EVICTION_MS: i64 = 120_000;

/// How readily a session is given up, least worth first: consumers before followers, small before large.
type Worth = (bool, usize, i32);

#[derive(Debug)]
pub(super) struct Cache {
    slots: usize,
    entries: HashMap<i32, Entry>,
    partitions: usize,
    by_last_use: BTreeSet<(Timestamp, i32)>,
    /// What a consumer's session may replace.
    evictable_by_all: BTreeSet<Worth>,
    /// What a follower's session may replace.
    evictable_by_followers: BTreeSet<Worth>,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    created: Timestamp,
    last_used: Timestamp,
    /// Partitions it had when last used, by which it is counted and sorted.
    size: usize,
}

impl Entry {
    fn worth(&self, id: i32) -> Worth {
        (self.session.is_follower, self.size, id)
    }
}

impl Cache {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            entries: HashMap::new(),
            partitions: 0,
            by_last_use: BTreeSet::new(),
            evictable_by_all: BTreeSet::new(),
            evictable_by_followers: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions
    }

    pub(super) fn session_mut(&mut self, id: i32) -> Option<&mut Session> {
        self.entries.get_mut(&id).map(|entry| &mut entry.session)
    }

    /// Whether a session of `size` partitions may come in, perhaps for another that is dropped.
    pub(super) fn make_room(&mut self, now: Timestamp, is_follower: bool, size: usize) -> bool {
        if self.partitions.saturating_add(size) > PARTITIONS_MAX {
            return false;
        }
        self.entries.len() < self.slots || self.evict(now, is_follower, size)
    }

    fn evict(&mut self, now: Timestamp, is_follower: bool, size: usize) -> bool {
        let Some(&(last_used, oldest)) = self.by_last_use.first() else { return false };
        if is_past(last_used, now) {
            self.remove(oldest);
            return true;
        }
        let evictable =
            if is_follower { &self.evictable_by_followers } else { &self.evictable_by_all }.first().copied();
        match evictable {
            Some(worth) if worth <= (is_follower, size, 0) => {
                self.remove(worth.2);
                true
            }
            _ => false,
        }
    }

    /// Takes in a session for which there is room, under a new positive id.
    pub(super) fn insert(&mut self, now: Timestamp, random: u32, session: Session) -> i32 {
        let id = self.free_id(random);
        self.entries.insert(id, Entry { session, created: now, last_used: now, size: 0 });
        self.touch(id, now);
        id
    }

    fn free_id(&self, random: u32) -> i32 {
        let mut id = i32::try_from(random >> 1).map_or(1, |id| id.max(1));
        while self.entries.contains_key(&id) {
            id = id.checked_add(1).unwrap_or(1);
        }
        id
    }

    /// A session was used, and may have another size.
    pub(super) fn touch(&mut self, id: i32, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        self.by_last_use.remove(&(entry.last_used, id));
        self.evictable_by_all.remove(&entry.worth(id));
        self.evictable_by_followers.remove(&entry.worth(id));
        self.partitions -= entry.size;
        entry.last_used = now;
        entry.size = entry.session.partitions.len();
        self.partitions += entry.size;
        self.by_last_use.insert((now, id));
        let is_old = is_past(entry.created, now);
        if is_old || !entry.session.is_follower {
            self.evictable_by_followers.insert(entry.worth(id));
        }
        if is_old {
            self.evictable_by_all.insert(entry.worth(id));
        }
    }

    pub(super) fn remove(&mut self, id: i32) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.by_last_use.remove(&(entry.last_used, id));
        self.evictable_by_all.remove(&entry.worth(id));
        self.evictable_by_followers.remove(&entry.worth(id));
        self.partitions -= entry.size;
    }
}

fn is_past(then: Timestamp, now: Timestamp) -> bool {
    now.0.saturating_sub(then.0) > EVICTION_MS
}
