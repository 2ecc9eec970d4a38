//! Heartbeat and LeaveGroup: staying and going.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::ErrorCode;

use super::classic::{ClassicGroup, State};
use super::deadlines::Timer;
use super::request::{Caller, LeaveGroup, Left, Reply};
use super::{Ticket, Turn};

pub(super) fn heartbeat(
    groups: &BTreeMap<ByteString, ClassicGroup>,
    turn: &mut Turn<'_>,
    caller: &Caller,
) -> Result<(), ErrorCode> {
    if caller.group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let group = groups.get(&caller.group).ok_or(ErrorCode::UnknownMemberId)?;
    group.validate_member(&caller.member, caller.instance.as_ref())?;
    if caller.generation != group.generation {
        return Err(ErrorCode::IllegalGeneration);
    }
    group.renew_session(turn, &caller.member);
    if group.is(State::PreparingRebalance) { Err(ErrorCode::RebalanceInProgress) } else { Ok(()) }
}

pub(super) fn leave(
    groups: &mut BTreeMap<ByteString, ClassicGroup>,
    turn: &mut Turn<'_>,
    ticket: Ticket,
    request: LeaveGroup,
) {
    let mut group = groups.get_mut(&request.group);
    let mut left = Vec::with_capacity(request.members.len());
    for (member, instance) in request.members {
        let removed = match group.as_deref_mut() {
            Some(group) => remove(group, turn, &member, instance.as_ref()),
            None => Err(ErrorCode::UnknownMemberId),
        };
        left.push(Left { member, instance, error: removed.err().unwrap_or(ErrorCode::None) });
    }
    let anybody_left = left.iter().any(|left| left.error == ErrorCode::None);
    turn.reply(ticket, Reply::Leave(left));
    if let Some(group) = group.filter(|group| anybody_left && !group.is(State::Empty)) {
        group.rebalance_or_complete(turn);
    }
}

fn remove(
    group: &mut ClassicGroup,
    turn: &mut Turn<'_>,
    member: &ByteString,
    instance: Option<&ByteString>,
) -> Result<(), ErrorCode> {
    if member.is_empty() {
        // An administrator removes a static member by the name it was given.
        let current = instance.and_then(|instance| group.static_member(instance)).cloned();
        group.expel(turn, &current.ok_or(ErrorCode::UnknownMemberId)?);
        return Ok(());
    }
    if group.pending.remove(member) {
        turn.deadlines.cancel(&Timer::Session(group.id.clone(), member.clone()));
        return Ok(());
    }
    group.validate_member(member, instance)?;
    group.expel(turn, member);
    Ok(())
}
