//! Tables: what is wanted and what there is -> what is done.

use milena_protocol::NodeId;
use serde_json::json;

use super::*;
use crate::cluster::view::BrokerView;

fn wanted(partitions: i32, config: &[(&str, &str)]) -> ValidatedTopic {
    ValidatedTopic {
        name: "orders".to_owned(),
        partitions,
        replication_factor: None,
        initial_replication_factor: 1,
        config: pairs(config),
    }
}

fn observed(partitions: i32, config: &[(&str, &str)]) -> ObservedTopic {
    let partitions = (0..partitions).map(|index| partition(index, &[0])).collect();
    ObservedTopic { id: "id".to_owned(), partitions, min_in_sync: None, config: pairs(config) }
}

fn partition(index: i32, replicas: &[i32]) -> PartitionView {
    let replicas: Vec<_> = replicas.iter().copied().map(NodeId).collect();
    let (topic, isr) = ("orders".to_owned(), replicas.clone());
    PartitionView { topic, index, replicas, isr, ..PartitionView::default() }
}

/// A plan in a cluster of one broker.
fn plan(
    wanted: &ValidatedTopic,
    observed: Option<&ObservedTopic>,
    applied: &[String],
) -> Result<Vec<Action>, Refusal> {
    super::plan(wanted, observed, applied, None)
}

/// A plan for a number of replicas in a cluster of several brokers.
fn resized(brokers: i32, wants: i32, partitions: &[PartitionView]) -> Result<Vec<Action>, Refusal> {
    let brokers = (0..brokers).map(|id| (NodeId(id), BrokerView::default())).collect();
    let mut spread = Spread::new(&brokers, partitions);
    let mut topic = wanted(i32::try_from(partitions.len()).unwrap(), &[]);
    topic.replication_factor = Some(wants);
    let observed = ObservedTopic { partitions: partitions.to_vec(), ..ObservedTopic::default() };
    super::plan(&topic, Some(&observed), &[], Some(&mut spread))
}

fn pairs(config: &[(&str, &str)]) -> BTreeMap<String, String> {
    config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn configure(changes: &[(&str, ConfigChange)]) -> Action {
    Action::Configure(changes.iter().map(|(key, change)| ((*key).to_owned(), change.clone())).collect())
}

fn set(value: &str) -> ConfigChange {
    ConfigChange::Set(value.to_owned())
}

#[test]
fn a_topic_that_is_missing_is_created_with_everything() {
    let new = NewTopic {
        name: "orders".to_owned(),
        partitions: Some(3),
        replication_factor: Some(1),
        configs: pairs(&[("retention.ms", "1")]),
    };
    assert_eq!(plan(&wanted(3, &[("retention.ms", "1")]), None, &[]), Ok(vec![Action::Create(new)]));
}

#[test]
fn a_topic_as_wanted_needs_nothing() {
    assert_eq!(plan(&wanted(3, &[]), Some(&observed(3, &[("segment.bytes", "9")])), &[]), Ok(vec![]));
}

#[test]
fn partitions_grow_and_never_shrink() {
    assert_eq!(plan(&wanted(5, &[]), Some(&observed(3, &[])), &[]), Ok(vec![Action::Grow(5)]));
    let refusal = plan(&wanted(2, &[]), Some(&observed(3, &[])), &[]).unwrap_err();
    assert_eq!(refusal, Refusal::PartitionDecrease { has: 3, wants: 2 });
    assert_eq!(
        refusal.to_string(),
        "partitions can grow but never shrink: the topic has 3, the spec asks for 2"
    );
}

#[test]
fn a_replication_factor_that_differs_is_changed_only_when_the_spec_names_one() {
    let mut topic = wanted(1, &[]);
    let there = ObservedTopic { partitions: vec![partition(0, &[0, 1])], ..observed(1, &[]) };
    assert_eq!(plan(&topic, Some(&there), &[]), Ok(vec![]));
    topic.replication_factor = Some(3);
    assert_eq!(plan(&topic, Some(&there), &[]), Err(Refusal::ReplicationFactorChange { has: 2, wants: 3 }));
}

#[test]
fn replicas_are_added_and_taken_away_partition_by_partition() {
    let partitions = [partition(0, &[0]), partition(1, &[1, 2, 0]), partition(2, &[2])];
    let Ok(actions) = resized(3, 3, &partitions) else { panic!("refused") };
    let [Action::Move(moves)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(moves.len(), 2, "the second has three already: {moves:?}");
    assert!(moves.values().all(|replicas| replicas.len() == 3));
    let Ok(actions) = resized(3, 1, &partitions) else { panic!("refused") };
    let [Action::Move(moves)] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(moves.values().collect::<Vec<_>>(), [&vec![NodeId(1)]]);
}

#[test]
fn what_moves_is_let_finish() {
    let adding = vec![NodeId(1), NodeId(2)];
    let moving = PartitionView { adding, isr: vec![NodeId(0)], ..partition(0, &[0, 1, 2]) };
    assert_eq!(resized(3, 3, std::slice::from_ref(&moving)), Ok(vec![]));
    assert_eq!(
        resized(3, 2, std::slice::from_ref(&moving)),
        Ok(vec![]),
        "also when the spec changes meanwhile"
    );
    assert_eq!(moving.replication_factor(), 1);
}

#[test]
fn brokers_that_take_no_part_yet_are_waited_for() {
    let refusal = resized(2, 3, &[partition(0, &[0])]).unwrap_err();
    assert!(refusal.passes());
    assert_eq!(refusal.to_string(), "replicationFactor: 3 needs as many brokers, 2 take part now");
    let brokers = [(NodeId(0), BrokerView::default())].into();
    let mut new = wanted(1, &[]);
    new.initial_replication_factor = 3;
    let planned = super::plan(&new, None, &[], Some(&mut Spread::new(&brokers, [])));
    assert_eq!(planned, Err(Refusal::BrokersAway { wants: 3, active: 1 }));
}

#[test]
fn configuration_moves_only_the_keys_that_the_resource_sets_or_has_set() {
    let applied = ["segment.ms".to_owned(), "flush.ms".to_owned()];
    for (config, there, expected) in [
        // Set again after drift; a key of somebody else stays.
        (
            vec![("retention.ms", "1")],
            vec![("retention.ms", "2"), ("max.message.bytes", "5")],
            vec![("retention.ms", set("1"))],
        ),
        // Not set on the topic, even if the default were the same.
        (vec![("retention.ms", "1")], vec![], vec![("retention.ms", set("1"))]),
        // Left the spec: taken back where it is still set.
        (vec![], vec![("segment.ms", "7")], vec![("segment.ms", ConfigChange::Delete)]),
        (vec![("segment.ms", "7")], vec![("segment.ms", "7")], vec![]),
        // Kafka's spelling is not drift.
        (vec![("cleanup.policy", "compact, delete")], vec![("cleanup.policy", "compact,delete")], vec![]),
        (vec![("preallocate", "True")], vec![("preallocate", "true")], vec![]),
    ] {
        let actions = plan(&wanted(1, &config), Some(&observed(1, &there)), &applied).unwrap();
        let expected: Vec<_> = if expected.is_empty() { vec![] } else { vec![configure(&expected)] };
        assert_eq!(
            actions,
            expected,
            "{}",
            json!({"config": format!("{config:?}"), "there": format!("{there:?}")})
        );
    }
}
