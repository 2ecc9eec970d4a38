//! A fetch session from the fetcher's side: what the leader knows already is not said again (KIP-227).
//!
//! | state | answer | next |
//! |---|---|---|
//! | none (epoch 0) | a session id | epoch 1 of that session |
//! | none | id 0: the leader has no room | none, everything is named each time |
//! | epoch n | the same id | epoch n + 1; after the largest comes 1 |
//! | epoch n | id 0: nothing was left in it | none |
//! | any | FETCH_SESSION_ID_NOT_FOUND | none |
//! | any | another error, or no answer | none, and the leader is told to close the old one |
//!
//! The other side is [`crate::session`]. Source: `FetchSessionHandler` of Apache Kafka.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::messages::fetch::{FetchPartition, FetchResponse, FetchTopic, ForgottenTopic};
use milena_protocol::{ErrorCode, TopicId};

use super::Key;

const EPOCH_INITIAL: i32 = 0;
const ID_NONE: i32 = 0;

/// What is known of the session, and what was asked in it last.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: i32,
    epoch: i32,
    asked: BTreeMap<Key, FetchPartition>,
}

/// The part of a request that concerns its session.
pub(super) struct Asked {
    pub(super) session_id: i32,
    pub(super) epoch: i32,
    pub(super) topics: Vec<FetchTopic>,
    pub(super) forgotten: Vec<ForgottenTopic>,
}

impl Session {
    /// The request for what is `wanted`; `None` where there is nothing to say.
    pub(super) fn next(&mut self, wanted: Vec<(Key, FetchPartition)>) -> Option<Asked> {
        let is_full = self.epoch == EPOCH_INITIAL;
        let is_news = |(key, asked): &&(Key, FetchPartition)| is_full || self.asked.get(key) != Some(asked);
        let topics = topics(wanted.iter().filter(is_news));
        let all: BTreeMap<Key, FetchPartition> = wanted.into_iter().collect();
        let before = if is_full { BTreeMap::new() } else { std::mem::take(&mut self.asked) };
        let gone: Vec<Key> = before.into_keys().filter(|key| !all.contains_key(key)).collect();
        self.asked = all;
        if self.asked.is_empty() && gone.is_empty() {
            return None;
        }
        let forgotten = forgotten(gone);
        Some(Asked { session_id: self.id, epoch: self.epoch, topics, forgotten })
    }

    /// What was asked of a partition last.
    pub(super) fn asked(&self, key: Key) -> Option<&FetchPartition> {
        self.asked.get(&key)
    }

    /// Takes in an answer.
    pub(super) fn on_answer(&mut self, response: &FetchResponse) -> Result<(), ErrorCode> {
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => {}
            code => {
                self.renew();
                if code == ErrorCode::FetchSessionIdNotFound {
                    self.id = ID_NONE;
                }
                return Err(code);
            }
        }
        self.id = response.session_id;
        self.epoch = if self.id == ID_NONE { EPOCH_INITIAL } else { self.epoch.checked_add(1).unwrap_or(1) };
        Ok(())
    }

    /// Begins another session with the next request, which closes this one.
    pub(super) fn renew(&mut self) {
        self.epoch = EPOCH_INITIAL;
    }
}

/// An error of the session alone, after which everything is asked for anew.
pub(super) fn is_of_session(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch)
}

/// Neighbours of one topic share an entry.
fn topics<'a>(partitions: impl Iterator<Item = &'a (Key, FetchPartition)>) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (Key { topic_id: TopicId(topic_id), .. }, asked) in partitions {
        match topics.last_mut() {
            Some(last) if last.topic_id == *topic_id => last.partitions.push(asked.clone()),
            _ => topics.push(FetchTopic {
                topic: ByteString::new(),
                topic_id: *topic_id,
                partitions: vec![asked.clone()],
            }),
        }
    }
    topics
}

fn forgotten(keys: Vec<Key>) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for Key { topic_id: TopicId(topic_id), partition } in keys {
        match topics.last_mut() {
            Some(last) if last.topic_id == topic_id => last.partitions.push(partition.0),
            _ => topics.push(ForgottenTopic {
                topic: ByteString::new(),
                topic_id,
                partitions: vec![partition.0],
            }),
        }
    }
    topics
}
