//! The count of an election: who was asked, who granted, who refused.

use std::collections::BTreeSet;

use milena_protocol::NodeId;

use super::voters::VoterSet;

/// The votes of one election.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ballot {
    granting: BTreeSet<NodeId>,
    refusing: BTreeSet<NodeId>,
}

impl Ballot {
    /// The local vote alone.
    pub(super) fn of(local: NodeId) -> Self {
        Self { granting: BTreeSet::from([local]), refusing: BTreeSet::new() }
    }

    pub(super) fn record(&mut self, from: NodeId, granted: bool) {
        let (into, out_of) = if granted {
            (&mut self.granting, &mut self.refusing)
        } else {
            (&mut self.refusing, &mut self.granting)
        };
        out_of.remove(&from);
        into.insert(from);
    }

    pub(super) fn has_granted(&self, id: NodeId) -> bool {
        self.granting.contains(&id)
    }

    pub(super) fn is_open(&self, id: NodeId) -> bool {
        !self.granting.contains(&id) && !self.refusing.contains(&id)
    }

    pub(super) fn is_won(&self, voters: &VoterSet) -> bool {
        count(&self.granting, voters) >= voters.majority()
    }

    pub(super) fn is_lost(&self, voters: &VoterSet) -> bool {
        count(&self.refusing, voters) > voters.voters.len() - voters.majority()
    }
}

fn count(ids: &BTreeSet<NodeId>, voters: &VoterSet) -> usize {
    voters.keys().filter(|key| ids.contains(&key.id)).count()
}
