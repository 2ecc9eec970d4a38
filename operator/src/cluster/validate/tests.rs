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
        ("brokers: 3", "ReplicationNotBuilt", "brokers: 3 needs replication between brokers"),
        ("brokers: 0", "ReplicationNotBuilt", "set brokers to 1"),
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
