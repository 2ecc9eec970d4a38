//! Fetch sessions as a client meets them that counts epochs itself.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use milena_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic,
};
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, NewRecord};
use milena_protocol::{ErrorCode, Records, Uuid};
use milena_tests::{TestBroker, frame};

const TOPIC: &str = "sessions";
const PARTITIONS: i32 = 3;
const BY_NAME: i16 = 12;
const BY_ID: i16 = 18;

struct Client {
    stream: TcpStream,
    topic_id: Uuid,
}

impl Client {
    fn new(broker: &TestBroker) -> Self {
        let mut client = Self { stream: frame::connect(&broker.bootstrap()).unwrap(), topic_id: Uuid::nil() };
        client.create_topic();
        client
    }

    fn create_topic(&mut self) {
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: PARTITIONS,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let response = frame::exchange(&mut self.stream, 7, &request).unwrap();
        assert_eq!(response.topics[0].error_code, 0);
        self.topic_id = response.topics[0].topic_id;
        self.wait_until_it_leads();
    }

    /// Kafka answers the creation before the partitions have their leader.
    fn wait_until_it_leads(&mut self) {
        let all: Vec<_> = (0..PARTITIONS).map(|index| (index, 0)).collect();
        let started = Instant::now();
        while told(&self.fetch(BY_ID, (0, -1), &all)).iter().any(|(_, code, _)| *code != OK) {
            assert!(started.elapsed() < super::PATIENCE, "the topic has no leader");
        }
    }

    fn delete_topic(&mut self) {
        let topic = DeleteTopicState { topic_id: self.topic_id, ..DeleteTopicState::default() };
        let request = DeleteTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let response = frame::exchange(&mut self.stream, 6, &request).unwrap();
        assert_eq!(response.responses[0].error_code, 0);
    }

    fn produce(&mut self, index: i32) {
        let mut batch = BatchBuilder::default();
        batch.push(NewRecord { value: Some(b"position"), ..NewRecord::default() });
        let records = Some(Records::Bytes(batch.build().into_bytes()));
        let partition_data = vec![PartitionProduceData { index, records }];
        let topic = TopicProduceData { name: TOPIC.into(), topic_id: self.topic_id, partition_data };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let response = frame::exchange(&mut self.stream, 13, &request).unwrap();
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }

    fn request(&self, session: (i32, i32), partitions: &[(i32, i64)]) -> FetchRequest {
        let asked = |&(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let partitions: Vec<_> = partitions.iter().map(asked).collect();
        let topic = FetchTopic { topic: TOPIC.into(), topic_id: self.topic_id, partitions };
        FetchRequest {
            min_bytes: 1,
            session_id: session.0,
            session_epoch: session.1,
            topics: if topic.partitions.is_empty() { vec![] } else { vec![topic] },
            ..FetchRequest::default()
        }
    }

    fn send(&mut self, version: i16, request: &FetchRequest) -> FetchResponse {
        frame::exchange(&mut self.stream, version, request).unwrap()
    }

    fn fetch(&mut self, version: i16, session: (i32, i32), partitions: &[(i32, i64)]) -> FetchResponse {
        let request = self.request(session, partitions);
        self.send(version, &request)
    }
}

/// Partition, its error, and whether it has records.
fn told(response: &FetchResponse) -> Vec<(i32, ErrorCode, bool)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|data| {
            let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
            (data.partition_index, ErrorCode::from(data.error_code), has_records)
        })
        .collect()
}

fn refused(response: &FetchResponse) -> ErrorCode {
    assert!(response.responses.is_empty() && response.session_id == 0, "{response:?}");
    ErrorCode::from(response.error_code)
}

const OK: ErrorCode = ErrorCode::None;

#[test]
fn session_is_opened_goes_on_forgets_and_closes() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    for version in [7, BY_NAME, 13, BY_ID] {
        let open = client.fetch(version, (0, 0), &[(0, 0), (1, 0), (2, 0)]);
        let id = open.session_id;
        assert!(id > 0 && told(&open).len() == 3, "version {version}: {open:?}");
        let mut epochs = 1..;
        let mut session = || (id, epochs.next().unwrap());
        let start = open.responses.iter().flat_map(|topic| &topic.partitions).map(|data| data.high_watermark);
        let all: Vec<_> = (0..PARTITIONS).zip(start).collect();
        let at_end = client.fetch(version, session(), &all);
        assert_eq!((at_end.session_id, told(&at_end)), (id, vec![]), "version {version}");
        client.produce(1);
        assert_eq!(told(&client.fetch(version, session(), &[])), [(1, OK, true)]);
        let caught_up = [(1, all[1].1 + 1)];
        assert_eq!(told(&client.fetch(version, session(), &caught_up)), []);
        let mut forget = client.request(session(), &[]);
        let (topic, topic_id) = (TOPIC.into(), client.topic_id);
        forget.forgotten_topics_data = vec![ForgottenTopic { topic, topic_id, partitions: vec![1, 0] }];
        assert_eq!(told(&client.send(version, &forget)), []);
        client.produce(1);
        client.produce(2);
        assert_eq!(told(&client.fetch(version, session(), &[])), [(2, OK, true)], "1 is forgotten");
        let close = client.fetch(version, (id, -1), &[(2, 0)]);
        assert_eq!((close.session_id, told(&close)), (0, vec![(2, OK, true)]));
        let closed = client.fetch(version, session(), &[]);
        assert_eq!(refused(&closed), ErrorCode::FetchSessionIdNotFound);
    }
}

/// Pitfall 14.
#[test]
fn wrong_session_requests_are_refused_and_change_nothing() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let by_name = client.fetch(BY_NAME, (0, 0), &[(0, 0)]).session_id;
    let by_id = client.fetch(BY_ID, (0, 0), &[(0, 0), (7, 0)]);
    assert_eq!(told(&by_id)[1].1, ErrorCode::UnknownTopicOrPartition);
    let by_id = by_id.session_id;
    assert_ne!(by_name, by_id);
    for (version, session, code) in [
        (BY_NAME, (by_name, 2), ErrorCode::InvalidFetchSessionEpoch),
        (BY_NAME, (by_id, 1), ErrorCode::FetchSessionTopicIdError),
        (BY_ID, (by_name, 1), ErrorCode::FetchSessionTopicIdError),
        (BY_ID, (0, 1), ErrorCode::FetchSessionIdNotFound),
    ] {
        assert_eq!(refused(&client.fetch(version, session, &[])), code, "{version} {session:?}");
    }
    let unknown = (7, ErrorCode::UnknownTopicOrPartition, false);
    for epoch in 1..3 {
        assert_eq!(told(&client.fetch(BY_NAME, (by_name, epoch), &[])), []);
        assert_eq!(told(&client.fetch(BY_ID, (by_id, epoch), &[])), [unknown], "an error is told each time");
    }
    let anew = client.fetch(BY_ID, (by_id, 0), &[(0, 0)]);
    assert!(anew.session_id > 0 && anew.session_id != by_id);
    assert_eq!(refused(&client.fetch(BY_ID, (by_id, 3), &[])), ErrorCode::FetchSessionIdNotFound);
}

#[test]
fn parked_request_of_a_session_wakes_on_records_and_fails_when_overtaken() {
    let broker = TestBroker::start().unwrap();
    let mut reader = Client::new(&broker);
    let mut other = frame::connect(&broker.bootstrap()).unwrap();
    let id = reader.fetch(BY_ID, (0, 0), &[(0, 0), (1, 0)]).session_id;
    let mut writer =
        Client { stream: frame::connect(&broker.bootstrap()).unwrap(), topic_id: reader.topic_id };
    let parked = FetchRequest { max_wait_ms: 20_000, ..reader.request((id, 1), &[]) };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| reader.send(BY_ID, &parked));
        writer.produce(1);
        assert_eq!(told(&waiting.join().unwrap()), [(1, OK, true)]);
    });
    let parked = FetchRequest { max_wait_ms: 20_000, ..reader.request((id, 2), &[(1, 1)]) };
    let next = reader.request((id, 3), &[]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| reader.send(BY_ID, &parked));
        // Epoch 3 is refused until the parked request has begun.
        let response = loop {
            let response = frame::exchange(&mut other, BY_ID, &next).unwrap();
            if ErrorCode::from(response.error_code) != ErrorCode::InvalidFetchSessionEpoch {
                break response;
            }
            assert!(started.elapsed() < super::PATIENCE);
        };
        assert_eq!((response.session_id, told(&response)), (id, vec![]));
        writer.produce(0);
        let overtaken = waiting.join().unwrap();
        assert_eq!(ErrorCode::from(overtaken.error_code), ErrorCode::InvalidFetchSessionEpoch);
        assert_eq!((overtaken.session_id, told(&overtaken)), (id, vec![]));
    });
    assert_eq!(told(&reader.fetch(BY_ID, (id, 4), &[])), [(0, OK, true)], "nothing was lost");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn every_partition_gets_its_turn_in_small_answers() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let all = [(0, 0), (1, 0), (2, 0)];
    let id = client.fetch(BY_ID, (0, 0), &all).session_id;
    for index in 0..PARTITIONS {
        client.produce(index);
    }
    let mut turns = Vec::new();
    for epoch in 1..=6 {
        let request = FetchRequest { max_bytes: 1, ..client.request((id, epoch), &[]) };
        let response = client.send(BY_ID, &request);
        let full = told(&response).into_iter().filter(|(_, _, has_records)| *has_records);
        turns.extend(full.map(|(partition, _, _)| partition));
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
}

/// Pitfall 7.
#[test]
fn topic_that_was_made_again_is_inconsistent_in_a_session() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let (first, beyond) = ((0, 0), (PARTITIONS, 0));
    let id = client.fetch(BY_ID, (0, 0), &[first, beyond]).session_id;
    client.delete_topic();
    let gone = client.fetch(BY_ID, (id, 1), &[]);
    let unknown = |index| (index, ErrorCode::UnknownTopicOrPartition, false);
    assert_eq!(told(&gone), [unknown(0), unknown(PARTITIONS)]);
    client.create_topic();
    let again = client.fetch(BY_ID, (id, 2), &[]);
    assert_eq!(told(&again), [(0, ErrorCode::InconsistentTopicId, false), unknown(PARTITIONS)]);
}
