//! One fetcher against answers as a leader gives them, and against what makes it start over.

use std::cell::RefCell;

use milena_protocol::messages::fetch::{EpochEndOffset, FetchableTopicResponse};

use super::*;

const SETTINGS: FetcherSettings = FetcherSettings {
    node_id: NodeId(2),
    wait_ms_max: 500,
    bytes_min: 1,
    response_bytes_max: 10 << 20,
    partition_bytes_max: 1 << 20,
    backoff_ms: 1_000,
};
const NOW: Timestamp = Timestamp(1_700_000_000_000);
const EPOCH: LeaderEpoch = LeaderEpoch(5);

#[derive(Default)]
struct Starts {
    throttled: RefCell<Vec<Key>>,
}

impl Logs for Starts {
    fn log_start(&self, _key: Key) -> Option<Offset> {
        Some(Offset::ZERO)
    }

    fn is_throttled(&self, key: Key) -> bool {
        self.throttled.borrow().contains(&key)
    }
}

fn key(partition: i32) -> Key {
    Key { topic_id: TopicId(Uuid::from_u128(7)), partition: PartitionIndex(partition) }
}

fn at(log_end: i64, last_epoch: i32) -> Position {
    Position { log_end: Offset(log_end), last_epoch: LeaderEpoch(last_epoch) }
}

/// Follows partitions 0 up to `count` from offset 10 on, whose last record is of epoch 4.
fn mk_fetcher(count: i32) -> Fetcher {
    let mut fetcher = Fetcher::new(SETTINGS);
    (0..count).for_each(|partition| fetcher.follow(key(partition), "truck_gps".into(), EPOCH, at(10, 4)));
    fetcher
}

fn next(fetcher: &mut Fetcher) -> Option<FetchRequest> {
    fetcher.next_fetch(NOW, 31, &Starts::default())
}

fn mk_data(partition: i32, high_watermark: i64, records: &'static [u8]) -> PartitionData {
    PartitionData {
        partition_index: partition,
        high_watermark,
        log_start_offset: 0,
        records: Some(Records::Bytes(records.into())),
        ..PartitionData::default()
    }
}

fn mk_error(partition: i32, code: ErrorCode) -> PartitionData {
    PartitionData { error_code: code.code(), ..mk_data(partition, -1, b"") }
}

fn mk_answer(session_id: i32, partitions: Vec<PartitionData>) -> FetchResponse {
    let topic_id = key(0).topic_id.0;
    let topic = FetchableTopicResponse { topic_id, partitions, ..FetchableTopicResponse::default() };
    FetchResponse { session_id, responses: vec![topic], ..FetchResponse::default() }
}

/// Session id, epoch, partitions that are named with their offsets, those that are forgotten.
fn shape(request: FetchRequest) -> (i32, i32, Vec<(i32, i64)>, Vec<i32>) {
    let named = request.topics.iter().flat_map(|topic| &topic.partitions);
    let named = named.map(|asked| (asked.partition, asked.fetch_offset)).collect();
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone()).collect();
    (request.session_id, request.session_epoch, named, forgotten)
}

#[test]
fn session_names_only_what_changed() {
    let mut fetcher = mk_fetcher(2);
    assert_eq!(shape(next(&mut fetcher).unwrap()), (0, 0, vec![(0, 10), (1, 10)], vec![]));
    let steps = fetcher.on_answer(NOW, mk_answer(77, vec![mk_data(0, 10, b""), mk_data(1, 12, b"xx")]));
    assert_eq!(steps.len(), 2);
    fetcher.on_position(NOW, (key(1), EPOCH), Ok(at(12, 5)));
    assert_eq!(shape(next(&mut fetcher).unwrap()), (77, 1, vec![(1, 12)], vec![]));
    assert_eq!(fetcher.on_answer(NOW, mk_answer(77, vec![])), []);
    fetcher.forget(key(0));
    fetcher.follow(key(5), "truck_gps".into(), EPOCH, at(0, -1));
    assert_eq!(shape(next(&mut fetcher).unwrap()), (77, 2, vec![(5, 0)], vec![0]));
    fetcher.on_answer(NOW, mk_answer(77, vec![]));
    fetcher.forget(key(1));
    fetcher.forget(key(5));
    assert_eq!(shape(next(&mut fetcher).unwrap()), (77, 3, vec![], vec![1, 5]));
    fetcher.on_answer(NOW, mk_answer(0, vec![]));
    assert_eq!(next(&mut fetcher), None, "there is nothing to ask");
}

#[test]
fn broken_session_begins_anew() {
    let cases = [
        (Some(ErrorCode::FetchSessionIdNotFound), 0),
        (Some(ErrorCode::InvalidFetchSessionEpoch), 77),
        (None, 77),
    ];
    for (code, id) in cases {
        let mut fetcher = mk_fetcher(1);
        next(&mut fetcher);
        fetcher.on_answer(NOW, mk_answer(77, vec![mk_data(0, 10, b"")]));
        next(&mut fetcher);
        match code {
            Some(code) => {
                let answer = FetchResponse { error_code: code.code(), ..FetchResponse::default() };
                assert_eq!(fetcher.on_answer(NOW, answer), []);
            }
            None => fetcher.on_lost(),
        }
        assert_eq!(shape(next(&mut fetcher).unwrap()), (id, 0, vec![(0, 10)], vec![]), "{code:?}");
    }
}

#[test]
fn without_a_session_those_that_waited_come_first() {
    let mut fetcher = mk_fetcher(3);
    next(&mut fetcher);
    fetcher.on_answer(NOW, mk_answer(0, vec![mk_data(0, 12, b"xx")]));
    fetcher.on_position(NOW, (key(0), EPOCH), Ok(at(12, 5)));
    assert_eq!(shape(next(&mut fetcher).unwrap()), (0, 0, vec![(1, 10), (2, 10), (0, 12)], vec![]));
}

#[test]
fn request_says_who_asks_and_what_it_has() {
    let request = next(&mut mk_fetcher(1)).unwrap();
    assert_eq!(request.replica_state, ReplicaState { replica_id: 2, replica_epoch: 31 });
    let asked = &request.topics[0].partitions[0];
    assert_eq!((asked.current_leader_epoch, asked.last_fetched_epoch, asked.log_start_offset), (5, 4, 0));
}

#[test]
fn answer_becomes_steps_of_the_epoch_that_was_asked_for() {
    let mut fetcher = mk_fetcher(3);
    next(&mut fetcher);
    fetcher.follow(key(2), "truck_gps".into(), LeaderEpoch(6), at(10, 4));
    let diverging_epoch = EpochEndOffset { epoch: 3, end_offset: 7 };
    let answer = mk_answer(
        77,
        vec![
            mk_data(0, 11, b"records"),
            PartitionData { diverging_epoch, ..mk_data(1, 11, b"") },
            mk_data(2, 11, b"of the epoch before"),
            mk_data(9, 11, b"nobody asked"),
        ],
    );
    let fetched = Fetched {
        offset: Offset(10),
        records: Records::Bytes(b"records"[..].into()),
        high_watermark: Offset(11),
        log_start: Offset(0),
    };
    let epoch_end = EpochEnd { epoch: LeaderEpoch(3), end_offset: Offset(7) };
    let step = |partition, action| Step { key: key(partition), leader_epoch: EPOCH, action };
    let expected = [step(0, Action::Append(fetched)), step(1, Action::Diverged(epoch_end))];
    assert_eq!(fetcher.on_answer(NOW, answer), expected);
}

#[test]
fn log_that_parts_below_the_leaders_start_begins_anew() {
    let step = |end_offset, log_start_offset| {
        let mut fetcher = mk_fetcher(1);
        next(&mut fetcher);
        let diverging_epoch = EpochEndOffset { epoch: 3, end_offset };
        let data = PartitionData { diverging_epoch, log_start_offset, ..mk_data(0, 11, b"") };
        fetcher.on_answer(NOW, mk_answer(0, vec![data])).remove(0).action
    };
    let diverged = |end| Action::Diverged(EpochEnd { epoch: LeaderEpoch(3), end_offset: Offset(end) });
    assert_eq!(step(7, 7), Action::Restart(Offset(7)));
    assert_eq!(step(7, 9), Action::Restart(Offset(9)));
    assert_eq!(step(7, 6), diverged(7));
    assert_eq!(step(-1, 6), diverged(-1));
}

#[test]
fn errors_delay_fail_or_reset() {
    let after = |code| {
        let mut fetcher = mk_fetcher(1);
        next(&mut fetcher);
        assert_eq!(fetcher.on_answer(NOW, mk_answer(0, vec![mk_error(0, code)])), []);
        let is_asked_now = next(&mut fetcher).is_some();
        let later = NOW.plus_ms(DELAY_MS_MIN);
        let is_asked_later = fetcher.next_fetch(later, 31, &Starts::default()).is_some();
        (is_asked_now, is_asked_later, fetcher.failed(), fetcher.resetting(NOW).len())
    };
    for code in [ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownLeaderEpoch, ErrorCode::UnknownTopicId] {
        assert_eq!(after(code), (false, true, 0, 0), "{code:?}");
    }
    assert_eq!(after(ErrorCode::FencedLeaderEpoch), (false, false, 1, 0));
    assert_eq!(after(ErrorCode::OffsetOutOfRange), (false, false, 0, 1));
}

#[test]
fn delays_grow_to_the_backoff_and_bound_the_wait_of_the_others() {
    let mut fetcher = mk_fetcher(2);
    let mut now = NOW;
    let mut waits = Vec::new();
    for _ in 0..8 {
        fetcher.next_fetch(now, 31, &Starts::default()).unwrap();
        let answer = mk_answer(0, vec![mk_error(0, ErrorCode::UnknownLeaderEpoch)]);
        fetcher.on_answer(now, answer);
        waits.push(fetcher.next_fetch(now, 31, &Starts::default()).unwrap().max_wait_ms);
        now = fetcher.next_deadline(now).unwrap();
    }
    assert_eq!(waits, [20, 40, 80, 160, 320, 500, 500, 500]);
    assert_eq!(now.ms_since(NOW), 20 + 40 + 80 + 160 + 320 + 640 + 1_000 + 1_000);
}

#[test]
fn failed_partition_is_followed_again_in_another_epoch_alone() {
    let mut fetcher = mk_fetcher(1);
    next(&mut fetcher);
    fetcher.on_answer(NOW, mk_answer(0, vec![mk_error(0, ErrorCode::FencedLeaderEpoch)]));
    fetcher.follow(key(0), "truck_gps".into(), EPOCH, at(10, 4));
    assert_eq!(next(&mut fetcher), None);
    fetcher.follow(key(0), "truck_gps".into(), LeaderEpoch(6), at(10, 4));
    assert!(next(&mut fetcher).is_some());
}

#[test]
fn log_out_of_range_follows_the_leaders_ends() {
    let step = |ends| {
        let mut fetcher = mk_fetcher(1);
        next(&mut fetcher);
        fetcher.on_answer(NOW, mk_answer(0, vec![mk_error(0, ErrorCode::OffsetOutOfRange)]));
        assert_eq!(fetcher.resetting(NOW), [(key(0), "truck_gps".into(), EPOCH)]);
        let step = fetcher.on_ends(NOW, (key(0), EPOCH), Ok(ends));
        assert!(fetcher.resetting(NOW).is_empty());
        step.map(|step| step.action)
    };
    assert_eq!(step(Offset(0)..Offset(6)), Some(Action::Truncate(Offset(6))));
    assert_eq!(step(Offset(20)..Offset(30)), Some(Action::Restart(Offset(20))));
    assert_eq!(step(Offset(0)..Offset(30)), None);
}

#[test]
fn throttled_partition_waits_unless_it_is_in_sync() {
    let mut fetcher = mk_fetcher(2);
    let logs = Starts::default();
    logs.throttled.borrow_mut().push(key(0));
    let named = |request: Option<FetchRequest>| shape(request.unwrap()).2;
    assert_eq!(named(fetcher.next_fetch(NOW, 31, &logs)), [(1, 10)]);
    fetcher.on_answer(NOW, mk_answer(0, vec![mk_data(1, 10, b"")]));
    logs.throttled.borrow_mut().push(key(1));
    assert_eq!(named(fetcher.next_fetch(NOW, 31, &logs)), [(1, 10)], "it has what is committed");
}

#[test]
fn truncation_meets_the_leader_where_both_logs_agree() {
    let end = |epoch, offset| EpochEnd { epoch: LeaderEpoch(epoch), end_offset: Offset(offset) };
    let target = |leader, own| truncation::target(leader, own, Offset(20), Offset(6)).0;
    assert_eq!(target(end(3, 12), end(3, 15)), 12, "the leader's epoch ended earlier");
    assert_eq!(target(end(3, 18), end(3, 15)), 15, "the follower's did");
    assert_eq!(target(end(3, 12), end(2, 9)), 9, "an epoch that the follower does not know");
    assert_eq!(target(end(3, 12), end(-1, -1)), 12, "no epoch is known so far back");
    assert_eq!(target(end(-1, 12), end(3, 9)), 12);
    assert_eq!(target(end(-1, -1), end(3, 9)), 6, "only what is committed is sure");
    assert_eq!(target(end(3, 30), end(3, 25)), 20, "never beyond the log");
}
