//! The controller of the simulated replicas: who leads, who is in sync, and who hears of it when.

use super::*;

impl Cluster {
    /// The image reaches a node.
    pub(super) fn publish(&mut self, index: usize) {
        let Metadata { leader, epoch, partition_epoch, isr, fenced, broker_epochs } = &self.metadata;
        let node = &mut self.nodes[index];
        let (epoch, partition_epoch) = (LeaderEpoch(*epoch), *partition_epoch);
        if *leader == Some(index) {
            let (replicas, isr) = ((0..NODES).map(id).collect(), isr.iter().copied().map(id).collect());
            let live = |of: NodeId| {
                let of = usize::try_from(of.0).unwrap();
                let live = LiveBroker { epoch: broker_epochs[of], is_stopping: false };
                (!fenced.contains(&of)).then_some(live)
            };
            node.partition.lead(Leadership { epoch, partition_epoch, replicas, isr }, &live);
            node.fetcher.forget(KEY);
        } else if leader.is_some() {
            node.partition.follow(epoch, partition_epoch);
            if node.fetcher.follows(KEY, epoch) {
                return;
            }
            let position = node.partition.position();
            if position.last_epoch == LeaderEpoch::NONE && node.partition.cut(epoch, Cut::Unproven).is_ok() {
                node.recovery_point = node.recovery_point.min(node.partition.recovery_point());
            }
            node.fetcher.follow(KEY, "truck_gps".into(), epoch, node.partition.position());
        } else {
            node.partition.resign(epoch);
            node.fetcher.forget(KEY);
        }
    }

    pub(super) fn publish_to_all(&mut self) {
        (0..NODES).for_each(|node| self.publish(node));
    }

    /// The controller decides about an ISR; its answer or its image comes first.
    pub(super) fn alter(&mut self, leader: usize, proposal: &IsrProposal) {
        let metadata = &mut self.metadata;
        let is_current = metadata.leader == Some(leader)
            && proposal.leader_epoch.0 == metadata.epoch
            && proposal.partition_epoch == metadata.partition_epoch;
        let isr = proposal.isr.iter().map(|(node, _)| usize::try_from(node.0).unwrap()).collect::<Vec<_>>();
        let is_eligible = isr.iter().all(|node| !metadata.fenced.contains(node));
        let answer = if !is_current {
            Err(ErrorCode::InvalidUpdateVersion)
        } else if !is_eligible {
            Err(ErrorCode::IneligibleReplica)
        } else {
            metadata.isr = isr;
            metadata.partition_epoch += 1;
            let isr = metadata.isr.iter().copied().map(id).collect();
            let (leader_epoch, partition_epoch) = (LeaderEpoch(metadata.epoch), metadata.partition_epoch);
            Ok(IsrAnswer { leader_epoch, partition_epoch, isr })
        };
        if answer.is_ok() {
            self.count("expanded");
            self.is_weak &= self.metadata.isr.len() < NODES;
        }
        if self.random.one_in(3) {
            self.publish_to_all();
        }
        self.nodes[leader].partition.on_isr_answer(proposal, answer);
        self.publish_to_all();
    }

    /// Out of the ISR, unless it is the last; another of the ISR leads if it led.
    pub(super) fn fence(&mut self, index: usize) {
        let metadata = &mut self.metadata;
        if !metadata.fenced.contains(&index) {
            metadata.fenced.push(index);
        }
        if metadata.isr.len() > 1 {
            metadata.isr.retain(|node| *node != index);
        }
        metadata.partition_epoch += 1;
        if metadata.leader == Some(index) {
            let fenced = &metadata.fenced;
            metadata.leader = metadata.isr.iter().copied().find(|node| !fenced.contains(node));
            metadata.epoch += 1;
        }
        self.publish_to_all();
    }

    pub(super) fn unfence(&mut self, index: usize) {
        let metadata = &mut self.metadata;
        metadata.fenced.retain(|node| *node != index);
        metadata.partition_epoch += 1;
        if metadata.leader.is_none() && metadata.isr.contains(&index) {
            (metadata.leader, metadata.epoch) = (Some(index), metadata.epoch + 1);
        }
        self.publish_to_all();
    }

    pub(super) fn move_leader(&mut self) {
        let metadata = &mut self.metadata;
        let next = metadata.isr[self.random.below(metadata.isr.len())];
        if metadata.leader.is_some() && !metadata.fenced.contains(&next) {
            metadata.leader = Some(next);
            metadata.epoch += 1;
            metadata.partition_epoch += 1;
            self.count("moved");
            // One after the other learns of it, while the others fetch on.
            let first = self.random.below(NODES);
            self.publish(first);
            let other = self.random.below(NODES);
            self.fetch(other);
            self.publish_to_all();
        }
    }
}
