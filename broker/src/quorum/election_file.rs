//! `quorum-state`: what a voter must not forget, in Kafka's JSON.
//!
//! | data_version | kraft.version | fields |
//! |---|---|---|
//! | 0 | 0, static voters | clusterId (empty), leaderId, leaderEpoch, votedId, appliedOffset (0), currentVoters |
//! | 1 | 1, dynamic voters | leaderId, leaderEpoch, votedId, votedDirectoryId |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use milena_core::raft::{ElectionState, ReplicaKey, VoterSet};
use milena_protocol::ids::{base64, from_base64};
use milena_protocol::{LeaderEpoch, NodeId, Uuid};
use milena_storage::Disk;
use serde::{Deserialize, Serialize};

const NAME: &str = "quorum-state";
const NOBODY: i32 = -1;

/// The file of one replica.
#[derive(Debug)]
pub(super) struct ElectionFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

/// Both versions in one; what a version lacks is left out when it is written and ignored when it is read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voted_directory_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applied_offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_voters: Option<Vec<Voter>>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Voter {
    voter_id: i32,
}

impl ElectionFile {
    pub(super) fn new(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, path: folder.join(NAME) }
    }

    /// What was written last; the state of a voter that never saw an election where there is no file.
    pub(super) fn read(&self) -> anyhow::Result<ElectionState> {
        let text = match self.disk.read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ElectionState::default()),
            contents => contents.with_context(|| format!("read {}", self.path.display()))?,
        };
        let contents: Contents =
            serde_json::from_slice(&text).with_context(|| format!("{} is damaged", self.path.display()))?;
        let version = contents.data_version;
        ensure!((0..=1).contains(&version), "{} has data_version {version}", self.path.display());
        let directory_id = contents.voted_directory_id.as_deref().and_then(from_base64).unwrap_or_default();
        let known = |id: i32| Some(NodeId(id)).filter(|id| id.0 != NOBODY);
        Ok(ElectionState {
            epoch: LeaderEpoch(contents.leader_epoch),
            leader: known(contents.leader_id),
            voted: known(contents.voted_id).map(|id| ReplicaKey { id, directory_id }),
        })
    }

    /// Replaces the file; it is on the disk when this returns. Static `voters` are named in it.
    pub(super) fn write(&self, state: &ElectionState, voters: &VoterSet) -> anyhow::Result<()> {
        let voted_directory = state.voted.map_or(Uuid::nil(), |voted| voted.directory_id);
        let is_static = voters.kraft_version == 0;
        let contents = Contents {
            cluster_id: is_static.then(String::new),
            leader_id: state.leader.map_or(NOBODY, |leader| leader.0),
            leader_epoch: state.epoch.0,
            voted_id: state.voted.map_or(NOBODY, |voted| voted.id.0),
            voted_directory_id: (!is_static).then(|| base64(voted_directory)),
            applied_offset: is_static.then_some(0),
            current_voters: is_static
                .then(|| voters.keys().map(|key| Voter { voter_id: key.id.0 }).collect()),
            data_version: if is_static { 0 } else { 1 },
        };
        let text = serde_json::to_vec(&contents)?;
        self.disk.replace(&self.path, &text, true).with_context(|| format!("write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use milena_storage::MemDisk;

    fn file() -> (Arc<MemDisk>, ElectionFile) {
        let disk = Arc::new(MemDisk::new());
        disk.create_dir_all(Path::new("/m")).unwrap();
        (disk.clone(), ElectionFile::new(disk, Path::new("/m")))
    }

    fn voters(kraft_version: i16) -> VoterSet {
        let key = ReplicaKey { id: NodeId(1), directory_id: Uuid::nil() };
        let voter = milena_core::raft::Voter { key, endpoints: Vec::new(), kraft_versions: 0..=1 };
        VoterSet { kraft_version, voters: vec![voter] }
    }

    #[test]
    fn the_file_has_the_bytes_of_kafka_and_is_read_back() {
        let state = ElectionState { epoch: LeaderEpoch(1), leader: Some(NodeId(1)), voted: None };
        let voted = ReplicaKey { id: NodeId(1), directory_id: Uuid::from_u128(1) };
        let table = [
            (
                1,
                r#"{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#,
            ),
            (
                0,
                r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#,
            ),
        ];
        for (kraft_version, text) in table {
            let (disk, file) = file();
            assert_eq!(file.read().unwrap(), ElectionState::default());
            file.write(&state, &voters(kraft_version)).unwrap();
            assert_eq!(String::from_utf8(disk.read(Path::new("/m/quorum-state")).unwrap()).unwrap(), text);
            assert_eq!(file.read().unwrap(), state);
        }
        let (_, file) = file();
        let state = ElectionState { leader: None, voted: Some(voted), ..state };
        file.write(&state, &voters(1)).unwrap();
        assert_eq!(file.read().unwrap(), state);
    }
}
