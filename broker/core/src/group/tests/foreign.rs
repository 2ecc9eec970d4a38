//! Groups that Apache Kafka left in the log and that are not built: kept, answered for, and replaced where Kafka would.

use milena_protocol::Record as _;
use milena_protocol::messages::group_records::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupMemberMetadataKey, ConsumerGroupMetadataKey,
    ConsumerGroupTargetAssignmentMetadataKey, ShareGroupMetadataKey, StreamsGroupMetadataKey,
};

use super::*;

/// The keys of a consumer group with an epoch and an assignment.
fn consumer_keys() -> Vec<Bytes> {
    vec![
        ConsumerGroupMetadataKey { group_id: GROUP.into() }.to_key_bytes(),
        ConsumerGroupTargetAssignmentMetadataKey { group_id: GROUP.into() }.to_key_bytes(),
    ]
}

fn member_keys() -> Vec<Bytes> {
    let (group_id, member_id) = (ByteString::from(GROUP), ByteString::from("m"));
    vec![
        ConsumerGroupMemberMetadataKey { group_id: group_id.clone(), member_id: member_id.clone() }
            .to_key_bytes(),
        ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id }.to_key_bytes(),
    ]
}

fn share_keys() -> Vec<Bytes> {
    vec![ShareGroupMetadataKey { group_id: GROUP.into() }.to_key_bytes()]
}

fn streams_keys() -> Vec<Bytes> {
    vec![StreamsGroupMetadataKey { group_id: GROUP.into() }.to_key_bytes()]
}

/// A coordinator over a log that another broker wrote: an offset of the group, then these records.
fn loaded(keys: impl IntoIterator<Item = Bytes>) -> World {
    let mut world = World::new();
    world.ask(commit(caller(&ByteString::new(), -1), 5));
    world.log.extend(keys.into_iter().map(|key| (key, Some(Bytes::from_static(b"\0\0opaque")))));
    world.fail_over();
    world
}

fn listed(world: &mut World) -> Vec<(&'static str, &'static str)> {
    let Reply::List(listed) = world.ask(Request::List(ListFilter::default())) else { panic!("listed") };
    listed.iter().map(|group| (group.group_type, group.state)).collect()
}

fn refused(world: &mut World) -> ErrorCode {
    match world.ask(Request::Join(join("a"))) {
        Reply::Join(Err(refused)) => refused.error,
        other => panic!("admitted: {other:?}"),
    }
}

fn committed(world: &mut World, generation: i32) -> Result<(), ErrorCode> {
    match world.ask(commit(caller(&ByteString::new(), generation), 6)) {
        Reply::Commit(result) => result.map(drop),
        other => panic!("no commit: {other:?}"),
    }
}

fn deleted(world: &mut World) -> ErrorCode {
    match world.ask(Request::Delete(vec![GROUP.into()])) {
        Reply::Delete(mut results) => results.remove(0).1,
        other => panic!("not deleted: {other:?}"),
    }
}

fn offset(world: &mut World) -> Option<Offset> {
    fetch(world).first().map(|topic| topic.partitions[0].offset)
}

/// The keys of the last `count` records, all of them tombstones.
fn tombstones(world: &World, count: usize) -> Vec<Bytes> {
    let last = &world.log[world.log.len() - count..];
    assert!(last.iter().all(|(_, value)| value.is_none()));
    last.iter().map(|(key, _)| key.clone()).collect()
}

#[test]
fn group_of_a_type_that_is_not_built_is_kept_with_its_offsets() {
    for (keys, kind) in [(consumer_keys(), "consumer"), (share_keys(), "share"), (streams_keys(), "streams")]
    {
        let mut world = loaded(keys);
        let before = world.log.len();
        assert_eq!(listed(&mut world), [(kind, "Empty")]);
        let described = world.ask(Request::Describe(vec![GROUP.into()]));
        assert_eq!(described, Reply::Describe(vec![(GROUP.into(), Described::OfAnotherType)]));
        assert_eq!(offset(&mut world), Some(Offset(5)));
        assert_eq!(world.heartbeat(&"m".into(), 1), Err(ErrorCode::UnknownMemberId));
        assert_eq!(world.leave(&"m".into()), ErrorCode::UnknownMemberId);
        world.pass_ms(world.coordinator.settings.offsets_retention_ms * 2);
        assert_eq!(world.log.len(), before, "nobody wrote anything");
    }
}

#[test]
fn classic_member_takes_the_place_of_an_empty_group_of_another_type() {
    for mut keys in [consumer_keys(), streams_keys()] {
        let mut world = loaded(keys.clone());
        let before = world.log.len();
        assert_eq!(refused(&mut world), ErrorCode::MemberIdRequired);
        let written: Vec<_> = world.log[before..].iter().map(|(key, _)| key.clone()).collect();
        keys.reverse();
        assert_eq!(written[..keys.len()], keys, "removed before the classic group is there");
        assert_eq!(written.len(), keys.len() + 1);
        assert_eq!(listed(&mut world), [("classic", "Empty")]);
        assert_eq!(offset(&mut world), Some(Offset(5)));
        world.fail_over();
        assert_eq!((listed(&mut world), offset(&mut world)), (vec![("classic", "Empty")], Some(Offset(5))));
        world.stable(&["a"]);
    }
}

#[test]
fn members_of_another_type_keep_classic_members_out_for_as_long_as_they_may_be_alive() {
    let mut world = loaded(consumer_keys().into_iter().chain(member_keys()));
    let before = world.log.len();
    assert_eq!(listed(&mut world), [("consumer", "Stable")]);
    assert_eq!(refused(&mut world), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(committed(&mut world, -1), Err(ErrorCode::UnknownMemberId));
    assert_eq!(deleted(&mut world), ErrorCode::NonEmptyGroup);
    assert_eq!(world.log.len(), before);
    world.pass_ms(settings::FOREIGN_SESSION_MS_MAX);
    assert_eq!(listed(&mut world), [("consumer", "Empty")]);
    assert_eq!(refused(&mut world), ErrorCode::MemberIdRequired);
    assert_eq!(listed(&mut world), [("classic", "Empty")]);
}

#[test]
fn share_group_lets_no_classic_group_in_and_has_no_offsets_to_commit() {
    let mut world = loaded(share_keys());
    assert_eq!(refused(&mut world), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(committed(&mut world, -1), Err(ErrorCode::GroupIdNotFound));
    assert_eq!(deleted(&mut world), ErrorCode::InvalidRequest);
    assert_eq!(listed(&mut world), [("share", "Empty")]);
}

#[test]
fn empty_group_of_another_type_takes_offsets_and_is_deleted_whole() {
    let mut world = loaded(consumer_keys());
    assert_eq!(committed(&mut world, -1), Ok(()));
    assert_eq!(committed(&mut world, 3), Err(ErrorCode::UnknownMemberId));
    assert_eq!(listed(&mut world), [("consumer", "Empty")], "still");
    assert_eq!(offset(&mut world), Some(Offset(6)));
    assert_eq!(deleted(&mut world), ErrorCode::None);
    let mut keys = consumer_keys();
    keys.reverse();
    assert_eq!(tombstones(&world, 3)[1..], keys);
    assert_eq!((listed(&mut world), offset(&mut world)), (vec![], None));
    assert_eq!(deleted(&mut world), ErrorCode::GroupIdNotFound);
}
