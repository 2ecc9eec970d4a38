//! Changes of the voters, one at a time (KIP-853).
//!
//! | request | checks | then |
//! |---|---|---|
//! | AddRaftVoter | not a voter yet; it answers ApiVersions with the level of `kraft.version`; it has the log | the voters and it |
//! | RemoveRaftVoter | a voter, and not the only one | the voters without it; a leader that is removed resigns |
//! | UpdateRaftVoter | a voter with the same directory | its new addresses and levels |
//! | a higher `kraft.version` | static voters that have all introduced themselves by UpdateRaftVoter | the same, in the log |
//!
//! All need a committed epoch and a committed set of voters. The new set counts once it is appended; the caller hears when it is
//! committed.

use milena_protocol::{ErrorCode, Offset, Timestamp};

use super::voters::{Address, Voter, VoterSet};
use super::{Output, PeerAnswer, PeerRequest, Raft, ReplicaKey, Role, Turn, voters};
use crate::machine::Ticket;

/// A change on its way.
#[derive(Debug, Clone)]
pub(super) struct Change {
    ticket: Option<Ticket>,
    /// UpdateRaftVoter answers in another form.
    is_update: bool,
    stage: Stage,
    deadline: Timestamp,
}

#[derive(Debug, Clone)]
enum Stage {
    /// The new voter is asked what it knows.
    Asking { voter: Voter, at: Address, ack_when_committed: bool },
    /// The shell appends the new set.
    Appending,
    /// The record stands here.
    Appended(Offset),
}

type Refusal = (ErrorCode, Option<String>);

impl Raft {
    pub(super) fn on_membership(&mut self, turn: &mut Turn<'_>, ticket: Ticket, request: PeerRequest) {
        let is_update = matches!(request, PeerRequest::UpdateVoter { .. });
        let begun = match request {
            PeerRequest::AddVoter { voter, ack_when_committed, timeout_ms } => {
                self.add_voter(turn, voter, ack_when_committed).map(|stage| (stage, timeout_ms))
            }
            PeerRequest::RemoveVoter(key) => {
                self.remove_voter(turn, key).map(|stage| (stage, self.settings.request_timeout_ms))
            }
            PeerRequest::UpdateVoter { voter, epoch } => {
                let stage = self.check_leader_request(epoch).map_err(|error| (error, None));
                match stage.and_then(|()| self.update_voter(turn, voter)) {
                    Ok(Some(stage)) => Ok((stage, self.settings.request_timeout_ms)),
                    // With static voters the leader only listens.
                    Ok(None) => Err((ErrorCode::None, None)),
                    Err(refusal) => Err(refusal),
                }
            }
            _ => return,
        };
        match begun {
            Ok((stage, timeout_ms)) => {
                let deadline =
                    turn.now.plus_ms(timeout_ms.clamp(1, self.settings.fetch_timeout_ms.max(1) * 30));
                if let Role::Leader(leadership) = &mut self.role {
                    leadership.change = Some(Change { ticket: Some(ticket), is_update, stage, deadline });
                }
            }
            Err((error, message)) => {
                let refused =
                    Change { ticket: Some(ticket), is_update, stage: Stage::Appending, deadline: turn.now };
                self.end_change(turn, refused, error, message);
            }
        }
    }

    fn add_voter(
        &mut self,
        turn: &mut Turn<'_>,
        voter: Voter,
        ack_when_committed: bool,
    ) -> Result<Stage, Refusal> {
        self.check_change(voter.key)?;
        let at = voters::address(&voter.endpoints, &self.settings.listener).ok_or_else(|| {
            let listener = &self.settings.listener;
            refused(
                ErrorCode::InvalidRequest,
                format!("Add voter request has no endpoint for the listener {listener}"),
            )
        })?;
        if self.voters.current().by_id(voter.key.id).is_some() {
            let id = voter.key.id;
            return Err(refused(
                ErrorCode::DuplicateVoter,
                format!("The node {id} is one of the voters already."),
            ));
        }
        if !self.peers.send(turn, at.clone(), PeerRequest::ApiVersions) {
            let message = format!("New voter {} is not ready to receive requests", voter.key.id);
            return Err(refused(ErrorCode::RequestTimedOut, message));
        }
        Ok(Stage::Asking { voter, at, ack_when_committed })
    }

    fn remove_voter(&mut self, turn: &mut Turn<'_>, key: ReplicaKey) -> Result<Stage, Refusal> {
        self.check_change(key)?;
        let current = self.voters.current();
        if current.voters.iter().all(|voter| voter.key != key) {
            let message = format!("Cannot remove voter {}: it is not one of the voters.", key.id);
            return Err(refused(ErrorCode::VoterNotFound, message));
        }
        let rest = current.without(key.id);
        if rest.voters.is_empty() {
            let message = format!("Cannot remove voter {}: it is the only one.", key.id);
            return Err(refused(ErrorCode::InvalidRequest, message));
        }
        turn.outputs.push(Output::AppendVoters(rest));
        Ok(Stage::Appending)
    }

    fn update_voter(&mut self, turn: &mut Turn<'_>, voter: Voter) -> Result<Option<Stage>, Refusal> {
        let current = self.voters.current();
        let has_address = voters::address(&voter.endpoints, &self.settings.listener).is_some();
        let versions = &voter.kraft_versions;
        if !has_address || *versions.start() < 0 || !versions.contains(&current.kraft_version) {
            return Err((ErrorCode::InvalidRequest, None));
        }
        if current.kraft_version == 0 {
            return self.introduce(voter).map(|()| None);
        }
        let known = current.by_id(voter.key.id).filter(|known| known.key == voter.key).cloned();
        self.check_change(voter.key)?;
        let known = known.ok_or((ErrorCode::VoterNotFound, None))?;
        if known == voter {
            return Ok(None);
        }
        turn.outputs.push(Output::AppendVoters(self.voters.current().with(voter)));
        Ok(Some(Stage::Appending))
    }

    /// What the leader of static voters knows of them at first: the configuration, and itself.
    pub(super) fn introduced_by_leader(&self) -> VoterSet {
        let unknown = |voter: &Voter| Voter { kraft_versions: 0..=0, ..voter.clone() };
        let current = self.voters.current();
        let voters = VoterSet { voters: current.voters.iter().map(unknown).collect(), ..*current };
        voters.with(self.introduction())
    }

    /// This replica, as a voter.
    pub(super) fn introduction(&self) -> Voter {
        Voter {
            key: self.settings.local,
            endpoints: self.settings.endpoints.clone(),
            kraft_versions: self.settings.kraft_versions.clone(),
        }
    }

    /// A static voter tells its directory, its addresses and its levels.
    fn introduce(&mut self, voter: Voter) -> Result<(), Refusal> {
        let Role::Leader(leadership) = &mut self.role else {
            return Err((ErrorCode::NotLeaderOrFollower, None));
        };
        if leadership.introduced.by_id(voter.key.id).is_none() {
            return Err((ErrorCode::VoterNotFound, None));
        }
        leadership.introduced = leadership.introduced.with(voter);
        Ok(())
    }

    /// The highest level that `kraft.version` can be raised to, and the voters for the log to name then. `None` where this
    /// replica does not lead, or the log names voters already.
    pub fn next_kraft_version(&self) -> Option<(i16, &VoterSet)> {
        let Role::Leader(leadership) = &self.role else { return None };
        let is_static = self.voters.current().kraft_version == 0;
        is_static.then(|| (leadership.introduced.kraft_version_max(), &leadership.introduced))
    }

    /// What every change needs.
    fn check_change(&self, key: ReplicaKey) -> Result<(), Refusal> {
        let Role::Leader(leadership) = &self.role else {
            return Err((ErrorCode::NotLeaderOrFollower, None));
        };
        if key.id.0 < 0 || key.directory_id.is_nil() {
            return Err(refused(ErrorCode::InvalidRequest, "The request has no voter id and directory id"));
        }
        let timed_out =
            |what: &str| refused(ErrorCode::RequestTimedOut, format!("Request timed out waiting for {what}"));
        if leadership.change.is_some() {
            return Err(timed_out("leader to handle previous voter change request"));
        }
        let Some(high_watermark) = leadership.high_watermark else {
            return Err(timed_out("leader to establish HWM and fence previous voter changes"));
        };
        if self.voters.current().kraft_version == 0 {
            let message = "Cluster doesn't support changing voters because the kraft.version feature is 0";
            return Err(refused(ErrorCode::UnsupportedVersion, message));
        }
        if self.voters.uncommitted(high_watermark).is_some() {
            return Err(timed_out("voters to commit the latest voter change"));
        }
        Ok(())
    }

    /// The new voter said what it knows, or nothing.
    pub(super) fn on_kraft_versions(
        &mut self,
        turn: &mut Turn<'_>,
        from: &Address,
        told: Option<Option<std::ops::RangeInclusive<i16>>>,
    ) {
        let Role::Leader(leadership) = &mut self.role else { return };
        let is_asked =
            matches!(&leadership.change, Some(Change { stage: Stage::Asking { at, .. }, .. }) if at == from);
        let Some(mut change) = leadership.change.take_if(|_| is_asked) else { return };
        let Stage::Asking { voter, ack_when_committed, .. } = &change.stage else { return };
        let (voter, ack_when_committed) = (voter.clone(), *ack_when_committed);
        let level = self.voters.current().kraft_version;
        let key = voter.key;
        let (error, message) = match told {
            None => (ErrorCode::RequestTimedOut, format!("New voter {} did not answer", key.id)),
            Some(versions) => match versions.filter(|versions| versions.contains(&level)) {
                None => {
                    let message = format!("New voter {} does not support kraft.version {level}", key.id);
                    (ErrorCode::InvalidRequest, message)
                }
                Some(_) if !self.is_caught_up(turn.now, &key) => {
                    (ErrorCode::RequestTimedOut, format!("New voter {} is lagging behind", key.id))
                }
                Some(kraft_versions) => {
                    let set = self.voters.current().with(Voter { kraft_versions, ..voter });
                    turn.outputs.push(Output::AppendVoters(set));
                    change.stage = Stage::Appending;
                    if !ack_when_committed {
                        self.tell(turn, &mut change, ErrorCode::None, None);
                    }
                    if let Role::Leader(leadership) = &mut self.role {
                        leadership.change = Some(change);
                    }
                    return;
                }
            },
        };
        self.end_change(turn, change, error, Some(message));
    }

    /// The log names voters from `offset` on.
    pub(super) fn voters_changed(&mut self, turn: &mut Turn<'_>, offset: Offset) {
        let Role::Leader(leadership) = &mut self.role else { return };
        if let Some(Change { stage: stage @ Stage::Appending, .. }) = &mut leadership.change {
            *stage = Stage::Appended(offset);
        }
        self.advance_high_watermark(turn);
    }

    pub(super) fn change_committed(&mut self, turn: &mut Turn<'_>, high_watermark: Offset) {
        let is_removed = !self.voters.current().contains(&self.settings.local);
        let Role::Leader(leadership) = &mut self.role else { return };
        let is_done =
            |change: &mut Change| matches!(change.stage, Stage::Appended(offset) if offset < high_watermark);
        if let Some(change) = leadership.change.take_if(is_done) {
            self.end_change(turn, change, ErrorCode::None, None);
            if is_removed {
                self.resign(turn);
            }
        }
    }

    /// Gives up on a change that takes too long, and says when that is.
    pub(super) fn poll_change(&mut self, turn: &mut Turn<'_>) -> Option<Timestamp> {
        let Role::Leader(leadership) = &mut self.role else { return None };
        let now = turn.now;
        if let Some(change) = leadership.change.take_if(|change| change.deadline <= now) {
            self.end_change(turn, change, ErrorCode::RequestTimedOut, None);
            return None;
        }
        leadership.change.as_ref().map(|change| change.deadline)
    }

    pub(super) fn end_change(
        &self,
        turn: &mut Turn<'_>,
        mut change: Change,
        error: ErrorCode,
        message: Option<String>,
    ) {
        self.tell(turn, &mut change, error, message);
    }

    fn tell(&self, turn: &mut Turn<'_>, change: &mut Change, error: ErrorCode, message: Option<String>) {
        let Some(ticket) = change.ticket.take() else { return };
        let answer = if change.is_update {
            PeerAnswer::Plain(self.answer(error))
        } else {
            PeerAnswer::Membership { error, message }
        };
        turn.outputs.push(Output::Answer { ticket, answer });
    }
}

fn refused(error: ErrorCode, message: impl Into<String>) -> Refusal {
    (error, Some(message.into()))
}
