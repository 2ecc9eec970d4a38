//! SyncGroup: the leader brings the assignment, everybody takes theirs.
//!
//! The leader's request writes the generation with its assignments; replaying that record makes the group stable, and
//! every parked SyncGroup is answered once it is committed.

use std::collections::BTreeMap;

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::ErrorCode;

use super::classic::{ClassicGroup, State};
use super::deadlines::Timer;
use super::request::{Reply, SyncGroup, Synced};
use super::{Ticket, Turn};

pub(super) fn sync(
    groups: &mut BTreeMap<ByteString, ClassicGroup>,
    turn: &mut Turn<'_>,
    ticket: Ticket,
    request: SyncGroup,
) {
    if request.caller.group.is_empty() {
        return turn.reply(ticket, Reply::Sync(Err(ErrorCode::InvalidGroupId)));
    }
    let group = groups.get_mut(&request.caller.group).filter(|group| !group.is(State::Empty));
    let Some(group) = group else {
        return turn.reply(ticket, Reply::Sync(Err(ErrorCode::UnknownMemberId)));
    };
    if let Err(error) = validate(group, &request) {
        return turn.reply(ticket, Reply::Sync(Err(error)));
    }
    let id = &request.caller.member;
    group.pending_sync.remove(id);
    if group.pending_sync.is_empty() {
        turn.deadlines.cancel(&Timer::Sync(group.id.clone()));
    }
    let is_stable = group.is(State::Stable);
    let synced = |assignment| Synced {
        protocol_type: group.protocol_type.clone(),
        protocol: group.protocol.clone(),
        assignment,
    };
    let Some(member) = group.members.get_mut(id) else { return };
    if is_stable {
        return turn.reply(ticket, Reply::Sync(Ok(synced(member.assignment.clone()))));
    }
    if let Some(superseded) = member.awaiting_sync.replace(ticket) {
        turn.reply(superseded, Reply::Sync(Err(ErrorCode::RebalanceInProgress)));
    }
    if group.is_leader(id) {
        write_generation(group, turn, request.assignments);
    }
}

fn validate(group: &ClassicGroup, request: &SyncGroup) -> Result<(), ErrorCode> {
    let caller = &request.caller;
    group.validate_member(&caller.member, caller.instance.as_ref())?;
    if caller.generation != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    let differs = |asked: &Option<ByteString>, have: &Option<ByteString>| {
        asked.is_some() && have.is_some() && asked != have
    };
    if differs(&request.protocol_type, &group.protocol_type) || differs(&request.protocol, &group.protocol) {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    if group.is(State::PreparingRebalance) {
        return Err(ErrorCode::RebalanceInProgress);
    }
    Ok(())
}

/// Members that the leader left out are assigned nothing.
fn write_generation(group: &mut ClassicGroup, turn: &mut Turn<'_>, assignments: Vec<(ByteString, Bytes)>) {
    let assignments: BTreeMap<_, _> = assignments.into_iter().collect();
    let assigned = |id: &ByteString| assignments.get(id).cloned().unwrap_or_default();
    turn.out.records.push(group.record(group.members.values().map(|member| (member, assigned(&member.id)))));
    let (protocol_type, protocol) = (group.protocol_type.clone(), group.protocol.clone());
    let mut answered = Vec::new();
    for member in group.members.values_mut() {
        if let Some(ticket) = member.awaiting_sync.take() {
            let (protocol_type, protocol) = (protocol_type.clone(), protocol.clone());
            let synced = Synced { protocol_type, protocol, assignment: assigned(&member.id) };
            turn.reply(ticket, Reply::Sync(Ok(synced)));
            answered.push(member.id.clone());
        }
    }
    for id in answered {
        group.renew_session(turn, &id);
    }
}
