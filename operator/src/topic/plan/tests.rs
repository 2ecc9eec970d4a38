//! Tables: what is wanted and what there is -> what is done.

use serde_json::json;

use super::*;

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
    ObservedTopic { id: "id".to_owned(), partitions, replication_factor: 1, config: pairs(config) }
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
fn a_replication_factor_that_differs_is_refused_only_when_the_spec_names_one() {
    let mut topic = wanted(1, &[]);
    let there = ObservedTopic { replication_factor: 2, ..observed(1, &[]) };
    assert_eq!(plan(&topic, Some(&there), &[]), Ok(vec![]));
    topic.replication_factor = Some(3);
    assert_eq!(plan(&topic, Some(&there), &[]), Err(Refusal::ReplicationFactorChange { has: 2, wants: 3 }));
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
