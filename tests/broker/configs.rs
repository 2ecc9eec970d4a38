//! Configurations as a client meets them that knows every field: what is listed, replaced as a whole, and refused. Runs
//! against Apache Kafka too (`MILENA_TEST_BROKER=kafka`).

use std::net::TcpStream;

use milena_protocol::messages::alter_configs::{self, AlterConfigsRequest};
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::list_config_resources::ListConfigResourcesRequest;
use milena_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_protocol::records::{BatchBuilder, NewRecord};
use milena_protocol::{ErrorCode, Records, Request};
use milena_tests::{Flavor, TestBroker, eventually, frame};

use crate::PATIENCE;

const TOPIC: &str = "truck_gps";
const TOPICS: i8 = 2;
const BROKERS: i8 = 4;
const BROKER_LOGGERS: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUPS: i8 = 32;
/// The source of a value that is set on a topic.
const DYNAMIC_TOPIC: i8 = 1;

const DYNAMIC_BROKER: i8 = 2;
const DYNAMIC_DEFAULT_BROKER: i8 = 3;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

/// Name, value and source of a configured value.
type Known = (String, String, i8);

/// Type, name and values of a resource.
type Replacement<'a> = (i8, &'a str, &'a [(&'a str, Option<&'a str>)]);

struct Client(TcpStream);

impl Client {
    /// A connection to a broker that has the topic.
    fn new(broker: &TestBroker) -> Self {
        let mut client = Self(frame::connect(&broker.bootstrap()).unwrap());
        let topic = CreatableTopic {
            name: TOPIC.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        assert_eq!(client.call(7, &request).topics[0].error_code, 0);
        client
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        frame::exchange(&mut self.0, version, request).unwrap()
    }

    fn set(&mut self, resource_type: i8, resource_name: &str, key: &str, value: &str) {
        let config = AlterableConfig { name: key.into(), config_operation: 0, value: Some(value.into()) };
        let resource = AlterConfigsResource {
            resource_type,
            resource_name: resource_name.into(),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        assert_eq!(self.call(1, &request).responses[0].error_code, 0);
    }

    /// Produces one record of so many bytes.
    fn produce(&mut self, bytes: usize) -> ErrorCode {
        let mut batch = BatchBuilder::default();
        batch.push(NewRecord { value: Some(&vec![b'x'; bytes]), ..NewRecord::default() });
        let records = Some(Records::Bytes(batch.build().bytes().clone()));
        let partition_data = vec![PartitionProduceData { index: 0, records }];
        let topic = TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() };
        let request =
            ProduceRequest { acks: 1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        self.call(9, &request).responses[0].partition_responses[0].error_code.into()
    }

    /// Replaces the values of resources; yields the error of each, sorted.
    fn replace(
        &mut self,
        version: i16,
        validate_only: bool,
        resources: &[Replacement<'_>],
    ) -> Vec<(i8, String, ErrorCode)> {
        let config = |(name, value): &(&str, Option<&str>)| alter_configs::AlterableConfig {
            name: (*name).into(),
            value: value.map(Into::into),
        };
        let resource =
            |(resource_type, name, configs): &Replacement<'_>| alter_configs::AlterConfigsResource {
                resource_type: *resource_type,
                resource_name: (*name).into(),
                configs: configs.iter().map(config).collect(),
            };
        let request =
            AlterConfigsRequest { resources: resources.iter().map(resource).collect(), validate_only };
        let responses = self.call(version, &request).responses.into_iter();
        let mut errors: Vec<_> = responses
            .map(|r| (r.resource_type, r.resource_name.to_string(), ErrorCode::from(r.error_code)))
            .collect();
        errors.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        errors
    }

    /// The values set on the topic itself.
    fn topic_values(&mut self) -> Vec<(String, String)> {
        let resource = DescribeConfigsResource {
            resource_type: TOPICS,
            resource_name: TOPIC.into(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let described = self.call(4, &request).results.remove(0).configs;
        let set = described.into_iter().filter(|config| config.config_source == DYNAMIC_TOPIC);
        let mut set: Vec<_> =
            set.map(|config| (config.name.to_string(), config.value.unwrap().to_string())).collect();
        set.sort();
        set
    }

    /// The value in effect of a key and its source, then name, value and source of each synonym.
    fn describe(&mut self, resource_type: i8, resource_name: &str, key: &str) -> (Known, Vec<Known>) {
        self.try_describe(resource_type, resource_name, key).unwrap()
    }

    fn try_describe(
        &mut self,
        resource_type: i8,
        resource_name: &str,
        key: &str,
    ) -> Option<(Known, Vec<Known>)> {
        let resource = DescribeConfigsResource {
            resource_type,
            resource_name: resource_name.into(),
            configuration_keys: Some(vec![key.into()]),
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            ..Default::default()
        };
        let found = self.call(4, &request).results.remove(0).configs.pop()?;
        let known = |name: &str, value: Option<&str>, source| {
            (name.to_owned(), value.unwrap_or_default().to_owned(), source)
        };
        let synonyms = found.synonyms.iter().map(|s| known(&s.name, s.value.as_deref(), s.source));
        let synonyms = synonyms.collect();
        Some((known(&found.name, found.value.as_deref(), found.config_source), synonyms))
    }

    /// Type and name of each resource of these types, sorted.
    fn list(&mut self, version: i16, resource_types: &[i8]) -> Result<Vec<(i8, String)>, ErrorCode> {
        let request = ListConfigResourcesRequest { resource_types: resource_types.to_vec() };
        let response = self.call(version, &request);
        let listed = response.config_resources.into_iter();
        let mut listed: Vec<_> =
            listed.map(|found| (found.resource_type, found.resource_name.to_string())).collect();
        listed.sort();
        match ErrorCode::from(response.error_code) {
            ErrorCode::None => Ok(listed),
            error => Err(error),
        }
    }
}

#[test]
fn resources_are_listed_by_type() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    client.set(CLIENT_METRICS, "latencies", "interval.ms", "1000");
    client.set(GROUPS, "trucks", "consumer.session.timeout.ms", "50000");
    let named = |kind, name: &str| (kind, name.to_owned());
    let (topic, node) = (named(TOPICS, TOPIC), named(BROKERS, "1"));
    let (metrics, group) = (named(CLIENT_METRICS, "latencies"), named(GROUPS, "trucks"));
    // Apache Kafka publishes each kind of change by itself, some after the answer.
    eventually("the group and the subscription", PATIENCE, || {
        (client.list(1, &[GROUPS, CLIENT_METRICS]).unwrap() == [metrics.clone(), group.clone()]).then_some(())
    });
    assert_eq!(client.list(0, &[]).unwrap(), std::slice::from_ref(&metrics));
    assert_eq!(client.list(1, &[TOPICS, BROKERS, TOPICS]).unwrap(), [topic.clone(), node.clone()]);
    let mut all = client.list(1, &[]).unwrap();
    all.retain(|(kind, _)| *kind != BROKER_LOGGERS);
    assert_eq!(all, [topic, node, metrics, group]);
    assert_eq!(client.list(1, &[TOPICS, 1]), Err(ErrorCode::UnsupportedVersion));
}

#[test]
fn values_of_a_resource_are_replaced_as_a_whole() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let done = [(TOPICS, TOPIC.to_owned(), ErrorCode::None)];
    for version in 0..=2 {
        client.set(TOPICS, TOPIC, "retention.ms", "1000");
        let values = [("cleanup.policy", Some("compact")), ("segment.ms", Some("5000"))];
        assert_eq!(client.replace(version, true, &[(TOPICS, TOPIC, &values)]), done);
        assert_eq!(client.replace(version, false, &[(TOPICS, TOPIC, &values)]), done);
        let expected = values.map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()));
        eventually("both values", PATIENCE, || (client.topic_values() == expected).then_some(()));
        assert_eq!(client.replace(version, false, &[(TOPICS, TOPIC, &[])]), done);
        eventually("no value", PATIENCE, || client.topic_values().is_empty().then_some(()));
    }
}

#[test]
fn dynamic_values_of_brokers_take_effect_and_are_described_with_their_source() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let known = |name: &str, value: &str, source| (name.to_owned(), value.to_owned(), source);
    let (size, of_topic) = ("message.max.bytes", "max.message.bytes");
    let default = known(size, "1048588", DEFAULT);
    assert_eq!(client.describe(BROKERS, "1", size), (default.clone(), vec![default.clone()]));

    client.set(BROKERS, "", size, "2000");
    let all = known(size, "2000", DYNAMIC_DEFAULT_BROKER);
    eventually("the value of all brokers", PATIENCE, || {
        (client.describe(BROKERS, "1", size) == (all.clone(), vec![all.clone(), default.clone()]))
            .then_some(())
    });
    client.set(BROKERS, "1", size, "1000");
    let own = known(size, "1000", DYNAMIC_BROKER);
    let layers = vec![own.clone(), all.clone(), default];
    eventually("the value of one broker", PATIENCE, || {
        (client.describe(BROKERS, "1", size) == (own.clone(), layers.clone())).then_some(())
    });
    let topic = (known(of_topic, "1000", DYNAMIC_BROKER), layers);
    eventually("the default of a topic", PATIENCE, || {
        (client.describe(TOPICS, TOPIC, of_topic) == topic).then_some(())
    });
    assert_eq!(client.describe(BROKERS, "", size).0, all);

    assert_eq!(client.produce(1_500), ErrorCode::MessageTooLarge);
    client.replace(2, false, &[(BROKERS, "1", &[])]);
    eventually("the value of all brokers again", PATIENCE, || {
        (client.produce(1_500) == ErrorCode::None).then_some(())
    });
}

#[test]
fn keys_internal_to_kafka_are_described_where_they_are_set() {
    let key = "log.initial.task.delay.ms";
    let broker = TestBroker::start_with(Flavor::wanted(), &[(key, "86400000")]).unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(client.describe(BROKERS, "1", key).0, (key.to_owned(), "86400000".to_owned(), STATIC_BROKER));
    assert!(client.try_describe(TOPICS, TOPIC, "internal.segment.bytes").is_none());
}

#[test]
fn a_key_of_one_listener_is_described_with_the_key_of_all() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let (one, all) = ("listener.name.plaintext.max.connections", "max.connections");
    client.set(BROKERS, "1", one, "500");
    let own = (one.to_owned(), "500".to_owned(), DYNAMIC_BROKER);
    let default = (all.to_owned(), i32::MAX.to_string(), DEFAULT);
    eventually("the value of the listener", PATIENCE, || {
        let found = client.try_describe(BROKERS, "1", one)?;
        (found == (own.clone(), vec![own.clone(), default.clone()])).then_some(())
    });
}

#[test]
fn a_pool_of_threads_changes_in_steps() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let mut resize = |threads| {
        let config = [("num.io.threads", Some(threads))];
        client.replace(2, false, &[(BROKERS, "1", &config)]).remove(0).2
    };
    let refused = ErrorCode::InvalidRequest;
    assert_eq!(["3", "17", "33", "16"].map(&mut resize), [refused, refused, refused, ErrorCode::None]);
}

#[test]
fn refused_replacements_leave_the_others_alone() {
    let broker = TestBroker::start().unwrap();
    let mut client = Client::new(&broker);
    let one = [("segment.ms", Some("5000"))];
    let errors = client.replace(
        2,
        false,
        &[
            (TOPICS, TOPIC, &one),
            (TOPICS, "absent", &one),
            (BROKERS, "1", &[("num.partitions", Some("5"))]),
            (BROKERS, "7", &[("log.retention.ms", Some("5"))]),
            (BROKER_LOGGERS, "1", &[("kafka", Some("INFO"))]),
            (CLIENT_METRICS, "latencies", &[("interval.ms", None)]),
            (GROUPS, "trucks", &[("consumer.session.timeout.ms", Some("soon"))]),
        ],
    );
    let expected = [
        (TOPICS, "absent", ErrorCode::UnknownTopicOrPartition),
        (TOPICS, TOPIC, ErrorCode::None),
        (BROKERS, "1", ErrorCode::InvalidRequest),
        (BROKERS, "7", ErrorCode::InvalidRequest),
        (BROKER_LOGGERS, "1", ErrorCode::InvalidRequest),
        (CLIENT_METRICS, "latencies", ErrorCode::InvalidRequest),
        (GROUPS, "trucks", ErrorCode::InvalidConfig),
    ];
    assert_eq!(errors, expected.map(|(kind, name, error)| (kind, name.to_owned(), error)));
    eventually("the value", PATIENCE, || (client.topic_values().len() == 1).then_some(()));
}
