//! Brokers come, live, and go: registrations, heartbeats, sessions, and the changes of partitions that follow.

use super::*;
use crate::controller::{Heartbeat, RECORDS_PER_BATCH_MAX};
use crate::metadata::PartitionImage;

/// Refusals as code and message.
pub(super) type Refused = (ErrorCode, String);

/// A controller with node id 100 that brokers register with, at a time of its own.
pub(super) struct Cluster {
    pub(super) quorum: Quorum,
    pub(super) now: i64,
}

impl Cluster {
    /// Brokers 1 to `brokers`, unfenced.
    pub(super) fn new(brokers: i32) -> Self {
        let mut cluster = Self { quorum: Quorum::empty(100), now: 1_000 };
        (1..=brokers).for_each(|id| cluster.start(id));
        cluster
    }

    pub(super) fn ask(&mut self, request: ControllerRequest) -> (Vec<MetadataRecord>, ControllerReply) {
        self.quorum.ask_at(Timestamp(self.now), request)
    }

    pub(super) fn register(&mut self, request: BrokerRegistrationRequest) -> Result<i64, Refused> {
        let before = self.image().clone();
        let request = ControllerRequest::BrokerRegistration { request, tells_previous_epoch: true };
        match self.ask(request).1 {
            ControllerReply::Registration(Ok(epoch)) => Ok(epoch),
            ControllerReply::Registration(Err(refusal)) => {
                assert_eq!(*self.image(), before);
                Err((refusal.code, refusal.message.unwrap_or_default()))
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn start(&mut self, id: i32) {
        let previous_broker_epoch = self.image().broker(NodeId(id)).map_or(-1, |broker| broker.epoch);
        self.register(BrokerRegistrationRequest { previous_broker_epoch, ..incarnation(id, self.now) })
            .unwrap();
        self.unfence(id);
    }

    pub(super) fn unfence(&mut self, id: i32) {
        let (_, heartbeat) =
            self.heartbeat(BrokerHeartbeatRequest { want_fence: false, ..self.mk_heartbeat(id) });
        assert!(!heartbeat.unwrap().is_fenced);
    }

    /// A heartbeat of a broker that has seen everything and wants nothing new.
    pub(super) fn mk_heartbeat(&self, id: i32) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: self.epoch(id),
            current_metadata_offset: self.image().next_offset().0 - 1,
            want_fence: false,
            want_shut_down: false,
            offline_log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        request: BrokerHeartbeatRequest,
    ) -> (Vec<MetadataRecord>, Result<Heartbeat, ErrorCode>) {
        match self.ask(ControllerRequest::BrokerHeartbeat(request)) {
            (records, ControllerReply::Heartbeat(reply)) => (records, reply.map_err(|refusal| refusal.code)),
            (_, other) => panic!("{other:?}"),
        }
    }

    /// Lets time pass, with everything that becomes due.
    pub(super) fn wait_until(&mut self, now: i64) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        while let Some(due) = self.quorum.0.next_deadline().filter(|due| due.0 <= now) {
            self.now = self.now.max(due.0);
            let outcome = self.quorum.0.on_deadline(Timestamp(self.now));
            assert!(outcome.replies.is_empty());
            outcome.records.iter().for_each(|record| self.quorum.0.replay(record));
            records.extend(outcome.records);
        }
        self.now = now;
        records
    }

    pub(super) fn image(&self) -> &MetadataImage {
        self.quorum.image()
    }

    pub(super) fn epoch(&self, id: i32) -> i64 {
        self.image().broker(NodeId(id)).unwrap().epoch
    }

    pub(super) fn partition(&self, index: i32) -> &PartitionImage {
        self.image().topics().next().unwrap().partition(index.into()).unwrap()
    }

    /// Leader, ISR and eligible replicas of a partition.
    pub(super) fn state(&self, index: i32) -> (i32, Vec<i32>, Vec<i32>) {
        let partition = self.partition(index);
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        (partition.leader.0, numbers(&partition.isr), numbers(&partition.eligible_leader_replicas))
    }

    pub(super) fn topic_id(&self) -> Uuid {
        self.image().topics().next().unwrap().id.0
    }

    pub(super) fn enable_elr(&mut self) {
        let name = "eligible.leader.replicas.version".into();
        self.quorum.0.replay(&FeatureLevelRecord { name, feature_level: 1 }.into());
    }
}

fn registration_change(broker_id: i32, broker_epoch: i64) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord { broker_id, broker_epoch, ..Default::default() }
}

#[test]
fn registrations_are_refused_in_the_words_of_kafka() {
    use ErrorCode::{BrokerIdNotRegistered, InconsistentClusterId, InvalidRegistration, UnsupportedVersion};
    let mut cluster = Cluster::new(1);
    let mk = || incarnation(2, 5);
    let only = |name: &str, min_supported_version, max_supported_version| {
        vec![Feature { name: name.into(), min_supported_version, max_supported_version }]
    };
    let unsupported = |level: i16, name: &str, min: i16, max: i16| {
        format!(
            "Unable to register because the broker does not support finalized version {level} of {name}. The broker \
             wants a version between {min} and {max}, inclusive."
        )
    };
    let table: Vec<(BrokerRegistrationRequest, ErrorCode, String)> = vec![
        (
            BrokerRegistrationRequest { cluster_id: "d".into(), ..mk() },
            InconsistentClusterId,
            "Expected cluster ID c, but got cluster ID d".into(),
        ),
        (
            BrokerRegistrationRequest { is_migrating_zk_broker: true, ..mk() },
            BrokerIdNotRegistered,
            "Controller does not support registering ZK brokers.".into(),
        ),
        (
            BrokerRegistrationRequest { log_dirs: vec![], ..mk() },
            InvalidRegistration,
            "No directories specified in request".into(),
        ),
        (
            BrokerRegistrationRequest { log_dirs: vec![Uuid::from_u128(99)], ..mk() },
            InvalidRegistration,
            "Reserved directory ID in request".into(),
        ),
        (
            BrokerRegistrationRequest { log_dirs: vec![directory(2), directory(2)], ..mk() },
            InvalidRegistration,
            "Duplicate directory ID in request".into(),
        ),
        (
            BrokerRegistrationRequest { log_dirs: vec![directory(2), directory(1)], ..mk() },
            InvalidRegistration,
            "Broker 1 is already registered with directory AAAAAAAAAAAAAAAAAAAD6Q".into(),
        ),
        (
            BrokerRegistrationRequest { features: vec![], ..mk() },
            InvalidRegistration,
            "Request features do not contain 'metadata.version'".into(),
        ),
        (
            BrokerRegistrationRequest { features: only("metadata.version", 7, 29), ..mk() },
            UnsupportedVersion,
            unsupported(30, "metadata.version", 7, 29),
        ),
        (
            BrokerRegistrationRequest { features: only("metadata.version", 7, 30), ..mk() },
            UnsupportedVersion,
            unsupported(1, "kraft.version", 0, 0),
        ),
    ];
    for (request, code, message) in table {
        assert_eq!(cluster.register(request), Err((code, message)));
    }
}

#[test]
fn another_incarnation_waits_for_the_end_of_the_session() {
    let elsewhere =
        |id, start| BrokerRegistrationRequest { log_dirs: vec![directory(50)], ..incarnation(id, start) };
    let mut cluster = Cluster::new(2);
    let duplicate = cluster.register(elsewhere(1, 7)).unwrap_err();
    assert_eq!(duplicate.0, ErrorCode::DuplicateBrokerRegistration);
    let epoch = cluster.epoch(1);
    assert_eq!(cluster.register(incarnation(1, 1_000)), Ok(epoch), "the same incarnation keeps its epoch");
    assert!(!cluster.image().broker(NodeId(1)).unwrap().fenced);
    let gone = ControllerRequest::ProcessGone { broker: NodeId(1), broker_epoch: epoch };
    assert_eq!(cluster.ask(gone).1, ControllerReply::Done(Ok(())));
    assert!(cluster.register(elsewhere(1, 7)).unwrap() > epoch, "it has ended");

    let mut cluster = Cluster::new(2);
    assert!(cluster.register(incarnation(1, 7)).is_ok(), "who holds its directory has seen it end");
    let mut cluster = Cluster::new(2);
    cluster.wait_until(20_000);
    assert!(cluster.register(elsewhere(1, 7)).is_ok(), "it was silent for too long");
    let mut cluster = Cluster::new(2);
    let stop = BrokerHeartbeatRequest { want_shut_down: true, ..cluster.mk_heartbeat(1) };
    assert!(cluster.heartbeat(stop).1.unwrap().should_shut_down);
    assert!(cluster.register(elsewhere(1, 7)).is_ok(), "it stopped in order");
    let mut quorum = Quorum::empty(1);
    quorum.restart_broker(1);
    let mut cluster = Cluster { quorum, now: 0 };
    cluster.heartbeat(cluster.mk_heartbeat(1)).1.unwrap();
    assert!(cluster.register(elsewhere(1, 7)).is_ok(), "this very process has taken its place");
}

#[test]
fn broker_is_unfenced_when_it_has_seen_its_registration_and_leads_what_nobody_leads() {
    let mut cluster = Cluster::new(1);
    cluster.quorum.create(manual("t", &[(0, &[1])])).unwrap();
    let epoch = cluster.register(incarnation(1, 7)).unwrap();
    assert_eq!(cluster.state(0), (-1, vec![1], vec![]), "nobody else has what it has");
    let early = BrokerHeartbeatRequest { current_metadata_offset: epoch - 1, ..cluster.mk_heartbeat(1) };
    let (records, heartbeat) = cluster.heartbeat(early);
    let fenced = Heartbeat { is_caught_up: false, is_fenced: true, should_shut_down: false };
    assert_eq!((records, heartbeat), (vec![], Ok(fenced)));
    let patient = BrokerHeartbeatRequest { want_fence: true, ..cluster.mk_heartbeat(1) };
    assert_eq!(cluster.heartbeat(patient), (vec![], Ok(Heartbeat { is_caught_up: true, ..fenced })));

    let (records, heartbeat) = cluster.heartbeat(cluster.mk_heartbeat(1));
    let expected: [MetadataRecord; 2] = [
        BrokerRegistrationChangeRecord { fenced: -1, ..registration_change(1, epoch) }.into(),
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: cluster.topic_id(),
            leader: 1,
            ..Default::default()
        }
        .into(),
    ];
    assert_eq!(records, expected);
    assert_eq!(heartbeat, Ok(Heartbeat { is_caught_up: true, is_fenced: false, should_shut_down: false }));
    let stale = BrokerHeartbeatRequest { broker_epoch: epoch - 1, ..cluster.mk_heartbeat(1) };
    assert_eq!(cluster.heartbeat(stale), (vec![], Err(ErrorCode::StaleBrokerEpoch)));
}

#[test]
fn silent_broker_is_fenced_when_its_session_ends() {
    let mut cluster = Cluster::new(3);
    cluster.quorum.create(manual("t", &[(0, &[1, 2, 3]), (1, &[2, 3, 1])])).unwrap();
    let epoch = cluster.epoch(1);
    cluster.wait_until(9_000);
    for id in [2, 3] {
        cluster.heartbeat(cluster.mk_heartbeat(id)).1.unwrap();
    }
    assert_eq!(cluster.quorum.0.next_deadline(), Some(Timestamp(10_001)));
    let change = |partition_id, isr: &[i32], leader| -> MetadataRecord {
        PartitionChangeRecord {
            partition_id,
            topic_id: cluster.topic_id(),
            isr: Some(isr.to_vec()),
            leader,
            ..Default::default()
        }
        .into()
    };
    let expected = [
        change(0, &[2, 3], 2),
        change(1, &[2, 3], -2),
        BrokerRegistrationChangeRecord { fenced: 1, ..registration_change(1, epoch) }.into(),
    ];
    assert_eq!(cluster.wait_until(10_001), expected);
    assert_eq!(cluster.wait_until(17_000), []);
    assert!(cluster.image().broker(NodeId(1)).unwrap().fenced);
    let gone = ControllerRequest::ProcessGone { broker: NodeId(1), broker_epoch: epoch };
    assert_eq!(cluster.ask(gone), (vec![], ControllerReply::Done(Ok(()))), "it is fenced already");
}

#[test]
fn sessions_begin_anew_with_a_new_controller_and_after_a_pause_of_it() {
    let cluster = Cluster::new(2);
    let settings = cluster.quorum.0.settings.clone();
    let mut next = Controller::new(settings, cluster.image().clone(), Timestamp(50_000), 1);
    assert_eq!(next.next_deadline(), Some(Timestamp(59_001)));
    assert_eq!(next.on_deadline(Timestamp(70_000)).records, [], "it did not run itself");
    assert_eq!(next.next_deadline(), Some(Timestamp(79_001)));
    assert_eq!(next.on_deadline(Timestamp(79_001)).records.len(), 1);
}

#[test]
fn broker_that_shuts_down_hands_over_what_it_leads_first() {
    let mut cluster = Cluster::new(2);
    cluster.quorum.create(manual("t", &[(0, &[1, 2])])).unwrap();
    let epoch = cluster.epoch(1);
    let stop = |cluster: &Cluster| BrokerHeartbeatRequest { want_shut_down: true, ..cluster.mk_heartbeat(1) };
    let (records, heartbeat) = cluster.heartbeat(stop(&cluster));
    let expected: [MetadataRecord; 2] = [
        BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..registration_change(1, epoch) }.into(),
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: cluster.topic_id(),
            isr: Some(vec![2]),
            leader: 2,
            ..Default::default()
        }
        .into(),
    ];
    assert_eq!(records, expected);
    assert!(!heartbeat.unwrap().should_shut_down);
    let waits = cluster.heartbeat(stop(&cluster));
    assert!(waits.0.is_empty() && !waits.1.unwrap().should_shut_down, "the other has not seen it");
    cluster.heartbeat(cluster.mk_heartbeat(2)).1.unwrap();
    let (records, heartbeat) = cluster.heartbeat(stop(&cluster));
    let fence = BrokerRegistrationChangeRecord { fenced: 1, ..registration_change(1, epoch) };
    assert_eq!(records, [fence.into()]);
    assert_eq!(heartbeat, Ok(Heartbeat { is_caught_up: true, is_fenced: true, should_shut_down: true }));
}

#[test]
fn last_replica_of_the_isr_keeps_its_place_and_its_broker_stays_until_it_is_fenced() {
    let mut cluster = Cluster::new(2);
    cluster.quorum.create(manual("t", &[(0, &[1])])).unwrap();
    let stop = BrokerHeartbeatRequest { want_shut_down: true, ..cluster.mk_heartbeat(1) };
    cluster.heartbeat(stop).1.unwrap();
    assert_eq!(cluster.state(0), (-1, vec![1], vec![]));
    cluster.heartbeat(cluster.mk_heartbeat(2)).1.unwrap();
    let stop = BrokerHeartbeatRequest { want_shut_down: true, ..cluster.mk_heartbeat(1) };
    assert!(cluster.heartbeat(stop).1.unwrap().should_shut_down, "it leads nothing any more");
}

#[test]
fn broker_leaves_the_isr_of_what_is_in_an_offline_directory() {
    let mut cluster = Cluster::new(2);
    let two = vec![directory(31), directory(32)];
    cluster.register(BrokerRegistrationRequest { log_dirs: two, ..incarnation(3, 1) }).unwrap();
    cluster.unfence(3);
    cluster.quorum.create(manual("t", &[(0, &[3, 1]), (1, &[3, 1])])).unwrap();
    let places = [(0, 31), (1, 32)].map(|(partition_id, place)| PartitionChangeRecord {
        partition_id,
        topic_id: cluster.topic_id(),
        directories: Some(vec![directory(place), directory(1)]),
        ..Default::default()
    });
    places.into_iter().for_each(|place| cluster.quorum.0.replay(&place.into()));
    let failed = BrokerHeartbeatRequest { offline_log_dirs: vec![directory(31)], ..cluster.mk_heartbeat(3) };
    let (records, _) = cluster.heartbeat(failed.clone());
    let expected: [MetadataRecord; 2] = [
        PartitionChangeRecord {
            partition_id: 0,
            topic_id: cluster.topic_id(),
            isr: Some(vec![1]),
            leader: 1,
            ..Default::default()
        }
        .into(),
        BrokerRegistrationChangeRecord {
            log_dirs: vec![directory(32)],
            ..registration_change(3, cluster.epoch(3))
        }
        .into(),
    ];
    assert_eq!(records, expected);
    assert_eq!(cluster.heartbeat(failed).0, [], "it is known");
    let cordon =
        BrokerHeartbeatRequest { cordoned_log_dirs: Some(vec![directory(32)]), ..cluster.mk_heartbeat(3) };
    assert_eq!(cluster.heartbeat(cordon.clone()).0.len(), 1);
    assert_eq!(cluster.heartbeat(cordon).0, []);
    assert!(!cluster.image().broker(NodeId(3)).unwrap().takes_replicas());
}

#[test]
fn unregistered_broker_is_forgotten() {
    let mut cluster = Cluster::new(2);
    cluster.quorum.create(manual("t", &[(0, &[1, 2])])).unwrap();
    let forget = ControllerRequest::UnregisterBroker { broker: NodeId(1) };
    assert_eq!(cluster.ask(forget.clone()).1, ControllerReply::Done(Ok(())));
    assert_eq!(cluster.state(0), (2, vec![2], vec![]));
    let ControllerReply::Done(Err(refusal)) = cluster.ask(forget).1 else { panic!("it is gone") };
    assert_eq!(refusal.code, ErrorCode::BrokerIdNotRegistered);
}

#[test]
fn broker_that_leads_ten_thousand_partitions_is_fenced_in_one_transaction() {
    let mut cluster = Cluster::new(2);
    for name in ["a", "b"] {
        let assignments: Vec<(i32, &[i32])> = (0..5_500).map(|index| (index, &[1, 2][..])).collect();
        cluster.quorum.create(manual(name, &assignments)).unwrap();
    }
    let epoch = cluster.epoch(1);
    let gone = ControllerRequest::ProcessGone { broker: NodeId(1), broker_epoch: epoch };
    let (records, _) = cluster.ask(gone);
    assert_eq!(records.len(), 11_000 + 1 + 2);
    assert!(records.len() > RECORDS_PER_BATCH_MAX);
    assert!(matches!(records[0], MetadataRecord::BeginTransactionRecord(_)));
    assert!(matches!(records.last(), Some(MetadataRecord::EndTransactionRecord(_))));
    assert!(cluster.image().topics().all(|t| t.partitions().all(|(_, p)| p.leader == NodeId(2))));

    cluster.start(1);
    let in_sync = |topic: Uuid, partition_id| PartitionChangeRecord {
        partition_id,
        topic_id: topic,
        isr: Some(vec![1, 2]),
        leader: 1,
        ..Default::default()
    };
    let topics: Vec<Uuid> = cluster.image().topics().map(|topic| topic.id.0).collect();
    for change in topics.iter().flat_map(|id| (0..5_500).map(move |index| in_sync(*id, index))) {
        cluster.quorum.0.replay(&change.into());
    }
    let next = cluster.image().next_offset().0;
    let epoch = cluster.register(incarnation(1, 99)).unwrap();
    assert_eq!(epoch, next + 1 + 11_000, "its own offset within the transaction");
    assert_eq!(cluster.epoch(1), epoch);
}

#[test]
fn broker_that_ended_without_its_epoch_is_eligible_no_more() {
    let table = [
        (true, (-1, vec![], vec![1]), (1, vec![1], vec![], 0)),
        (false, (-1, vec![], vec![]), (1, vec![1], vec![], 1)),
    ];
    for (is_clean, ended, returned) in table {
        let mut cluster = Cluster::new(2);
        cluster.enable_elr();
        let topic = with_config(manual("t", &[(0, &[1, 2])]), "min.insync.replicas", Some("2"));
        cluster.quorum.create(topic).unwrap();
        let gone = |cluster: &Cluster, id| ControllerRequest::ProcessGone {
            broker: NodeId(id),
            broker_epoch: cluster.epoch(id),
        };
        cluster.ask(gone(&cluster, 2));
        assert_eq!(cluster.state(0), (1, vec![1], vec![2]));
        let lost = BrokerRegistrationRequest { previous_broker_epoch: -1, ..incarnation(2, 8) };
        cluster.register(lost).unwrap();
        assert_eq!(cluster.state(0), (1, vec![1], vec![]), "2 may have lost what it had");
        let previous_broker_epoch = if is_clean { cluster.epoch(1) } else { -1 };
        cluster.register(BrokerRegistrationRequest { previous_broker_epoch, ..incarnation(1, 9) }).unwrap();
        assert_eq!(cluster.state(0), ended);
        cluster.unfence(2);
        assert_eq!(cluster.state(0).0, -1, "2 knows nothing of what was committed without it");
        cluster.unfence(1);
        let (leader, isr, eligible) = cluster.state(0);
        let recovery = cluster.partition(0).leader_recovery_state;
        assert_eq!((leader, isr, eligible, recovery), returned);
    }
}

#[test]
fn new_partitions_are_placed_on_brokers_that_stay_and_have_room() {
    let mut cluster = Cluster::new(4);
    let cordon =
        BrokerHeartbeatRequest { cordoned_log_dirs: Some(vec![directory(3)]), ..cluster.mk_heartbeat(3) };
    cluster.heartbeat(cordon).1.unwrap();
    cluster.quorum.create(manual("t", &[(0, &[4, 1])])).unwrap();
    let stop = BrokerHeartbeatRequest { want_shut_down: true, ..cluster.mk_heartbeat(4) };
    cluster.heartbeat(stop).1.unwrap();
    cluster.quorum.create(mk_topic("u", 8, 2)).unwrap();
    let mut leaders = [0; 5];
    for (_, partition) in cluster.image().topic("u").unwrap().partitions() {
        assert!(partition.replicas.iter().all(|node| [NodeId(1), NodeId(2)].contains(node)), "{partition:?}");
        leaders[partition.leader.0 as usize] += 1;
    }
    assert_eq!(leaders, [0, 4, 4, 0, 0]);
    let cordoned =
        "The manual partition assignment includes broker 3, but all its log directories are cordoned.";
    let refused = Err((ErrorCode::InvalidReplicaAssignment, cordoned.to_owned()));
    assert_eq!(cluster.quorum.create(manual("v", &[(0, &[3])])), refused);
    let few = cluster.quorum.create(mk_topic("v", 1, 3)).unwrap_err();
    assert_eq!(few.0, ErrorCode::InvalidReplicationFactor);
    let gone = ControllerRequest::ProcessGone { broker: NodeId(2), broker_epoch: cluster.epoch(2) };
    cluster.ask(gone);
    cluster.quorum.create(mk_topic("w", 1, 2)).unwrap();
    let (_, partition) = cluster.image().topic("w").unwrap().partitions().next().unwrap();
    assert_eq!(
        (partition.leader.0, partition.isr.len()),
        (1, 1),
        "a fenced one gets its replica and leads nothing"
    );
}
