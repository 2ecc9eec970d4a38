//! Tables: clusters in YAML -> what is built, or why not.

use super::*;

fn check(spec: &str) -> Result<ValidatedCluster, Refusal> {
    let spec = serde_saphyr::from_str(&format!("{{storage: {{size: 1Gi}}, {spec}}}")).unwrap();
    validate(&KafkaCluster::new("demo", spec), "default-image")
}

#[test]
fn the_smallest_cluster_has_an_image_and_a_listener() {
    let cluster = check("brokers: 1").unwrap();
    assert_eq!(cluster.image, "default-image");
    let listener = Listener { name: "plain".to_owned(), port: 9092, kind: ListenerType::ClusterIP };
    assert_eq!(cluster.listeners, [listener]);
    assert!(!cluster.delete_claims);
}

#[test]
fn config_is_text_in_the_end() {
    let cluster =
        check("brokers: 1, config: {log.retention.hours: 24, log.cleaner.enable: true, log.cleanup.policy: 'compact,delete', log.cleaner.io.buffer.load.factor: 0.5}")
            .unwrap();
    let values: Vec<_> = cluster.config.values().map(String::as_str).collect();
    assert_eq!(values, ["true", "0.5", "compact,delete", "24"]);
}

#[test]
fn what_slips_past_admission_is_refused_by_name() {
    for (spec, reason, told) in [
        ("brokers: 0", "InvalidBrokers", "brokers: 0 is not between 1 and 1000"),
        ("brokers: 1001", "InvalidBrokers", "1001"),
        ("brokers: 3, controllers: {replicas: 2, storage: {size: 1Gi}}", "InvalidControllers", "odd"),
        ("brokers: 3, controllers: {storage: {size: big}}", "InvalidStorage", "big"),
        (
            "brokers: 3, config: {offsets.topic.replication.factor: 4}",
            "NotEnoughBrokers",
            "offsets.topic.replication.factor: 4 replicas need as many brokers, the cluster has 3",
        ),
        ("brokers: 1, config: {node.id: 1}", "OperatorOwnedKey", "config: node.id is the operator's own"),
        ("brokers: 1, config: {log.dirs: /x, listeners: y}", "OperatorOwnedKey", "listeners, log.dirs are"),
        ("brokers: 1, config: {controller.quorum.voters: x}", "OperatorOwnedKey", "controller.quorum.voters"),
        ("brokers: 1, config: {'a b': x}", "InvalidConfig", "not the name of a Kafka key"),
        ("brokers: 1, config: {a: {b: c}}", "InvalidConfig", "a value is text, a number or a flag"),
        (r#"brokers: 1, config: {a: "b\nnode.id=7"}"#, "InvalidConfig", "a value has one line"),
        (
            "brokers: 1, listeners: [{name: http, port: 9092}]",
            "InvalidListener",
            "http is the operator's own",
        ),
        ("brokers: 1, listeners: [{name: a, port: 9091}]", "InvalidListener", "port 9091 of a"),
        (
            "brokers: 1, listeners: [{name: a, port: 9092}, {name: b, port: 9092}]",
            "InvalidListener",
            "a and b",
        ),
        ("brokers: 1, storage: {size: big}", "InvalidStorage", "big"),
    ] {
        let spec = spec.replace("brokers: 1, storage", "storage");
        let parsed = if spec.starts_with("storage") {
            let spec = serde_saphyr::from_str(&format!("{{brokers: 1, {spec}}}")).unwrap();
            validate(&KafkaCluster::new("demo", spec), "image")
        } else {
            check(&spec)
        };
        let refusal = parsed.unwrap_err();
        assert_eq!(refusal.reason(), reason, "{spec}");
        assert!(refusal.to_string().contains(told), "{spec}: {refusal}");
    }
}

#[test]
fn the_first_one_to_three_brokers_vote_or_the_dedicated_controllers() {
    for (spec, voters) in [
        ("brokers: 1", 0..1),
        ("brokers: 2", 0..1),
        ("brokers: 3", 0..3),
        ("brokers: 100", 0..3),
        ("brokers: 1, controllers: {storage: {size: 1Gi}}", 1000..1003),
        ("brokers: 5, controllers: {replicas: 5, storage: {size: 1Gi}}", 1000..1005),
    ] {
        assert_eq!(check(spec).unwrap().voters(), voters, "{spec}");
    }
}

#[test]
fn a_cluster_grows_and_does_not_shrink() {
    assert_eq!(may_resize(Role::Broker, 3, 5), Ok(()));
    assert_eq!(may_resize(Role::Broker, 0, 1), Ok(()));
    let refusal = may_resize(Role::Broker, 3, 1).unwrap_err();
    assert_eq!(refusal.reason(), "ShrinkingRefused");
    assert_eq!(
        refusal.to_string(),
        "brokers: the cluster has 3, the spec asks for 1; this version cannot take any away: set the number back to 3"
    );
}
