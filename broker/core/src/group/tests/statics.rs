//! Static members (KIP-345).

use super::*;

fn static_join(instance: &'static str) -> JoinGroup {
    JoinGroup { instance: Some(instance.into()), ..join("truck") }
}

fn named(random: u128, instance: &'static str) -> JoinGroup {
    JoinGroup { random: Uuid::from_u128(random), ..static_join(instance) }
}

/// A stable group of static members `i1`, `i2` ...; yields their ids.
fn stable(world: &mut World, instances: &[&'static str]) -> Vec<ByteString> {
    let tickets: Vec<_> =
        instances.iter().map(|instance| world.send(Request::Join(static_join(instance)))).collect();
    world.pass_ms(DELAY_MS * 2);
    let joined: Vec<_> = tickets.into_iter().map(|ticket| world.joined(ticket)).collect();
    let members: Vec<_> = joined.iter().map(|joined| joined.member.clone()).collect();
    world.settle(&members, &joined[0].leader);
    members
}

fn with_instance(member: &ByteString, instance: &'static str, generation: i32) -> Caller {
    Caller { instance: Some(instance.into()), ..caller(member, generation) }
}

#[test]
fn static_member_needs_no_round_trip_for_its_id() {
    let mut world = World::new();
    let member = stable(&mut world, &["i1"]).remove(0);
    assert_eq!(member, format!("i1-{}", Uuid::nil()));
}

#[test]
fn returning_static_member_keeps_its_assignment_without_a_rebalance() {
    let mut world = World::new();
    let members = stable(&mut world, &["i1", "i2"]);
    let ticket = world.send(Request::Join(named(9, "i1")));
    let joined = world.joined(ticket);
    assert_eq!((joined.generation, world.state()), (1, "Stable"));
    assert_ne!(joined.member, members[0]);
    let again = world.sync(&joined.member, 1, Vec::new());
    assert_eq!(world.synced(again), share_of(&members[0]));

    let old = world.ask(Request::Heartbeat(with_instance(&members[0], "i1", 1)));
    assert_eq!(old, Reply::Heartbeat(Err(ErrorCode::FencedInstanceId)));
    let new = world.ask(Request::Heartbeat(with_instance(&joined.member, "i1", 1)));
    assert_eq!(new, Reply::Heartbeat(Ok(())));
}

#[test]
fn return_of_a_static_member_is_known_to_the_next_coordinator() {
    let mut world = World::new();
    stable(&mut world, &["i1", "i2"]);
    let ticket = world.send(Request::Join(named(9, "i1")));
    let member = world.joined(ticket).member;
    world.fail_over();
    let alive = world.ask(Request::Heartbeat(with_instance(&member, "i1", 1)));
    assert_eq!(alive, Reply::Heartbeat(Ok(())));
}

#[test]
fn return_that_the_log_refused_leaves_the_old_member_in_place() {
    let mut world = World::new();
    let members = stable(&mut world, &["i1"]);
    world.refuses_appends = true;
    world.send(Request::Join(named(9, "i1")));
    world.refuses_appends = false;
    let alive = world.ask(Request::Heartbeat(with_instance(&members[0], "i1", 1)));
    assert_eq!(alive, Reply::Heartbeat(Ok(())));
}

#[test]
fn returning_static_leader_is_told_to_skip_the_assignment() {
    let mut world = World::new();
    let members = stable(&mut world, &["i1"]);
    let ticket = world.send(Request::Join(named(9, "i1")));
    let joined = world.joined(ticket);
    assert_eq!((joined.skip_assignment, &joined.leader, joined.members.len()), (true, &joined.member, 1));

    let older = JoinGroup { may_skip_assignment: false, ..named(10, "i1") };
    let ticket = world.send(Request::Join(older));
    let again = world.joined(ticket);
    assert!(!again.skip_assignment && again.members.is_empty());
    assert_eq!(again.leader, joined.member, "an older client must not take itself for the leader");
    assert_ne!(again.leader, members[0]);
}

#[test]
fn returning_static_member_with_another_preference_sets_off_a_rebalance() {
    let mut world = World::new();
    stable(&mut world, &["i1"]);
    let protocols = vec![protocol("roundrobin")];
    world.send(Request::Join(JoinGroup { protocols, ..named(9, "i1") }));
    assert_eq!(world.group().protocol, Some("roundrobin".into()));
    assert_eq!((world.state(), world.group().generation), ("CompletingRebalance", 2));
}

#[test]
fn parked_static_member_is_fenced_by_its_double() {
    let mut world = World::new();
    let first = world.send(Request::Join(static_join("i1")));
    let second = world.send(Request::Join(named(9, "i1")));
    let Some(Reply::Join(Err(refused))) = world.poll(first) else { panic!("the first is fenced") };
    assert_eq!(refused.error, ErrorCode::FencedInstanceId);
    world.pass_ms(DELAY_MS * 2);
    assert_eq!(world.joined(second).members.len(), 1);
}

#[test]
fn unknown_instance_and_wrong_instance_are_told_apart() {
    let mut world = World::new();
    let members = stable(&mut world, &["i1", "i2"]);
    let unknown = world.ask(Request::Heartbeat(with_instance(&members[0], "i9", 1)));
    assert_eq!(unknown, Reply::Heartbeat(Err(ErrorCode::UnknownMemberId)));
    let wrong = world.ask(Request::Heartbeat(with_instance(&members[0], "i2", 1)));
    assert_eq!(wrong, Reply::Heartbeat(Err(ErrorCode::FencedInstanceId)));
    let Reply::Commit(Err(error)) = world.ask(commit(with_instance(&members[0], "i2", 1), 5)) else {
        panic!("refused");
    };
    assert_eq!(error, ErrorCode::FencedInstanceId);
}

#[test]
fn administrator_removes_a_static_member_by_its_instance() {
    let mut world = World::new();
    stable(&mut world, &["i1", "i2"]);
    let members = vec![(ByteString::new(), Some("i1".into())), (ByteString::new(), Some("i9".into()))];
    let Reply::Leave(left) = world.ask(Request::Leave(LeaveGroup { group: GROUP.into(), members })) else {
        panic!("an answer for each");
    };
    let errors: Vec<_> = left.iter().map(|left| left.error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::UnknownMemberId]);
    assert_eq!((world.state(), world.group().members.len()), ("PreparingRebalance", 1));
}

#[test]
fn silent_static_member_outlives_a_rebalance_but_not_its_session() {
    let mut world = World::new();
    let members = stable(&mut world, &["i1", "i2"]);
    let leader = world.group().leader.clone().unwrap();
    let (other, instance) = if members[0] == leader { (&members[1], "i2") } else { (&members[0], "i1") };
    let short = JoinGroup {
        member: leader.clone(),
        rebalance_timeout_ms: 2_000,
        ..static_join(if instance == "i1" { "i2" } else { "i1" })
    };
    world.send(Request::Join(short));
    world.pass_ms(i64::from(SESSION_MS) - 1);
    assert!(world.group().members.contains_key(other));
    world.pass_ms(i64::from(REBALANCE_MS));
    assert!(!world.group().members.contains_key(other));
}
