//! Exact outcomes of requests, one after the other, and of a full cache.

use milena_protocol::Uuid;

use super::*;

const START: Timestamp = Timestamp(1_000_000);
const HW: i64 = 5;

fn mk_key(topic: &'static str, partition: i32) -> PartitionKey {
    let partition = PartitionIndex(partition);
    PartitionKey { topic: ByteString::from_static(topic), topic_id: TopicId::default(), partition }
}

fn mk_id_key(id: u128, partition: i32) -> PartitionKey {
    PartitionKey { topic_id: TopicId(Uuid::from_u128(id)), ..mk_key("", partition) }
}

fn mk_request(session_id: i32, epoch: i32, partitions: &[PartitionKey]) -> SessionRequest {
    let asked = |key: &PartitionKey| {
        let asked = FetchPartition { partition: key.partition.0, ..FetchPartition::default() };
        (key.clone(), asked)
    };
    SessionRequest {
        session_id,
        epoch,
        uses_topic_ids: partitions.iter().any(|key| key.topic.is_empty()),
        is_follower: false,
        partitions: partitions.iter().map(asked).collect(),
        forgotten: Vec::new(),
    }
}

fn mk_outcome(records_bytes: usize, high_watermark: i64) -> Outcome {
    let (high_watermark, log_start_offset) = (Offset(high_watermark), Offset(0));
    Outcome { records_bytes, high_watermark, log_start_offset, error: ErrorCode::None, is_redirected: false }
}

fn mk_error(error: ErrorCode) -> Outcome {
    Outcome { error, log_start_offset: Offset(-1), ..mk_outcome(0, -1) }
}

fn mk_finished(session_id: i32, is_told: &[bool]) -> Finished {
    Finished { error: ErrorCode::None, session_id, is_told: is_told.to_vec() }
}

fn nameless(_: TopicId) -> Option<ByteString> {
    None
}

/// The cache and what it was asked at `now`; the ids of new sessions are 1, 2, 3 ...
struct Broker {
    sessions: Sessions,
    now: Timestamp,
}

impl Broker {
    fn new(slots: usize) -> Self {
        Self { sessions: Sessions::new(slots), now: START }
    }

    fn begin(&mut self, request: SessionRequest) -> Result<Turn, ErrorCode> {
        self.sessions.begin(self.now, request, nameless)
    }

    fn finish(&mut self, turn: &Turn, outcomes: &[Outcome]) -> Finished {
        self.sessions.finish(self.now, 2, turn, outcomes)
    }

    /// A first request whose partitions stand at [`HW`]; yields the session's id.
    fn open(&mut self, is_follower: bool, partitions: i32) -> i32 {
        let keys: Vec<_> = (0..partitions).map(|index| mk_key("t", index)).collect();
        let turn = self.begin(SessionRequest { is_follower, ..mk_request(0, 0, &keys) }).unwrap();
        self.finish(&turn, &vec![mk_outcome(0, HW); keys.len()]).session_id
    }

    /// A further request that names `keys`: the order of the partitions, and what is told of them.
    fn go_on(&mut self, id: i32, epoch: i32, outcomes: &[Outcome]) -> (Vec<i32>, Finished) {
        let turn = self.begin(mk_request(id, epoch, &[])).unwrap();
        (order(&turn), self.finish(&turn, outcomes))
    }
}

fn order(turn: &Turn) -> Vec<i32> {
    turn.partitions.iter().map(|wanted| wanted.key.partition.0).collect()
}

#[test]
fn session_tells_only_what_changed() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 3);
    assert_eq!(id, 1);
    let same = mk_outcome(0, HW);
    let told = |is_told: [bool; 3]| mk_finished(id, &is_told);
    assert_eq!(broker.go_on(id, 1, &[same; 3]), (vec![0, 1, 2], told([false; 3])));
    let moved = [mk_outcome(0, HW + 1), same, Outcome { log_start_offset: Offset(2), ..same }];
    assert_eq!(broker.go_on(id, 2, &moved), (vec![0, 1, 2], told([true, false, true])));
    assert_eq!(broker.go_on(id, 3, &moved).1, told([false; 3]), "each change is told once");
    let redirected = Outcome { is_redirected: true, ..same };
    assert_eq!(broker.go_on(id, 4, &[moved[0], redirected, moved[2]]).1, told([false, true, false]));
}

#[test]
fn error_is_told_each_time_and_so_is_its_end() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 1);
    let failed = mk_error(ErrorCode::NotLeaderOrFollower);
    for epoch in [1, 2] {
        assert_eq!(broker.go_on(id, epoch, &[failed]).1, mk_finished(id, &[true]));
    }
    assert_eq!(broker.go_on(id, 3, &[mk_outcome(0, HW)]).1, mk_finished(id, &[true]));
    assert_eq!(broker.go_on(id, 4, &[mk_outcome(0, HW)]).1, mk_finished(id, &[false]));
}

#[test]
fn partitions_that_got_records_come_last() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 3);
    let (full, empty) = (mk_outcome(9, HW), mk_outcome(0, HW));
    assert_eq!(broker.go_on(id, 1, &[full, empty, empty]).0, [0, 1, 2]);
    assert_eq!(broker.go_on(id, 2, &[full, full, empty]).0, [1, 2, 0]);
    assert_eq!(broker.go_on(id, 3, &[empty; 3]).0, [0, 1, 2]);
}

#[test]
fn named_partitions_join_change_and_leave() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 2);
    let mut request = mk_request(id, 1, &[mk_key("t", 0), mk_key("u", 7)]);
    request.partitions[0].1.fetch_offset = 42;
    request.forgotten = vec![mk_key("t", 1), mk_key("t", 99)];
    let turn = broker.begin(request).unwrap();
    assert_eq!(order(&turn), [0, 7]);
    assert_eq!((turn.partitions[0].asked.fetch_offset, turn.partitions[1].name.as_deref()), (42, Some("u")));
    let outcomes = [mk_outcome(0, HW), mk_outcome(0, HW)];
    assert_eq!(broker.finish(&turn, &outcomes), mk_finished(id, &[false, true]), "a new one is told");
    assert_eq!(broker.sessions.partitions(), 2);
    let mut request = mk_request(id, 2, &[]);
    request.forgotten = vec![mk_key("t", 0), mk_key("u", 7)];
    let turn = broker.begin(request).unwrap();
    assert_eq!(broker.finish(&turn, &[]), mk_finished(0, &[]), "without partitions it is closed");
    assert_eq!(broker.begin(mk_request(id, 3, &[])), Err(ErrorCode::FetchSessionIdNotFound));
    assert!(broker.sessions.is_empty());
}

#[test]
fn refused_request_leaves_the_session_as_it_is() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 1);
    assert_eq!(broker.begin(mk_request(id + 1, 1, &[])), Err(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(broker.begin(mk_request(-5, 1, &[])), Err(ErrorCode::FetchSessionIdNotFound));
    for epoch in [2, -2, i32::MAX] {
        let request = mk_request(id, epoch, &[mk_key("u", 0)]);
        assert_eq!(broker.begin(request), Err(ErrorCode::InvalidFetchSessionEpoch), "{epoch}");
    }
    let by_id = mk_request(id, 1, &[mk_id_key(1, 0)]);
    assert_eq!(broker.begin(by_id), Err(ErrorCode::FetchSessionTopicIdError));
    assert_eq!(broker.go_on(id, 1, &[mk_outcome(0, HW)]), (vec![0], mk_finished(id, &[false])));
}

#[test]
fn overtaken_request_changes_nothing() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 1);
    let parked = broker.begin(mk_request(id, 1, &[])).unwrap();
    assert_eq!(broker.begin(mk_request(id, 1, &[])), Err(ErrorCode::InvalidFetchSessionEpoch), "a duplicate");
    let next = broker.begin(mk_request(id, 2, &[])).unwrap();
    let overtaken = broker.finish(&parked, &[mk_outcome(9, HW + 1)]);
    let error = ErrorCode::InvalidFetchSessionEpoch;
    assert_eq!(overtaken, Finished { error, session_id: id, is_told: vec![false] });
    assert_eq!(broker.finish(&next, &[mk_outcome(0, HW + 1)]), mk_finished(id, &[true]));
}

#[test]
fn request_whose_session_was_closed_is_answered_in_full() {
    let mut broker = Broker::new(10);
    let id = broker.open(false, 1);
    let parked = broker.begin(mk_request(id, 1, &[])).unwrap();
    let last = broker.begin(mk_request(id, -1, &[mk_key("t", 0)])).unwrap();
    assert_eq!(broker.finish(&last, &[mk_outcome(0, HW)]), mk_finished(0, &[true]));
    assert_eq!(broker.finish(&parked, &[mk_outcome(0, HW)]), mk_finished(id, &[true]));
    assert!(broker.sessions.is_empty());
}

#[test]
fn epoch_after_the_largest_is_one() {
    assert_eq!([0, 1, i32::MAX - 1, i32::MAX].map(epoch_after), [1, 2, i32::MAX, 1]);
}

#[test]
fn last_of_several_for_one_partition_counts() {
    let mut broker = Broker::new(10);
    let mut request = mk_request(0, 0, &[mk_key("t", 0), mk_key("t", 1), mk_key("t", 0)]);
    request.partitions[2].1.fetch_offset = 8;
    let turn = broker.begin(request).unwrap();
    assert_eq!((order(&turn), turn.partitions[0].asked.fetch_offset), (vec![0, 1], 8));
}

#[test]
fn name_of_an_id_is_found_later_and_then_kept() {
    let mut broker = Broker::new(10);
    let turn = broker.begin(mk_request(0, 0, &[mk_id_key(1, 0)])).unwrap();
    assert_eq!(turn.partitions[0].name, None);
    let id = broker.finish(&turn, &[mk_error(ErrorCode::UnknownTopicId)]).session_id;
    for (epoch, today) in [(1, Some("old")), (2, Some("new")), (3, None)] {
        let request = SessionRequest { uses_topic_ids: true, ..mk_request(id, epoch, &[]) };
        let turn = broker.sessions.begin(START, request, |_| today.map(ByteString::from_static)).unwrap();
        assert_eq!(turn.partitions[0].name.as_deref(), Some("old"));
    }
}

/// What a further session finds in a cache of two slots that are taken.
#[test]
fn full_cache_gives_up_what_is_worth_least() {
    struct Case {
        why: &'static str,
        /// Follower or not, and partitions.
        there: [(bool, i32); 2],
        /// How long they lived when last used, and how long that was ago.
        lived_ms: i64,
        unused_ms: i64,
        new: (bool, i32),
        evicted: Option<i32>,
    }
    let (consumer, follower) = (false, true);
    let case = |why, there, lived_ms, unused_ms, new, evicted| Case {
        why,
        there,
        lived_ms,
        unused_ms,
        new,
        evicted,
    };
    let (one, two) = ((consumer, 1), (consumer, 2));
    let cases = [
        case("young sessions stay", [one, one], 0, 0, (consumer, 9), None),
        case("at the limit it is not old", [one, one], EVICTION_MS, 0, (consumer, 9), None),
        case("old and smaller goes", [two, one], EVICTION_MS + 1, 0, (consumer, 2), Some(2)),
        case("old and as large stays", [two, two], EVICTION_MS + 1, 0, two, None),
        case("unused goes, the oldest first", [(consumer, 9), one], 0, EVICTION_MS + 1, one, Some(1)),
        case("at the limit it is in use", [one, one], 0, EVICTION_MS, two, None),
        case("follower replaces a young, larger one", [two, two], 0, 0, (follower, 1), Some(1)),
        case("follower spares a follower", [(follower, 1), two], 0, 0, (follower, 1), Some(2)),
        case("young followers stay", [(follower, 1), (follower, 1)], 0, 0, (follower, 9), None),
        case(
            "old followers go for larger ones",
            [(follower, 2), (follower, 1)],
            EVICTION_MS + 1,
            0,
            (follower, 2),
            Some(2),
        ),
        case(
            "consumer never replaces a follower in use",
            [(follower, 1), (follower, 1)],
            EVICTION_MS + 1,
            0,
            (consumer, 9),
            None,
        ),
        case("unused followers go too", [(follower, 9), (follower, 9)], 0, EVICTION_MS + 1, one, Some(1)),
    ];
    for Case { why, there, lived_ms, unused_ms, new, evicted } in cases {
        let mut broker = Broker::new(2);
        let ids = there.map(|(is_follower, partitions)| broker.open(is_follower, partitions));
        assert_eq!(ids, [1, 2], "{why}");
        broker.now.0 += lived_ms;
        for (id, (_, partitions)) in ids.into_iter().zip(there) {
            let same = vec![mk_outcome(0, HW); usize::try_from(partitions).unwrap()];
            broker.go_on(id, 1, &same);
        }
        broker.now.0 += unused_ms;
        let id = broker.open(new.0, new.1);
        assert_eq!(id, evicted.unwrap_or(0), "{why}: a freed id is the first that is free");
        assert_eq!(broker.sessions.len(), 2, "{why}");
    }
}

#[test]
fn cache_without_slots_makes_no_session() {
    assert_eq!(Broker::new(0).open(true, 1), 0);
}

#[test]
fn partitions_are_bounded() {
    let mut broker = Broker::new(10);
    let half = i32::try_from(PARTITIONS_MAX / 2).unwrap();
    let id = broker.open(false, half);
    assert_eq!(broker.open(false, half), 2);
    assert_eq!(broker.open(false, 1), 0, "there is no room for another");
    assert_eq!(broker.sessions.partitions(), PARTITIONS_MAX);
    let request = mk_request(id, 1, &[mk_key("u", 0)]);
    assert_eq!(broker.begin(request), Err(ErrorCode::FetchSessionIdNotFound), "one that grows is closed");
    assert_eq!(broker.sessions.partitions(), PARTITIONS_MAX / 2);
    let long: &'static str = Box::leak("n".repeat(TOPIC_NAME_BYTES_MAX + 1).into_boxed_str());
    let turn = broker.begin(mk_request(0, 0, &[mk_key(long, 0)])).unwrap();
    assert_eq!(broker.finish(&turn, &[mk_outcome(0, HW)]), mk_finished(0, &[true]));
}

#[test]
fn ids_are_positive_and_free() {
    for (random, id) in [(0, 1), (1, 1), (2, 1), (7, 3), (u32::MAX, i32::MAX)] {
        let mut sessions = Sessions::new(10);
        let turn = sessions.begin(START, mk_request(0, 0, &[mk_key("t", 0)]), nameless).unwrap();
        let made = [0; 2].map(|_| sessions.finish(START, random, &turn, &[mk_outcome(0, HW)]).session_id);
        assert_eq!(made, [id, epoch_after(id)], "{random}");
    }
}
