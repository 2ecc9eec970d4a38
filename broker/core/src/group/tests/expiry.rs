//! What time does: sessions, rebalances, offsets.

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[test]
fn silent_member_is_removed_when_its_session_ends() {
    let mut world = World::new();
    let members = world.stable(&["a", "b"]);
    world.pass_ms(i64::from(SESSION_MS) - 1);
    assert_eq!(world.heartbeat(&members[0], 1), Ok(()));
    world.pass_ms(1);
    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.heartbeat(&members[0], 1), Err(ErrorCode::RebalanceInProgress));
    assert_eq!(world.heartbeat(&members[1], 1), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn group_of_silent_members_ends_up_empty() {
    let mut world = World::new();
    world.stable(&["a", "b"]);
    world.pass_ms(i64::from(SESSION_MS));
    assert_eq!((world.state(), world.group().members.len()), ("Empty", 0));
    assert_eq!(world.coordinator.deadlines.at(&Timer::Join(GROUP.into())), None);
}

#[test]
fn parked_member_needs_no_heartbeat() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    let (_, b) = world.join_new("b");
    for _ in 0..4 {
        world.pass_ms(i64::from(SESSION_MS) - 1);
        assert_eq!(world.heartbeat(&a, 1), Err(ErrorCode::RebalanceInProgress));
    }
    assert_eq!(world.poll(b), None);
    let rejoined = world.rejoin("a", &a);
    assert_eq!(world.joined(b).generation, 2);
    assert_eq!(world.joined(rejoined).generation, 2);
}

#[test]
fn id_that_nobody_uses_expires_and_stops_holding_up_the_rebalance() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    world.ask(Request::Join(join("ghost")));
    let rejoining = world.rejoin("a", &a);
    assert_eq!(world.poll(rejoining), None, "the rebalance waits for the ghost");
    world.pass_ms(i64::from(SESSION_MS));
    assert_eq!(world.joined(rejoining).members.len(), 1);
}

#[test]
fn members_that_do_not_sync_in_time_are_removed() {
    let mut world = World::new();
    let joins = [world.join_new("a"), world.join_new("b")];
    world.pass_ms(DELAY_MS * 2);
    let [a, b] = joins.map(|(_, ticket)| world.joined(ticket));
    let (leader, follower) = if a.members.is_empty() { (b.member, a.member) } else { (a.member, b.member) };
    let parked = world.sync(&follower, 1, Vec::new());
    for _ in 0..12 {
        world.pass_ms(i64::from(REBALANCE_MS) / 12);
        if world.state() == "CompletingRebalance" {
            assert_eq!(world.heartbeat(&leader, 1), Ok(()));
        }
    }
    assert_eq!(world.poll(parked), Some(Reply::Sync(Err(ErrorCode::RebalanceInProgress))));
    assert!(!world.group().members.contains_key(&leader));
}

#[test]
fn offsets_of_an_empty_group_expire_after_the_retention_and_so_does_the_group() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    world.ask(commit(caller(&a, 1), 5));
    world.leave(&a);
    world.pass_ms(7 * DAY_MS - 1);
    assert_eq!(fetch(&mut world).len(), 1);
    world.pass_ms(DAY_MS);
    assert_eq!((world.state(), fetch(&mut world)), ("Dead", Vec::new()));
    world.fail_over();
    assert_eq!(world.state(), "Dead");
}

#[test]
fn offsets_of_a_topic_that_is_subscribed_do_not_expire() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    world.ask(commit(caller(&a, 1), 5));
    for _ in 0..9 * DAY_MS / i64::from(SESSION_MS) {
        world.pass_ms(i64::from(SESSION_MS) - 1);
        assert_eq!(world.heartbeat(&a, 1), Ok(()));
    }
    assert_eq!(fetch(&mut world).len(), 1);
}

#[test]
fn offsets_without_members_expire_after_their_last_commit() {
    let mut world = World::new();
    let nobody = caller(&ByteString::new(), -1);
    world.ask(commit(nobody.clone(), 5));
    world.pass_ms(6 * DAY_MS);
    world.ask(commit(nobody, 6));
    world.pass_ms(6 * DAY_MS);
    assert_eq!(fetch(&mut world).len(), 1);
    world.pass_ms(2 * DAY_MS);
    assert_eq!((world.state(), fetch(&mut world)), ("Dead", Vec::new()));
}

#[test]
fn retention_that_a_client_asked_for_counts() {
    let mut world = World::new();
    let Request::Commit(mut request) = commit(caller(&ByteString::new(), -1), 5) else { unreachable!() };
    request.retention_time_ms = DAY_MS;
    world.ask(Request::Commit(request));
    world.fail_over();
    world.pass_ms(DAY_MS - 1);
    assert_eq!(fetch(&mut world).len(), 1);
    world.pass_ms(DAY_MS / 24);
    assert_eq!(fetch(&mut world), Vec::new());
}

#[test]
fn loaded_members_have_one_session_to_show_up() {
    let mut world = World::new();
    let members = world.stable(&["a", "b"]);
    world.pass_ms(i64::from(SESSION_MS) - 1);
    world.fail_over();
    world.pass_ms(i64::from(SESSION_MS) - 1);
    assert_eq!(world.heartbeat(&members[0], 1), Ok(()));
    world.pass_ms(1);
    assert!(!world.group().members.contains_key(&members[1]));
}
