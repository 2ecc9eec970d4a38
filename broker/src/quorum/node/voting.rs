//! What a leader appends of its voters: another set of them, or the first one, when `kraft.version` is raised and the log
//! names from then on who votes (KIP-853).

use std::collections::VecDeque;

use milena_core::metadata::features::KRAFT_VERSION;
use milena_core::raft::{Input, VoterSet};
use milena_protocol::Timestamp;
use milena_protocol::messages::metadata_records::{MetadataRecord, NoOpRecord};

use super::Node;

impl Node {
    /// Lets the log name the voters from here on. The record that decided so does nothing in the log but take an offset,
    /// which its caller waits for.
    pub(super) fn raise_kraft_version(
        &mut self,
        raised: i16,
        records: &[MetadataRecord],
        now: Timestamp,
    ) -> anyhow::Result<()> {
        if let Some((_, introduced)) = self.raft.next_kraft_version() {
            let voters = VoterSet { kraft_version: raised, ..introduced.clone() };
            tracing::info!(level = raised, "the metadata log names the voters from now on");
            let mut inputs = VecDeque::new();
            self.append_voters(voters, now, &mut inputs)?;
            self.step_through(now, inputs)?;
        }
        let is_level = |record: &MetadataRecord| level(std::slice::from_ref(record)).is_some();
        let stand_in =
            |record: &MetadataRecord| if is_level(record) { NoOpRecord {}.into() } else { record.clone() };
        self.append(&records.iter().map(stand_in).collect::<Vec<_>>(), now)
    }

    pub(super) fn append_voters(
        &mut self,
        voters: VoterSet,
        now: Timestamp,
        inputs: &mut VecDeque<Input>,
    ) -> anyhow::Result<()> {
        let offset =
            self.log.append_voters(&voters, self.raft.voters().kraft_version, self.raft.epoch(), now)?;
        if let Some(controller) = &mut self.controller {
            controller.skip_to(self.log.end().offset);
            controller.set_quorum(voters.keys().map(|key| key.id).collect(), voters.kraft_version);
        }
        self.log.flush(now)?;
        inputs.push_back(Input::Voters { offset, voters });
        inputs.push_back(Input::Flushed(self.log.end()));
        Ok(())
    }
}

/// The level of `kraft.version` that is decided by these records, if it is.
pub(super) fn level(records: &[MetadataRecord]) -> Option<i16> {
    records.iter().find_map(|record| match record {
        MetadataRecord::FeatureLevelRecord(record) if *record.name == *KRAFT_VERSION => {
            Some(record.feature_level)
        }
        _ => None,
    })
}
