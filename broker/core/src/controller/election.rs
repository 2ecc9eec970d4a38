//! Elections that are asked for, and those that the controller sees to by itself.
//!
//! | when | what |
//! |---|---|
//! | ElectLeaders, preferred | the first replica leads, if it is in the ISR |
//! | ElectLeaders, unclean | somebody leads what nobody leads, with losses if it must be |
//! | every `leader.imbalance.check.interval.seconds` | preferred elections, unless `auto.leader.rebalance.enable` is off |
//! | every `unclean.leader.election.interval.ms` | unclean ones of topics that allow them |
//!
//! The controller makes at most [`ELECTIONS_AT_ONCE_MAX`] changes at a time and goes on at once.
//!
//! Source: KIP-460; `ReplicationControlManager` of Apache Kafka, which looks at every partition without its preferred
//! leader, whatever `leader.imbalance.per.broker.percentage` says.

use milena_protocol::messages::elect_leaders::TopicPartitions;
use milena_protocol::messages::metadata_records::{MetadataRecord, PartitionChangeRecord};
use milena_protocol::{ErrorCode, PartitionIndex, Timestamp};

use super::change::{Change, Election};
use super::view::NO_LEADER;
use super::{Controller, ControllerReply, Decision, OfTopic, Refusal};
use crate::metadata::{PartitionImage, TopicImage};

/// Most leaders that the controller changes at a time by itself.
pub(super) const ELECTIONS_AT_ONCE_MAX: usize = 1000;

/// When the controller looks after leaders by itself the next time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    /// `None` where leaders are left where they are.
    preferred: Option<Timestamp>,
    unclean: Timestamp,
}

impl Rounds {
    pub(super) fn next(&self) -> Timestamp {
        self.preferred.map_or(self.unclean, |preferred| preferred.min(self.unclean))
    }
}

/// What ElectLeaders asks for, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Preferred,
    Unclean,
}

impl Controller {
    pub(super) fn first_rounds(settings: &super::Settings, now: Timestamp) -> Rounds {
        let preferred = settings.imbalance_interval_ms().map(|interval| later(now, interval));
        Rounds { preferred, unclean: later(now, settings.unclean_interval_ms()) }
    }

    pub(super) fn elect_leaders(
        &mut self,
        election_type: i8,
        topics: Option<Vec<TopicPartitions>>,
    ) -> Decision {
        let wanted = match election_type {
            0 => Wanted::Preferred,
            1 => Wanted::Unclean,
            unknown => {
                let message = format!("Unknown election type {unknown}");
                let refusal = Refusal::new(ErrorCode::InvalidRequest, message);
                return (Vec::new(), ControllerReply::Partitions(Err(refusal)));
            }
        };
        let mut records = Vec::new();
        let results = match topics {
            None => self.elect_everywhere(wanted, &mut records),
            Some(topics) => {
                topics.iter().map(|topic| self.elect_named(wanted, topic, &mut records)).collect()
            }
        };
        (records, ControllerReply::Partitions(Ok(results)))
    }

    /// Partitions that need no election are not told of.
    fn elect_everywhere(
        &self,
        wanted: Wanted,
        records: &mut Vec<MetadataRecord>,
    ) -> Vec<OfTopic<(), Refusal>> {
        let mut results = Vec::new();
        for topic in self.image.topics() {
            let mut partitions = Vec::new();
            for (index, partition) in topic.partitions() {
                match self.elect(wanted, topic, (index, partition)) {
                    Err(refusal) if refusal.code == ErrorCode::ElectionNotNeeded => {}
                    result => partitions.push((index, result.map(|record| records.push(record.into())))),
                }
            }
            results.push((topic.name.clone(), partitions));
        }
        results
    }

    fn elect_named(
        &self,
        wanted: Wanted,
        named: &TopicPartitions,
        records: &mut Vec<MetadataRecord>,
    ) -> OfTopic<(), Refusal> {
        let name = &named.topic;
        let unknown = |message: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
        let mut elect = |index: &i32| {
            let topic = self.image.topic(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
            let partition = topic.partition(PartitionIndex(*index));
            let partition =
                partition.ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
            self.elect(wanted, topic, (PartitionIndex(*index), partition))
                .map(|record| records.push(record.into()))
        };
        (name.clone(), named.partitions.iter().map(|index| (PartitionIndex(*index), elect(index))).collect())
    }

    fn elect(
        &self,
        wanted: Wanted,
        topic: &TopicImage,
        (index, partition): (PartitionIndex, &PartitionImage),
    ) -> Result<PartitionChangeRecord, Refusal> {
        let (is_needless, election, failed) = match wanted {
            Wanted::Preferred => (
                partition.has_preferred_leader(),
                Election::Preferred,
                Refusal::new(
                    ErrorCode::PreferredLeaderNotAvailable,
                    "The preferred leader was not available.",
                ),
            ),
            Wanted::Unclean => (
                partition.leader != NO_LEADER,
                Election::Unclean,
                Refusal::new(
                    ErrorCode::EligibleLeadersNotAvailable,
                    "Eligible topic partition leaders are not available.",
                ),
            ),
        };
        if is_needless {
            let message = "Leader election not needed for topic partition.";
            return Err(Refusal::new(ErrorCode::ElectionNotNeeded, message));
        }
        let view = self.view();
        let mut change = Change::new(view, (topic.id, index), partition, view.rules(topic));
        change.election = election;
        change.build().ok_or(failed)
    }

    /// Preferred leaders lead again where they can.
    pub(super) fn balance(&mut self, now: Timestamp) -> Vec<MetadataRecord> {
        let due = self.rounds.preferred.is_some_and(|due| due <= now);
        let Some(interval) = self.settings.imbalance_interval_ms().filter(|_| due) else {
            return Vec::new();
        };
        let records = self.elect_some(Wanted::Preferred, |_, partition| !partition.has_preferred_leader());
        self.rounds.preferred = Some(next_round(now, interval, &records));
        records
    }

    /// Somebody leads again what nobody leads, where losses are allowed.
    pub(super) fn elect_unclean(&mut self, now: Timestamp) -> Vec<MetadataRecord> {
        if self.rounds.unclean > now {
            return Vec::new();
        }
        let is_lost = |topic: &TopicImage, partition: &PartitionImage| {
            partition.leader == NO_LEADER && self.view().rules(topic).unclean
        };
        let records = self.elect_some(Wanted::Unclean, is_lost);
        self.rounds.unclean = next_round(now, self.settings.unclean_interval_ms(), &records);
        records
    }

    fn elect_some(
        &self,
        wanted: Wanted,
        select: impl Fn(&TopicImage, &PartitionImage) -> bool,
    ) -> Vec<MetadataRecord> {
        let all =
            self.image.topics().flat_map(|topic| topic.partitions().map(move |partition| (topic, partition)));
        let selected = all.filter(|(topic, (_, partition))| select(topic, partition));
        let elected = selected.filter_map(|(topic, partition)| self.elect(wanted, topic, partition).ok());
        elected.take(ELECTIONS_AT_ONCE_MAX).map(MetadataRecord::from).collect()
    }
}

/// At once while there is more to do.
fn next_round(now: Timestamp, interval_ms: i64, records: &[MetadataRecord]) -> Timestamp {
    if records.len() >= ELECTIONS_AT_ONCE_MAX { now } else { later(now, interval_ms) }
}

fn later(now: Timestamp, ms: i64) -> Timestamp {
    Timestamp(now.0.saturating_add(ms))
}
