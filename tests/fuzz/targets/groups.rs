//! A coordinator that loads any records and then serves anybody: what it writes can be read, it never stops.
//!
//! Input: one byte with the number of records, each a chunk of key, a byte that is 0 for a tombstone and a chunk of
//! value; then acts, each a byte and what it needs.

use bytes::Bytes;
use milena_core::group::{
    Caller, CommitOffsets, Coordinator, Described, FetchOffsets, GroupOutcome, GroupRecord, JoinGroup,
    LeaveGroup, ListFilter, PartitionCommit, Protocol, Reply, Request, SyncGroup, TopicCommit,
};
use milena_core::machine::{Machine, Ticket};
use milena_protocol::{ByteString, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, Uuid};

use super::bounded;
use crate::input::{Input, chunk};
use crate::vector;

const ALLOCATED_BYTES_FREE: usize = 64 * 1024 * 1024;
/// Timers that one input may run.
const TIMERS_MAX: usize = 100;
const ACTS_MAX: u64 = 200;

pub(super) fn run(data: &[u8]) {
    bounded(ALLOCATED_BYTES_FREE + 10_000 * data.len(), || serve(Input::new(data)));
}

fn serve(mut input: Input<'_>) {
    let mut coordinator = Coordinator::new(Default::default());
    for _ in 0..input.byte() {
        let (key, has_value, value) = (input.chunk(), input.byte() != 0, input.chunk());
        let value = has_value.then(|| Bytes::copy_from_slice(value));
        if let Ok(Some(record)) = GroupRecord::decode(Bytes::copy_from_slice(key), value) {
            check_record(&record);
            coordinator.replay(&record);
        }
    }
    let mut now = Timestamp(1_000_000);
    let outcome = coordinator.loaded(now);
    write(&mut coordinator, outcome);
    for ticket in 0..ACTS_MAX {
        if input.is_empty() {
            break;
        }
        let outcome = coordinator.handle(now, Ticket(ticket), act(&mut input, ticket));
        write(&mut coordinator, outcome);
        now = now.plus_ms(i64::from(input.byte()) * 100);
    }
    look_at(&mut coordinator, now);
    run_timers(&mut coordinator);
}

fn check_record(record: &GroupRecord) {
    let (key, value) = record.encode();
    let again = GroupRecord::decode(key.clone(), value.clone()).expect("what was written can be read");
    assert_eq!(again.expect("a known kind").encode(), (key, value));
}

/// Appends the records of a step, which is the only way they take effect.
fn write(coordinator: &mut Coordinator, outcome: GroupOutcome) -> Vec<(Ticket, Reply)> {
    for record in &outcome.records {
        check_record(record);
        coordinator.replay(record);
    }
    outcome.replies
}

fn act(input: &mut Input<'_>, random: u64) -> Request {
    let kind = input.byte();
    let group = text(input);
    let member = text(input);
    let instance = (kind & 0x80 != 0).then(|| text(input));
    let caller = Caller {
        group: group.clone(),
        member: member.clone(),
        instance: instance.clone(),
        generation: i32::from(input.byte()) - 1,
    };
    match kind & 0x07 {
        0 | 1 => Request::Join(join(input, &caller, random)),
        2 => {
            let assignments = vec![(text(input), Bytes::copy_from_slice(input.chunk()))];
            Request::Sync(SyncGroup { caller, protocol_type: None, protocol: None, assignments })
        }
        3 => Request::Heartbeat(caller),
        4 => Request::Leave(LeaveGroup { group, members: vec![(member, instance)] }),
        5 => Request::Commit(commit(input, caller)),
        6 => Request::Delete(vec![group]),
        _ => Request::TopicsDeleted(vec![(group, TopicId(Uuid::nil()))]),
    }
}

fn text(input: &mut Input<'_>) -> ByteString {
    String::from_utf8_lossy(input.chunk()).into_owned().into()
}

fn join(input: &mut Input<'_>, caller: &Caller, random: u64) -> JoinGroup {
    let flags = input.byte();
    JoinGroup {
        group: caller.group.clone(),
        member: caller.member.clone(),
        instance: caller.instance.clone(),
        client_id: "c".into(),
        client_host: "/h".into(),
        session_timeout_ms: 10_000 + i32::from(input.u16()),
        rebalance_timeout_ms: i32::from(input.u16()),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: text(input), metadata: Bytes::copy_from_slice(input.chunk()) }],
        requires_known_member: flags & 1 != 0,
        may_skip_assignment: flags & 2 != 0,
        random: Uuid::from_u128(u128::from(random)),
    }
}

fn commit(input: &mut Input<'_>, caller: Caller) -> CommitOffsets {
    let partition = PartitionCommit {
        index: PartitionIndex(i32::from(input.byte())),
        offset: Offset(i64::from(input.u16())),
        leader_epoch: LeaderEpoch(0),
        metadata: Some(text(input)),
    };
    let topic = TopicCommit { name: text(input), id: TopicId(Uuid::nil()), partitions: vec![partition] };
    CommitOffsets { caller, retention_time_ms: -1, names_unknown_groups: false, topics: vec![topic] }
}

/// Asks about every group there is.
fn look_at(coordinator: &mut Coordinator, now: Timestamp) {
    let mut ask = |request| {
        let outcome = coordinator.handle(now, Ticket(u64::MAX), request);
        write(coordinator, outcome).pop().expect("an answer at once").1
    };
    let Reply::List(listed) = ask(Request::List(ListFilter::default())) else { panic!("a list") };
    let groups: Vec<ByteString> = listed.into_iter().map(|listed| listed.group).collect();
    for group in &groups {
        ask(Request::Fetch(FetchOffsets { group: group.clone(), topics: None }));
    }
    let Reply::Describe(described) = ask(Request::Describe(groups)) else { panic!("descriptions") };
    assert!(
        described.iter().all(|(_, description)| *description != Described::Unknown),
        "what is listed exists"
    );
}

fn run_timers(coordinator: &mut Coordinator) {
    for _ in 0..TIMERS_MAX {
        let Some(due) = coordinator.next_deadline() else { break };
        let outcome = coordinator.on_deadline(due);
        write(coordinator, outcome);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut records: Vec<_> = kinds().iter().map(|kind| [&[1], &of_kind(kind)[..]].concat()).collect();
    let acts: Vec<u8> = [0x00, 0x02, 0x03, 0x05, 0x84, 0x06].into_iter().flat_map(mk_act).collect();
    records.push([&[0], &acts[..]].concat());
    let all: Vec<u8> = kinds().iter().flat_map(of_kind).collect();
    records.push([&[u8::try_from(kinds().len()).expect("few")], &all[..], &acts].concat());
    records
}

/// Key number, key schema, value schema, value version.
type Kind = (i16, &'static str, &'static str, i16);

fn kinds() -> [Kind; 5] {
    [
        (0, "LegacyOffsetCommitKey", "LegacyOffsetCommitValue", 0),
        (1, "OffsetCommitKey", "OffsetCommitValue", 1),
        (1, "OffsetCommitKey", "OffsetCommitValue", 4),
        (2, "GroupMetadataKey", "GroupMetadataValue", 0),
        (2, "GroupMetadataKey", "GroupMetadataValue", 3),
    ]
}

fn of_kind((number, key, value, version): &Kind) -> Vec<u8> {
    let bytes_of = |name: &str, version: i16| {
        let entry = milena_protocol::messages::CATALOGUE.iter().find(|entry| entry.name == name);
        let vectors = vector::of(entry.expect("a known schema"));
        let wanted =
            |v: &&vector::Vector| v.filling == vector::Filling::Full && v.versions.contains(&version);
        vectors.iter().find(wanted).expect("every version has a vector").bytes.clone()
    };
    let key = chunk(&[&number.to_be_bytes()[..], &bytes_of(key, 0)].concat());
    let value = chunk(&[&version.to_be_bytes()[..], &bytes_of(value, *version)].concat());
    [key, vec![1], value].concat()
}

fn mk_act(kind: u8) -> Vec<u8> {
    let mut act = vec![kind];
    act.extend(chunk(b"g"));
    act.extend(chunk(b""));
    if kind & 0x80 != 0 {
        act.extend(chunk(b"i"));
    }
    act.extend([0, 0, 0, 1, 0, 1]);
    act.extend(chunk(b"range"));
    act.extend(chunk(b"\x00\x01\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x00"));
    act.push(9);
    act
}
