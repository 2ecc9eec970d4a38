//! What clients trip over before the first record: versions, topics, configurations, connections. The list is
//! `docs/pitfalls.md`.

use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::{fs, io::Read as _};

use milena_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResult,
};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponseTopic};
use milena_protocol::messages::{ApiVersionsRequest, ProduceRequest};
use milena_protocol::{ErrorCode, Request, Uuid};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;

const TOPIC: &str = "truck_gps";
/// Cloud load balancers forget a silent flow after this time.
const FLOW_FORGOTTEN_S: u64 = 350;

/// What kafkajs speaks at most: it never looks at the broker's minimum.
const KAFKAJS_MAX: [(i16, i16); 19] = [
    (0, 7),
    (1, 11),
    (2, 3),
    (3, 6),
    (8, 5),
    (9, 4),
    (10, 2),
    (11, 5),
    (12, 3),
    (13, 3),
    (14, 3),
    (15, 2),
    (16, 3),
    (18, 2),
    (19, 3),
    (20, 1),
    (22, 1),
    (32, 2),
    (37, 0),
];
/// What the newest clients need at least: one API behind it and they connect to nothing.
const FLOOR: [(i16, i16); 12] =
    [(0, 9), (1, 15), (2, 8), (3, 12), (8, 9), (9, 8), (10, 4), (11, 9), (12, 4), (13, 5), (14, 5), (18, 3)];

struct Client(TcpStream);

impl Client {
    fn new(broker: &TestBroker) -> Self {
        Self(frame::connect(&broker.bootstrap()).unwrap())
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        frame::exchange(&mut self.0, version, request).unwrap()
    }

    fn advertised(&mut self) -> Vec<(i16, RangeInclusive<i16>)> {
        let keys = self.call(4, &hello()).api_keys;
        keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect()
    }

    fn metadata(&mut self, version: i16, name: &str, may_create: bool) -> MetadataResponseTopic {
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: may_create,
            ..MetadataRequest::default()
        };
        self.call(version, &request).topics.remove(0)
    }

    fn create(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        assert_eq!(self.call(7, &request).topics[0].error_code, 0);
    }

    fn describe(&mut self, resource_type: i8, name: &str) -> DescribeConfigsResult {
        let resource =
            DescribeConfigsResource { resource_type, resource_name: name.into(), configuration_keys: None };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: true,
        };
        self.call(4, &request).results.remove(0)
    }

    /// Changes `cleanup.policy`, or whatever `key` is, of the topic.
    fn alter(&mut self, key: &str, operation: i8, value: Option<&str>) -> ErrorCode {
        let config =
            AlterableConfig { name: key.into(), config_operation: operation, value: value.map(Into::into) };
        let resource =
            AlterConfigsResource { resource_type: 2, resource_name: TOPIC.into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        ErrorCode::from(self.call(1, &request).responses[0].error_code)
    }

    fn await_policy(&mut self, wanted: &str) {
        eventually(wanted, PATIENCE, || {
            let described = self.describe(2, TOPIC);
            let policy = described.configs.iter().find(|config| config.name == "cleanup.policy").unwrap();
            (policy.value.as_deref() == Some(wanted)).then_some(())
        });
    }
}

/// Pitfalls 3, 4 and 5: the advertised versions begin where old clients end and reach to where new ones begin.
#[test]
fn advertised_versions_serve_old_and_new_clients() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let advertised = client.advertised();
    let range = |key| &advertised.iter().find(|(api, _)| *api == key).unwrap().1;
    for key in [0, 10, 11] {
        assert_eq!(*range(key).start(), 0, "key {key}: librdkafka turns features off above 0");
    }
    for (key, max) in KAFKAJS_MAX {
        assert!(range(key).contains(&max), "key {key}: kafkajs speaks {max}, not {:?}", range(key));
    }
    for (key, floor) in FLOOR {
        assert!(*range(key).end() >= floor, "key {key}: new clients need {floor}, not {:?}", range(key));
    }
    // Produce 0 to 2 are said for librdkafka's sake, and end the connection.
    for version in 0..3 {
        let mut stream = frame::connect(&broker.bootstrap()).unwrap();
        let mut bytes =
            frame::request_bytes(1, 3, &ProduceRequest { acks: 1, ..Default::default() }).to_vec();
        bytes[6..8].copy_from_slice(&i16::to_be_bytes(version));
        std::io::Write::write_all(&mut stream, &bytes).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "version {version}");
    }
}

/// Pitfall 2: the answer to ApiVersions has the header without tags, at every version; others have it where they are
/// flexible. `tests/golden/headers.rs` says the same of every API.
#[test]
fn api_versions_is_answered_below_the_plain_header() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    for version in 0..=4 {
        let request = frame::request_bytes(0x0506_0708, version, &hello());
        std::io::Write::write_all(&mut client.0, &request).unwrap();
        let answer = frame::read_frame(&mut client.0).unwrap();
        assert_eq!(answer[..6], [5, 6, 7, 8, 0, 0], "correlation id, then the error of version {version}");
        let count = if version < 3 { answer[9] } else { answer[6] - 1 };
        assert_eq!(usize::from(count), client.advertised().len());
    }
    for version in 8..=13 {
        let request = MetadataRequest { topics: Some(vec![]), ..MetadataRequest::default() };
        let request = frame::request_bytes(0x0506_0708, version, &request);
        std::io::Write::write_all(&mut client.0, &request).unwrap();
        let answer = frame::read_frame(&mut client.0).unwrap();
        assert_eq!(answer[..4], [5, 6, 7, 8]);
        // Then the tags of the header, the throttle time, and the number of brokers.
        let rest: &[u8] = if version < 9 { &[0, 0, 0, 0, 0, 0, 0, 1] } else { &[0, 0, 0, 0, 0, 2] };
        assert!(answer[4..].starts_with(rest), "version {version}: {:?}", &answer[..16]);
    }
}

/// Pitfall 6: who says Fetch and Produce 13 or OffsetCommit 10 says topic ids too.
#[test]
fn topic_ids_are_told_by_whoever_asks_for_them() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.create(TOPIC, 1);
    let advertised = client.advertised();
    assert!([(0, 13), (1, 13), (8, 10), (9, 10)].iter().all(|(key, version)| {
        advertised.iter().any(|(api, range)| api == key && range.contains(version))
    }));
    for version in 10..=13 {
        let topic = eventually("the topic", PATIENCE, || {
            Some(client.metadata(version, TOPIC, false)).filter(|topic| topic.error_code == 0)
        });
        assert_ne!(topic.topic_id, Uuid::nil(), "version {version}");
    }
}

/// Pitfall 8: what was created is there for every connection once the answer is out, and does not vanish again.
/// Apache Kafka answers when its controller has it, which may be before its broker does.
#[test]
fn created_topics_and_partitions_are_there_at_once() {
    let broker = TestBroker::start().unwrap();
    let (mut creator, mut other) = (Client::new(&broker), Client::new(&broker));
    let mut shows = |name: &str, count: usize| {
        let mut seen = || {
            let topic = other.metadata(12, name, false);
            let led = topic.partitions.iter().filter(|p| p.leader_id == 1 && p.error_code == 0).count();
            (ErrorCode::from(topic.error_code), led)
        };
        if broker.flavor() == Flavor::Kafka {
            eventually("the topic", PATIENCE, || (seen() == (ErrorCode::None, count)).then_some(()));
        }
        assert_eq!(seen(), (ErrorCode::None, count), "{name}");
    };
    for index in 0..20 {
        let name = format!("topic-{index}");
        creator.create(&name, 2);
        shows(&name, 2);
        let topic = CreatePartitionsTopic { name: name.as_str().into(), count: 5, assignments: None };
        let request =
            CreatePartitionsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
        assert_eq!(creator.call(3, &request).results[0].error_code, 0);
        shows(&name, 5);
    }
}

/// Pitfall 39: every key comes with its source and what it stands in for; lists are appended to and subtracted from;
/// a request that is refused leaves the broker serving.
#[test]
fn configurations_tell_their_source_and_take_list_operations() {
    const DYNAMIC_TOPIC: i8 = 1;
    const STATIC_BROKER: i8 = 4;
    const DEFAULT: i8 = 5;
    let broker = TestBroker::start_with(Flavor::wanted(), &[("log.retention.ms", "7000000")]).unwrap();
    let mut client = Client::new(&broker);
    client.create(TOPIC, 1);
    let described = eventually("the topic", PATIENCE, || {
        Some(client.describe(2, TOPIC)).filter(|described| described.error_code == 0)
    });
    let config = |name: &str| described.configs.iter().find(|config| config.name == name).unwrap();
    assert!(described.configs.len() >= 30, "{} keys", described.configs.len());
    assert_eq!(config("segment.bytes").config_source, DEFAULT);
    assert_eq!(config("retention.ms").config_source, STATIC_BROKER);
    assert_eq!(config("retention.ms").value.as_deref(), Some("7000000"));
    let synonyms: Vec<_> =
        config("retention.ms").synonyms.iter().map(|s| (s.name.as_ref(), s.source)).collect();
    assert_eq!(synonyms[0], ("log.retention.ms", STATIC_BROKER), "{synonyms:?}");
    assert!(described.configs.iter().all(|config| config.documentation.is_some() && config.config_type > 0));
    let node = client.describe(4, "1");
    assert!(node.configs.len() > 200, "{} keys", node.configs.len());
    let [set, delete, append, subtract] = [0, 1, 2, 3];
    let ok = ErrorCode::None;
    assert_eq!(client.alter("cleanup.policy", append, Some("compact")), ok);
    client.await_policy("delete,compact");
    assert_eq!(client.alter("cleanup.policy", subtract, Some("delete")), ok);
    client.await_policy("compact");
    let described = client.describe(2, TOPIC);
    let policy = described.configs.iter().find(|config| config.name == "cleanup.policy").unwrap();
    assert_eq!(policy.config_source, DYNAMIC_TOPIC);
    assert_eq!(client.alter("retention.ms", append, Some("1")), ErrorCode::InvalidConfig);
    assert_eq!(client.alter("cleanup.policy", append, None), ErrorCode::InvalidRequest);
    assert_eq!(client.alter("cleanup.policy", set, None), ErrorCode::InvalidRequest);
    if broker.flavor() == Flavor::Milena {
        // Apache Kafka fails with UNKNOWN_SERVER_ERROR.
        assert_eq!(client.alter("cleanup.policy", 7, Some("compact")), ErrorCode::InvalidRequest);
    }
    assert_eq!(client.alter("no.such.key", set, Some("1")), ErrorCode::InvalidConfig);
    assert_eq!(client.alter("cleanup.policy", subtract, Some("absent")), ok);
    assert_eq!(client.alter("cleanup.policy", delete, None), ok);
    client.await_policy("delete");
}

/// Pitfall 40: a topic is created by asking for it where both sides allow it, and only there.
#[test]
fn asking_creates_a_topic_only_where_it_may() {
    let mut broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    for version in 4..=13 {
        let name = format!("asked-{version}");
        for _ in 0..3 {
            assert_eq!(client.metadata(version, &name, false).error_code, unknown, "version {version}");
        }
        let mut told = Vec::new();
        eventually("the topic", PATIENCE, || {
            let topic = client.metadata(version, &name, true);
            told.push(ErrorCode::from(topic.error_code));
            (topic.error_code == 0 && topic.partitions[0].error_code == 0).then_some(())
        });
        let retriable = [ErrorCode::None, ErrorCode::LeaderNotAvailable, ErrorCode::UnknownTopicOrPartition];
        assert!(told.iter().all(|code| retriable.contains(code)), "{told:?}");
    }
    assert_eq!(client.metadata(12, "not/a/name", true).error_code, ErrorCode::InvalidTopicException.code());
    broker.restart_with(&[("auto.create.topics.enable", "false")]).unwrap();
    let mut client = Client::new(&broker);
    for version in [0, 3, 4, 13] {
        for _ in 0..3 {
            assert_eq!(client.metadata(version, "unwanted", true).error_code, unknown, "version {version}");
        }
    }
}

/// Pitfall 43: an idle connection is ended by the broker, and a silent one is kept awake before load balancers forget
/// it. The kernel shows the timer of each socket.
#[test]
fn silent_connections_are_probed_and_idle_ones_ended() {
    let broker = TestBroker::start_with(Flavor::wanted(), &[("connections.max.idle.ms", "2000")]).unwrap();
    let mut client = Client::new(&broker);
    client.advertised();
    let seconds = keepalive_timer(&client.0);
    if broker.flavor() == Flavor::Milena {
        assert!(seconds < FLOW_FORGOTTEN_S, "probed after {seconds} s");
    }
    let mut rest = Vec::new();
    client.0.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "ended without a word");
}

fn hello() -> ApiVersionsRequest {
    ApiVersionsRequest { client_software_name: "harness".into(), client_software_version: "1".into() }
}

/// Seconds until the broker's end of this connection is probed, from the kernel's table of sockets.
fn keepalive_timer(client: &TcpStream) -> u64 {
    const KEEPALIVE: &str = "02";
    const TICKS_PER_SECOND: u64 = 100;
    let (here, there) = (client.local_addr().unwrap().port(), client.peer_addr().unwrap().port());
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines());
    let mut timers = lines.filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let ends = fields.get(1)?.ends_with(&format!(":{there:04X}"))
            && fields.get(2)?.ends_with(&format!(":{here:04X}"));
        ends.then(|| fields[5].to_owned())
    });
    let timer = timers.next().unwrap();
    let (kind, ticks) = timer.split_once(':').unwrap();
    assert_eq!(kind, KEEPALIVE, "a keepalive timer runs");
    u64::from_str_radix(ticks, 16).unwrap() / TICKS_PER_SECOND
}
