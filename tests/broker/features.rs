//! Feature levels and the patience of clients of the controller. Runs against Apache Kafka too
//! (`MILENA_TEST_BROKER=kafka`).

use std::net::TcpStream;

use milena_protocol::messages::api_versions::ApiVersionsRequest;
use milena_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use milena_protocol::messages::update_features::{
    FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use milena_protocol::{ErrorCode, Request};
use milena_tests::{Flavor, TestBroker, eventually, frame, java};

use crate::PATIENCE;

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;

fn call<R: Request>(stream: &mut TcpStream, version: i16, request: &R) -> R::Response {
    frame::exchange(stream, version, request).unwrap()
}

fn update(
    stream: &mut TcpStream,
    version: i16,
    updates: &[(&str, i16, i8)],
    validate_only: bool,
) -> UpdateFeaturesResponse {
    let update = |(feature, level, kind): &(&str, i16, i8)| FeatureUpdateKey {
        feature: (*feature).into(),
        max_version_level: *level,
        upgrade_type: if version == 0 { UPGRADE } else { *kind },
        ..Default::default()
    };
    let request = UpdateFeaturesRequest {
        timeout_ms: 30_000,
        feature_updates: updates.iter().map(update).collect(),
        validate_only,
    };
    call(stream, version, &request)
}

/// Finalized level of each feature, and the epoch of the levels.
fn finalized(stream: &mut TcpStream) -> (Vec<(String, i16)>, i64) {
    let request =
        ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
    let response = call(stream, 4, &request);
    let levels = response.finalized_features.iter().map(|f| (f.name.to_string(), f.max_version_level));
    let mut levels: Vec<_> = levels.collect();
    levels.sort();
    (levels, response.finalized_features_epoch)
}

#[test]
fn feature_levels_change_as_far_as_they_are_supported() {
    let broker = TestBroker::start().unwrap();
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    let (metadata, same) = ("metadata.version", [("metadata.version", 30, UPGRADE)]);
    let (levels, epoch) = finalized(&mut stream);
    assert!(levels.contains(&(metadata.to_owned(), 30)), "{levels:?}");
    for version in 0..=2 {
        let response = update(&mut stream, version, &same, false);
        assert_eq!((response.error_code, response.error_message.as_deref()), (0, None), "{response:?}");
        let results: Vec<_> = response
            .results
            .iter()
            .map(|r| (&*r.feature, r.error_code, r.error_message.as_deref()))
            .collect();
        assert_eq!(results, if version < 2 { vec![(metadata, 0, Some("NONE"))] } else { vec![] });
    }
    eventually("a newer epoch", PATIENCE, || (finalized(&mut stream).1 > epoch).then_some(()));
    let refused = [
        (metadata, 5, SAFE_DOWNGRADE),
        (metadata, 900, UPGRADE),
        (metadata, 30, 9),
        ("kraft.version", 0, UPGRADE),
        ("nope", 1, UPGRADE),
        ("nope", 0, UPGRADE),
    ];
    for bad in refused {
        let response = update(&mut stream, 2, &[same[0], bad], true);
        assert_eq!(ErrorCode::from(response.error_code), ErrorCode::InvalidUpdateVersion, "{response:?}");
        let message = response.error_message.unwrap_or_default();
        let start = format!(
            "The update failed for all features since the following feature had an error: Invalid update version {} for feature {}. ",
            bad.1, bad.0
        );
        assert!(message.starts_with(&start), "{message}");
    }
    assert_eq!(finalized(&mut stream).0, levels);
}

#[test]
fn the_feature_tool_of_apache_kafka_describes_and_upgrades() {
    let broker = TestBroker::start().unwrap();
    let tool = |arguments: &[&str]| {
        let bootstrap = broker.bootstrap();
        let arguments = [&["--bootstrap-server", &bootstrap], arguments].concat();
        java::tool("org.apache.kafka.tools.FeatureCommand", &arguments)
    };
    let described = tool(&["describe"]).unwrap();
    let line = described.lines().find(|line| line.contains("metadata.version")).unwrap();
    assert!(line.contains("FinalizedVersionLevel: 4.3-IV0"), "{line}");
    let upgraded = tool(&["upgrade", "--feature", "metadata.version=30"]).unwrap();
    assert!(upgraded.contains("metadata.version was upgraded to 30."), "{upgraded}");
    if broker.flavor() == Flavor::Milena {
        let refused = tool(&["upgrade", "--feature", "group.version=1"]).unwrap_err();
        let refused = format!("{refused:#}");
        assert!(refused.contains("does not support this feature."), "{refused}");
    }
}

#[test]
fn a_client_that_does_not_wait_is_told_so() {
    let broker = TestBroker::start().unwrap();
    let mut stream = frame::connect(&broker.bootstrap()).unwrap();
    for timeout_ms in [0, -1, 0, -1] {
        let topic = CreatableTopic {
            name: "impatient".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms, ..Default::default() };
        let response = call(&mut stream, 7, &request);
        assert_eq!(ErrorCode::from(response.topics[0].error_code), ErrorCode::RequestTimedOut);
    }
}
