//! A classic group: its members, its generation and its state. No timers, no callers: those are `rebalance.rs`.
//!
//! | state | entered when |
//! |---|---|
//! | Empty | the group is created; a rebalance ends without members (record) |
//! | PreparingRebalance | a member joins, leaves, expires, changes what it supports or does not sync in time; the leader joins again |
//! | CompletingRebalance | every member has joined, or those that have not are out of time |
//! | Stable | the leader's assignment is in the log (record) |
//!
//! Durable are the generation, protocol, leader and the members with their assignments, as of the last record. Members
//! that join live in memory until the leader's assignment is written; the next coordinator does not know them and
//! sends them back to join, as Apache Kafka does.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::messages::client_data::consumer_protocol_subscription::ConsumerProtocolSubscription;
use milena_protocol::messages::group_records::{GroupMetadataKey, GroupMetadataValue};
use milena_protocol::{Decoder, ErrorCode, Message, Timestamp};

use super::member::{Member, owned};
use super::record::GroupRecord;
use super::request::{Joined, JoinedMember, Protocol};

/// The protocol type whose metadata the coordinator can read.
const CONSUMER: &str = "consumer";

/// Where the group stands; a dead group is one that is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// How long the first rebalance of an empty group still waits for more members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialDelay {
    pub(super) delay_ms: i32,
    pub(super) remaining_ms: i32,
    pub(super) member_added: bool,
}

/// A group. Members are in the order of their ids, so that one input has one outcome.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClassicGroup {
    pub(super) id: ByteString,
    pub(super) state: State,
    /// Set while a rebalance that began in Empty goes on.
    pub(super) initial: Option<InitialDelay>,
    /// When the state was entered; `None` for groups that exist through their offsets alone.
    pub(super) since: Option<Timestamp>,
    pub(super) generation: i32,
    /// `None` for a group that only stores offsets.
    pub(super) protocol_type: Option<ByteString>,
    pub(super) protocol: Option<ByteString>,
    pub(super) leader: Option<ByteString>,
    pub(super) members: BTreeMap<ByteString, Member>,
    /// Ids that were given out; who they were given to has not joined with them yet.
    pub(super) pending: BTreeSet<ByteString>,
    /// Members of the generation that have not synced.
    pub(super) pending_sync: BTreeSet<ByteString>,
    /// Member id by group instance id.
    statics: BTreeMap<ByteString, ByteString>,
    /// Topics of the members; `None` where that is not known.
    subscribed: Option<BTreeSet<ByteString>>,
    /// A static member that becomes part of the group when its record is replayed.
    pub(super) arriving: Option<Member>,
}

impl ClassicGroup {
    pub(super) fn new(id: ByteString) -> Self {
        Self {
            id: owned(&id),
            state: State::Empty,
            initial: None,
            since: None,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            statics: BTreeMap::new(),
            subscribed: None,
            arriving: None,
        }
    }

    /// Whether it exists through its offsets alone; the log has no record of it.
    pub(super) fn is_simple(&self) -> bool {
        self.is(State::Empty) && self.since.is_none() && self.protocol_type.is_none()
    }

    pub(super) fn is(&self, state: State) -> bool {
        self.state == state
    }

    pub(super) fn enter(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.since = Some(now);
    }

    /// Who a request that names `member`, and perhaps `instance`, comes from.
    pub(super) fn validate_member(
        &self,
        member: &str,
        instance: Option<&ByteString>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            let current = self.statics.get(instance).ok_or(ErrorCode::UnknownMemberId)?;
            if current != member {
                return Err(ErrorCode::FencedInstanceId);
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    pub(super) fn static_member(&self, instance: &ByteString) -> Option<&ByteString> {
        self.statics.get(instance)
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader == member)
    }

    /// Whether a member of this kind can be in one group with those there are.
    pub(super) fn supports(&self, protocol_type: &ByteString, protocols: &[Protocol]) -> bool {
        if self.is(State::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let everybody_knows = |name: &str| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_ref() == Some(protocol_type)
            && protocols.iter().any(|protocol| everybody_knows(&protocol.name))
    }

    pub(super) fn add(&mut self, member: Member, protocol_type: ByteString) {
        if self.members.is_empty() {
            self.protocol_type = Some(owned(&protocol_type));
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.pending.remove(&member.id);
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Forgets a member, or the id of one that has not joined. Its parked callers are the caller's business.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let removed = self.members.remove(id);
        if let Some(instance) = removed.as_ref().and_then(|member| member.instance.as_ref()) {
            self.statics.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending.remove(id);
        self.pending_sync.remove(id);
        removed
    }

    /// Puts `new` in the place of the static member `old`, leadership included.
    pub(super) fn replace(&mut self, old: &ByteString, new: Member) {
        let led = self.is_leader(old);
        self.members.remove(old);
        self.pending_sync.remove(old);
        if led {
            self.leader = Some(new.id.clone());
        }
        if let Some(instance) = &new.instance {
            self.statics.insert(instance.clone(), new.id.clone());
        }
        self.members.insert(new.id.clone(), new);
    }

    pub(super) fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.awaiting_join.is_some())
    }

    pub(super) fn awaiting_join(&self) -> usize {
        self.members.values().filter(|member| member.awaiting_join.is_some()).count()
    }

    /// Makes sure that the leader is one of those that joined; false when nobody did.
    pub(super) fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &Member| member.awaiting_join.is_some();
        let current = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        if current.is_some_and(joined) {
            return true;
        }
        let Some(next) = self.members.values().find(|member| joined(member)) else { return false };
        self.leader = Some(next.id.clone());
        true
    }

    /// The longest time that a member wants a rebalance to wait.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or_default()
    }

    /// The protocol with most votes among those that all `members` support; each votes for the first it prefers.
    pub(super) fn vote<'a>(members: impl Iterator<Item = &'a Member> + Clone) -> Option<ByteString> {
        let names = |member: &'a Member| member.protocols.iter().map(|protocol| &protocol.name);
        let everybody_knows = |name: &&ByteString| members.clone().all(|member| member.supports(name));
        let candidates: BTreeSet<_> =
            members.clone().take(1).flat_map(names).filter(everybody_knows).collect();
        let mut votes: Vec<(&ByteString, usize)> = Vec::new();
        for choice in members.filter_map(|member| names(member).find(|name| candidates.contains(name))) {
            match votes.iter_mut().find(|(name, _)| *name == choice) {
                Some((_, count)) => *count += 1,
                None => votes.push((choice, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.clone())
    }

    /// Whether offsets of `topic` are in use by members.
    pub(super) fn is_subscribed(&self, topic: &ByteString) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer(),
        }
    }

    pub(super) fn is_consumer(&self) -> bool {
        self.protocol_type.as_ref().is_some_and(|kind| kind == CONSUMER)
    }

    pub(super) fn knows_subscriptions(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Reads the topics from the members' metadata. All versions of it begin with version 0.
    pub(super) fn learn_subscriptions(&mut self) {
        self.subscribed = if self.is_consumer() {
            let topics =
                self.members.values().map(|member| subscription(member.metadata(self.protocol.as_ref())));
            topics.collect::<Option<Vec<_>>>().map(|topics| topics.into_iter().flatten().collect())
        } else {
            None
        };
    }

    /// The answer to a member's JoinGroup once the generation stands.
    pub(super) fn joined(&self, member: &ByteString) -> Joined {
        let members = if self.is_leader(member) { self.joined_members() } else { Vec::new() };
        Joined {
            member: member.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members,
        }
    }

    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        self.members.values().map(|member| member.joined(self.protocol.as_ref())).collect()
    }

    /// The record of the generation with these members, each with its assignment.
    pub(super) fn record<'a>(&self, members: impl Iterator<Item = (&'a Member, Bytes)>) -> GroupRecord {
        let protocol = self.protocol.as_ref();
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.since.unwrap_or(Timestamp::NONE).0,
            members: members.map(|(member, assignment)| member.record(protocol, assignment)).collect(),
        };
        GroupRecord::Group { key: self.key(), value: Some(value) }
    }

    /// The record of a generation without members.
    pub(super) fn empty_record(&self, generation: i32, now: Timestamp) -> GroupRecord {
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation,
            protocol: None,
            leader: None,
            current_state_timestamp: now.0,
            members: Vec::new(),
        };
        GroupRecord::Group { key: self.key(), value: Some(value) }
    }

    fn key(&self) -> GroupMetadataKey {
        GroupMetadataKey { group: self.id.clone() }
    }

    /// Takes in what the log says about the group.
    pub(super) fn adopt(&mut self, value: &GroupMetadataValue) {
        if self.is(State::PreparingRebalance) && !self.members.is_empty() {
            // The record of a group that was created by a member: the member is already further than the record.
            return;
        }
        let mut known = std::mem::take(&mut self.members);
        known.extend(self.arriving.take().map(|member| (member.id.clone(), member)));
        for record in &value.members {
            let recorded = Member::recorded(record, value.protocol.as_ref());
            let member = match known.remove(&record.member_id) {
                Some(member) => member.confirmed(recorded, value.protocol.as_ref()),
                None => recorded,
            };
            self.members.insert(member.id.clone(), member);
        }
        let instances =
            self.members.values().filter_map(|member| Some((member.instance.clone()?, member.id.clone())));
        self.statics = instances.collect();
        self.pending_sync.retain(|member| self.members.contains_key(member));
        self.generation = value.generation;
        self.protocol_type = Some(owned(&value.protocol_type)).filter(|kind| !kind.is_empty());
        self.protocol = value.protocol.as_ref().map(owned);
        self.leader = value.leader.as_ref().map(owned);
        self.since = Some(Timestamp(value.current_state_timestamp)).filter(|since| since.0 >= 0);
        self.state = if self.members.is_empty() { State::Empty } else { State::Stable };
        self.initial = None;
        self.learn_subscriptions();
    }
}

fn subscription(metadata: Bytes) -> Option<Vec<ByteString>> {
    let mut decoder = Decoder::new(metadata);
    decoder.i16().ok()?;
    ConsumerProtocolSubscription::decode(&mut decoder, 0).ok().map(|subscription| subscription.topics)
}
