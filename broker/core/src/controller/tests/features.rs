//! Feature levels, and what comes with them.

use milena_protocol::messages::metadata_records::register_controller_record::ControllerFeature;

use super::brokers::Cluster;
use super::*;

#[test]
fn feature_levels_change_as_far_as_everybody_supports_them() {
    let mut quorum = Quorum::new();
    let mut update = |updates: &[(&str, i16, i8)], validate_only| {
        let update = |(feature, level, kind): &(&str, i16, i8)| FeatureUpdateKey {
            feature: (*feature).into(),
            max_version_level: *level,
            upgrade_type: *kind,
            ..Default::default()
        };
        let updates = updates.iter().map(update).collect();
        let (records, reply) = quorum.ask(ControllerRequest::UpdateFeatures { updates, validate_only });
        let ControllerReply::Done(result) = reply else { panic!("{reply:?}") };
        let refused =
            |refusal: crate::controller::Refusal| (refusal.code, refusal.message.unwrap_or_default());
        result.map(|()| records.len()).map_err(refused)
    };
    let (metadata, kraft, group) = ("metadata.version", "kraft.version", "group.version");
    assert_eq!(update(&[(metadata, 30, 1)], false), Ok(1));
    assert_eq!(update(&[(metadata, 30, 1)], true), Ok(0));
    assert_eq!(update(&[(kraft, 1, 1), (group, 0, 2)], false), Ok(1));
    assert_eq!(update(&[(metadata, 29, 1), (metadata, 30, 1)], false), Ok(1), "the last counts");
    let downgrade = "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                     unsafe downgrade.";
    for (name, level, kind, reason) in [
        (metadata, 29, 2, "Local controller 1 only supports versions 30"),
        (metadata, -1, 1, "A feature version cannot be less than 0."),
        (metadata, 30, 9, "The controller does not support the given upgrade type."),
        (kraft, 2, 1, "Local controller 1 only supports versions 0-1"),
        (kraft, 0, 1, downgrade),
        (kraft, 0, 3, "Can't downgrade the version of this feature."),
        (group, 1, 1, "Local controller 1 does not support this feature."),
        ("nope", 0, 1, "Feature nope not found."),
    ] {
        let message = format!("Invalid update version {level} for feature {name}. {reason}");
        let refused = Err((ErrorCode::InvalidUpdateVersion, message));
        assert_eq!(update(&[(metadata, 30, 1), (name, level, kind)], false), refused);
    }
    quorum.0.replay(&FeatureLevelRecord { name: group.into(), feature_level: 1 }.into());
    let lower = |upgrade_type| {
        let update = FeatureUpdateKey {
            feature: group.into(),
            max_version_level: 0,
            upgrade_type,
            ..Default::default()
        };
        ControllerRequest::UpdateFeatures { updates: vec![update], validate_only: false }
    };
    assert!(matches!(quorum.ask(lower(1)).1, ControllerReply::Done(Err(_))));
    assert_eq!(quorum.ask(lower(2)).1, ControllerReply::Done(Ok(())), "what is kept can be given up");
    assert_eq!(quorum.image().features().get(group), None);
    quorum.0.replay(&RegisterBrokerRecord { broker_id: 2, ..Default::default() }.into());
    let updates =
        vec![FeatureUpdateKey { feature: metadata.into(), max_version_level: 30, ..Default::default() }];
    let (_, reply) = quorum.ask(ControllerRequest::UpdateFeatures { updates, validate_only: false });
    let ControllerReply::Done(Err(refusal)) = reply else { panic!("{reply:?}") };
    assert!(refusal.message.unwrap().ends_with("Broker 2 does not support this feature."));
}

fn raise(feature: &str, max_version_level: i16, upgrade_type: i8) -> ControllerRequest {
    let update =
        FeatureUpdateKey { feature: feature.into(), max_version_level, upgrade_type, ..Default::default() };
    ControllerRequest::UpdateFeatures { updates: vec![update], validate_only: false }
}

fn refusal(reply: ControllerReply) -> String {
    match reply {
        ControllerReply::Done(Err(refusal)) => refusal.message.unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_controller_supports_a_level_before_it_is_finalized() {
    let elr = "eligible.leader.replicas.version";
    let mut cluster = Cluster::new(1);
    cluster.quorum.0.set_quorum([NodeId(100), NodeId(101)].into(), 1);
    let unknown = refusal(cluster.ask(raise(elr, 1, 1)).1);
    assert!(
        unknown.ends_with("controller 101 has not registered, and may not support this feature"),
        "{unknown}"
    );
    let mut record = RegisterControllerRecord { controller_id: 101, ..Default::default() };
    cluster.ask(ControllerRequest::RegisterController(record.clone()));
    let older = refusal(cluster.ask(raise(elr, 1, 1)).1);
    assert!(older.ends_with("Controller 101 does not support this feature."), "{older}");
    record.features.push(ControllerFeature {
        name: elr.into(),
        min_supported_version: 0,
        max_supported_version: 1,
    });
    cluster.ask(ControllerRequest::RegisterController(record));
    assert_eq!(cluster.ask(raise(elr, 1, 1)).1, ControllerReply::Done(Ok(())));
    assert_eq!(cluster.image().features().get(elr), Some(&1));
}

#[test]
fn eligible_leader_replicas_need_one_minimum_for_all_brokers() {
    let (elr, key) = ("eligible.leader.replicas.version", "min.insync.replicas");
    let mut cluster = Cluster::new(1);
    let broker = ResourceType::Broker;
    cluster.quorum.0.settings.properties.set(key, "2").unwrap();
    cluster.quorum.alter(broker, "1", &[(key, 0, Some("3")), ("log.retention.ms", 0, Some("7"))]).unwrap();
    let (records, reply) = cluster.ask(raise(elr, 1, 1));
    let config = |name: &str, value: Option<&str>| ConfigRecord {
        resource_type: broker as i8,
        resource_name: name.into(),
        name: key.into(),
        value: value.map(Into::into),
    };
    let expected: [MetadataRecord; 3] = [
        config("", Some("2")).into(),
        config("1", None).into(),
        FeatureLevelRecord { name: elr.into(), feature_level: 1 }.into(),
    ];
    assert_eq!((records.as_slice(), reply), (&expected[..], ControllerReply::Done(Ok(()))));
    assert_eq!(cluster.ask(raise(elr, 1, 1)).0.len(), 1, "it is as it must be");
    let levels = [FeatureLevelRecord { name: elr.into(), feature_level: 1 }.into()];
    assert_eq!(bootstrap_records(levels, 2)[2], config("", Some("2")).into(), "of a new cluster too");
}

#[test]
fn change_of_the_minimum_makes_nobody_eligible_by_the_former_one() {
    let mut cluster = Cluster::new(3);
    cluster.enable_elr();
    let topic =
        with_config(manual("t", &[(0, &[1, 2, 3]), (1, &[1, 2, 3])]), "min.insync.replicas", Some("3"));
    cluster.quorum.create(topic).unwrap();
    let gone = ControllerRequest::ProcessGone { broker: NodeId(3), broker_epoch: cluster.epoch(3) };
    cluster.ask(gone);
    assert_eq!(cluster.state(0), (1, vec![1, 2], vec![3]));
    cluster.quorum.alter(ResourceType::Topic, "t", &[("min.insync.replicas", 0, Some("2"))]).unwrap();
    assert_eq!((cluster.state(0), cluster.state(1)), ((1, vec![1, 2], vec![]), (1, vec![1, 2], vec![])));
}

#[test]
fn quorum_that_others_follow_writes_something_now_and_then() {
    let mut cluster = Cluster::new(0);
    cluster.quorum.0.set_alone(false);
    assert_eq!(cluster.quorum.0.next_deadline(), Some(Timestamp(500)));
    assert_eq!(
        cluster.wait_until(1_600),
        vec![MetadataRecord::from(NoOpRecord {}); 2],
        "at 1000 and at 1500"
    );
    cluster.start(1);
    assert_eq!(cluster.wait_until(2_000), [], "something else was written");
    cluster.quorum.0.set_alone(true);
    assert_eq!(cluster.wait_until(9_000), []);
}
