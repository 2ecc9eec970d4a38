//! The active controller: decides on every change of cluster metadata.
//!
//! A [`Machine`]: `handle` answers with records and replies and changes nothing; the records come back through
//! `replay` once they are in the metadata log. It starts from the image of whoever was controller before.
//!
//! | request | records |
//! |---|---|
//! | CreateTopics | TopicRecord, ConfigRecord of each value, PartitionRecord of each partition |
//! | DeleteTopics | RemoveTopicRecord |
//! | CreatePartitions | PartitionRecord |
//! | IncrementalAlterConfigs | ConfigRecord |
//! | AlterConfigs | ConfigRecord, of values that the request leaves out too |
//! | UpdateFeatures | FeatureLevelRecord |
//! | AllocateProducerIds | ProducerIdsRecord |
//! | RegisterController | RegisterControllerRecord |
//! | BrokerRegistration | PartitionChangeRecord of what the former incarnation was in sync with, RegisterBrokerRecord |
//! | BrokerHeartbeat, ProcessGone, silence | BrokerRegistrationChangeRecord, PartitionChangeRecord of whom it concerns |
//! | UnregisterBroker | PartitionChangeRecord, UnregisterBrokerRecord |
//! | AlterPartition, AssignReplicasToDirs | PartitionChangeRecord |
//! | AlterPartitionReassignments, ElectLeaders | PartitionChangeRecord |
//!
//! A topic of a request is refused by itself; the others of the request go on. Source: KIP-500, KIP-631; the
//! `ReplicationControlManager`, `ConfigurationControlManager` and `ClusterControlManager` of Apache Kafka for the order
//! of checks and the messages.

use std::collections::BTreeSet;

use milena_protocol::messages::metadata_records::{
    BeginTransactionRecord, EndTransactionRecord, MetadataRecord, NoOpRecord,
};
use milena_protocol::{NodeId, Offset, Timestamp};

use crate::machine::{Machine, Outcome, Ticket};
use crate::metadata::MetadataImage;

use self::election::Rounds;
use self::sessions::Sessions;
use self::view::View;

mod activation;
mod alter_partition;
mod change;
mod configs;
mod directories;
mod election;
mod features;
mod heartbeat;
mod partitions;
mod producer_ids;
mod random;
mod reassignment;
mod registration;
mod request;
mod sessions;
mod settings;
mod topics;
mod view;

pub use activation::{bootstrap_records, feature_records};
pub use request::{
    ControllerReply, ControllerRequest, CreatedTopic, DeletedTopic, Heartbeat, OfDirectory, OfTopic,
    OfTopicId, Refusal, TopicReference,
};
pub use settings::Settings;

/// Most records that one request of a client may cause.
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;
/// Most records of one batch; a larger change is a metadata transaction, which may be split into batches.
pub const RECORDS_PER_BATCH_MAX: usize = 10_000;
/// Producer ids that a broker gets at a time.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

/// The state machine of the active controller.
#[derive(Debug, Clone)]
pub struct Controller {
    settings: Settings,
    image: MetadataImage,
    sessions: Sessions,
    rounds: Rounds,
    /// When the last record was written.
    written: Timestamp,
    random: random::Random,
}

impl Controller {
    /// A controller that becomes active `now` and goes on from `image`: every unfenced broker has a fresh session. `seed`
    /// feeds topic ids and placement.
    pub fn new(settings: Settings, image: MetadataImage, now: Timestamp, seed: u128) -> Self {
        let sessions = Sessions::new(settings.session_timeout_ms(), &image, now);
        let rounds = Self::first_rounds(&settings, now);
        Self { settings, image, sessions, rounds, written: now, random: random::Random::new(seed) }
    }

    /// Moves over a batch that holds no metadata record, such as a control batch.
    pub fn skip_to(&mut self, next_offset: Offset) {
        self.image.skip_to(next_offset);
    }

    /// Learns who the voters of the quorum are now, and the level of `kraft.version`.
    pub fn set_quorum(&mut self, voters: BTreeSet<NodeId>, kraft_version: i16) {
        self.settings.voters = voters;
        self.settings.kraft_version = kraft_version;
        self.settings.kraft_version_max = kraft_version;
    }

    /// Learns the highest level of `kraft.version` that every voter is known to know.
    pub fn set_kraft_version_max(&mut self, level: i16) {
        self.settings.kraft_version_max = level.max(self.settings.kraft_version);
    }

    /// Learns whether nobody else fetches the metadata log. Others are told the time by a record now and then.
    pub fn set_alone(&mut self, is_alone: bool) {
        self.settings.is_alone = is_alone;
    }

    /// The metadata that decisions are based on, uncommitted changes included.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    fn view(&self) -> View<'_> {
        self.view_of(&self.image)
    }

    fn view_of<'a>(&'a self, image: &'a MetadataImage) -> View<'a> {
        View { image, settings: &self.settings }
    }

    /// The image as it will be once `records` are replayed.
    fn image_after(&self, records: &[MetadataRecord]) -> MetadataImage {
        let mut image = self.image.clone();
        for record in records {
            let offset = image.next_offset();
            image.replay(offset, record).expect("the controller replays what it decided itself");
        }
        image
    }

    /// Where a record will stand that is added to `records`.
    fn offset_after(&self, records: &[MetadataRecord]) -> i64 {
        let begun = usize::from(is_large(records.len() + 1));
        self.image.next_offset().0 + i64::try_from(records.len() + begun).unwrap_or(i64::MAX)
    }

    /// Where the last of `records` will stand, or the last that is there.
    fn last_offset(&self, records: &[MetadataRecord]) -> Offset {
        let bounds = if is_large(records.len()) { 2 } else { 0 };
        self.image.next_offset() + (i64::try_from(records.len() + bounds).unwrap_or(i64::MAX) - 1)
    }

    fn next_no_op(&self) -> Option<Timestamp> {
        let interval = self.settings.idle_interval_ms()?;
        Some(Timestamp(self.written.0.saturating_add(interval)))
    }

    fn outcome(
        &mut self,
        now: Timestamp,
        records: Vec<MetadataRecord>,
        replies: Vec<(Ticket, ControllerReply)>,
    ) -> Outcome<MetadataRecord, ControllerReply> {
        if !records.is_empty() {
            self.written = now;
        }
        Outcome { records: at_once(records), replies }
    }

    fn decide(&mut self, now: Timestamp, request: ControllerRequest) -> Decision {
        match request {
            ControllerRequest::CreateTopics { topics, validate_only } => {
                self.create_topics(&topics, validate_only)
            }
            ControllerRequest::DeleteTopics { topics } => self.delete_topics(topics),
            ControllerRequest::CreatePartitions { topics, validate_only } => {
                self.create_partitions(&topics, validate_only)
            }
            ControllerRequest::IncrementalAlterConfigs { resources, validate_only } => {
                self.alter_configs(&resources, validate_only)
            }
            ControllerRequest::AlterConfigs { resources, validate_only } => {
                self.replace_configs(&resources, validate_only)
            }
            ControllerRequest::UpdateFeatures { updates, validate_only } => {
                self.update_features(&updates, validate_only)
            }
            ControllerRequest::AllocateProducerIds { broker, broker_epoch } => {
                self.allocate_producer_ids(broker, broker_epoch)
            }
            ControllerRequest::RegisterController(record) => {
                (vec![record.into()], ControllerReply::Done(Ok(())))
            }
            ControllerRequest::BrokerRegistration { request, tells_previous_epoch } => {
                self.register(now, &request, tells_previous_epoch)
            }
            ControllerRequest::BrokerHeartbeat(request) => self.heartbeat(now, &request),
            ControllerRequest::UnregisterBroker { broker } => self.unregister(broker),
            ControllerRequest::ProcessGone { broker, broker_epoch } => {
                self.process_gone(broker, broker_epoch)
            }
            ControllerRequest::AlterPartition(request) => self.alter_partitions(&request),
            ControllerRequest::AlterPartitionReassignments(request) => self.reassign(&request),
            ControllerRequest::ElectLeaders { election_type, topics } => {
                self.elect_leaders(election_type, topics)
            }
            ControllerRequest::AssignReplicasToDirs(request) => self.assign_replicas(&request),
        }
    }
}

impl Machine for Controller {
    type Request = ControllerRequest;
    type Record = MetadataRecord;
    type Reply = ControllerReply;

    fn handle(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: ControllerRequest,
    ) -> Outcome<MetadataRecord, ControllerReply> {
        let (records, reply) = self.decide(now, request);
        self.outcome(now, records, vec![(ticket, reply)])
    }

    fn replay(&mut self, record: &MetadataRecord) {
        let offset = self.image.next_offset();
        self.image.replay(offset, record).expect("the controller replays what it decided itself");
        self.sessions.replay(offset, record);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let due = [Some(self.rounds.next()), self.sessions.next_expiry(), self.next_no_op()];
        due.into_iter().flatten().min()
    }

    fn on_deadline(&mut self, now: Timestamp) -> Outcome<MetadataRecord, ControllerReply> {
        let late_ms = self.next_deadline().map_or(0, |due| now.ms_since(due));
        if late_ms > self.settings.session_timeout_ms() / 2 {
            self.sessions.renew(now);
        }
        // One at a time: each looks at what the one before has changed.
        let mut records = self.fence_silent(now);
        for round in [Self::balance, Self::elect_unclean] {
            if records.is_empty() {
                records = round(self, now);
            }
        }
        if records.is_empty() && self.next_no_op().is_some_and(|due| due <= now) {
            records.push(NoOpRecord {}.into());
        }
        self.outcome(now, records, Vec::new())
    }
}

/// Whether so many records do not fit one batch.
fn is_large(records: usize) -> bool {
    records > RECORDS_PER_BATCH_MAX
}

/// Records that happen together, or not at all: what does not fit one batch is a metadata transaction (KIP-868).
fn at_once(records: Vec<MetadataRecord>) -> Vec<MetadataRecord> {
    if !is_large(records.len()) {
        return records;
    }
    let begin = BeginTransactionRecord { name: Some("Large change".into()) };
    let end = EndTransactionRecord {};
    [begin.into()].into_iter().chain(records).chain([end.into()]).collect()
}

/// Records and the reply they go with.
type Decision = (Vec<MetadataRecord>, ControllerReply);

#[cfg(test)]
mod tests;
