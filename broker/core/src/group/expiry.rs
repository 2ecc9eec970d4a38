//! What time does to a group: sessions, rebalances and offsets run out.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::Timestamp;

use super::Turn;
use super::classic::{ClassicGroup, State};
use super::deadlines::{Deadlines, Timer};
use super::offsets::Offsets;
use super::record::GroupRecord;
use super::settings::{EXPIRED_PER_TURN_MAX, EXPIRY_PAUSE_MS};

type Groups = BTreeMap<ByteString, ClassicGroup>;

/// Starts the timers of groups that came from the log. A group over a limit that shrank must rebalance.
pub(super) fn watch_loaded(groups: &mut Groups, turn: &mut Turn<'_>) {
    turn.deadlines.set(Timer::Retention, turn.now.plus_ms(turn.settings.offsets_retention_check_interval_ms));
    for group in groups.values_mut() {
        for id in group.members.keys() {
            group.renew_session(turn, id);
        }
        if group.members.len() > turn.settings.group_max_size {
            group.prepare_rebalance(turn);
        }
    }
}

/// A member, or one that was to become a member, has been silent for too long.
pub(super) fn session(groups: &mut Groups, turn: &mut Turn<'_>, group: &ByteString, member: &ByteString) {
    let Some(group) = groups.get_mut(group) else { return };
    if group.pending.remove(member) {
        if group.is(State::PreparingRebalance) && group.all_joined() {
            group.complete_join(turn);
        }
        return;
    }
    if group.members.get(member).is_none_or(|member| member.is_parked()) {
        return;
    }
    group.expel(turn, member);
    match group.state {
        State::Stable | State::CompletingRebalance => group.prepare_rebalance(turn),
        State::PreparingRebalance if group.all_joined() => group.complete_join(turn),
        State::PreparingRebalance | State::Empty => {}
    }
}

/// The group has waited long enough for members to join.
pub(super) fn join(groups: &mut Groups, turn: &mut Turn<'_>, group: &ByteString) {
    let Some(group) = groups.get_mut(group).filter(|group| group.is(State::PreparingRebalance)) else {
        return;
    };
    match group.initial {
        Some(initial) => group.end_initial_delay(turn, initial),
        None => group.complete_join(turn),
    }
}

/// The group has waited long enough for members to sync: those that did not are out.
pub(super) fn sync(groups: &mut Groups, turn: &mut Turn<'_>, group: &ByteString) {
    let Some(group) = groups.get_mut(group).filter(|group| !group.pending_sync.is_empty()) else { return };
    if !group.is(State::CompletingRebalance) && !group.is(State::Stable) {
        return;
    }
    for member in std::mem::take(&mut group.pending_sync) {
        group.expel(turn, &member);
    }
    group.prepare_rebalance(turn);
}

/// Removes offsets that nobody has used for the retention time, and groups that have nothing left.
pub(super) fn retention(groups: &mut Groups, offsets: &Offsets, turn: &mut Turn<'_>) {
    let mut next = turn.settings.offsets_retention_check_interval_ms;
    for group in groups.values() {
        if turn.out.records.len() >= EXPIRED_PER_TURN_MAX {
            next = EXPIRY_PAUSE_MS;
            break;
        }
        if expire_offsets(group, offsets, turn) && group.is(State::Empty) {
            turn.out.records.push(GroupRecord::group_tombstone(&group.id));
        }
    }
    turn.deadlines.set(Timer::Retention, turn.now.plus_ms(next));
}

/// True when no offset of the group remains.
fn expire_offsets(group: &ClassicGroup, offsets: &Offsets, turn: &mut Turn<'_>) -> bool {
    let mut remains = false;
    for (topic, partition, offset) in offsets.of_group(&group.id) {
        let expires = retention_start(group, offset.committed_at).is_some_and(|start| {
            let at = offset.expires_at.unwrap_or(start.plus_ms(turn.settings.offsets_retention_ms));
            turn.now >= at && !group.is_subscribed(topic)
        });
        if expires {
            turn.out.records.push(GroupRecord::offset_tombstone(&group.id, topic, partition));
        }
        remains |= !expires;
    }
    !remains
}

/// Since when an offset is unused; `None` while it is in use, or may be (KIP-211).
fn retention_start(group: &ClassicGroup, committed_at: Timestamp) -> Option<Timestamp> {
    if group.protocol_type.is_none() {
        return Some(committed_at);
    }
    match group.state {
        State::Empty => Some(group.since.unwrap_or(committed_at)),
        State::Stable if group.is_consumer() && group.knows_subscriptions() => Some(committed_at),
        _ => None,
    }
}

/// Stops every timer of a group that is gone.
pub(super) fn forget(group: &ClassicGroup, deadlines: &mut Deadlines) {
    deadlines.cancel(&Timer::Join(group.id.clone()));
    deadlines.cancel(&Timer::Sync(group.id.clone()));
    for member in group.members.keys().chain(&group.pending) {
        deadlines.cancel(&Timer::Session(group.id.clone(), member.clone()));
    }
}
