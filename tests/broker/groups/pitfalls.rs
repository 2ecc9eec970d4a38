//! What clients trip over in groups: who is told what, with which code, and when. The list is `docs/pitfalls.md`.

use milena_tests::Flavor;

use super::*;

/// Pitfall 30: while a coordinator is being loaded a member that joins is sent to look for it again, which every client
/// does, and not told of the loading, which some do not retry. Apache Kafka tells it.
#[test]
fn joining_during_a_restart_is_never_told_of_loading() {
    let (mut broker, _) = start();
    let mut member = Member::new(&broker);
    member.join(9);
    broker.kill();
    broker.restart().unwrap();
    let mut member = Member::new(&broker);
    let request = member.join_request();
    eventually("a coordinator", PATIENCE, || {
        let code = error(member.call(4, &request).error_code);
        let retriable = code == ErrorCode::NotCoordinator
            || (broker.flavor() == Flavor::Kafka && code == ErrorCode::CoordinatorLoadInProgress);
        assert!(retriable || code == ErrorCode::MemberIdRequired, "{code:?}");
        (!retriable).then_some(())
    });
}

/// Pitfall 31: who joins without an id gets one first, from version 4, unless it is static from version 5; a static
/// member that came back is so after the coordinator was killed too, and its double is fenced, by code 82, everywhere.
#[test]
fn fencing_of_a_static_double_survives_a_killed_coordinator() {
    let (mut broker, topic_id) = start();
    let mut dynamic = Member::new(&broker);
    for version in 4..=9 {
        let refused = dynamic.call(version, &dynamic.join_request());
        assert_eq!((refused.error_code, refused.member_id.is_empty()), (79, false));
    }
    let mut old = Member::named(&broker, "truck-1");
    old.join(5);
    let id = old.id.clone();
    old.sync(5, &[(&id, "all")]);
    let mut new = Member::named(&broker, "truck-1");
    new.join(9);
    assert_eq!(new.sync(5, &[]).assignment.as_ref(), b"all");
    for restarted in [false, true] {
        if restarted {
            broker.kill();
            broker.restart().unwrap();
            await_coordinator(&broker);
            old.stream = frame::connect(&broker.bootstrap()).unwrap();
            new.stream = frame::connect(&broker.bootstrap()).unwrap();
        }
        assert_eq!(old.call(9, &old.join_request()).error_code, 82);
        assert_eq!(old.sync(5, &[]).error_code, 82);
        assert_eq!(old.heartbeat().code(), 82);
        assert_eq!(old.commit(9, topic_id, 1, None).code(), 82);
        assert_eq!(old.leave(5).code(), 82);
        assert_eq!(new.heartbeat(), ErrorCode::None);
        assert_eq!(new.commit(9, topic_id, 1, None), ErrorCode::None);
    }
}

/// Pitfall 32: a member that names another protocol than the one chosen is told so, from version 5 of SyncGroup.
#[test]
fn sync_checks_the_protocol() {
    let (broker, _) = start();
    let mut member = Member::new(&broker);
    member.join(9);
    let id = member.id.clone();
    let mut wrong_name = member.sync_request(5, &[(&id, "all")]);
    wrong_name.protocol_name = Some("roundrobin".into());
    assert_eq!(error(member.call(5, &wrong_name).error_code), ErrorCode::InconsistentGroupProtocol);
    let mut wrong_type = member.sync_request(5, &[(&id, "all")]);
    wrong_type.protocol_type = Some("connect".into());
    assert_eq!(error(member.call(5, &wrong_type).error_code), ErrorCode::InconsistentGroupProtocol);
    let synced = member.sync(5, &[(&id, "all")]);
    assert_eq!((synced.error_code, synced.assignment.as_ref()), (0, b"all".as_ref()));
}

/// Pitfall 33: a rebalance, an old generation and a stranger are three answers, to heartbeats as to commits.
#[test]
fn rebalance_generation_and_stranger_are_told_apart() {
    let (broker, topic_id) = start();
    let (mut first, mut second) = (Member::new(&broker), Member::new(&broker));
    first.join(9);
    let first_id = first.id.clone();
    first.sync(5, &[(&first_id, "both")]);
    let told = |member: &mut Member| (member.heartbeat(), member.commit(9, topic_id, 1, None));
    assert_eq!(told(&mut first), (ErrorCode::None, ErrorCode::None));
    first.generation -= 1;
    assert_eq!(told(&mut first), (ErrorCode::IllegalGeneration, ErrorCode::IllegalGeneration));
    first.generation += 1;
    assert_eq!(told(&mut second), (ErrorCode::UnknownMemberId, ErrorCode::UnknownMemberId));
    second.begin_join(9);
    eventually("the rebalance", PATIENCE, || {
        (first.heartbeat() == ErrorCode::RebalanceInProgress).then_some(())
    });
    assert_eq!(told(&mut first), (ErrorCode::RebalanceInProgress, ErrorCode::None), "joining may commit");
    first.join(9);
    second.end_join(9);
    let (beat, commit) = told(&mut first);
    assert_eq!(commit, ErrorCode::RebalanceInProgress, "who has not synchronized may not");
    assert_eq!(beat, ErrorCode::None);
    first.generation -= 1;
    assert_eq!(told(&mut first), (ErrorCode::IllegalGeneration, ErrorCode::IllegalGeneration));
}

/// Pitfall 36: coordinators are found one by one and in batches, and groups are listed by those alone that have them.
#[test]
fn coordinators_are_found_one_by_one_and_in_batches() {
    let (broker, _) = start();
    let mut client = Member::new(&broker);
    let port = broker.bootstrap().rsplit(':').next().unwrap().parse::<i32>().unwrap();
    for version in 0..=6 {
        let request = FindCoordinatorRequest {
            key: GROUP.into(),
            coordinator_keys: vec![GROUP.into(), "others".into()],
            ..FindCoordinatorRequest::default()
        };
        let found = client.call(version, &request);
        if version < 4 {
            assert_eq!((found.error_code, found.node_id, found.port), (0, 1, port), "version {version}");
            continue;
        }
        let found: Vec<_> =
            found.coordinators.iter().map(|c| (c.key.as_ref(), c.error_code, c.port)).collect();
        assert_eq!(found, [(GROUP, 0, port), ("others", 0, port)], "version {version}");
    }
    client.join(9);
    for version in 0..=5 {
        let listed = client.call(version, &ListGroupsRequest::default()).groups;
        let listed: Vec<_> = listed.iter().map(|group| -> &str { group.group_id.as_ref() }).collect();
        assert_eq!(listed, [GROUP], "version {version}");
    }
}
