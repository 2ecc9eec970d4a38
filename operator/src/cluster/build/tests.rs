//! What the objects of a cluster must and must not carry.

use super::*;
use crate::cluster::validate::validate;
use crate::crd::KafkaCluster;

fn cluster(spec: &str) -> ValidatedCluster {
    let brokers = if spec.contains("brokers:") { "" } else { "brokers: 1," };
    let spec = serde_saphyr::from_str(&format!("{{{brokers} storage: {{size: 1Gi}}, {spec}}}")).unwrap();
    let mut cluster = KafkaCluster::new("demo", spec);
    cluster.metadata.namespace = Some("ns".to_owned());
    cluster.metadata.uid = Some("uid".to_owned());
    validate(&cluster, "image:1").unwrap()
}

fn built(spec: &str) -> Vec<Manifest> {
    let cluster = cluster(spec);
    let around = Surroundings {
        cluster_id: "cluster-id",
        initial_controllers: cluster.voters().len() as i32,
        budget: Budget { brokers: 1, controllers: 1 },
        operator_namespace: "milena-system",
    };
    build(&cluster, around)
}

fn find(manifests: &[Manifest], kind: Kind, name: &str) -> Value {
    let found = manifests.iter().find(|manifest| manifest.kind == kind && manifest.name == name);
    found.unwrap_or_else(|| panic!("{kind:?} {name}")).body.clone()
}

fn properties(manifests: &[Manifest]) -> String {
    properties_of(manifests, "demo-broker")
}

fn properties_of(manifests: &[Manifest], map: &str) -> String {
    let map = find(manifests, Kind::ConfigMap, map);
    map["data"]["server.properties"].as_str().unwrap().to_owned()
}

/// The value of a variable of the pods of a StatefulSet.
fn variable(manifests: &[Manifest], set: &str, name: &str) -> Option<Value> {
    let set = find(manifests, Kind::StatefulSet, set);
    let variables = set["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    variables.into_iter().find(|variable| variable["name"] == name)
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
        "REPLICATION://demo-broker-$(KAFKA_NODE_ID).demo-brokers.ns.svc:9091,PLAIN://demo-broker-$(KAFKA_NODE_ID).ns.svc:9092,CONTROLLER://demo-broker-$(KAFKA_NODE_ID).demo-brokers.ns.svc:9093"
    );
}

/// Another template restarts every broker of every cluster with the next operator: the changelog says so.
#[test]
fn a_single_broker_is_built_as_ever() {
    let built = built("");
    let set = find(&built, Kind::StatefulSet, "demo-broker");
    assert_eq!(hash_of(&set["spec"].to_string()), "2e1253a91fa66142");
    let initial = variable(&built, "demo-broker", "MILENA_INITIAL_CONTROLLERS").unwrap();
    assert_eq!(initial["value"], "0@demo-broker-0.demo-brokers.ns.svc:9093");
}

#[test]
fn three_brokers_are_told_of_each_other() {
    let built = built("brokers: 3");
    let voters = [0, 1, 2].map(|id| format!("demo-broker-{id}.demo-brokers.ns.svc:9093"));
    let properties = properties(&built);
    for line in [
        &format!("controller.quorum.bootstrap.servers={}", voters.join(",")),
        "default.replication.factor=3",
        "offsets.topic.replication.factor=3",
        "transaction.state.log.min.isr=2",
        "min.insync.replicas=2",
        "process.roles=broker,controller",
    ] {
        assert!(properties.lines().any(|it| it == line), "{line} is missing: {properties}");
    }
    let initial = variable(&built, "demo-broker", "MILENA_INITIAL_CONTROLLERS").unwrap();
    let expected: Vec<_> = voters.iter().enumerate().map(|(id, voter)| format!("{id}@{voter}")).collect();
    assert_eq!(initial["value"], expected.join(","));
    let rack = variable(&built, "demo-broker", "KAFKA_BROKER_RACK").unwrap();
    assert_eq!(rack["valueFrom"]["fieldRef"]["fieldPath"], "metadata.labels['topology.kubernetes.io/zone']");
    let advertised = variable(&built, "demo-broker", "KAFKA_ADVERTISED_LISTENERS").unwrap();
    let peers = "CONTROLLER://demo-broker-$(KAFKA_NODE_ID).demo-brokers.ns.svc:9093";
    assert!(advertised["value"].as_str().unwrap().ends_with(peers), "{advertised}");
    let set = find(&built, Kind::StatefulSet, "demo-broker");
    assert_eq!(set["spec"]["replicas"], 3);
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(pod["topologySpreadConstraints"][0]["whenUnsatisfiable"], "ScheduleAnyway");
    assert!(pod["affinity"]["podAntiAffinity"].is_object());
    let claim = &set["spec"]["volumeClaimTemplates"][0]["metadata"]["annotations"];
    assert_eq!(claim["kafka.milena.dev/initial-controllers"], "3");
    for id in 0..3 {
        find(&built, Kind::Service, &format!("demo-broker-{id}"));
    }
}

#[test]
fn the_first_three_of_many_brokers_form_the_quorum_and_more_change_no_pod() {
    let template =
        |spec: &str| find(&built(spec), Kind::StatefulSet, "demo-broker")["spec"]["template"].clone();
    assert_eq!(template("brokers: 3"), template("brokers: 5"));
    let two = built("brokers: 2");
    let servers = "controller.quorum.bootstrap.servers=demo-broker-0.demo-brokers.ns.svc:9093\n";
    assert!(properties(&two).contains(servers));
    let initial = variable(&two, "demo-broker", "MILENA_INITIAL_CONTROLLERS").unwrap();
    assert_eq!(initial["value"], "0@demo-broker-0.demo-brokers.ns.svc:9093");
}

#[test]
fn what_the_quorum_began_with_stays_when_it_grows() {
    let grown = cluster("brokers: 3");
    let around = Surroundings {
        cluster_id: "cluster-id",
        initial_controllers: 1,
        budget: Budget { brokers: 0, controllers: 0 },
        operator_namespace: "milena-system",
    };
    let built = build(&grown, around);
    let initial = variable(&built, "demo-broker", "MILENA_INITIAL_CONTROLLERS").unwrap();
    assert_eq!(initial["value"], "0@demo-broker-0.demo-brokers.ns.svc:9093");
    let set = find(&built, Kind::StatefulSet, "demo-broker");
    let claim = &set["spec"]["volumeClaimTemplates"][0]["metadata"]["annotations"];
    assert_eq!(
        claim,
        &json!({"kafka.milena.dev/cluster-id": "cluster-id"}),
        "a template of claims is immutable"
    );
    assert_eq!(find(&built, Kind::PodDisruptionBudget, "demo-broker")["spec"]["maxUnavailable"], 0);
}

#[test]
fn dedicated_controllers_are_pods_of_their_own() {
    let built = built("brokers: 3, controllers: {storage: {size: 2Gi, storageClassName: fast}}");
    let set = find(&built, Kind::StatefulSet, "demo-controller");
    let spec = &set["spec"];
    assert_eq!((&spec["replicas"], &spec["ordinals"]["start"]), (&json!(3), &json!(1000)));
    assert_eq!(spec["serviceName"], "demo-controllers");
    assert_eq!(spec["volumeClaimTemplates"][0]["spec"]["storageClassName"], "fast");
    assert_eq!(spec["selector"]["matchLabels"]["app.kubernetes.io/component"], "controller");
    let quorum =
        [1000, 1001, 1002].map(|id| format!("{id}@demo-controller-{id}.demo-controllers.ns.svc:9093"));
    for set in ["demo-broker", "demo-controller"] {
        let initial = variable(&built, set, "MILENA_INITIAL_CONTROLLERS").unwrap();
        assert_eq!(initial["value"], quorum.join(","));
    }
    let controller = properties_of(&built, "demo-controller");
    for line in ["process.roles=controller", "listeners=CONTROLLER://:9093"] {
        assert!(controller.lines().any(|it| it == line), "{line} is missing: {controller}");
    }
    let broker = properties(&built);
    for line in ["process.roles=broker", "listeners=REPLICATION://:9091,PLAIN://:9092"] {
        assert!(broker.lines().any(|it| it == line), "{line} is missing: {broker}");
    }
    find(&built, Kind::Service, "demo-controllers");
    find(&built, Kind::PodDisruptionBudget, "demo-controller");
    let policy = find(&built, Kind::NetworkPolicy, "demo-controller");
    assert_eq!(policy["spec"]["ingress"][1]["from"].as_array().unwrap().len(), 2);
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
