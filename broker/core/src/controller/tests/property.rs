//! Brokers and operators do random things: whatever they do, partitions stay whole, and nobody leads who must not.

use proptest::prelude::*;

use super::brokers::Cluster;
use super::*;
use crate::metadata::PartitionImage;

const BROKERS: i32 = 5;
const PARTITIONS: i32 = 3;

#[derive(Debug, Clone)]
enum Act {
    Start { id: i32, is_clean: bool },
    Heartbeat { id: i32, want_fence: bool, want_shut_down: bool },
    Place { id: i32, index: i32, in_second: bool },
    DirectoryFails { id: i32 },
    Gone { id: i32 },
    Unregister { id: i32 },
    Alter { index: i32, isr: Vec<i32>, is_recovering: bool },
    Reassign { index: i32, replicas: Vec<i32> },
    Cancel { index: i32 },
    Elect { index: i32, election_type: i8 },
    AllowUnclean { allow: bool },
    Pass { ms: i64 },
    FailOver,
}

fn act() -> impl Strategy<Value = Act> {
    let (id, index) = (1..=BROKERS, 0..PARTITIONS);
    let some = || prop::sample::subsequence((1..=BROKERS).collect::<Vec<_>>(), 1..=4).prop_shuffle();
    prop_oneof![
        6 => (id.clone(), any::<bool>()).prop_map(|(id, is_clean)| Act::Start { id, is_clean }),
        8 => (id.clone(), prop::bool::weighted(0.1), prop::bool::weighted(0.2))
            .prop_map(|(id, want_fence, want_shut_down)| Act::Heartbeat { id, want_fence, want_shut_down }),
        4 => (id.clone(), index.clone(), any::<bool>())
            .prop_map(|(id, index, in_second)| Act::Place { id, index, in_second }),
        1 => id.clone().prop_map(|id| Act::DirectoryFails { id }),
        3 => id.clone().prop_map(|id| Act::Gone { id }),
        1 => id.prop_map(|id| Act::Unregister { id }),
        8 => (index.clone(), some(), prop::bool::weighted(0.1))
            .prop_map(|(index, isr, is_recovering)| Act::Alter { index, isr, is_recovering }),
        3 => (index.clone(), some()).prop_map(|(index, replicas)| Act::Reassign { index, replicas }),
        1 => index.clone().prop_map(|index| Act::Cancel { index }),
        2 => (index, 0..=1i8).prop_map(|(index, election_type)| Act::Elect { index, election_type }),
        1 => any::<bool>().prop_map(|allow| Act::AllowUnclean { allow }),
        4 => (1..12_000i64).prop_map(|ms| Act::Pass { ms }),
        1 => Just(Act::FailOver),
    ]
}

/// A process with two log directories.
fn two_directories(id: i32, start: i64) -> BrokerRegistrationRequest {
    let log_dirs = vec![directory(id), directory(id + BROKERS)];
    BrokerRegistrationRequest { log_dirs, ..incarnation(id, start) }
}

impl Cluster {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Start { id, is_clean } => {
                let known = self.image().broker(NodeId(*id)).map(|broker| broker.epoch);
                let previous_broker_epoch = known.filter(|_| *is_clean).unwrap_or(-1);
                self.register(BrokerRegistrationRequest {
                    previous_broker_epoch,
                    ..two_directories(*id, self.now)
                })
                .ok();
            }
            Act::Heartbeat { id, .. }
            | Act::Place { id, .. }
            | Act::DirectoryFails { id }
            | Act::Gone { id }
                if self.image().broker(NodeId(*id)).is_none() => {}
            Act::Heartbeat { id, want_fence, want_shut_down } => {
                let (want_fence, want_shut_down) = (*want_fence, *want_shut_down);
                self.heartbeat(BrokerHeartbeatRequest {
                    want_fence,
                    want_shut_down,
                    ..self.mk_heartbeat(*id)
                })
                .1
                .unwrap();
            }
            Act::Place { id, index, in_second } => {
                let place = if *in_second { *id + BROKERS } else { *id };
                self.assign(*id, directory(place), None, *index).ok();
            }
            Act::DirectoryFails { id } => {
                let offline_log_dirs = vec![directory(*id)];
                self.heartbeat(BrokerHeartbeatRequest { offline_log_dirs, ..self.mk_heartbeat(*id) })
                    .1
                    .unwrap();
            }
            Act::Gone { id } => {
                let broker_epoch = self.epoch(*id);
                self.ask(ControllerRequest::ProcessGone { broker: NodeId(*id), broker_epoch });
            }
            Act::Unregister { id } => {
                self.ask(ControllerRequest::UnregisterBroker { broker: NodeId(*id) });
            }
            Act::Alter { index, isr, is_recovering } => {
                let (leader, mut wanted) = self.mk_alteration(*index, isr);
                wanted.leader_recovery_state = i8::from(*is_recovering);
                if leader >= 0 {
                    self.alter((leader, wanted)).1.ok();
                }
            }
            Act::Reassign { index, replicas } => drop(self.reassign(*index, Some(replicas), true)),
            Act::Cancel { index } => drop(self.reassign(*index, None, true)),
            Act::Elect { index, election_type } => drop(self.elect(*election_type, *index)),
            Act::AllowUnclean { allow } => {
                let value = if *allow { "true" } else { "false" };
                let change = [("unclean.leader.election.enable", 0, Some(value))];
                self.quorum.alter(ResourceType::Topic, "t", &change).unwrap();
            }
            Act::Pass { ms } => drop(self.wait_until(self.now + ms)),
            Act::FailOver => {
                let settings = self.quorum.0.settings.clone();
                let image = self.image().clone();
                self.quorum = Quorum(Controller::new(settings, image, Timestamp(self.now), 1));
            }
        }
    }

    fn check(&self, before: &[PartitionImage], has_elr: bool) {
        for (index, before) in (0..).zip(before) {
            let after = self.partition(index);
            self.check_whole(after, has_elr);
            self.check_leader(after);
            let (earlier, later) = (before.partition_epoch, after.partition_epoch);
            assert!(later > earlier || before == after, "every change grows the epoch: {before:?} {after:?}");
            let led = (before.leader, before.leader_epoch) == (after.leader, after.leader_epoch);
            assert!(led || after.leader_epoch > before.leader_epoch, "{before:?} {after:?}");
        }
    }

    fn check_whole(&self, partition: &PartitionImage, has_elr: bool) {
        let is_set =
            |nodes: &[NodeId]| nodes.iter().collect::<std::collections::BTreeSet<_>>().len() == nodes.len();
        let eligible = &partition.eligible_leader_replicas;
        for nodes in [&partition.isr, eligible, &partition.adding_replicas, &partition.removing_replicas] {
            assert!(is_set(nodes), "{partition:?}");
            assert!(nodes.iter().all(|node| partition.replicas.contains(node)), "{partition:?}");
        }
        assert!(is_set(&partition.replicas) && partition.directories.len() == partition.replicas.len());
        assert!(eligible.iter().all(|node| !partition.isr.contains(node)), "{partition:?}");
        let is_remembered = has_elr && (!eligible.is_empty() || partition.last_known_elr.len() == 1);
        assert!(!partition.isr.is_empty() || is_remembered, "{partition:?}");
    }

    /// Who leads is in the ISR and alive; nobody leads only if nobody may.
    fn check_leader(&self, partition: &PartitionImage) {
        let is_alive = |node: &NodeId| {
            let broker = self.image().broker(*node).filter(|broker| broker.is_active());
            broker.is_some_and(|broker| broker.has_online(partition.directory(*node).unwrap()))
        };
        if partition.leader.0 >= 0 {
            assert!(
                partition.isr.contains(&partition.leader) && is_alive(&partition.leader),
                "{partition:?}"
            );
            return;
        }
        let candidates =
            if partition.isr.is_empty() { &partition.eligible_leader_replicas } else { &partition.isr };
        assert!(!candidates.iter().any(is_alive), "{partition:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn partitions_stay_whole_whatever_happens(
        has_elr in any::<bool>(),
        min_isr in 1..=3i32,
        acts in prop::collection::vec(act(), 1..150),
    ) {
        let mut cluster = Cluster::new(0);
        for id in 1..=BROKERS {
            cluster.register(two_directories(id, 0)).unwrap();
            cluster.unfence(id);
        }
        if has_elr {
            cluster.enable_elr();
        }
        let topic = manual("t", &[(0, &[1, 2, 3]), (1, &[2, 3, 4]), (2, &[5, 1, 2])]);
        let min_isr = min_isr.to_string();
        cluster.quorum.create(with_config(topic, "min.insync.replicas", Some(&min_isr))).unwrap();
        for act in acts {
            let before: Vec<_> = (0..PARTITIONS).map(|index| cluster.partition(index).clone()).collect();
            cluster.now += 1;
            cluster.act(&act);
            cluster.check(&before, has_elr);
        }
    }
}
