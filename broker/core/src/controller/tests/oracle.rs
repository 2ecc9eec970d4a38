//! Changes of random partitions, as Apache Kafka's own builder made them (`tests/golden/PartitionChanges.java`).

use std::collections::BTreeMap;

use super::*;
use crate::controller::change::{Change, Election};
use crate::controller::view::{Rules, Turnover, View};
use crate::metadata::PartitionImage;

const CASES: &str = include_str!("../../../../../tests/golden/vectors/partition_changes.txt");

type Fields<'a> = BTreeMap<&'a str, &'a str>;

fn fields(text: &str) -> Fields<'_> {
    text.split(' ').filter_map(|field| field.split_once('=')).collect()
}

fn numbers(list: &str) -> Vec<i32> {
    list.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().unwrap()).collect()
}

fn nodes(list: &str) -> Vec<NodeId> {
    numbers(list).into_iter().map(NodeId).collect()
}

fn partition(case: &Fields<'_>) -> PartitionImage {
    PartitionImage {
        replicas: nodes(case["replicas"]),
        isr: nodes(case["isr"]),
        removing_replicas: nodes(case["removing"]),
        adding_replicas: nodes(case["adding"]),
        eligible_leader_replicas: nodes(case["eligible"]),
        last_known_elr: nodes(case["last"]),
        directories: numbers(case["replicas"]).into_iter().map(directory).collect(),
        leader: NodeId(case["leader"].parse().unwrap()),
        leader_recovery_state: case["recovery"].parse().unwrap(),
        leader_epoch: 7.into(),
        partition_epoch: 9,
    }
}

/// Five brokers, of which those are fenced that must not lead.
fn cluster(case: &Fields<'_>) -> Controller {
    let mut controller = Quorum::empty(100).0;
    let feature_level = case["elr"].parse().unwrap();
    let name = "eligible.leader.replicas.version".into();
    controller.replay(&FeatureLevelRecord { name, feature_level }.into());
    let alive = numbers(case["alive"]);
    for broker_id in 1..=5 {
        let fenced = !alive.contains(&broker_id);
        let log_dirs = vec![directory(broker_id)];
        controller.replay(&RegisterBrokerRecord { broker_id, fenced, log_dirs, ..Default::default() }.into());
    }
    controller
}

fn change(case: &Fields<'_>) -> Option<PartitionChangeRecord> {
    let controller = cluster(case);
    let view = View { image: &controller.image, settings: &controller.settings };
    let before = partition(case);
    let rules = Rules { min_isr: case["min"].parse().unwrap(), unclean: false };
    let mut change = Change::new(view, (TopicId(Uuid::from_u128(1)), 0.into()), &before, rules);
    change.election = match case["election"] {
        "P" => Election::Preferred,
        "O" => Election::Online,
        _ => Election::Unclean,
    };
    change.turnover = match case["lost"].parse().unwrap() {
        -1 => Turnover::None,
        lost => Turnover::Lost(NodeId(lost)),
    };
    change.isr = nodes(case["new_isr"]);
    change.replicas = nodes(case["new_replicas"]);
    change.adding = nodes(case["new_adding"]);
    change.removing = nodes(case["new_removing"]);
    change.recovery = case["new_recovery"].parse().unwrap();
    change.build()
}

/// The record of Apache Kafka, but for two things: a replica that is gone is not eligible, and nobody is not remembered as
/// the last leader.
fn expected(case: &Fields<'_>, record: &str) -> Option<PartitionChangeRecord> {
    let fields = fields(record);
    let list = |name: &str| fields.get(name).map(|list| numbers(list));
    let replicas = list("replicas").unwrap_or_else(|| numbers(case["replicas"]));
    let were_eligible = numbers(case["eligible"]);
    let mut eligible = list("eligible").unwrap_or_else(|| were_eligible.clone());
    eligible.retain(|node| replicas.contains(node));
    let unchanged =
        PartitionChangeRecord { topic_id: Uuid::from_u128(1), partition_id: 0, ..Default::default() };
    let expected = PartitionChangeRecord {
        isr: list("isr"),
        leader: fields.get("leader").map_or(unchanged.leader, |leader| leader.parse().unwrap()),
        replicas: list("replicas"),
        removing_replicas: list("removing"),
        adding_replicas: list("adding"),
        leader_recovery_state: fields.get("recovery").map_or(-1, |state| state.parse().unwrap()),
        directories: list("directories").map(|ids| ids.into_iter().map(directory).collect()),
        eligible_leader_replicas: (eligible != were_eligible).then_some(eligible),
        last_known_elr: list("last").filter(|last| *last != [-1]),
        ..unchanged.clone()
    };
    (expected != unchanged).then_some(expected)
}

#[test]
fn partitions_change_as_in_apache_kafka() {
    for line in CASES.lines() {
        let (case, record) = line.split_once(" => ").unwrap();
        let case = fields(case);
        assert_eq!(change(&case), expected(&case, record), "{line}");
    }
}
