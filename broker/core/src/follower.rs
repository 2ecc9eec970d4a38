//! One fetcher: copies partitions from one leader into the logs of this broker, many of them with one request.
//!
//! The shell sends what [`Fetcher::next_fetch`] yields, hands the answer to [`Fetcher::on_answer`], does each
//! [`Step`] with the partition's log and says by [`Fetcher::on_position`] where the log stands then. One request is under
//! way at a time; partitions come and go meanwhile, and what an answer says about them counts only if it fits
//! what is asked now.
//!
//! | stage of a partition | trigger | next |
//! |---|---|---|
//! | - | [`Fetcher::follow`] | fetching from its log end |
//! | fetching | records | append, then fetching behind them |
//! | fetching | a diverging epoch (KIP-595) | cut off ([`truncation`]), or begun anew where the logs part below the leader's start; then fetching |
//! | fetching | OFFSET_OUT_OF_RANGE | resetting: where does the leader's log begin and end? |
//! | resetting | [`Fetcher::on_ends`] | cut off, or begun anew, then fetching |
//! | fetching, resetting | FENCED_LEADER_EPOCH in the epoch that is asked for | failed |
//! | fetching, resetting | another error; a batch that is damaged | the same, later: from [`DELAY_MS_MIN`] on, doubling |
//! | any | the log failed | failed |
//! | any | [`Fetcher::follow`] in another epoch, [`Fetcher::forget`] | fetching anew; gone |
//!
//! Every record has an epoch in its log, so that truncation is exact from the first fetch on (KIP-101, 279, 320); who has
//! records without epochs cuts them off down to its high watermark before it is followed. Source: `AbstractFetcherThread`
//! and `RemoteLeaderEndPoint` of Apache Kafka.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, PartitionData, ReplicaState,
};
use milena_protocol::{
    ErrorCode, LeaderEpoch, NodeId, Offset, PartitionIndex, Records, Timestamp, TopicId, Uuid,
};

mod session;
mod step;
pub mod truncation;

use session::Session;
pub use step::{Action, Fetched, Step, StepError};
use truncation::{EpochEnd, Reset, reset};

/// The first delay of a partition after an error. A leader that has not heard of its epoch yet hears of it soon.
pub const DELAY_MS_MIN: i64 = 20;

/// Who fetches and how much, by the keys `replica.fetch.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetcherSettings {
    /// This broker.
    pub node_id: NodeId,
    /// `replica.fetch.wait.max.ms`.
    pub wait_ms_max: i32,
    /// `replica.fetch.min.bytes`.
    pub bytes_min: i32,
    /// `replica.fetch.response.max.bytes`.
    pub response_bytes_max: i32,
    /// `replica.fetch.max.bytes`.
    pub partition_bytes_max: i32,
    /// `replica.fetch.backoff.ms`, the longest delay.
    pub backoff_ms: i64,
}

/// A partition that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its number in the topic.
    pub partition: PartitionIndex,
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The offset that the next record gets.
    pub log_end: Offset,
    /// The epoch of the last record; -1 without records.
    pub last_epoch: LeaderEpoch,
}

/// What the shell knows of the logs at the moment.
pub trait Logs {
    /// The first offset of a log; `None` where the partition must not be fetched now.
    fn log_start(&self, key: Key) -> Option<Offset>;
    /// Whether the partition is to wait because too much is replicated, unless it is in sync.
    fn is_throttled(&self, key: Key) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fetching,
    Resetting,
    Failed,
}

#[derive(Debug, Clone)]
struct Followed {
    topic: ByteString,
    leader_epoch: LeaderEpoch,
    position: Position,
    stage: Stage,
    delayed_until: Option<Timestamp>,
    /// Since it last got on.
    errors: u32,
    /// The leader's high watermark as it was told last.
    leader_high_watermark: Option<Offset>,
    /// When it last got records, in requests.
    served: u64,
}

impl Followed {
    fn is_in_sync(&self) -> bool {
        self.leader_high_watermark.is_some_and(|reached| self.position.log_end >= reached)
    }

    fn delay(&mut self, now: Timestamp, ms_max: i64) {
        let ms = DELAY_MS_MIN.checked_shl(self.errors.min(32)).unwrap_or(ms_max).min(ms_max);
        self.delayed_until = Some(now.plus_ms(ms));
        self.errors = self.errors.saturating_add(1);
    }

    fn is_due(&self, stage: Stage, now: Timestamp) -> bool {
        self.stage == stage && self.delayed_until.is_none_or(|until| until <= now)
    }
}

/// The partitions that are fetched over one connection.
#[derive(Debug)]
pub struct Fetcher {
    settings: FetcherSettings,
    partitions: BTreeMap<Key, Followed>,
    session: Session,
    requests: u64,
}

impl Fetcher {
    /// Follows nothing yet.
    pub fn new(settings: FetcherSettings) -> Self {
        Self { settings, partitions: BTreeMap::new(), session: Session::default(), requests: 0 }
    }

    /// Follows a partition in `leader_epoch`, from where its log stands.
    pub fn follow(&mut self, key: Key, topic: ByteString, leader_epoch: LeaderEpoch, position: Position) {
        if self.follows(key, leader_epoch) {
            return;
        }
        let followed = Followed {
            topic,
            leader_epoch,
            position,
            stage: Stage::Fetching,
            delayed_until: None,
            errors: 0,
            leader_high_watermark: None,
            served: 0,
        };
        self.partitions.insert(key, followed);
    }

    /// Whether a partition is followed in `leader_epoch` already.
    pub fn follows(&self, key: Key, leader_epoch: LeaderEpoch) -> bool {
        self.partitions.get(&key).is_some_and(|known| known.leader_epoch == leader_epoch)
    }

    /// Follows a partition no longer.
    pub fn forget(&mut self, key: Key) {
        self.partitions.remove(&key);
    }

    /// Whether nothing is followed.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Partitions that are followed, failed ones too.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Partitions that wait for a newer epoch, or whose log failed.
    pub fn failed(&self) -> usize {
        self.partitions.values().filter(|followed| followed.stage == Stage::Failed).count()
    }

    /// How far the slowest partition is behind the leader's high watermark, in records.
    pub fn lag_max(&self) -> i64 {
        let lag = |followed: &Followed| Some(followed.leader_high_watermark? - followed.position.log_end);
        self.partitions.values().filter_map(lag).max().unwrap_or(0).max(0)
    }

    /// The next request; `None` where nothing is to be asked now. `broker_epoch` is that of this broker's registration.
    pub fn next_fetch(&mut self, now: Timestamp, broker_epoch: i64, logs: &dyn Logs) -> Option<FetchRequest> {
        let FetcherSettings { node_id, partition_bytes_max, .. } = self.settings;
        let mut wanted: Vec<(u64, Key, FetchPartition)> = Vec::new();
        for (key, followed) in &self.partitions {
            let is_held = !followed.is_in_sync() && logs.is_throttled(*key);
            let Some(log_start) = logs.log_start(*key) else { continue };
            if !followed.is_due(Stage::Fetching, now) || is_held {
                continue;
            }
            let asked = FetchPartition {
                partition: key.partition.0,
                current_leader_epoch: followed.leader_epoch.0,
                fetch_offset: followed.position.log_end.0,
                last_fetched_epoch: followed.position.last_epoch.0,
                log_start_offset: log_start.0,
                partition_max_bytes: partition_bytes_max,
                replica_directory_id: Uuid::nil(),
                high_watermark: i64::MAX,
            };
            wanted.push((followed.served, *key, asked));
        }
        // Without a session, those that had to wait come first.
        wanted.sort_by_key(|(served, key, _)| (*served, *key));
        let asked = self.session.next(wanted.into_iter().map(|(_, key, asked)| (key, asked)).collect())?;
        self.requests += 1;
        Some(FetchRequest {
            cluster_id: None,
            replica_id: node_id.0,
            replica_state: ReplicaState { replica_id: node_id.0, replica_epoch: broker_epoch },
            max_wait_ms: self.wait_ms(now),
            min_bytes: self.settings.bytes_min,
            max_bytes: self.settings.response_bytes_max,
            isolation_level: 0,
            session_id: asked.session_id,
            session_epoch: asked.epoch,
            topics: asked.topics,
            forgotten_topics_data: asked.forgotten,
            rack_id: ByteString::new(),
        })
    }

    /// No longer than until a partition that is delayed may be asked for again.
    fn wait_ms(&self, now: Timestamp) -> i32 {
        let left = self.next_deadline(now).map(|at| at.ms_since(now));
        let left = left.and_then(|ms| i32::try_from(ms).ok()).unwrap_or(i32::MAX);
        left.min(self.settings.wait_ms_max)
    }

    /// When a partition that is delayed may be asked for again.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let alive = self.partitions.values().filter(|followed| followed.stage != Stage::Failed);
        alive.filter_map(|followed| followed.delayed_until).filter(|until| *until > now).min()
    }

    /// The request was not answered: the connection is gone, and perhaps the session.
    pub fn on_lost(&mut self) {
        self.session.renew();
    }

    /// Takes in the answer to the last request.
    pub fn on_answer(&mut self, now: Timestamp, response: FetchResponse) -> Vec<Step> {
        if let Err(code) = self.session.on_answer(&response) {
            if !session::is_of_session(code) {
                self.delay_all(now);
            }
            return Vec::new();
        }
        let mut steps = Vec::new();
        for topic in response.responses {
            for data in topic.partitions {
                let partition = PartitionIndex(data.partition_index);
                let key = Key { topic_id: TopicId(topic.topic_id), partition };
                steps.extend(self.on_partition(now, key, data));
            }
        }
        steps
    }

    fn on_partition(&mut self, now: Timestamp, key: Key, data: PartitionData) -> Option<Step> {
        let asked = self.session.asked(key)?.clone();
        let followed = self.partitions.get_mut(&key)?;
        let fits = followed.stage == Stage::Fetching
            && asked.fetch_offset == followed.position.log_end.0
            && asked.current_leader_epoch == followed.leader_epoch.0;
        if !fits {
            return None;
        }
        let code = ErrorCode::from(data.error_code);
        if code != ErrorCode::None {
            self.on_error(now, key, code);
            return None;
        }
        let leader_epoch = followed.leader_epoch;
        let diverging = data.diverging_epoch;
        if diverging.epoch >= 0 || diverging.end_offset >= 0 {
            let (epoch, end_offset) = (LeaderEpoch(diverging.epoch), Offset(diverging.end_offset));
            let log_start = Offset(data.log_start_offset);
            // Whatever both have is deleted at the leader, which has forgotten its epochs: it proves nothing.
            let is_below = end_offset >= Offset::ZERO && end_offset <= log_start;
            let diverged = Action::Diverged(EpochEnd { epoch, end_offset });
            let action = if is_below { Action::Restart(log_start) } else { diverged };
            return Some(Step { key, leader_epoch, action });
        }
        followed.leader_high_watermark = Some(Offset(data.high_watermark));
        let records = data.records.unwrap_or(Records::EMPTY);
        if !records.is_empty() {
            followed.served = self.requests;
        }
        let fetched = Fetched {
            offset: followed.position.log_end,
            records,
            high_watermark: Offset(data.high_watermark),
            log_start: Offset(data.log_start_offset),
        };
        Some(Step { key, leader_epoch, action: Action::Append(fetched) })
    }

    fn on_error(&mut self, now: Timestamp, key: Key, code: ErrorCode) {
        let Some(followed) = self.partitions.get_mut(&key) else { return };
        match code {
            ErrorCode::OffsetOutOfRange => followed.stage = Stage::Resetting,
            // The leader knows a newer epoch, which the image will bring.
            ErrorCode::FencedLeaderEpoch => followed.stage = Stage::Failed,
            _ => followed.delay(now, self.settings.backoff_ms),
        }
    }

    fn delay_all(&mut self, now: Timestamp) {
        let ms_max = self.settings.backoff_ms;
        self.partitions.values_mut().for_each(|followed| followed.delay(now, ms_max));
    }

    /// A step was done, and the log stands at a new position; or it was not.
    pub fn on_position(
        &mut self,
        now: Timestamp,
        (key, leader_epoch): (Key, LeaderEpoch),
        position: Result<Position, StepError>,
    ) {
        let backoff_ms = self.settings.backoff_ms;
        let followed = self.partitions.get_mut(&key).filter(|followed| followed.leader_epoch == leader_epoch);
        let Some(followed) = followed else { return };
        match position {
            Ok(position) => {
                followed.position = position;
                (followed.delayed_until, followed.errors) = (None, 0);
            }
            Err(StepError::Refused) => followed.delay(now, backoff_ms),
            Err(StepError::Failed) => followed.stage = Stage::Failed,
        }
    }

    /// The partitions of which the leader is to be asked where they begin and end, with their topic and epoch.
    pub fn resetting(&self, now: Timestamp) -> Vec<(Key, ByteString, LeaderEpoch)> {
        let due = self.partitions.iter().filter(|(_, followed)| followed.is_due(Stage::Resetting, now));
        due.map(|(key, followed)| (*key, followed.topic.clone(), followed.leader_epoch)).collect()
    }

    /// Takes in where the leader's log begins and ends. A partition that needs no step is fetched a little later.
    pub fn on_ends(
        &mut self,
        now: Timestamp,
        (key, leader_epoch): (Key, LeaderEpoch),
        ends: Result<std::ops::Range<Offset>, ErrorCode>,
    ) -> Option<Step> {
        let followed = self.partitions.get_mut(&key)?;
        if followed.leader_epoch != leader_epoch || followed.stage != Stage::Resetting {
            return None;
        }
        let ends = match ends {
            Ok(ends) => ends,
            // It was in range when the other end was asked for.
            Err(ErrorCode::OffsetOutOfRange) => {
                followed.stage = Stage::Fetching;
                return None;
            }
            Err(code) => {
                self.on_error(now, key, code);
                return None;
            }
        };
        followed.stage = Stage::Fetching;
        followed.leader_high_watermark = None;
        let action = match reset(followed.position.log_end, ends) {
            Reset::Truncate(offset) => Action::Truncate(offset),
            Reset::Restart(offset) => Action::Restart(offset),
            Reset::Keep => {
                followed.delay(now, self.settings.backoff_ms);
                return None;
            }
        };
        Some(Step { key, leader_epoch, action })
    }
}

#[cfg(test)]
mod tests;
