//! OffsetCommit, OffsetFetch, and what administrators do.

use super::*;

fn result(world: &mut World, request: Request) -> Result<ErrorCode, ErrorCode> {
    match world.ask(request) {
        Reply::Commit(result) => result.map(|topics| topics[0].partitions[0].1),
        other => panic!("not a commit: {other:?}"),
    }
}

#[test]
fn commit_writes_one_record_and_reads_back() {
    let mut world = World::new();
    let outcome = world.coordinator.handle(world.now, Ticket(5), commit(caller(&ByteString::new(), -1), 42));
    let errors = TopicErrors {
        name: "truck_gps".into(),
        id: topic_id(),
        partitions: vec![(PartitionIndex(0), ErrorCode::None)],
    };
    assert_eq!(outcome.replies, [(Ticket(5), Reply::Commit(Ok(vec![errors])))]);
    assert_eq!(outcome.records.len(), 1);
    assert_eq!(world.state(), "Dead", "the record has not been replayed");
    world.take_in(outcome);
    assert_eq!(world.state(), "Empty");
    let partition = PartitionOffset {
        index: PartitionIndex(0),
        offset: Offset(42),
        leader_epoch: LeaderEpoch(4),
        metadata: ByteString::new(),
    };
    let expected = TopicOffsets { name: "truck_gps".into(), id: TopicId::ZERO, partitions: vec![partition] };
    assert_eq!(fetch(&mut world), std::slice::from_ref(&expected));
    world.fail_over();
    assert_eq!(fetch(&mut world), [expected]);
}

#[test]
fn committed_offset_is_written_as_kafka_writes_it() {
    let mut world = World::new();
    world.ask(commit_with(caller(&ByteString::new(), -1), 42, Some("m".into())));
    let (key, value) = &world.log[0];
    let mut expected_key = b"\x00\x01\x00\x06trucks\x00\x09truck_gps\x00\x00\x00\x00".to_vec();
    assert_eq!(key.as_ref(), expected_key);
    // Version 4: offset, leader epoch, compact metadata, commit timestamp, one tagged field with the topic id.
    expected_key.clear();
    let mut expected = b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x04\x02m".to_vec();
    expected.extend_from_slice(&1_000_000i64.to_be_bytes());
    expected.extend_from_slice(b"\x01\x00\x10");
    expected.extend_from_slice(Uuid::from_u128(7).as_bytes());
    assert_eq!(value.as_ref().unwrap().as_ref(), expected);
}

#[test]
fn generation_and_member_are_checked() {
    let mut world = World::new();
    let nobody = ByteString::new();
    assert_eq!(result(&mut world, commit(caller(&"x".into(), 3), 1)), Err(ErrorCode::GroupIdNotFound));
    let Request::Commit(older) = commit(caller(&"x".into(), 3), 1) else { unreachable!() };
    let older = Request::Commit(CommitOffsets { names_unknown_groups: false, ..older });
    assert_eq!(result(&mut world, older), Err(ErrorCode::IllegalGeneration));

    let a = world.stable(&["a"]).remove(0);
    assert_eq!(result(&mut world, commit(caller(&a, 1), 1)), Ok(ErrorCode::None));
    assert_eq!(result(&mut world, commit(caller(&a, 2), 1)), Err(ErrorCode::IllegalGeneration));
    assert_eq!(result(&mut world, commit(caller(&"x".into(), 1), 1)), Err(ErrorCode::UnknownMemberId));
    assert_eq!(result(&mut world, commit(caller(&nobody, -1), 1)), Err(ErrorCode::UnknownMemberId));

    world.join_new("b");
    assert_eq!(result(&mut world, commit(caller(&a, 1), 2)), Ok(ErrorCode::None), "still the old generation");
    world.rejoin("a", &a);
    assert_eq!(world.state(), "CompletingRebalance");
    assert_eq!(result(&mut world, commit(caller(&a, 2), 3)), Err(ErrorCode::RebalanceInProgress));
    assert_eq!(result(&mut world, commit(caller(&a, 1), 3)), Err(ErrorCode::IllegalGeneration));
}

#[test]
fn commit_is_a_sign_of_life() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    for offset in 0..5 {
        world.pass_ms(i64::from(SESSION_MS) - 1);
        assert_eq!(result(&mut world, commit(caller(&a, 1), offset)), Ok(ErrorCode::None));
    }
}

#[test]
fn metadata_has_a_limit_in_characters() {
    let mut world = World::new();
    let nobody = caller(&ByteString::new(), -1);
    let fits = "ä".repeat(4096);
    assert_eq!(result(&mut world, commit_with(nobody.clone(), 1, Some(fits.into()))), Ok(ErrorCode::None));
    let too_large = commit_with(nobody, 2, Some("x".repeat(4097).into()));
    assert_eq!(result(&mut world, too_large), Ok(ErrorCode::OffsetMetadataTooLarge));
    assert_eq!(fetch(&mut world)[0].partitions[0].offset, Offset(1));
}

#[test]
fn offset_of_an_earlier_topic_of_the_name_is_none() {
    let mut world = World::new();
    world.ask(commit(caller(&ByteString::new(), -1), 5));
    let mut at = |id: TopicId| {
        let topics = Some(vec![("truck_gps".into(), id, vec![PartitionIndex(0)])]);
        let Reply::Fetch(topics) = world.ask(Request::Fetch(FetchOffsets { group: GROUP.into(), topics }))
        else {
            panic!("offsets");
        };
        topics[0].partitions[0].offset
    };
    assert_eq!(at(TopicId::ZERO), Offset(5));
    assert_eq!(at(topic_id()), Offset(5));
    assert_eq!(at(TopicId(Uuid::from_u128(8))), Offset::NONE);
}

#[test]
fn what_was_never_committed_is_none_and_no_error() {
    let mut world = World::new();
    let topics = Some(vec![("t".into(), TopicId::ZERO, vec![PartitionIndex(3)])]);
    let partition = PartitionOffset {
        index: PartitionIndex(3),
        offset: Offset::NONE,
        leader_epoch: LeaderEpoch::NONE,
        metadata: ByteString::new(),
    };
    let none = TopicOffsets { name: "t".into(), id: TopicId::ZERO, partitions: vec![partition] };
    let reply = world.ask(Request::Fetch(FetchOffsets { group: "unknown".into(), topics }));
    assert_eq!(reply, Reply::Fetch(vec![none]));
}

#[test]
fn deleted_topics_take_their_offsets_along() {
    let mut world = World::new();
    world.ask(commit(caller(&ByteString::new(), -1), 5));
    world.ask(Request::TopicsDeleted(vec![("truck_gps".into(), TopicId(Uuid::from_u128(99)))]));
    assert_eq!(fetch(&mut world).len(), 1, "another topic of that name");
    world.ask(Request::TopicsDeleted(vec![("truck_gps".into(), topic_id())]));
    assert_eq!(fetch(&mut world), Vec::new());
}

#[test]
fn only_groups_without_members_can_be_deleted() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    world.ask(commit(caller(&a, 1), 5));
    let delete = |world: &mut World, id: &'static str| match world.ask(Request::Delete(vec![id.into()])) {
        Reply::Delete(results) => results[0].1,
        other => panic!("not deleted: {other:?}"),
    };
    assert_eq!(delete(&mut world, GROUP), ErrorCode::NonEmptyGroup);
    assert_eq!(delete(&mut world, "unknown"), ErrorCode::GroupIdNotFound);
    world.leave(&a);
    assert_eq!(delete(&mut world, GROUP), ErrorCode::None);
    assert_eq!(world.state(), "Dead");
    world.fail_over();
    assert_eq!((world.state(), fetch(&mut world)), ("Dead", Vec::new()));
}

#[test]
fn groups_are_listed_by_state_and_type_in_any_case() {
    let mut world = World::new();
    world.stable(&["a"]);
    let other = Caller { group: "simple".into(), ..caller(&ByteString::new(), -1) };
    world.ask(commit(other, 1));
    let mut list = |states: &[&'static str], types: &[&'static str]| {
        let names = |names: &[&'static str]| names.iter().map(|name| ByteString::from_static(name)).collect();
        let filter = ListFilter { states: names(states), types: names(types) };
        let Reply::List(listed) = world.ask(Request::List(filter)) else { panic!("a list") };
        listed.into_iter().map(|listed| (listed.group.to_string(), listed.state)).collect::<Vec<_>>()
    };
    let (simple, trucks) = (("simple".to_owned(), "Empty"), (GROUP.to_owned(), "Stable"));
    assert_eq!(list(&[], &[]), [simple.clone(), trucks.clone()]);
    assert_eq!(list(&["stable"], &["Classic"]), [trucks]);
    assert_eq!(list(&["EMPTY", "Dead"], &[]), [simple]);
    assert_eq!(list(&[], &["consumer"]), []);
    assert_eq!(list(&["nonsense"], &[]), []);
}

#[test]
fn description_shows_metadata_of_stable_groups_only() {
    let mut world = World::new();
    let a = world.stable(&["a"]).remove(0);
    let describe = |world: &mut World| match world.ask(Request::Describe(vec![GROUP.into()])) {
        Reply::Describe(mut groups) => match groups.remove(0).1 {
            Described::Group(description) => description,
            other => panic!("not described: {other:?}"),
        },
        other => panic!("not described: {other:?}"),
    };
    let stable = describe(&mut world);
    assert_eq!((stable.state, &stable.protocol), ("Stable", &"range".into()));
    assert_eq!(stable.members[0].metadata, subscription("truck_gps"));
    assert_eq!(stable.members[0].assignment, share_of(&a));
    world.join_new("b");
    let preparing = describe(&mut world);
    assert_eq!((preparing.state, &preparing.protocol), ("PreparingRebalance", &"".into()));
    assert_eq!(preparing.members[0].metadata, Bytes::new());
    let unknown = Reply::Describe(vec![("x".into(), Described::Unknown)]);
    assert_eq!(world.ask(Request::Describe(vec!["x".into()])), unknown);
}

fn delete_offsets(
    world: &mut World,
    topic: &'static str,
    partitions: &[i32],
) -> Result<(usize, ErrorCode), ErrorCode> {
    let indexes: Vec<_> = partitions.iter().copied().map(PartitionIndex).collect();
    let before = world.log.len();
    let request = DeleteOffsets { group: GROUP.into(), topics: vec![(topic.into(), indexes.clone())] };
    let Reply::DeleteOffsets(result) = world.ask(Request::DeleteOffsets(request)) else { panic!("deleted") };
    let mut topics = result?;
    let (name, answered, error) = topics.remove(0);
    assert_eq!((name.as_ref(), answered), (topic, indexes));
    Ok((world.log.len() - before, error))
}

#[test]
fn offsets_are_deleted_one_by_one_and_stay_so() {
    let mut world = World::new();
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[0]), Err(ErrorCode::GroupIdNotFound));
    world.ask(commit(caller(&ByteString::new(), -1), 5));
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[1]), Ok((0, ErrorCode::None)), "never committed");
    assert_eq!(delete_offsets(&mut world, "other", &[0]), Ok((0, ErrorCode::None)));
    assert_eq!(fetch(&mut world).len(), 1);
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[0, 1, 0]), Ok((1, ErrorCode::None)));
    assert_eq!(fetch(&mut world), []);
    world.fail_over();
    assert_eq!(fetch(&mut world), []);
}

#[test]
fn offsets_that_members_use_are_not_deleted() {
    let mut world = World::new();
    let member = world.stable(&["a"]).remove(0);
    world.ask(commit(caller(&member, 1), 5));
    let subscribed = Ok((0, ErrorCode::GroupSubscribedToTopic));
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[0]), subscribed);
    assert_eq!(delete_offsets(&mut world, "other", &[0]), Ok((0, ErrorCode::None)));
    world.fail_over();
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[0]), subscribed, "as the log tells");
    assert_eq!(world.leave(&member), ErrorCode::None);
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[0]), Ok((1, ErrorCode::None)));
}

#[test]
fn offsets_of_a_group_of_another_kind_wait_for_its_members() {
    let mut world = World::new();
    let refused = world.ask(Request::Join(JoinGroup { protocol_type: "connect".into(), ..join("a") }));
    let Reply::Join(Err(refused)) = refused else { panic!("{refused:?}") };
    world.send(Request::Join(JoinGroup {
        member: refused.member,
        protocol_type: "connect".into(),
        ..join("a")
    }));
    assert_eq!(delete_offsets(&mut world, "truck_gps", &[0]), Err(ErrorCode::NonEmptyGroup));
}

#[test]
fn names_that_a_record_cannot_hold_are_not_committed() {
    let long = || ByteString::from("x".repeat(i16::MAX as usize + 1));
    let mut world =
        World::with(GroupSettings { offset_metadata_max_bytes: usize::MAX, ..GroupSettings::default() });
    let nobody = |group| Caller { group, generation: -1, ..Caller::default() };
    let refused = world.ask(commit(nobody(long()), 7));
    assert_eq!(refused, Reply::Commit(Err(ErrorCode::InvalidGroupId)));
    let Reply::Commit(Ok(topics)) = world.ask(commit_with(nobody(GROUP.into()), 7, Some(long()))) else {
        panic!("judged by partition")
    };
    assert_eq!(topics[0].partitions, [(PartitionIndex(0), ErrorCode::OffsetMetadataTooLarge)]);
}
