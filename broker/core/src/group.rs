//! The coordinator of the groups of one `__consumer_offsets` partition: classic groups and committed offsets. Groups of
//! other types are kept (`foreign.rs`).
//!
//! Called by the coordinator task of `broker`; the states of a group are listed in `classic.rs`. Requests that wait for
//! others (JoinGroup for the rebalance, SyncGroup for the leader) keep their ticket in the member and are answered by a
//! later step. Everything behaves as Apache Kafka 4.3's `GroupMetadataManager` and `OffsetMetadataManager`, except:
//!
//! - a request that is sent again while the first is parked answers the first with REBALANCE_IN_PROGRESS; Kafka never
//!   answers it;
//! - a JoinGroup that is refused leaves no group behind; Kafka writes an empty one even so;
//! - where Kafka's choice hangs on the order of a hash table (the next leader, a tie of votes) ours is the smallest
//!   member id, so that one input has one outcome.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::Timestamp;

use crate::machine::{Machine, Outcome, Ticket};

mod classic;
mod deadlines;
mod describe;
mod expiry;
mod foreign;
mod join;
mod leave;
mod member;
mod offsets;
mod rebalance;
mod record;
mod request;
mod settings;
mod sync;

pub use foreign::ForeignType;
pub use record::GroupRecord;
pub use request::*;
pub use settings::GroupSettings;

use classic::ClassicGroup;
use deadlines::{Deadlines, Timer};
use foreign::ForeignGroups;
use offsets::Offsets;

/// What a step yields.
pub type GroupOutcome = Outcome<GroupRecord, Reply>;

/// The groups of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinator {
    settings: GroupSettings,
    groups: BTreeMap<ByteString, ClassicGroup>,
    foreign: ForeignGroups,
    offsets: Offsets,
    deadlines: Deadlines,
}

/// One step: what time it is, and where its effects go.
struct Turn<'a> {
    now: Timestamp,
    settings: &'a GroupSettings,
    foreign: &'a ForeignGroups,
    deadlines: &'a mut Deadlines,
    out: GroupOutcome,
}

impl Turn<'_> {
    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.out.replies.push((ticket, reply));
    }

    fn after_ms(&self, ms: i32) -> Timestamp {
        self.now.plus_ms(i64::from(ms.max(0)))
    }
}

impl Coordinator {
    /// A coordinator of nothing; `replay` fills it.
    pub fn new(settings: GroupSettings) -> Self {
        Self {
            settings,
            groups: BTreeMap::new(),
            foreign: ForeignGroups::default(),
            offsets: Offsets::default(),
            deadlines: Deadlines::default(),
        }
    }

    /// Ends the replay of the log: from here on members must show that they are alive.
    pub fn loaded(&mut self, now: Timestamp) -> GroupOutcome {
        self.foreign.loaded(now.plus_ms(settings::FOREIGN_SESSION_MS_MAX));
        self.turn(now, |groups, _, turn| expiry::watch_loaded(groups, turn))
    }

    /// Runs one step with the state taken apart, so that groups and timers can change side by side.
    fn turn(
        &mut self,
        now: Timestamp,
        step: impl FnOnce(&mut BTreeMap<ByteString, ClassicGroup>, &Offsets, &mut Turn<'_>),
    ) -> GroupOutcome {
        let Self { settings, groups, foreign, offsets, deadlines } = self;
        let mut turn = Turn { now, settings, foreign, deadlines, out: Outcome::default() };
        step(groups, offsets, &mut turn);
        turn.out
    }
}

impl Coordinator {
    /// Makes sure that there is a group, for offsets to belong to.
    fn hold_offsets(&mut self, group: &ByteString) {
        if !self.groups.contains_key(group) {
            let made = ClassicGroup::new(group.clone());
            self.groups.insert(made.id.clone(), made);
        }
    }
}

impl Machine for Coordinator {
    type Request = Request;
    type Record = GroupRecord;
    type Reply = Reply;

    fn handle(&mut self, now: Timestamp, ticket: Ticket, request: Request) -> GroupOutcome {
        self.turn(now, |groups, offsets, turn| match request {
            Request::Join(request) => join::join(groups, turn, ticket, request),
            Request::Sync(request) => sync::sync(groups, turn, ticket, request),
            Request::Heartbeat(caller) => {
                let result = leave::heartbeat(groups, turn, &caller);
                turn.reply(ticket, Reply::Heartbeat(result));
            }
            Request::Leave(request) => leave::leave(groups, turn, ticket, request),
            Request::Commit(request) => {
                let result = offsets::commit(groups, turn, request);
                turn.reply(ticket, Reply::Commit(result));
            }
            Request::Fetch(request) => turn.reply(ticket, Reply::Fetch(offsets.fetch(request))),
            Request::Describe(ids) => {
                let described = describe::describe(groups, turn.foreign, ids);
                turn.reply(ticket, Reply::Describe(described));
            }
            Request::List(filter) => {
                let listed = describe::list(groups, turn, &filter);
                turn.reply(ticket, Reply::List(listed));
            }
            Request::Delete(ids) => {
                let results = describe::delete(groups, offsets, turn, ids);
                turn.reply(ticket, Reply::Delete(results));
            }
            Request::DeleteOffsets(request) => {
                let result = offsets.delete(groups, turn, request);
                turn.reply(ticket, Reply::DeleteOffsets(result));
            }
            Request::TopicsDeleted(topics) => {
                turn.out.records = offsets.of_deleted(&topics);
                turn.reply(ticket, Reply::TopicsDeleted);
            }
        })
    }

    fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::Offset { key, value: Some(value) } => {
                if !self.foreign.contains(&key.group) {
                    self.hold_offsets(&key.group);
                }
                self.offsets.put(key, value);
            }
            GroupRecord::Offset { key, value: None } => self.offsets.remove(key),
            GroupRecord::Group { key, value: Some(value) } => {
                self.hold_offsets(&key.group);
                let Some(group) = self.groups.get_mut(&key.group) else { return };
                group.adopt(value);
                if group.members.is_empty() {
                    self.deadlines.cancel(&Timer::Join(key.group.clone()));
                }
            }
            GroupRecord::Group { key, value: None } => {
                if let Some(group) = self.groups.remove(&key.group) {
                    expiry::forget(&group, &mut self.deadlines);
                }
            }
            GroupRecord::Foreign { kind, group, key, value } => {
                if value.is_some() && self.groups.get(group).is_some_and(ClassicGroup::is_simple) {
                    self.groups.remove(group);
                }
                let is_gone = self.foreign.replay(*kind, group, key, value.is_some());
                if is_gone && self.offsets.of_group(group).next().is_some() {
                    self.hold_offsets(group);
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn on_deadline(&mut self, now: Timestamp) -> GroupOutcome {
        let Some(timer) = self.deadlines.pop_due(now) else { return Outcome::default() };
        self.turn(now, |groups, offsets, turn| match timer {
            Timer::Session(group, member) => expiry::session(groups, turn, &group, &member),
            Timer::Join(group) => expiry::join(groups, turn, &group),
            Timer::Sync(group) => expiry::sync(groups, turn, &group),
            Timer::Retention => expiry::retention(groups, offsets, turn),
        })
    }
}

#[cfg(test)]
mod tests;
