//! Partitions change: AlterPartition, reassignments, elections, directories.

use milena_protocol::messages::alter_partition::{
    AlterPartitionRequest, BrokerState, RequestPartitionData, RequestTopicData,
};
use milena_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use milena_protocol::messages::assign_replicas_to_dirs::{self, AssignReplicasToDirsRequest};
use milena_protocol::messages::elect_leaders::TopicPartitions;

use super::brokers::{Cluster, Refused};
use super::*;
use crate::metadata::PartitionImage;

impl Cluster {
    /// What the leader of a partition asks for: this ISR, with everything else as it is.
    pub(super) fn mk_alteration(&self, index: i32, isr: &[i32]) -> (i32, RequestPartitionData) {
        let partition = self.partition(index);
        let replica = |id: &i32| BrokerState {
            broker_id: *id,
            broker_epoch: self.image().broker(NodeId(*id)).map_or(-1, |broker| broker.epoch),
        };
        let wanted = RequestPartitionData {
            partition_index: index,
            leader_epoch: partition.leader_epoch.0,
            new_isr_with_epochs: isr.iter().map(replica).collect(),
            partition_epoch: partition.partition_epoch,
            leader_recovery_state: 0,
            ..Default::default()
        };
        (partition.leader.0, wanted)
    }

    pub(super) fn alter(
        &mut self,
        (broker_id, wanted): (i32, RequestPartitionData),
    ) -> (Vec<MetadataRecord>, Result<PartitionImage, ErrorCode>) {
        let topic = RequestTopicData { topic_id: self.topic_id(), partitions: vec![wanted] };
        let broker_epoch = self.epoch(broker_id);
        let request = AlterPartitionRequest { broker_id, broker_epoch, topics: vec![topic] };
        match self.ask(ControllerRequest::AlterPartition(request)) {
            (records, ControllerReply::PartitionsAltered(Ok(mut topics))) => {
                (records, topics.remove(0).1.remove(0).1)
            }
            (_, other) => panic!("{other:?}"),
        }
    }

    pub(super) fn reassign(
        &mut self,
        index: i32,
        replicas: Option<&[i32]>,
        allow_replication_factor_change: bool,
    ) -> Result<Vec<MetadataRecord>, Refused> {
        let partition =
            ReassignablePartition { partition_index: index, replicas: replicas.map(<[i32]>::to_vec) };
        let topic = ReassignableTopic { name: "t".into(), partitions: vec![partition] };
        let request = AlterPartitionReassignmentsRequest {
            allow_replication_factor_change,
            topics: vec![topic],
            ..Default::default()
        };
        self.one(ControllerRequest::AlterPartitionReassignments(request))
    }

    pub(super) fn elect(&mut self, election_type: i8, index: i32) -> Result<Vec<MetadataRecord>, Refused> {
        let topics = Some(vec![TopicPartitions { topic: "t".into(), partitions: vec![index] }]);
        self.one(ControllerRequest::ElectLeaders { election_type, topics })
    }

    /// A broker says where its replica is. Yields the number of records.
    pub(super) fn assign(
        &mut self,
        broker_id: i32,
        directory: Uuid,
        topic_id: Option<Uuid>,
        index: i32,
    ) -> Result<usize, ErrorCode> {
        let topic = assign_replicas_to_dirs::RequestTopicData {
            topic_id: topic_id.unwrap_or(self.topic_id()),
            partitions: vec![assign_replicas_to_dirs::RequestPartitionData { partition_index: index }],
        };
        let placed = assign_replicas_to_dirs::RequestDirectoryData { id: directory, topics: vec![topic] };
        let broker_epoch = self.epoch(broker_id);
        let request = AssignReplicasToDirsRequest { broker_id, broker_epoch, directories: vec![placed] };
        match self.ask(ControllerRequest::AssignReplicasToDirs(request)) {
            (records, ControllerReply::ReplicasAssigned(Ok(mut directories))) => {
                directories.remove(0).1.remove(0).1.remove(0).1.map(|()| records.len())
            }
            (_, other) => panic!("{other:?}"),
        }
    }

    fn one(&mut self, request: ControllerRequest) -> Result<Vec<MetadataRecord>, Refused> {
        match self.ask(request) {
            (records, ControllerReply::Partitions(Ok(mut topics))) => match topics.remove(0).1.remove(0).1 {
                Ok(()) => Ok(records),
                Err(refusal) => Err((refusal.code, refusal.message.unwrap_or_default())),
            },
            (_, other) => panic!("{other:?}"),
        }
    }

    fn create(&mut self, assignments: &[(i32, &[i32])]) {
        self.quorum.create(manual("t", assignments)).unwrap();
    }

    fn fence(&mut self, id: i32) {
        let gone = ControllerRequest::ProcessGone { broker: NodeId(id), broker_epoch: self.epoch(id) };
        self.ask(gone);
    }

    fn replicas(&self, index: i32) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        let partition = self.partition(index);
        (
            numbers(&partition.replicas),
            numbers(&partition.adding_replicas),
            numbers(&partition.removing_replicas),
        )
    }
}

#[test]
fn leader_shrinks_and_grows_its_isr() {
    let mut cluster = Cluster::new(3);
    cluster.create(&[(0, &[1, 2, 3])]);
    let (records, after) = cluster.alter(cluster.mk_alteration(0, &[1, 3]));
    let change = PartitionChangeRecord {
        partition_id: 0,
        topic_id: cluster.topic_id(),
        isr: Some(vec![1, 3]),
        ..Default::default()
    };
    assert_eq!(records, [change.into()]);
    let after = after.unwrap();
    assert_eq!((&after, after.leader_epoch.0, after.partition_epoch), (cluster.partition(0), 0, 1));
    cluster.alter(cluster.mk_alteration(0, &[1, 3, 2])).1.unwrap();
    assert_eq!(cluster.state(0), (1, vec![1, 3, 2], vec![]));
    let same = cluster.alter(cluster.mk_alteration(0, &[1, 3, 2]));
    assert_eq!((same.0.len(), same.1.unwrap().partition_epoch), (0, 2), "nothing changes");
}

#[test]
fn alterations_are_refused_for_what_they_are() {
    use ErrorCode::{
        FencedLeaderEpoch, IneligibleReplica, InvalidRequest, InvalidUpdateVersion, NotController,
        UnknownTopicOrPartition,
    };
    let mut cluster = Cluster::new(5);
    cluster.create(&[(0, &[1, 2, 3, 4])]);
    cluster.fence(3);
    cluster.alter(cluster.mk_alteration(0, &[1, 2])).1.unwrap();
    let mk = |isr: &[i32]| cluster.mk_alteration(0, isr);
    let with = |change: fn(&mut RequestPartitionData)| {
        let (broker, mut wanted) = mk(&[1]);
        change(&mut wanted);
        (broker, wanted)
    };
    let table = [
        ("no such partition", with(|w| w.partition_index = 9), UnknownTopicOrPartition),
        ("a later leader", with(|w| w.leader_epoch += 1), NotController),
        ("a later change", with(|w| w.partition_epoch += 1), NotController),
        ("an earlier leader", with(|w| w.leader_epoch -= 1), FencedLeaderEpoch),
        ("an earlier change", with(|w| w.partition_epoch -= 1), InvalidUpdateVersion),
        ("not the leader", (2, mk(&[1]).1), InvalidRequest),
        ("no replica", mk(&[1, 5]), InvalidRequest),
        ("twice", mk(&[1, 1]), InvalidRequest),
        ("without the leader", mk(&[2]), InvalidRequest),
        ("nobody", mk(&[]), InvalidRequest),
        ("recovering again", with(|w| w.leader_recovery_state = 1), InvalidRequest),
        ("no such state", with(|w| w.leader_recovery_state = 2), InvalidRequest),
        ("fenced", mk(&[1, 3]), IneligibleReplica),
        (
            "restarted since",
            {
                let (broker, mut wanted) = mk(&[1, 4]);
                wanted.new_isr_with_epochs[1].broker_epoch -= 1;
                (broker, wanted)
            },
            IneligibleReplica,
        ),
    ];
    for (name, wanted, code) in table {
        let before = cluster.image().clone();
        assert_eq!(cluster.alter(wanted).1, Err(code), "{name}");
        assert_eq!(*cluster.image(), before, "{name}");
    }
    let stale = AlterPartitionRequest { broker_id: 1, broker_epoch: -7, topics: vec![] };
    let reply = cluster.ask(ControllerRequest::AlterPartition(stale)).1;
    let ControllerReply::PartitionsAltered(Err(refusal)) = reply else { panic!("{reply:?}") };
    assert_eq!(refusal.code, ErrorCode::StaleBrokerEpoch);
    let gone =
        RequestTopicData { topic_id: Uuid::from_u128(9), partitions: vec![cluster.mk_alteration(0, &[1]).1] };
    let request = AlterPartitionRequest { broker_id: 1, broker_epoch: cluster.epoch(1), topics: vec![gone] };
    let reply = cluster.ask(ControllerRequest::AlterPartition(request)).1;
    let ControllerReply::PartitionsAltered(Ok(topics)) = reply else { panic!("{reply:?}") };
    assert_eq!(topics[0].1[0].1, Err(ErrorCode::UnknownTopicId));
}

#[test]
fn replicas_move_and_the_leader_learns_that_it_is_replaced() {
    let mut cluster = Cluster::new(3);
    cluster.create(&[(0, &[1, 2])]);
    let records = cluster.reassign(0, Some(&[2, 3]), true).unwrap();
    let begun = PartitionChangeRecord {
        partition_id: 0,
        topic_id: cluster.topic_id(),
        replicas: Some(vec![2, 3, 1]),
        removing_replicas: Some(vec![1]),
        adding_replicas: Some(vec![3]),
        directories: Some(vec![directory(2), directory(3), directory(1)]),
        ..Default::default()
    };
    assert_eq!(records, [begun.into()]);
    assert_eq!(cluster.reassign(0, Some(&[2, 3]), true), Ok(vec![]), "it goes on already");
    let (records, answer) = cluster.alter(cluster.mk_alteration(0, &[1, 2, 3]));
    let ended = PartitionChangeRecord {
        partition_id: 0,
        topic_id: cluster.topic_id(),
        isr: Some(vec![2, 3]),
        leader: 2,
        replicas: Some(vec![2, 3]),
        removing_replicas: Some(vec![]),
        adding_replicas: Some(vec![]),
        directories: Some(vec![directory(2), directory(3)]),
        ..Default::default()
    };
    assert_eq!((records, answer), (vec![ended.into()], Err(ErrorCode::NewLeaderElected)));
}

#[test]
fn reassignments_that_need_nobody_new_end_at_once() {
    let mut cluster = Cluster::new(3);
    cluster.create(&[(0, &[1, 2, 3])]);
    cluster.reassign(0, Some(&[3, 2, 1]), false).unwrap();
    assert_eq!(cluster.replicas(0), (vec![3, 2, 1], vec![], vec![]));
    assert_eq!(cluster.partition(0).leader_epoch.0, 0, "another order changes no leader");
    cluster.reassign(0, Some(&[1, 2]), true).unwrap();
    assert_eq!(cluster.replicas(0), (vec![1, 2], vec![], vec![]));
    assert_eq!(cluster.state(0), (1, vec![1, 2], vec![]));
    assert_eq!(cluster.partition(0).leader_epoch.0, 1, "a replica is gone");
}

#[test]
fn smaller_set_of_replicas_waits_for_all_of_it() {
    let mut cluster = Cluster::new(3);
    cluster.create(&[(0, &[1, 2, 3])]);
    cluster.alter(cluster.mk_alteration(0, &[1, 2])).1.unwrap();
    cluster.reassign(0, Some(&[2, 3]), true).unwrap();
    assert_eq!(cluster.replicas(0), (vec![2, 3, 1], vec![], vec![1]), "3 is not in sync");
    cluster.alter(cluster.mk_alteration(0, &[1, 2, 3])).0.len();
    assert_eq!(cluster.replicas(0), (vec![2, 3], vec![], vec![]));
}

#[test]
fn reassignment_is_replaced_by_another_and_cancelled() {
    let mut cluster = Cluster::new(4);
    cluster.create(&[(0, &[1, 2])]);
    cluster.reassign(0, Some(&[3, 2]), true).unwrap();
    cluster.reassign(0, Some(&[4, 2]), true).unwrap();
    assert_eq!(cluster.replicas(0), (vec![4, 2, 1, 3], vec![4], vec![1, 3]));
    cluster.reassign(0, Some(&[1, 2, 4]), true).unwrap();
    assert_eq!(cluster.replicas(0), (vec![1, 2, 4, 3], vec![4], vec![3]), "1 stays after all");
    cluster.reassign(0, None, true).unwrap();
    assert_eq!(cluster.replicas(0), (vec![1, 2, 3], vec![], vec![]), "3 was on its way out, and is kept");
    let none = (ErrorCode::NoReassignmentInProgress, String::new());
    assert_eq!(cluster.reassign(0, None, true), Err(none));
}

#[test]
fn reassignments_are_refused_in_the_words_of_kafka() {
    use ErrorCode::{InvalidReplicaAssignment, InvalidReplicationFactor, UnknownTopicOrPartition};
    let mut cluster = Cluster::new(2);
    let missing = "Unable to find a topic named t.".to_owned();
    assert_eq!(cluster.reassign(0, None, true), Err((UnknownTopicOrPartition, missing)));
    cluster.create(&[(0, &[1])]);
    let includes = |rest: &str| format!("The manual partition assignment includes {rest}");
    for (index, replicas, resize, code, message) in [
        (7, &[2][..], true, UnknownTopicOrPartition, "Unable to find partition t:7.".to_owned()),
        (0, &[], true, InvalidReplicaAssignment, includes("an empty replica list.")),
        (0, &[2, 2], true, InvalidReplicaAssignment, includes("the broker 2 more than once.")),
        (0, &[9, 9], true, InvalidReplicaAssignment, includes("broker 9, but no such broker is registered.")),
        (
            0,
            &[1, 2],
            false,
            InvalidReplicationFactor,
            "The replication factor is changed from 1 to 2".to_owned(),
        ),
    ] {
        assert_eq!(cluster.reassign(index, Some(replicas), resize), Err((code, message)));
    }
}

#[test]
fn cancellation_that_would_lose_records_needs_permission() {
    let mut cluster = Cluster::new(2);
    cluster.create(&[(0, &[1])]);
    cluster.reassign(0, Some(&[2]), true).unwrap();
    let lost = PartitionChangeRecord {
        partition_id: 0,
        topic_id: cluster.topic_id(),
        isr: Some(vec![2]),
        leader: 2,
        ..Default::default()
    };
    cluster.quorum.0.replay(&lost.into());
    let message =
        "Unable to revert partition assignment for t:0 because it would require an unclean leader election.";
    let refused = Err((ErrorCode::InvalidReplicaAssignment, message.to_owned()));
    assert_eq!(cluster.reassign(0, None, true), refused);
    cluster
        .quorum
        .alter(ResourceType::Topic, "t", &[("unclean.leader.election.enable", 0, Some("true"))])
        .unwrap();
    cluster.reassign(0, None, true).unwrap();
    assert_eq!((cluster.state(0), cluster.replicas(0).0), ((1, vec![1], vec![]), vec![1]));
}

#[test]
fn leaders_are_elected_as_asked() {
    use ErrorCode::{
        ElectionNotNeeded, EligibleLeadersNotAvailable, InvalidRequest, PreferredLeaderNotAvailable,
        UnknownTopicOrPartition,
    };
    let code =
        |result: Result<Vec<MetadataRecord>, Refused>| result.map(|records| records.len()).map_err(|r| r.0);
    let mut cluster = Cluster::new(2);
    assert_eq!(code(cluster.elect(0, 0)), Err(UnknownTopicOrPartition));
    cluster.create(&[(0, &[1, 2])]);
    assert_eq!(code(cluster.elect(0, 4)), Err(UnknownTopicOrPartition));
    assert_eq!(code(cluster.elect(0, 0)), Err(ElectionNotNeeded));
    cluster.fence(1);
    assert_eq!(code(cluster.elect(0, 0)), Err(PreferredLeaderNotAvailable));
    assert_eq!(code(cluster.elect(1, 0)), Err(ElectionNotNeeded));
    cluster.start(1);
    cluster.alter(cluster.mk_alteration(0, &[2, 1])).1.unwrap();
    assert_eq!(code(cluster.elect(0, 0)), Ok(1));
    assert_eq!(cluster.state(0).0, 1);
    cluster.alter(cluster.mk_alteration(0, &[1])).1.unwrap();
    cluster.fence(1);
    assert_eq!(cluster.state(0), (-1, vec![1], vec![]));
    assert_eq!(code(cluster.elect(1, 0)), Ok(1));
    assert_eq!((cluster.state(0), cluster.partition(0).leader_recovery_state), ((2, vec![2], vec![]), 1));
    cluster.fence(2);
    assert_eq!(code(cluster.elect(1, 0)), Err(EligibleLeadersNotAvailable));
    let reply = cluster.ask(ControllerRequest::ElectLeaders { election_type: 7, topics: None }).1;
    let ControllerReply::Partitions(Err(refusal)) = reply else { panic!("{reply:?}") };
    assert_eq!(refusal.code, InvalidRequest);
    let (_, reply) = cluster.ask(ControllerRequest::ElectLeaders { election_type: 0, topics: None });
    let ControllerReply::Partitions(Ok(topics)) = reply else { panic!("{reply:?}") };
    assert_eq!(topics[0].1.len(), 1, "of all partitions one has not its preferred leader");
}

#[test]
fn recovered_leader_says_so() {
    let mut cluster = Cluster::new(2);
    cluster.create(&[(0, &[1, 2])]);
    cluster.alter(cluster.mk_alteration(0, &[1])).1.unwrap();
    cluster.fence(1);
    cluster.elect(1, 0).unwrap();
    cluster.start(1);
    let still = |cluster: &Cluster, isr: &[i32]| {
        let (leader, wanted) = cluster.mk_alteration(0, isr);
        (leader, RequestPartitionData { leader_recovery_state: 1, ..wanted })
    };
    assert_eq!(cluster.alter(still(&cluster, &[2, 1])).1, Err(ErrorCode::InvalidRequest));
    cluster.alter(still(&cluster, &[2])).1.unwrap();
    cluster.alter(cluster.mk_alteration(0, &[2, 1])).1.unwrap();
    assert_eq!(cluster.partition(0).leader_recovery_state, 0);
}

#[test]
fn preferred_leaders_lead_again_by_themselves() {
    let mut cluster = Cluster::new(2);
    cluster.create(&[(0, &[1, 2]), (1, &[1, 2])]);
    cluster.fence(1);
    cluster.start(1);
    cluster.alter(cluster.mk_alteration(0, &[2, 1])).1.unwrap();
    assert_eq!((cluster.state(0).0, cluster.state(1).0), (2, 2));
    (1..=35).for_each(|second| {
        cluster.wait_until(second * 8_000);
        [1, 2].iter().for_each(|id| drop(cluster.heartbeat(cluster.mk_heartbeat(*id))));
    });
    assert_eq!((cluster.state(0).0, cluster.state(1).0), (2, 2), "five minutes are not over");
    [288_000, 296_000, 300_000].into_iter().for_each(|now| {
        cluster.wait_until(now);
        [1, 2].iter().for_each(|id| drop(cluster.heartbeat(cluster.mk_heartbeat(*id))));
    });
    assert_eq!((cluster.state(0).0, cluster.state(1).0), (1, 2), "of 1, 1 is not in sync");
}

#[test]
fn somebody_leads_with_losses_where_that_is_allowed() {
    let mut cluster = Cluster::new(2);
    cluster.create(&[(0, &[1, 2])]);
    cluster.alter(cluster.mk_alteration(0, &[1])).1.unwrap();
    cluster.fence(1);
    let allow = [("unclean.leader.election.enable", 0, Some("true"))];
    cluster.quorum.alter(ResourceType::Topic, "t", &allow).unwrap();
    assert_eq!(cluster.state(0), (-1, vec![1], vec![]));
    (1..=38).for_each(|second| {
        cluster.wait_until(second * 8_000);
        cluster.heartbeat(cluster.mk_heartbeat(2)).1.unwrap();
    });
    assert_eq!(cluster.state(0), (2, vec![2], vec![]));
}

#[test]
fn eligible_replicas_are_kept_below_the_minimum_and_lead_when_nobody_else_can() {
    let mut cluster = Cluster::new(3);
    cluster.enable_elr();
    let topic = with_config(manual("t", &[(0, &[1, 2, 3])]), "min.insync.replicas", Some("2"));
    cluster.quorum.create(topic).unwrap();
    for (lost, state) in
        [(3, (1, vec![1, 2], vec![])), (2, (1, vec![1], vec![2])), (1, (-1, vec![], vec![1, 2]))]
    {
        cluster.fence(lost);
        assert_eq!(cluster.state(0), state);
    }
    assert_eq!(cluster.partition(0).last_known_elr, [NodeId(1)]);
    cluster.start(3);
    assert_eq!(cluster.state(0).0, -1, "3 lacks what 1 and 2 acknowledged");
    cluster.start(2);
    assert_eq!((cluster.state(0), cluster.partition(0).leader_recovery_state), ((2, vec![2], vec![1]), 0));
    assert_eq!(cluster.partition(0).last_known_elr, []);
    cluster.alter(cluster.mk_alteration(0, &[2, 3])).1.unwrap();
    assert_eq!(cluster.state(0), (2, vec![2, 3], vec![]), "the ISR is large enough");
}

#[test]
fn replicas_are_assigned_to_directories() {
    let mut cluster = Cluster::new(2);
    cluster.create(&[(0, &[1, 2]), (1, &[1, 2])]);
    let mut assign = |broker_id, directory, topic_id, index| {
        let result = cluster.assign(broker_id, directory, topic_id, index);
        (result, cluster.partition(0).directories.clone(), cluster.state(0))
    };
    let (home, led) = (vec![directory(1), directory(2)], (1, vec![1, 2], vec![]));
    assert_eq!(assign(1, directory(1), None, 0), (Ok(0), home.clone(), led.clone()));
    let unknown = Some(Uuid::from_u128(9));
    assert_eq!(assign(1, directory(1), unknown, 0).0, Err(ErrorCode::UnknownTopicId));
    assert_eq!(assign(1, directory(1), None, 9).0, Err(ErrorCode::UnknownTopicOrPartition));
    let lost = (Ok(2), vec![directory(7), directory(2)], (2, vec![2], vec![]));
    assert_eq!(assign(1, directory(7), None, 0), lost, "nobody has this directory");
}
