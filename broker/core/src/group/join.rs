//! JoinGroup: who is admitted, and what that sets off.
//!
//! - A new dynamic member is given an id and told to come back with it (KIP-394); older clients are admitted at once.
//! - A static member that comes back without its id replaces itself: without a rebalance if the group is stable and
//!   would choose the same protocol, and then through the log, so that the next coordinator knows the new id
//!   (KIP-345, KAFKA-10284).
//! - A member that repeats its request while the generation is being completed gets the same answer again; the leader
//!   of a stable group, and whoever changes what it supports, sets off a rebalance.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::ErrorCode;

use super::classic::{ClassicGroup, State};
use super::deadlines::Timer;
use super::member::Member;
use super::rebalance::refuse_join;
use super::request::{JoinGroup, Joined, Protocol, Reply};
use super::settings::{
    GROUPS_MAX, MEMBER_NAME_BYTES_MAX, NAME_BYTES_MAX, PENDING_MEMBERS_MAX, PROTOCOLS_MAX,
};
use super::{Ticket, Turn};

pub(super) fn join(
    groups: &mut BTreeMap<ByteString, ClassicGroup>,
    turn: &mut Turn<'_>,
    ticket: Ticket,
    request: JoinGroup,
) {
    let settings = turn.settings;
    if request.group.is_empty() || request.group.len() > NAME_BYTES_MAX {
        return refuse_join(turn, ticket, ErrorCode::InvalidGroupId, request.member);
    }
    let bounds = settings.group_min_session_timeout_ms..=settings.group_max_session_timeout_ms;
    if !bounds.contains(&request.session_timeout_ms) {
        return refuse_join(turn, ticket, ErrorCode::InvalidSessionTimeout, request.member);
    }
    if request.instance.as_ref().is_some_and(|instance| instance.len() > MEMBER_NAME_BYTES_MAX) {
        return refuse_join(turn, ticket, ErrorCode::InvalidRequest, request.member);
    }
    if !are_bounded(&request.protocol_type, &request.protocols) {
        return refuse_join(turn, ticket, ErrorCode::InconsistentGroupProtocol, request.member);
    }
    let room = match turn.foreign.make_room(&request.group, turn.now) {
        Ok(room) => room,
        Err(error) => return refuse_join(turn, ticket, error, ByteString::new()),
    };
    if let Some(group) = groups.get_mut(&request.group) {
        turn.out.records = room;
        return join_existing(group, turn, ticket, request);
    }
    if !request.member.is_empty() {
        return refuse_join(turn, ticket, ErrorCode::UnknownMemberId, request.member);
    }
    if groups.len() >= GROUPS_MAX {
        return refuse_join(turn, ticket, ErrorCode::GroupMaxSizeReached, ByteString::new());
    }
    let mut group = ClassicGroup::new(request.group.clone());
    group.since = Some(turn.now);
    // The first record of a group says no more than that it exists; replaying it leaves the member alone.
    let created = ClassicGroup::new(request.group.clone()).empty_record(0, turn.now);
    if new_member(&mut group, turn, ticket, request) {
        turn.out.records.extend(room.into_iter().chain([created]));
        groups.insert(group.id.clone(), group);
    }
}

fn are_bounded(protocol_type: &ByteString, protocols: &[Protocol]) -> bool {
    let names = protocols.iter().map(|protocol| &protocol.name).chain([protocol_type]);
    protocols.len() <= PROTOCOLS_MAX && names.into_iter().all(|name| name.len() <= NAME_BYTES_MAX)
}

fn join_existing(group: &mut ClassicGroup, turn: &mut Turn<'_>, ticket: Ticket, request: JoinGroup) {
    if !has_room(group, turn, &request.member) {
        group.expel(turn, &request.member);
        return refuse_join(turn, ticket, ErrorCode::GroupMaxSizeReached, ByteString::new());
    }
    if request.member.is_empty() {
        new_member(group, turn, ticket, request);
    } else {
        known_member(group, turn, ticket, request);
    }
}

/// While members join, those that wait count: a group over its limit then loses the last to join.
fn has_room(group: &ClassicGroup, turn: &Turn<'_>, member: &str) -> bool {
    let (known, max) = (group.members.get(member), turn.settings.group_max_size);
    match group.state {
        State::Empty => true,
        State::PreparingRebalance => {
            known.is_some_and(|known| known.awaiting_join.is_some()) || group.awaiting_join() < max
        }
        State::CompletingRebalance | State::Stable => known.is_some() || group.members.len() < max,
    }
}

/// True when the request left a trace in the group.
fn new_member(group: &mut ClassicGroup, turn: &mut Turn<'_>, ticket: Ticket, request: JoinGroup) -> bool {
    if !group.supports(&request.protocol_type, &request.protocols) {
        refuse_join(turn, ticket, ErrorCode::InconsistentGroupProtocol, ByteString::new());
        return false;
    }
    let name = request.instance.as_ref().unwrap_or(&request.client_id);
    let name = &name[..name.floor_char_boundary(MEMBER_NAME_BYTES_MAX)];
    let id = ByteString::from(format!("{name}-{}", request.random));
    let current = request.instance.as_ref().and_then(|instance| group.static_member(instance)).cloned();
    match (&request.instance, current) {
        (Some(_), Some(current)) => replace_static(group, turn, ticket, (current, id, request)),
        (None, _) if request.requires_known_member => {
            return give_out_id(group, turn, ticket, (id, &request));
        }
        _ => {
            let protocol_type = request.protocol_type.clone();
            group.admit(turn, Member::joining(id, request, ticket), protocol_type);
        }
    }
    true
}

fn give_out_id(
    group: &mut ClassicGroup,
    turn: &mut Turn<'_>,
    ticket: Ticket,
    (id, request): (ByteString, &JoinGroup),
) -> bool {
    if group.pending.len() >= PENDING_MEMBERS_MAX {
        refuse_join(turn, ticket, ErrorCode::GroupMaxSizeReached, ByteString::new());
        return false;
    }
    group.pending.insert(id.clone());
    let timer = Timer::Session(group.id.clone(), id.clone());
    turn.deadlines.set(timer, turn.after_ms(request.session_timeout_ms));
    refuse_join(turn, ticket, ErrorCode::MemberIdRequired, id);
    true
}

fn known_member(group: &mut ClassicGroup, turn: &mut Turn<'_>, ticket: Ticket, request: JoinGroup) {
    if !group.supports(&request.protocol_type, &request.protocols) {
        return refuse_join(turn, ticket, ErrorCode::InconsistentGroupProtocol, request.member);
    }
    if group.pending.contains(&request.member) && request.instance.is_none() {
        let protocol_type = request.protocol_type.clone();
        return group.admit(turn, Member::joining(request.member.clone(), request, ticket), protocol_type);
    }
    if let Err(error) = group.validate_member(&request.member, request.instance.as_ref()) {
        return refuse_join(turn, ticket, error, request.member);
    }
    let is_same =
        group.members.get(&request.member).is_some_and(|member| member.protocols == request.protocols);
    let repeats = match group.state {
        State::Empty | State::PreparingRebalance => false,
        State::CompletingRebalance => is_same,
        State::Stable => is_same && !group.is_leader(&request.member),
    };
    if repeats {
        turn.reply(ticket, Reply::Join(Ok(group.joined(&request.member))));
    } else {
        group.rejoin(turn, ticket, request);
    }
}

/// The static member `current` comes back as `id`.
fn replace_static(
    group: &mut ClassicGroup,
    turn: &mut Turn<'_>,
    ticket: Ticket,
    (current, id, request): (ByteString, ByteString, JoinGroup),
) {
    let Some(old) = group.members.get_mut(&current) else { return };
    let (awaiting_join, awaiting_sync) = (old.awaiting_join.take(), old.awaiting_sync.take());
    let new = old.returning(id, &request);
    if let Some(fenced) = awaiting_join {
        refuse_join(turn, fenced, ErrorCode::FencedInstanceId, current.clone());
    }
    if let Some(fenced) = awaiting_sync {
        turn.reply(fenced, Reply::Sync(Err(ErrorCode::FencedInstanceId)));
    }
    let timer = Timer::Session(group.id.clone(), new.id.clone());
    turn.deadlines.set(timer, turn.after_ms(new.session_timeout_ms));
    if group.is(State::Stable) && keeps_protocol(group, &current, &new) {
        return write_return(group, turn, ticket, (&current, new, request.may_skip_assignment));
    }
    turn.deadlines.cancel(&Timer::Session(group.id.clone(), current.clone()));
    group.replace(&current, Member { awaiting_join: Some(ticket), ..new });
    group.rebalance_or_complete(turn);
}

/// Whether the group would choose its protocol again with `new` in the place of `current`.
fn keeps_protocol(group: &ClassicGroup, current: &ByteString, new: &Member) -> bool {
    let others = group.members.values().filter(|member| member.id != *current);
    ClassicGroup::vote(others.chain(std::iter::once(new))) == group.protocol
}

/// Writes the group with `new` instead of `current`; replaying the record makes the change.
fn write_return(
    group: &mut ClassicGroup,
    turn: &mut Turn<'_>,
    ticket: Ticket,
    (current, new, may_skip_assignment): (&ByteString, Member, bool),
) {
    let mut after = group.clone();
    after.replace(current, new.clone());
    let members = after.members.values().map(|member| (member, member.assignment.clone()));
    turn.out.records.push(after.record(members));
    let joined = after.joined(&new.id);
    let joined = if may_skip_assignment {
        Joined { skip_assignment: after.is_leader(&new.id), ..joined }
    } else {
        // An older client that led the group must not believe that it leads: it would compute an assignment that
        // nobody waits for. It is told the id it no longer has.
        Joined { leader: group.leader.clone().unwrap_or_default(), members: Vec::new(), ..joined }
    };
    turn.reply(ticket, Reply::Join(Ok(joined)));
    group.arriving = Some(new);
}
