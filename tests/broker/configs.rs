//! Configurations as a client meets them that knows every field: what is listed, replaced as a whole, and refused. Runs
//! against Apache Kafka too (`MILENA_TEST_BROKER=kafka`).

use std::net::TcpStream;

use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use milena_protocol::messages::list_config_resources::ListConfigResourcesRequest;
use milena_protocol::{ErrorCode, Request};
use milena_tests::{TestBroker, eventually, frame};

use crate::PATIENCE;

const TOPIC: &str = "truck_gps";
const TOPICS: i8 = 2;
const BROKERS: i8 = 4;
const BROKER_LOGGERS: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUPS: i8 = 32;

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
