//! SyncGroup, and the three pictures: as many members as partitions, fewer, more.

use std::collections::BTreeMap;

use super::*;

/// The leader's work: partitions dealt out by range, in the order of member ids.
fn range(members: &[JoinedMember], partitions: u32) -> Vec<(ByteString, Bytes)> {
    let mut ids: Vec<_> = members.iter().map(|member| member.member.clone()).collect();
    ids.sort();
    let owner = |partition: u32| partition as usize % ids.len();
    let mut shares = vec![Vec::new(); ids.len()];
    (0..partitions).for_each(|partition| shares[owner(partition)].push(partition as u8));
    ids.into_iter().zip(shares.into_iter().map(Bytes::from)).collect()
}

/// Lets `names` share a topic and yields what each owns.
fn shares(world: &mut World, names: &[&str], partitions: u32) -> BTreeMap<ByteString, Bytes> {
    let joins: Vec<_> = names.iter().map(|name| world.join_new(name)).collect();
    world.pass_ms(DELAY_MS * 2);
    let joined: Vec<_> = joins.into_iter().map(|(_, ticket)| world.joined(ticket)).collect();
    collect_shares(world, joined, partitions)
}

fn collect_shares(world: &mut World, joined: Vec<Joined>, partitions: u32) -> BTreeMap<ByteString, Bytes> {
    let mut waiting = Vec::new();
    for joined in joined {
        let assignments =
            if joined.members.is_empty() { Vec::new() } else { range(&joined.members, partitions) };
        let ticket = world.sync(&joined.member, joined.generation, assignments);
        waiting.push((joined.member, ticket));
    }
    waiting.into_iter().map(|(member, ticket)| (member, world.synced(ticket))).collect()
}

fn sizes(shares: &BTreeMap<ByteString, Bytes>) -> Vec<usize> {
    let mut sizes: Vec<_> = shares.values().map(Bytes::len).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn with_as_many_partitions_as_members_each_has_one() {
    assert_eq!(sizes(&shares(&mut World::new(), &["a", "b", "c"], 3)), [1, 1, 1]);
}

#[test]
fn with_more_partitions_than_members_every_partition_is_owned() {
    assert_eq!(sizes(&shares(&mut World::new(), &["a", "b", "c"], 10)), [3, 3, 4]);
}

#[test]
fn with_fewer_partitions_than_members_the_idle_one_takes_over() {
    let mut world = World::new();
    let owned = shares(&mut world, &["a", "b", "c"], 2);
    assert_eq!(sizes(&owned), [0, 1, 1]);
    let (gone, _) = owned.iter().find(|(_, share)| !share.is_empty()).unwrap();
    assert_eq!(world.leave(gone), ErrorCode::None);
    let remaining: Vec<_> = owned.keys().filter(|member| *member != gone).cloned().collect();
    let tickets: Vec<_> = remaining.iter().map(|member| world.rejoin("x", member)).collect();
    let joined: Vec<_> = tickets.into_iter().map(|ticket| world.joined(ticket)).collect();
    assert_eq!(sizes(&collect_shares(&mut world, joined, 2)), [1, 1]);
}

#[test]
fn leaders_sync_writes_the_generation_and_answers_everybody_parked() {
    let mut world = World::new();
    let joins = [world.join_new("a"), world.join_new("b")];
    world.pass_ms(DELAY_MS * 2);
    let [a, b] = joins.map(|(_, ticket)| world.joined(ticket));
    let (leader, follower) = if a.members.is_empty() { (b, a) } else { (a, b) };
    let parked = world.sync(&follower.member, 1, Vec::new());
    assert_eq!(world.poll(parked), None);

    let share = Bytes::from_static(b"all of it");
    let sync = SyncGroup {
        caller: caller(&leader.member, 1),
        protocol_type: None,
        protocol: None,
        assignments: vec![(follower.member.clone(), share.clone())],
    };
    let outcome = world.coordinator.handle(world.now, Ticket(77), Request::Sync(sync));
    let synced = |assignment: Bytes| {
        Reply::Sync(Ok(Synced {
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            assignment,
        }))
    };
    let mut replies = vec![(Ticket(77), synced(Bytes::new())), (parked, synced(share))];
    replies.sort_by_key(|(ticket, _)| *ticket);
    let mut answered = outcome.replies.clone();
    answered.sort_by_key(|(ticket, _)| *ticket);
    assert_eq!(answered, replies);
    let [GroupRecord::Group { value: Some(written), .. }] = &outcome.records[..] else {
        panic!("one record")
    };
    assert_eq!((written.generation, written.members.len()), (1, 2));
    assert_eq!(world.state(), "CompletingRebalance", "the record has not been replayed");
    world.take_in(outcome);
    assert_eq!(world.state(), "Stable");
}

#[test]
fn sync_of_a_stable_group_answers_with_the_assignment_in_force() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    let again = world.sync(&a, 1, Vec::new());
    assert_eq!(world.synced(again), share_of(&a));
}

#[test]
fn sync_is_checked() {
    let mut world = World::new();
    let nobody = ByteString::from_static("nobody");
    let refused = |world: &mut World, request| {
        let Reply::Sync(Err(error)) = world.ask(Request::Sync(request)) else { panic!("refused") };
        error
    };
    let sync =
        |caller: Caller| SyncGroup { caller, protocol_type: None, protocol: None, assignments: Vec::new() };
    assert_eq!(refused(&mut world, sync(caller(&nobody, 1))), ErrorCode::UnknownMemberId);
    let a = world.stable(&["a"]).remove(0);
    assert_eq!(refused(&mut world, sync(caller(&nobody, 1))), ErrorCode::UnknownMemberId);
    assert_eq!(refused(&mut world, sync(caller(&a, 2))), ErrorCode::IllegalGeneration);
    let other = SyncGroup { protocol: Some("sticky".into()), ..sync(caller(&a, 1)) };
    assert_eq!(refused(&mut world, other), ErrorCode::InconsistentGroupProtocol);
    let other = SyncGroup { protocol_type: Some("connect".into()), ..sync(caller(&a, 1)) };
    assert_eq!(refused(&mut world, other), ErrorCode::InconsistentGroupProtocol);
    world.join_new("b");
    assert_eq!(refused(&mut world, sync(caller(&a, 1))), ErrorCode::RebalanceInProgress);
}

#[test]
fn new_member_while_completing_sends_those_that_wait_for_the_leader_back_to_join() {
    let mut world = World::new();
    let joins = [world.join_new("a"), world.join_new("b")];
    world.pass_ms(DELAY_MS * 2);
    let [a, b] = joins.map(|(_, ticket)| world.joined(ticket));
    let follower = if a.members.is_empty() { a } else { b };
    let parked = world.sync(&follower.member, 1, Vec::new());
    world.join_new("c");
    assert_eq!(world.poll(parked), Some(Reply::Sync(Err(ErrorCode::RebalanceInProgress))));
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn assignment_that_the_log_refused_can_be_brought_again() {
    let mut world = World::new();
    let (a, ticket) = world.join_new("a");
    world.pass_ms(DELAY_MS);
    world.joined(ticket);
    world.refuses_appends = true;
    world.sync(&a, 1, vec![(a.clone(), share_of(&a))]);
    assert_eq!(world.state(), "CompletingRebalance");
    world.refuses_appends = false;
    let again = world.rejoin("a", &a);
    assert_eq!(world.joined(again).generation, 1);
    world.settle(std::slice::from_ref(&a), &a);
}

#[test]
fn stable_group_survives_a_change_of_coordinator() {
    let mut world = World::new();
    let members = world.stable(&["a", "b"]);
    let before = world.group().clone();
    world.fail_over();
    let after = world.group();
    assert_eq!((after.state, after.generation, &after.leader), (before.state, 1, &before.leader));
    for member in &members {
        assert_eq!(world.heartbeat(member, 1), Ok(()));
        let again = world.sync(member, 1, Vec::new());
        assert_eq!(world.synced(again), share_of(member));
    }
}

#[test]
fn later_generation_in_the_log_replaces_what_members_told_before() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    let protocols = vec![Protocol { name: "roundrobin".into(), metadata: subscription("other") }];
    let ticket = world.send(Request::Join(JoinGroup { member: a.clone(), protocols, ..join("a") }));
    let generation = world.joined(ticket).generation;
    let sync = SyncGroup {
        caller: caller(&a, generation),
        protocol_type: None,
        protocol: None,
        assignments: Vec::new(),
    };
    world.ask(Request::Sync(sync));
    let before = world.group().members.clone();
    world.fail_over();
    assert_eq!(world.group().members, before);
}
