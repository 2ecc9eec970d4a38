//! Fetch sessions: a reader names its partitions once, and then only what changes, both ways (KIP-227).
//!
//! A Fetch handler calls [`Sessions::begin`], reads the partitions of the [`Turn`] in their order, perhaps waits, and
//! lets [`Sessions::finish`] decide what of it the answer tells. Epochs and transitions:
//!
//! | request | session | outcome |
//! |---|---|---|
//! | epoch -1 | any named one is closed | everything, without a session |
//! | epoch 0 | any named one is closed | everything; a new session where there is room, else id 0 |
//! | other epoch | unknown | FETCH_SESSION_ID_NOT_FOUND |
//! | other epoch | another epoch is due | INVALID_FETCH_SESSION_EPOCH; the session stays as it is |
//! | due epoch, topics by name and the session's by id, or the reverse | kept | FETCH_SESSION_TOPIC_ID_ERROR |
//! | due epoch, no partition is left | closed | what the request names, without a session |
//! | due epoch | goes on to the next epoch | what changed |
//!
//! The epoch moves when a request begins. A request whose session has moved on when it finishes, because a duplicate or
//! a pipelined one came meanwhile, gets INVALID_FETCH_SESSION_EPOCH and changes nothing. After `i32::MAX` comes epoch 1.
//!
//! A full cache makes room by dropping, in this order: a session unused for [`EVICTION_MS`]; for a follower, the
//! smallest of a consumer, or else the smallest old one of a follower if that is smaller; for a consumer, the smallest old
//! one of a consumer if that is smaller. Old means that it lived longer than [`EVICTION_MS`] when last used.
//!
//! Differs from Kafka's `FetchSessionCache`: one cache instead of eight shards, so that few slots serve as many
//! sessions; [`PARTITIONS_MAX`] bounds memory, which Kafka leaves open.

use std::collections::HashMap;

use bytestring::ByteString;
use milena_protocol::messages::fetch::FetchPartition;
use milena_protocol::{ErrorCode, Offset, PartitionIndex, Timestamp, TopicId};

mod cache;
mod partitions;
#[cfg(test)]
mod tests;

use cache::Cache;
pub use cache::EVICTION_MS;
use partitions::CachedPartitions;

/// Partitions that all sessions together may hold. A session that would exceed it is not made, or closed.
pub const PARTITIONS_MAX: usize = 1_000_000;
/// Longer names are no topic's, and are not remembered.
const TOPIC_NAME_BYTES_MAX: usize = 249;
/// The id that says that there is no session.
const SESSION_NONE: i32 = 0;
const EPOCH_INITIAL: i32 = 0;
const EPOCH_FINAL: i32 = -1;

/// A partition as a request names it: by name (the id is nil) up to version 12, by id (the name is empty) from 13 on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartitionKey {
    /// The topic's name, or empty.
    pub topic: ByteString,
    /// The topic's id, or nil.
    pub topic_id: TopicId,
    /// Its number in the topic.
    pub partition: PartitionIndex,
}

/// What is asked of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Which partition.
    pub key: PartitionKey,
    /// The topic's name as it was when the id was first known; `None` while it is unknown.
    pub name: Option<ByteString>,
    /// Where to read and how much.
    pub asked: FetchPartition,
}

/// The part of a Fetch request that concerns its session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRequest {
    /// The session, or 0.
    pub session_id: i32,
    /// The epoch the client counts.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub uses_topic_ids: bool,
    /// Whether a broker asks to replicate.
    pub is_follower: bool,
    /// What is asked for, or asked differently from now on. The last of several for one partition counts.
    pub partitions: Vec<(PartitionKey, FetchPartition)>,
    /// What is no longer asked for.
    pub forgotten: Vec<PartitionKey>,
}

/// One request under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// What to read, in this order: those that got records last come last.
    pub partitions: Vec<Wanted>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sessionless,
    Full { uses_topic_ids: bool, is_follower: bool },
    Incremental { session_id: i32, epoch_next: i32 },
}

/// What was read of one partition, as far as it decides whether the answer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Size of the records.
    pub records_bytes: usize,
    /// The high watermark, -1 with an error.
    pub high_watermark: Offset,
    /// The log start offset, -1 with an error.
    pub log_start_offset: Offset,
    /// The partition's error.
    pub error: ErrorCode,
    /// The log diverges, or another replica is preferred.
    pub is_redirected: bool,
}

/// What the answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// An error that concerns the whole session; then no partition is told.
    pub error: ErrorCode,
    /// The session the client may go on with, or 0.
    pub session_id: i32,
    /// For each partition of the turn whether the answer tells it.
    pub is_told: Vec<bool>,
}

/// All fetch sessions of a broker.
#[derive(Debug)]
pub struct Sessions {
    cache: Cache,
}

impl Sessions {
    /// Room for `slots` sessions (`max.incremental.fetch.session.cache.slots`).
    pub fn new(slots: usize) -> Self {
        Self { cache: Cache::new(slots) }
    }

    /// Sessions there are.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Partitions in all sessions.
    pub fn partitions(&self) -> usize {
        self.cache.partitions()
    }

    /// Starts a request: what to read, or the error that answers it at once. `name_of` knows the topics of today.
    pub fn begin(
        &mut self,
        now: Timestamp,
        request: SessionRequest,
        name_of: impl Fn(TopicId) -> Option<ByteString>,
    ) -> Result<Turn, ErrorCode> {
        let SessionRequest { session_id, epoch, uses_topic_ids, is_follower, .. } = request;
        if matches!(epoch, EPOCH_INITIAL | EPOCH_FINAL) {
            self.cache.remove(session_id);
            let kind = match epoch {
                EPOCH_FINAL => Kind::Sessionless,
                _ => Kind::Full { uses_topic_ids, is_follower },
            };
            return Ok(Turn { partitions: named(request.partitions, name_of), kind });
        }
        let session = self.cache.session_mut(session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        self.go_on(now, request, name_of)
    }

    /// The request has the due epoch of a session that names topics as it does.
    fn go_on(
        &mut self,
        now: Timestamp,
        request: SessionRequest,
        name_of: impl Fn(TopicId) -> Option<ByteString>,
    ) -> Result<Turn, ErrorCode> {
        let session_id = request.session_id;
        let is_bounded = request.partitions.iter().all(|(key, _)| is_bounded(key));
        let session = self.cache.session_mut(session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        for (key, asked) in &request.partitions {
            session.partitions.ask(key, asked);
        }
        for key in &request.forgotten {
            session.partitions.forget(key);
        }
        if session.partitions.is_empty() {
            self.cache.remove(session_id);
            return Ok(Turn { partitions: named(request.partitions, name_of), kind: Kind::Sessionless });
        }
        session.epoch = epoch_after(session.epoch);
        let (epoch_next, partitions) = (session.epoch, session.partitions.wanted(name_of));
        self.cache.touch(session_id, now);
        if !is_bounded || self.cache.partitions() > PARTITIONS_MAX {
            self.cache.remove(session_id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(Turn { partitions, kind: Kind::Incremental { session_id, epoch_next } })
    }

    /// Ends a request: `outcomes` are those of the turn's partitions, in their order. `random` makes a new session's id.
    ///
    /// # Panics
    /// If there is not one outcome for each partition.
    pub fn finish(&mut self, now: Timestamp, random: u32, turn: &Turn, outcomes: &[Outcome]) -> Finished {
        assert_eq!(turn.partitions.len(), outcomes.len(), "one outcome for each partition");
        let everything =
            |session_id| Finished { error: ErrorCode::None, session_id, is_told: vec![true; outcomes.len()] };
        match turn.kind {
            Kind::Sessionless => everything(SESSION_NONE),
            Kind::Full { uses_topic_ids, is_follower } => {
                let size = turn.partitions.len();
                let is_bounded = turn.partitions.iter().all(|wanted| is_bounded(&wanted.key));
                if !is_bounded || !self.cache.make_room(now, is_follower, size) {
                    return everything(SESSION_NONE);
                }
                let session = Session {
                    partitions: CachedPartitions::new(&turn.partitions, outcomes),
                    uses_topic_ids,
                    is_follower,
                    epoch: epoch_after(EPOCH_INITIAL),
                };
                everything(self.cache.insert(now, random, session))
            }
            Kind::Incremental { session_id, epoch_next } => match self.cache.session_mut(session_id) {
                // Dropped meanwhile: the answer is right all the same, and the next request learns it.
                None => everything(session_id),
                Some(session) if session.epoch != epoch_next => {
                    let (error, is_told) = (ErrorCode::InvalidFetchSessionEpoch, vec![false; outcomes.len()]);
                    Finished { error, session_id, is_told }
                }
                Some(session) => {
                    let is_told = session.partitions.learn(&turn.partitions, outcomes);
                    Finished { error: ErrorCode::None, session_id, is_told }
                }
            },
        }
    }
}

/// One session.
#[derive(Debug)]
struct Session {
    partitions: CachedPartitions,
    uses_topic_ids: bool,
    is_follower: bool,
    /// The epoch that is due in the next request.
    epoch: i32,
}

fn epoch_after(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

fn is_bounded(key: &PartitionKey) -> bool {
    key.topic.len() <= TOPIC_NAME_BYTES_MAX
}

/// What a request names, each partition once.
fn named(
    partitions: Vec<(PartitionKey, FetchPartition)>,
    name_of: impl Fn(TopicId) -> Option<ByteString>,
) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::with_capacity(partitions.len());
    let mut places = HashMap::with_capacity(partitions.len());
    for (key, asked) in partitions {
        if let Some(place) = places.get(&key) {
            let twice: &mut Wanted = &mut wanted[*place];
            twice.asked = asked;
            continue;
        }
        places.insert(key.clone(), wanted.len());
        let name = name(&key, &name_of);
        wanted.push(Wanted { key, name, asked });
    }
    wanted
}

fn name(key: &PartitionKey, name_of: impl Fn(TopicId) -> Option<ByteString>) -> Option<ByteString> {
    if key.topic.is_empty() { name_of(key.topic_id) } else { Some(key.topic.clone()) }
}
