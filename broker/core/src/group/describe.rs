//! DescribeGroups, ListGroups and DeleteGroups: what administrators see and do.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::ErrorCode;

use super::Turn;
use super::classic::{ClassicGroup, State};
use super::foreign::{ForeignGroup, ForeignGroups};
use super::offsets::Offsets;
use super::record::GroupRecord;
use super::request::{Described, Description, ListFilter, Listed};

/// Kafka's name of this type of group.
const CLASSIC: &str = "classic";

pub(super) fn describe(
    groups: &BTreeMap<ByteString, ClassicGroup>,
    foreign: &ForeignGroups,
    ids: Vec<ByteString>,
) -> Vec<(ByteString, Described)> {
    let described = |id: &ByteString| match groups.get(id) {
        Some(group) => Described::Group(description(group)),
        None if foreign.contains(id) => Described::OfAnotherType,
        None => Described::Unknown,
    };
    ids.into_iter().map(|id| (id.clone(), described(&id))).collect()
}

fn description(group: &ClassicGroup) -> Description {
    let protocol = group.protocol.as_ref().filter(|_| group.is(State::Stable));
    Description {
        state: group.state.name(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        protocol: protocol.cloned().unwrap_or_default(),
        members: group.members.values().map(|member| member.described(protocol)).collect(),
    }
}

pub(super) fn list(
    groups: &BTreeMap<ByteString, ClassicGroup>,
    turn: &Turn<'_>,
    filter: &ListFilter,
) -> Vec<Listed> {
    let passes = |names: &[ByteString], name: &str| {
        names.is_empty() || names.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
    };
    let others = turn.foreign.iter().map(|(id, group)| foreign(id, group, turn));
    let listed = groups.values().map(listed).chain(others);
    let passes =
        |group: &Listed| passes(&filter.types, group.group_type) && passes(&filter.states, group.state);
    listed.filter(passes).collect()
}

/// Whether its members have come to terms is not known here.
fn foreign(id: &ByteString, group: &ForeignGroup, turn: &Turn<'_>) -> Listed {
    let has_members = turn.foreign.has_members(group, turn.now);
    Listed {
        group: id.clone(),
        protocol_type: group.kind.name().into(),
        state: if has_members { State::Stable } else { State::Empty }.name(),
        group_type: group.kind.name(),
    }
}

fn listed(group: &ClassicGroup) -> Listed {
    Listed {
        group: group.id.clone(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        state: group.state.name(),
        group_type: CLASSIC,
    }
}

/// Writes tombstones for empty groups and all their offsets.
pub(super) fn delete(
    groups: &BTreeMap<ByteString, ClassicGroup>,
    offsets: &Offsets,
    turn: &mut Turn<'_>,
    ids: Vec<ByteString>,
) -> Vec<(ByteString, ErrorCode)> {
    let delete = |id: ByteString| {
        let removed = match (turn.foreign.delete(&id, turn.now), groups.get(&id)) {
            (Some(removed), _) => removed,
            (None, None) => Err(ErrorCode::GroupIdNotFound),
            (None, Some(group)) if !group.is(State::Empty) => Err(ErrorCode::NonEmptyGroup),
            (None, Some(_)) => Ok(vec![GroupRecord::group_tombstone(&id)]),
        };
        let error = match removed {
            Ok(group) => {
                let tombstone = |(topic, partition, _): (&ByteString, i32, _)| {
                    GroupRecord::offset_tombstone(&id, topic, partition)
                };
                turn.out.records.extend(offsets.of_group(&id).map(tombstone).chain(group));
                ErrorCode::None
            }
            Err(error) => error,
        };
        (id, error)
    };
    ids.into_iter().map(delete).collect()
}
