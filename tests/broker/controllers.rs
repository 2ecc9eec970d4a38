//! The controller listener as brokers see it: envelopes of forwarded requests. `MILENA_TEST_BROKER=kafka` asks Apache
//! Kafka the same.

use bytes::Bytes;
use milena_protocol::messages::client_data::DefaultPrincipalData;
use milena_protocol::messages::create_topics::CreatableTopic;
use milena_protocol::messages::{
    CreateTopicsRequest, DescribeClusterRequest, EnvelopeRequest, EnvelopeResponse, MetadataRequest,
};
use milena_protocol::{ErrorCode, Message as _, frames};
use milena_tests::{TestBroker, eventually, frame};

use crate::PATIENCE;

fn envelope(request_data: Bytes) -> EnvelopeRequest {
    let principal =
        DefaultPrincipalData { r#type: "User".into(), name: "ANONYMOUS".into(), token_authenticated: false };
    EnvelopeRequest {
        request_data,
        request_principal: Some(principal.to_versioned_bytes(0)),
        client_host_address: Bytes::from_static(&[127, 0, 0, 1]),
    }
}

fn create(name: &str) -> CreateTopicsRequest {
    let topic =
        CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false }
}

fn bytes_of<R: milena_protocol::Request>(version: i16, request: &R) -> Bytes {
    frame::request_bytes(11, version, request).slice(4..)
}

fn ask(broker: &TestBroker, request: &EnvelopeRequest) -> EnvelopeResponse {
    let address = format!("127.0.0.1:{}", broker.ports()[1]);
    frame::exchange(&mut frame::connect(&address).unwrap(), 0, request).unwrap()
}

#[test]
fn a_forwarded_request_is_answered_inside_its_envelope() {
    let broker = TestBroker::start().unwrap();
    let answer = ask(&broker, &envelope(bytes_of(7, &create("forwarded"))));
    assert_eq!(answer.error_code, 0);
    let response = answer.response_data.unwrap();
    assert_eq!(frames::correlation_id(&response), Ok(11));
    let response = frames::decode_response::<CreateTopicsRequest>(response, 7).unwrap();
    assert_eq!((&*response.topics[0].name, response.topics[0].error_code), ("forwarded", 0));
    eventually("the topic at the client's listener", PATIENCE, || {
        let mut stream = frame::connect(&broker.bootstrap()).unwrap();
        let all = MetadataRequest { topics: None, ..Default::default() };
        let metadata = frame::exchange(&mut stream, 12, &all).unwrap();
        metadata.topics.iter().any(|topic| topic.name.as_deref() == Some("forwarded")).then_some(())
    });
}

#[test]
fn an_envelope_that_should_not_be_is_refused_as_a_whole() {
    let broker = TestBroker::start().unwrap();
    let good = || envelope(bytes_of(7, &create("refused")));
    let table = [
        (envelope(bytes_of(12, &MetadataRequest::default())), ErrorCode::InvalidRequest),
        (
            EnvelopeRequest { client_host_address: vec![127, 0, 0].into(), ..good() },
            ErrorCode::InvalidRequest,
        ),
        (
            EnvelopeRequest { request_principal: Some(vec![0, 9, 1].into()), ..good() },
            ErrorCode::PrincipalDeserializationFailure,
        ),
        (
            envelope(Bytes::from_static(&[0, 19, 0, 99, 0, 0, 0, 1, 0xff, 0xff])),
            ErrorCode::UnsupportedVersion,
        ),
    ];
    for (request, code) in table {
        let answer = ask(&broker, &request);
        assert_eq!(ErrorCode::from(answer.error_code), code, "{request:?}");
    }
}

#[test]
fn a_controller_describes_controllers_and_a_broker_brokers() {
    let broker = TestBroker::start().unwrap();
    for (port, endpoint_type) in broker.ports().into_iter().zip([1, 2]) {
        let request = DescribeClusterRequest { endpoint_type, ..Default::default() };
        let mut stream = frame::connect(&format!("127.0.0.1:{port}")).unwrap();
        let cluster = frame::exchange(&mut stream, 1, &request).unwrap();
        let nodes: Vec<_> = cluster.brokers.iter().map(|node| (node.broker_id, node.port)).collect();
        assert_eq!((cluster.controller_id, nodes), (1, vec![(1, i32::from(port))]));
    }
}
