//! Groups: classic members that join, sync, beat and leave, right and wrong, and the offsets that groups commit.
//!
//! A join or sync may wait for other members, see `parked`.

use std::collections::BTreeMap;

use bytes::Bytes;
use milena_protocol::messages::join_group::JoinGroupRequestProtocol;
use milena_protocol::messages::leave_group::MemberIdentity;
use milena_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use milena_protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use milena_protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use milena_protocol::messages::sync_group::SyncGroupRequestAssignment;
use milena_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    SyncGroupRequest, SyncGroupResponse,
};

use crate::lockstep::{Effect, Lockstep};
use crate::side::{Answer, Side};
use crate::topics;
use milena_tests::Dice;

/// Groups of a run. Some never have members.
pub(crate) const GROUPS: &[&str] = &["group-a", "group-b", "group-c"];
pub(crate) const ODD_GROUPS: &[&str] = &["", "käse", "nobody", LONG];
/// As long as a name of a topic may be, and one more.
const LONG: &str = "g1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234\
5678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234\
56789012345678901234567890123456789012345678901234567890";
/// Clients that may be members of each group.
const CLIENTS: usize = 2;
/// Nothing expires within a run.
const TIMEOUT_MS: i32 = 1_000_000;

fn group(dice: &mut Dice) -> &'static str {
    dice.mostly(GROUPS, ODD_GROUPS)
}

/// A client of a group: its group, and where its member id and connection are kept.
#[derive(Clone, Copy)]
struct Client {
    group: &'static str,
    slot: usize,
}

impl Client {
    fn any(dice: &mut Dice) -> Self {
        let number = dice.below(GROUPS.len());
        Self { group: GROUPS[number], slot: number * CLIENTS + dice.below(CLIENTS) }
    }

    fn member(self, dice: &mut Dice, side: &Side) -> String {
        if dice.percent(90) { side.member(self.slot) } else { dice.of(&["", "stranger"]).to_owned() }
    }

    fn instance(self, dice: &mut Dice) -> Option<bytestring::ByteString> {
        // Clients of the last group are static.
        let is_static = self.group == "group-c" && dice.percent(90) || dice.percent(3);
        is_static.then(|| format!("instance-{}", self.slot).into())
    }
}

fn generation(dice: &mut Dice, side: &Side, client: Client) -> i32 {
    dice.mostly(&[side.generation(client.group)], &[-1, 0, 1, 99])
}

/// A client joins its group, or joins again.
pub(crate) fn join(lockstep: &mut Lockstep, dice: &mut Dice) {
    let client = Client::any(dice);
    let make = |dice: &mut Dice, side: &Side| JoinGroupRequest {
        group_id: dice.mostly(&[client.group], &[""]).into(),
        session_timeout_ms: dice.mostly(&[TIMEOUT_MS], &[0, 1, -1, i32::MAX]),
        rebalance_timeout_ms: TIMEOUT_MS,
        member_id: if dice.percent(5) { "".into() } else { client.member(dice, side).into() },
        group_instance_id: client.instance(dice),
        protocol_type: dice.mostly(&["consumer"], &["", "connect"]).into(),
        protocols: dice
            .mostly(&[&["range"][..], &["range", "roundrobin"]], &[&[], &["sticky"]])
            .iter()
            .map(protocol)
            .collect(),
        reason: None,
    };
    lockstep.ask_client(client.slot, dice, make, move |side: &mut Side, response: &mut JoinGroupResponse| {
        if response.error_code == 0 || response.error_code == MEMBER_ID_REQUIRED {
            side.learn_member(client.slot, &response.member_id);
        }
        if response.error_code == 0 {
            side.learn_generation(client.group, response.generation_id);
        }
        response.members.sort_by_cached_key(|member| side.common_name(&member.member_id));
    });
}

const MEMBER_ID_REQUIRED: i16 = 79;

fn protocol(name: &&str) -> JoinGroupRequestProtocol {
    JoinGroupRequestProtocol { name: (*name).into(), metadata: Bytes::from_static(b"\0\x01\0\0\0\0\0\0\0\0") }
}

/// A client asks for its assignment; the leader brings those of all.
pub(crate) fn sync(lockstep: &mut Lockstep, dice: &mut Dice) {
    let client = Client::any(dice);
    let make = |dice: &mut Dice, side: &Side| SyncGroupRequest {
        group_id: client.group.into(),
        generation_id: generation(dice, side, client),
        member_id: client.member(dice, side).into(),
        group_instance_id: client.instance(dice),
        protocol_type: dice.mostly(&[Some("consumer"), None], &[Some("connect")]).map(Into::into),
        protocol_name: dice.mostly(&[Some("range"), None], &[Some("sticky")]).map(Into::into),
        assignments: dice.several(3, |dice| SyncGroupRequestAssignment {
            member_id: Client { slot: client.slot / CLIENTS * CLIENTS + dice.below(CLIENTS), ..client }
                .member(dice, side)
                .into(),
            assignment: Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0"),
        }),
    };
    lockstep.ask_client(client.slot, dice, make, |_: &mut Side, _: &mut SyncGroupResponse| {});
}

/// A client shows that it is there.
pub(crate) fn heartbeat(lockstep: &mut Lockstep, dice: &mut Dice) {
    let client = Client::any(dice);
    let make = |dice: &mut Dice, side: &Side| HeartbeatRequest {
        group_id: dice.mostly(&[client.group], &["", "nobody"]).into(),
        generation_id: generation(dice, side, client),
        member_id: client.member(dice, side).into(),
        group_instance_id: client.instance(dice),
    };
    lockstep.ask(dice, Effect::Writes, make, |_, _| {});
}

/// Clients leave, or are taken out.
pub(crate) fn leave(lockstep: &mut Lockstep, dice: &mut Dice) {
    let client = Client::any(dice);
    let make = |dice: &mut Dice, side: &Side| LeaveGroupRequest {
        group_id: dice.mostly(&[client.group], &["", "nobody"]).into(),
        member_id: client.member(dice, side).into(),
        members: dice.several(2, |dice| MemberIdentity {
            member_id: if dice.percent(80) { client.member(dice, side).into() } else { "".into() },
            group_instance_id: client.instance(dice),
            reason: None,
        }),
    };
    lockstep.ask(dice, Effect::Writes, make, |_, _| {});
    lockstep.compare_answered();
}

/// Describes groups.
pub(crate) fn describe(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DescribeGroupsRequest {
        groups: dice.several(3, |dice| group(dice).into()),
        include_authorized_operations: dice.percent(30),
    };
    lockstep.ask(dice, Effect::Reads, make, |side, response| {
        response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        // What is named twice we answer once.
        response.groups.dedup_by(|later, group| later.group_id == group.group_id);
        for group in &mut response.groups {
            group.members.sort_by_cached_key(|member| side.common_name(&member.member_id));
        }
    });
}

/// State and number of members of each group that has members.
pub(crate) fn states(side: &mut Side) -> BTreeMap<String, (String, usize)> {
    let groups = GROUPS.iter().map(|group| (*group).into()).collect();
    let request = DescribeGroupsRequest { groups, include_authorized_operations: false };
    let Answer::Response(response) = side.exchange(5, &request) else { return BTreeMap::new() };
    let with_members = response.groups.into_iter().filter(|group| !group.members.is_empty());
    with_members
        .map(|group| (group.group_id.to_string(), (group.group_state.to_string(), group.members.len())))
        .collect()
}

/// Lists groups.
pub(crate) fn list(lockstep: &mut Lockstep, dice: &mut Dice) {
    let states = ["Stable", "Empty", "PreparingRebalance", "stable", "Dead", "CompletingRebalance"];
    let make = |dice: &mut Dice, _: &Side| ListGroupsRequest {
        states_filter: if dice.percent(50) {
            Vec::new()
        } else {
            dice.several(3, |dice| dice.mostly(&states, &["x", ""]).into())
        },
        types_filter: if dice.percent(50) {
            Vec::new()
        } else {
            dice.several(2, |dice| dice.mostly(&["classic", "consumer", "Classic"], &["x", "share"]).into())
        },
    };
    lockstep.ask(dice, Effect::Reads, make, |_, response| {
        response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    });
}

/// Deletes groups.
pub(crate) fn delete(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| DeleteGroupsRequest {
        groups_names: dice.several(2, |dice| group(dice).into()),
    };
    lockstep.ask(dice, Effect::Writes, make, |_, response| {
        response.results.sort_by(|a, b| a.group_id.cmp(&b.group_id));
    });
}

/// Commits offsets, as a member or from outside.
pub(crate) fn commit(lockstep: &mut Lockstep, dice: &mut Dice) {
    let client = Client::any(dice);
    let make = |dice: &mut Dice, side: &Side| {
        let is_member = dice.percent(50);
        OffsetCommitRequest {
            group_id: if is_member { client.group } else { group(dice) }.into(),
            generation_id_or_member_epoch: if is_member { generation(dice, side, client) } else { -1 },
            member_id: if is_member { client.member(dice, side).into() } else { "".into() },
            group_instance_id: client.instance(dice).filter(|_| is_member),
            retention_time_ms: dice.mostly(&[-1], &[-2, 3_600_000_000]),
            topics: dice.several(2, |dice| {
                let name = topics::name(dice);
                let partitions = vec![committed(dice)];
                OffsetCommitRequestTopic { name: name.into(), topic_id: side.topic_id(name), partitions }
            }),
        }
    };
    lockstep.ask(dice, Effect::Writes, make, |side, response| {
        response
            .topics
            .sort_by_cached_key(|topic| (topic.name.clone(), side.common_name(&topic.topic_id.to_string())));
        // A topic that is named twice may be answered once.
        response.topics.dedup_by(|later, topic| {
            let is_same = (&later.name, later.topic_id) == (&topic.name, topic.topic_id);
            if is_same {
                topic.partitions.append(&mut later.partitions);
            }
            is_same
        });
        for topic in &mut response.topics {
            topic.partitions.sort_by_key(|partition| (partition.partition_index, partition.error_code));
        }
    });
}

fn committed(dice: &mut Dice) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition {
        partition_index: dice.mostly(&[0, 1], &[-1, 9]),
        committed_offset: dice.mostly(&[0, 5, 17], &[-1, -2, i64::MAX, i64::MIN]),
        committed_leader_epoch: dice.mostly(&[-1, 0], &[7, -2, i32::MIN]),
        committed_metadata: match dice.below(12) {
            0 => None,
            1 => Some("m".repeat(4096).into()),
            2 => Some("m".repeat(4097).into()),
            _ => Some(dice.of(&["", "metadata"]).into()),
        },
    }
}

/// Asks for committed offsets.
pub(crate) fn offsets(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, side: &Side| OffsetFetchRequest {
        group_id: group(dice).into(),
        topics: dice.percent(60).then(|| {
            dice.several(2, |dice| OffsetFetchRequestTopic {
                name: topics::name(dice).into(),
                partition_indexes: dice.several(2, |dice| dice.mostly(&[0, 1], &[-1, 9])),
            })
        }),
        groups: dice.several(3, |dice| OffsetFetchRequestGroup {
            group_id: group(dice).into(),
            member_id: None,
            member_epoch: -1,
            topics: dice.percent(60).then(|| {
                dice.several(2, |dice| {
                    let name = topics::name(dice);
                    let partition_indexes = dice.several(2, |dice| dice.mostly(&[0, 1], &[-1, 9]));
                    OffsetFetchRequestTopics {
                        name: name.into(),
                        topic_id: side.topic_id(name),
                        partition_indexes,
                    }
                })
            }),
        }),
        require_stable: dice.percent(30),
    };
    lockstep.ask(dice, Effect::Reads, make, |side, response| {
        response.topics.sort_by(|a, b| a.name.cmp(&b.name));
        // What is named twice we answer once.
        response.topics.dedup_by(|later, topic| {
            let is_same = later.name == topic.name;
            if is_same {
                topic.partitions.append(&mut later.partitions);
            }
            is_same
        });
        for topic in &mut response.topics {
            topic.partitions.sort_by_key(|partition| partition.partition_index);
            topic.partitions.dedup_by_key(|partition| partition.partition_index);
        }
        response.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        for topics in response.groups.iter_mut().map(|group| &mut group.topics) {
            topics.sort_by_cached_key(|topic| {
                (topic.name.clone(), side.common_name(&topic.topic_id.to_string()))
            });
            topics.dedup_by(|later, topic| {
                let is_same = (&later.name, later.topic_id) == (&topic.name, topic.topic_id);
                if is_same {
                    topic.partitions.append(&mut later.partitions);
                }
                is_same
            });
            for topic in topics {
                topic.partitions.sort_by_key(|partition| partition.partition_index);
                topic.partitions.dedup_by_key(|partition| partition.partition_index);
            }
        }
    });
}

/// Deletes committed offsets.
pub(crate) fn delete_offsets(lockstep: &mut Lockstep, dice: &mut Dice) {
    let make = |dice: &mut Dice, _: &Side| OffsetDeleteRequest {
        group_id: group(dice).into(),
        topics: topics::names(dice)
            .into_iter()
            .map(|name| OffsetDeleteRequestTopic {
                name: name.into(),
                partitions: vec![OffsetDeleteRequestPartition {
                    partition_index: dice.mostly(&[0, 1], &[-1, 9]),
                }],
            })
            .collect(),
    };
    lockstep.ask(dice, Effect::Writes, make, |_, response| {
        response.topics.sort_by(|a, b| a.name.cmp(&b.name));
        for topic in &mut response.topics {
            topic.partitions.sort_by_key(|partition| partition.partition_index);
        }
    });
}
