//! JoinGroup, Heartbeat, LeaveGroup.

use super::*;

fn refused(world: &mut World, request: JoinGroup) -> ErrorCode {
    match world.ask(Request::Join(request)) {
        Reply::Join(Err(refused)) => refused.error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn new_member_is_given_an_id_and_the_group_is_written() {
    let mut coordinator = Coordinator::new(GroupSettings::default());
    let now = Timestamp(1_000);
    let outcome = coordinator.handle(now, Ticket(1), Request::Join(join("dashboard")));
    let created = ClassicGroup::new(GROUP.into()).empty_record(0, now);
    let member = ByteString::from(format!("dashboard-{}", Uuid::nil()));
    let reply = Reply::Join(Err(JoinRefused { error: ErrorCode::MemberIdRequired, member }));
    assert_eq!(outcome, Outcome { records: vec![created], replies: vec![(Ticket(1), reply)] });
}

#[test]
fn first_generation_waits_for_the_initial_delay() {
    let mut world = World::new();
    let (member, ticket) = world.join_new("a");
    world.pass_ms(DELAY_MS - 1);
    assert_eq!(world.poll(ticket), None);
    world.pass_ms(1);
    let joined = world.joined(ticket);
    assert_eq!((joined.generation, &joined.leader, &joined.member), (1, &member, &member));
    assert_eq!(joined.protocol, Some("range".into()));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(world.state(), "CompletingRebalance");
}

#[test]
fn members_that_arrive_during_the_initial_delay_extend_it() {
    let mut world = World::new();
    let (_, first) = world.join_new("a");
    world.pass_ms(DELAY_MS - 1);
    let (_, second) = world.join_new("b");
    world.pass_ms(2);
    assert_eq!(world.poll(first), None);
    world.pass_ms(DELAY_MS);
    let (first, second) = (world.joined(first), world.joined(second));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.members.len() + second.members.len(), 2, "only the leader is told the members");
}

#[test]
fn members_below_version_4_are_admitted_at_once() {
    let mut world = World::new();
    let old = |name| JoinGroup { requires_known_member: false, may_skip_assignment: false, ..join(name) };
    let ticket = world.send(Request::Join(old("a")));
    assert_eq!(world.state(), "PreparingRebalance");
    world.pass_ms(DELAY_MS);
    assert_eq!(world.joined(ticket).generation, 1);
}

#[test]
fn second_member_makes_the_first_join_again() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    assert_eq!(world.heartbeat(&a, 1), Ok(()));
    let (b, joining) = world.join_new("b");
    assert_eq!(world.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
    assert_eq!(world.poll(joining), None);
    let rejoining = world.rejoin("a", &a);
    let (a_joined, b_joined) = (world.joined(rejoining), world.joined(joining));
    assert_eq!((a_joined.generation, b_joined.generation), (2, 2));
    assert_eq!(a_joined.leader, a);
    world.settle(&[a.clone(), b.clone()], &a);
    assert_eq!(world.heartbeat(&a, 1), Err(ErrorCode::IllegalGeneration));
    assert_eq!(world.heartbeat(&b, 2), Ok(()));
}

#[test]
fn member_that_does_not_rejoin_in_time_is_left_behind() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    let (b, joining) = world.join_new("b");
    for _ in 0..REBALANCE_MS / 5_000 {
        world.pass_ms(5_000);
        if world.state() == "PreparingRebalance" {
            assert_eq!(world.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
        }
    }
    let joined = world.joined(joining);
    assert_eq!((&joined.leader, joined.members.len()), (&b, 1));
    assert_eq!(world.heartbeat(&a, 2), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn repeated_join_while_completing_gets_the_same_answer() {
    let mut world = World::new();
    let (member, ticket) = world.join_new("a");
    world.pass_ms(DELAY_MS);
    let first = world.joined(ticket);
    let again = world.rejoin("a", &member);
    assert_eq!(world.joined(again), first);
}

#[test]
fn repeated_join_while_parked_ends_the_first_call() {
    let mut world = World::new();
    let (member, first) = world.join_new("a");
    let second = world.rejoin("a", &member);
    let Some(Reply::Join(Err(superseded))) = world.poll(first) else { panic!("the first call ends") };
    assert_eq!(superseded.error, ErrorCode::RebalanceInProgress);
    world.pass_ms(DELAY_MS);
    assert_eq!(world.joined(second).generation, 1);
}

#[test]
fn follower_of_a_stable_group_rejoins_without_a_rebalance_and_the_leader_does_not() {
    let mut world = World::new();
    let members = world.stable(&["a", "b"]);
    let leader = world.group().leader.clone().unwrap();
    let follower = members.iter().find(|member| **member != leader).unwrap().clone();
    let again = world.rejoin("x", &follower);
    assert_eq!(world.joined(again).generation, 1);
    assert_eq!(world.state(), "Stable");
    let parked = world.rejoin("x", &leader);
    assert_eq!(world.poll(parked), None);
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn follower_that_changes_its_subscription_sets_off_a_rebalance() {
    let mut world = World::new();
    let members = world.stable(&["a", "b"]);
    let leader = world.group().leader.clone().unwrap();
    let follower = members.iter().find(|member| **member != leader).unwrap().clone();
    let protocols = vec![Protocol { name: "range".into(), metadata: subscription("other") }];
    world.send(Request::Join(JoinGroup { member: follower, protocols, ..join("x") }));
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn protocol_with_most_votes_wins_among_those_that_all_support() {
    let mut world = World::new();
    let voting = |name, protocols: [&'static str; 2]| JoinGroup {
        requires_known_member: false,
        protocols: protocols.into_iter().map(protocol).collect(),
        random: Uuid::from_u128(u128::from(name == "a")),
        ..join(name)
    };
    let a = world.send(Request::Join(voting("a", ["range", "sticky"])));
    world.send(Request::Join(voting("b", ["sticky", "range"])));
    world.send(Request::Join(voting("c", ["sticky", "range"])));
    world.pass_ms(DELAY_MS * 2);
    assert_eq!(world.joined(a).protocol, Some("sticky".into()));
}

#[test]
fn strangers_are_refused() {
    let mut world = World::new();
    world.stable(&["a"]);
    let other_type = JoinGroup { protocol_type: "connect".into(), ..join("b") };
    assert_eq!(refused(&mut world, other_type), ErrorCode::InconsistentGroupProtocol);
    let other_protocol = JoinGroup { protocols: vec![protocol("sticky")], ..join("b") };
    assert_eq!(refused(&mut world, other_protocol), ErrorCode::InconsistentGroupProtocol);
    let impatient = JoinGroup { session_timeout_ms: 5_999, ..join("b") };
    assert_eq!(refused(&mut world, impatient), ErrorCode::InvalidSessionTimeout);
    let endless = JoinGroup { session_timeout_ms: 1_800_001, ..join("b") };
    assert_eq!(refused(&mut world, endless), ErrorCode::InvalidSessionTimeout);
    let nameless = JoinGroup { group: ByteString::new(), ..join("b") };
    assert_eq!(refused(&mut world, nameless), ErrorCode::InvalidGroupId);
    let unknown = JoinGroup { member: "nobody".into(), ..join("b") };
    assert_eq!(refused(&mut world, unknown), ErrorCode::UnknownMemberId);
    let elsewhere = JoinGroup { member: "nobody".into(), group: "elsewhere".into(), ..join("b") };
    assert_eq!(refused(&mut world, elsewhere), ErrorCode::UnknownMemberId);
}

#[test]
fn full_group_refuses_one_more() {
    let mut world = World::with(GroupSettings { group_max_size: 1, ..GroupSettings::default() });
    world.stable(&["a"]);
    assert_eq!(refused(&mut world, join("b")), ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.state(), "Stable");
}

#[test]
fn last_member_leaves_an_empty_generation_in_the_log() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    let ticket = Ticket(99);
    let leave = Request::Leave(LeaveGroup { group: GROUP.into(), members: vec![(a.clone(), None)] });
    let outcome = world.coordinator.handle(world.now, ticket, leave);
    let left = Left { member: a.clone(), instance: None, error: ErrorCode::None };
    assert_eq!(outcome.replies, [(ticket, Reply::Leave(vec![left]))]);
    assert_eq!(outcome.records, [world.group().empty_record(2, world.now)]);
    world.take_in(outcome);
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.group().generation, 2);
    assert_eq!(world.heartbeat(&a, 2), Err(ErrorCode::UnknownMemberId));
    assert_eq!(world.leave(&a), ErrorCode::UnknownMemberId);
}

#[test]
fn empty_generation_that_the_log_refused_is_tried_again() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    world.refuses_appends = true;
    world.send(Request::Leave(LeaveGroup { group: GROUP.into(), members: vec![(a, None)] }));
    assert_eq!((world.state(), world.group().generation), ("PreparingRebalance", 1));
    world.refuses_appends = false;
    world.pass_ms(2_000);
    assert_eq!((world.state(), world.group().generation), ("Empty", 2));
}

#[test]
fn id_that_was_given_out_may_be_given_back() {
    let mut world = World::new();
    world.stable(&["a"]);
    let Reply::Join(Err(pending)) = world.ask(Request::Join(join("b"))) else { panic!("an id is required") };
    assert_eq!(world.leave(&pending.member), ErrorCode::None);
    assert_eq!(
        refused(&mut world, JoinGroup { member: pending.member, ..join("b") }),
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn member_with_more_assignors_than_anybody_has_is_refused() {
    let mut world = World::new();
    let protocols = vec![protocol("range"); settings::PROTOCOLS_MAX + 1];
    let Reply::Join(Err(refused)) = world.ask(Request::Join(JoinGroup { protocols, ..join("a") })) else {
        panic!("admitted")
    };
    assert_eq!((refused.error, world.state()), (ErrorCode::InconsistentGroupProtocol, "Dead"));
}

#[test]
fn names_that_a_record_cannot_hold_are_refused() {
    let long = || ByteString::from("x".repeat(i16::MAX as usize + 1));
    let mut world = World::new();
    assert_eq!(refused(&mut world, JoinGroup { group: long(), ..join("a") }), ErrorCode::InvalidGroupId);
    let named = JoinGroup { instance: Some(long()), ..join("a") };
    assert_eq!(refused(&mut world, named), ErrorCode::InvalidRequest);
    let of_type = JoinGroup { protocol_type: long(), ..join("a") };
    assert_eq!(refused(&mut world, of_type), ErrorCode::InconsistentGroupProtocol);
    let protocols = vec![Protocol { name: long(), metadata: Bytes::new() }];
    let unnamed = JoinGroup { protocols, ..join("a") };
    assert_eq!(refused(&mut world, unnamed), ErrorCode::InconsistentGroupProtocol);
    let longest = JoinGroup { client_id: "x".repeat(i16::MAX as usize).into(), ..join("a") };
    let Reply::Join(Err(told)) = world.ask(Request::Join(longest)) else { panic!("an id is required") };
    assert_eq!((told.error, told.member.len()), (ErrorCode::MemberIdRequired, i16::MAX as usize));
}

#[test]
fn any_rebalance_timeout_is_taken() {
    for rebalance_timeout_ms in [i32::MIN, -1, 0, i32::MAX] {
        let mut world = World::new();
        let request = JoinGroup { rebalance_timeout_ms, requires_known_member: false, ..join("a") };
        let ticket = world.send(Request::Join(request));
        world.pass_ms(DELAY_MS * 2);
        assert_eq!(world.joined(ticket).generation, 1);
    }
}

#[test]
fn group_keeps_no_part_of_a_request() {
    let frame = Bytes::from(b"group client instance range metadata consumer".to_vec());
    let part = |range: std::ops::Range<usize>| frame.slice(range);
    let text = |range| ByteString::try_from(part(range)).unwrap();
    let mut world = World::new();
    let request = JoinGroup {
        group: text(0..5),
        client_id: text(6..12),
        instance: Some(text(13..21)),
        protocols: vec![Protocol { name: text(22..27), metadata: part(28..36) }],
        protocol_type: text(37..45),
        ..join("a")
    };
    world.ask(Request::Commit(CommitOffsets {
        caller: Caller { group: text(0..5), generation: -1, ..Caller::default() },
        retention_time_ms: -1,
        names_unknown_groups: true,
        topics: vec![TopicCommit {
            name: text(6..12),
            id: topic_id(),
            partitions: vec![PartitionCommit {
                index: PartitionIndex(0),
                offset: Offset(1),
                leader_epoch: LeaderEpoch(0),
                metadata: Some(text(28..36)),
            }],
        }],
    }));
    let ticket = world.send(Request::Join(request));
    world.pass_ms(DELAY_MS * 2);
    let joined = world.joined(ticket);
    world.ask(Request::Sync(SyncGroup {
        caller: Caller {
            group: text(0..5),
            member: joined.member.clone(),
            instance: Some(text(13..21)),
            generation: joined.generation,
        },
        protocol_type: None,
        protocol: None,
        assignments: vec![(joined.member, part(28..36))],
    }));
    world.inbox.clear();
    world.log.clear();
    assert_eq!(world.coordinator.groups["group"].members.len(), 1);
    assert!(frame.is_unique());
}
