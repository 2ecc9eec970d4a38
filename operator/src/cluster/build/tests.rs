//! What the objects of a cluster must and must not carry.

use super::*;
use crate::cluster::validate::validate;
use crate::crd::KafkaCluster;

fn cluster(spec: &str) -> ValidatedCluster {
    let spec = serde_saphyr::from_str(&format!("{{brokers: 1, storage: {{size: 1Gi}}, {spec}}}")).unwrap();
    let mut cluster = KafkaCluster::new("demo", spec);
    cluster.metadata.namespace = Some("ns".to_owned());
    cluster.metadata.uid = Some("uid".to_owned());
    validate(&cluster, "image:1").unwrap()
}

fn built(spec: &str) -> Vec<Manifest> {
    build(&cluster(spec), Surroundings { cluster_id: "cluster-id", operator_namespace: "milena-system" })
}

fn find(manifests: &[Manifest], kind: Kind, name: &str) -> Value {
    let found = manifests.iter().find(|manifest| manifest.kind == kind && manifest.name == name);
    found.unwrap_or_else(|| panic!("{kind:?} {name}")).body.clone()
}

fn properties(manifests: &[Manifest]) -> String {
    let map = find(manifests, Kind::ConfigMap, "demo-broker");
    map["data"]["server.properties"].as_str().unwrap().to_owned()
}

#[test]
fn every_object_has_its_owner_and_comes_before_the_pods() {
    let manifests = built("");
    let names: Vec<_> = manifests.iter().map(|manifest| (manifest.kind, manifest.name.as_str())).collect();
    assert_eq!(
        names,
        [
            (Kind::ServiceAccount, "demo-broker"),
            (Kind::ConfigMap, "demo-broker"),
            (Kind::Service, "demo-brokers"),
            (Kind::Service, "demo-bootstrap"),
            (Kind::Service, "demo-broker-0"),
            (Kind::NetworkPolicy, "demo-broker"),
            (Kind::PodDisruptionBudget, "demo-broker"),
            (Kind::StatefulSet, "demo-broker"),
        ]
    );
    for manifest in &manifests {
        assert_eq!(manifest.body["metadata"]["ownerReferences"][0]["uid"], "uid", "{}", manifest.name);
        assert_eq!(manifest.body["metadata"]["namespace"], "ns");
    }
}

#[test]
fn the_configuration_names_the_cluster_and_the_spec_cannot_touch_that() {
    assert_eq!(
        properties(&built("config: {log.retention.hours: 1, default.replication.factor: 1}")),
        "# Written by the Milena operator from the KafkaCluster resource.\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=demo-broker-0.demo-brokers.ns.svc:9093\n\
         default.replication.factor=1\n\
         inter.broker.listener.name=REPLICATION\n\
         listener.security.protocol.map=REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT\n\
         listeners=REPLICATION://:9091,CONTROLLER://:9093,PLAIN://:9092\n\
         log.dirs=/var/lib/milena/data\n\
         log.retention.hours=1\n\
         offsets.topic.replication.factor=1\n\
         process.roles=broker,controller\n\
         share.coordinator.state.topic.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.replication.factor=1\n"
    );
}

#[test]
fn what_cannot_be_changed_later_is_right() {
    let set = find(&built(""), Kind::StatefulSet, "demo-broker");
    let spec = &set["spec"];
    assert_eq!(spec["podManagementPolicy"], "Parallel");
    assert_eq!(spec["updateStrategy"]["type"], "OnDelete");
    let selector = json!({"kafka.milena.dev/cluster": "demo", "app.kubernetes.io/component": "broker"});
    assert_eq!(spec["selector"]["matchLabels"], selector);
    let claim = &spec["volumeClaimTemplates"][0];
    assert_eq!(claim["metadata"]["annotations"], json!({"kafka.milena.dev/cluster-id": "cluster-id"}));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["enableServiceLinks"], false);
    let environment = &pod["containers"][0]["env"];
    assert_eq!(
        environment[0]["valueFrom"]["fieldRef"]["fieldPath"],
        "metadata.labels['apps.kubernetes.io/pod-index']"
    );
    assert_eq!(
        environment[1]["value"],
        "REPLICATION://demo-broker-$(KAFKA_NODE_ID).demo-brokers.ns.svc:9091,PLAIN://demo-broker-$(KAFKA_NODE_ID).ns.svc:9092"
    );
}

#[test]
fn a_changed_key_is_a_new_revision_of_the_pods_and_nothing_else_is() {
    let annotation = |spec: &str| {
        let set = find(&built(spec), Kind::StatefulSet, "demo-broker");
        set["spec"]["template"]["metadata"]["annotations"].clone()
    };
    assert_ne!(annotation("config: {num.partitions: 1}"), annotation("config: {num.partitions: 2}"));
    assert_eq!(annotation(""), annotation("deleteClaims: true, allowedNamespaces: [a]"));
}

#[test]
fn the_inner_listeners_are_for_peers_and_the_operator() {
    let policy = find(&built("listeners: [{name: a, port: 9092}]"), Kind::NetworkPolicy, "demo-broker");
    let ingress = policy["spec"]["ingress"].as_array().unwrap();
    let ports = |rule: &Value| {
        rule["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["port"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ports(&ingress[0]), [9092, 9644]);
    assert!(ingress[0].get("from").is_none());
    assert_eq!(ports(&ingress[1]), [9091, 9093]);
    assert_eq!(ports(&ingress[2]), [9091]);
    assert_eq!(
        ingress[2]["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "milena-system"
    );
}

#[test]
fn the_spec_adds_to_the_pods_without_taking_from_them() {
    let template =
        "podTemplate: {labels: {app.kubernetes.io/component: mine, team: a}, nodeSelector: {disk: fast}}";
    let set = find(&built(template), Kind::StatefulSet, "demo-broker");
    let pod = &set["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/component"], "broker");
    assert_eq!(pod["spec"]["nodeSelector"], json!({"disk": "fast"}));
    assert!(pod["spec"].get("affinity").is_none(), "an empty field is not applied");
}

#[test]
fn a_hash_is_the_same_in_every_version_of_the_operator() {
    assert_eq!(hash_of(""), "cbf29ce484222325");
    assert_eq!(hash_of("milena"), hash_of("milena"));
    assert_ne!(hash_of("milena"), hash_of("malina"));
}
