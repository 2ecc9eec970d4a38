//! DescribeGroups, ListGroups and DeleteGroups: what administrators see and do.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::ErrorCode;

use super::Turn;
use super::classic::{ClassicGroup, State};
use super::offsets::Offsets;
use super::record::GroupRecord;
use super::request::{Description, ListFilter, Listed};

/// Kafka's name of this type of group.
const CLASSIC: &str = "classic";

pub(super) fn describe(
    groups: &BTreeMap<ByteString, ClassicGroup>,
    ids: Vec<ByteString>,
) -> Vec<(ByteString, Option<Description>)> {
    ids.into_iter().map(|id| (id.clone(), groups.get(&id).map(description))).collect()
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

pub(super) fn list(groups: &BTreeMap<ByteString, ClassicGroup>, filter: &ListFilter) -> Vec<Listed> {
    let passes = |names: &[ByteString], name: &str| {
        names.is_empty() || names.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
    };
    if !passes(&filter.types, CLASSIC) {
        return Vec::new();
    }
    let groups = groups.values().filter(|group| passes(&filter.states, group.state.name()));
    groups.map(listed).collect()
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
        let error = match groups.get(&id) {
            None => ErrorCode::GroupIdNotFound,
            Some(group) if !group.is(State::Empty) => ErrorCode::NonEmptyGroup,
            Some(_) => {
                let offsets = offsets.of_group(&id);
                let tombstones =
                    offsets.map(|(topic, partition, _)| GroupRecord::offset_tombstone(&id, topic, partition));
                turn.out.records.extend(tombstones);
                turn.out.records.push(GroupRecord::group_tombstone(&id));
                ErrorCode::None
            }
        };
        (id, error)
    };
    ids.into_iter().map(delete).collect()
}
