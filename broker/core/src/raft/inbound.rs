//! Requests of other replicas, and the answers to this one's.

use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Timestamp};

use super::{
    Answer, Lost, Output, PeerAnswer, PeerRequest, Raft, ReplicaKey, RequestId, Role, Turn, VoteRequest,
};
use crate::machine::Ticket;

impl Raft {
    pub(super) fn on_request(&mut self, turn: &mut Turn<'_>, ticket: Ticket, request: PeerRequest) {
        let answer = match request {
            PeerRequest::Vote(request) => self.vote(turn, &request),
            PeerRequest::BeginEpoch { leader, epoch, voter, endpoints } => {
                PeerAnswer::Plain(self.begin_epoch(turn, (leader, epoch), voter, &endpoints))
            }
            PeerRequest::EndEpoch { leader, epoch, successors, endpoints } => {
                let answer = match self.check_voter_request(leader, epoch) {
                    Ok(()) => {
                        self.learn(turn, epoch, Some(leader), &endpoints);
                        self.leader_ends(turn, leader, &successors);
                        self.answer(ErrorCode::None)
                    }
                    Err(error) => self.answer(error),
                };
                PeerAnswer::Plain(answer)
            }
            PeerRequest::Fetch(request) => return self.on_fetch(turn, ticket, request),
            PeerRequest::FetchSnapshot { replica, epoch, id, position } => {
                self.on_fetch_snapshot(turn, (replica, epoch), id, position)
            }
            PeerRequest::ApiVersions => PeerAnswer::KraftVersions(Some(self.settings.kraft_versions.clone())),
            PeerRequest::AddVoter { .. } | PeerRequest::RemoveVoter(_) | PeerRequest::UpdateVoter { .. } => {
                return self.on_membership(turn, ticket, request);
            }
        };
        turn.outputs.push(Output::Answer { ticket, answer });
    }

    fn vote(&mut self, turn: &mut Turn<'_>, request: &VoteRequest) -> PeerAnswer {
        let (log_end, epoch) = (request.log_end, request.epoch);
        let is_illegal = if request.pre_vote { log_end.epoch > epoch } else { log_end.epoch >= epoch };
        if log_end.offset.0 < 0 || log_end.epoch.0 < 0 || is_illegal {
            return PeerAnswer::Vote(self.answer(ErrorCode::InvalidRequest), false);
        }
        if let Err(error) = self.check_voter_request(request.candidate.id, epoch) {
            return PeerAnswer::Vote(self.answer(error), false);
        }
        if epoch > self.election.epoch {
            self.become_unattached(turn, epoch, None);
        }
        if !self.is_meant(request.voter) {
            return PeerAnswer::Vote(self.answer(ErrorCode::InvalidVoterKey), false);
        }
        let granted = self.may_grant(turn.now, request);
        if granted && !request.pre_vote && self.election.voted.is_none() {
            self.election.voted = Some(request.candidate);
            self.persist(turn);
            // The candidate has as good a chance as this node: it gets its time.
            let later = self.election_deadline(turn.now);
            match &mut self.role {
                Role::Unattached { deadline } => *deadline = deadline.map(|_| later),
                Role::Prospective { deadline, .. } => *deadline = later,
                _ => {}
            }
        }
        PeerAnswer::Vote(self.answer(ErrorCode::None), granted)
    }

    fn may_grant(&self, now: Timestamp, request: &VoteRequest) -> bool {
        let is_up_to_date = request.log_end.is_up_to_date_with(self.log_end);
        match &self.role {
            Role::Leader(_) => false,
            Role::Follower(following) => request.pre_vote && !following.hears(now) && is_up_to_date,
            _ if request.pre_vote => is_up_to_date,
            Role::Candidate { .. } | Role::Resigned { .. } => false,
            Role::Unattached { .. } | Role::Prospective { .. } => match self.election.voted {
                Some(voted) => voted.matches(&request.candidate),
                None => self.election.leader.is_none() && is_up_to_date,
            },
        }
    }

    fn begin_epoch(
        &mut self,
        turn: &mut Turn<'_>,
        (leader, epoch): (NodeId, LeaderEpoch),
        voter: Option<ReplicaKey>,
        endpoints: &[super::Endpoint],
    ) -> Answer {
        if let Err(error) = self.check_voter_request(leader, epoch) {
            return self.answer(error);
        }
        self.learn(turn, epoch, Some(leader), endpoints);
        self.answer(if self.is_meant(voter) { ErrorCode::None } else { ErrorCode::InvalidVoterKey })
    }

    fn check_voter_request(&self, from: NodeId, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if epoch < self.election.epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if from.0 < 0 || from == self.settings.local.id { Err(ErrorCode::InvalidRequest) } else { Ok(()) }
    }

    pub(super) fn check_leader_request(&self, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if epoch < self.election.epoch {
            Err(ErrorCode::FencedLeaderEpoch)
        } else if epoch > self.election.epoch {
            Err(ErrorCode::UnknownLeaderEpoch)
        } else if self.is_leader() {
            Ok(())
        } else {
            Err(ErrorCode::NotLeaderOrFollower)
        }
    }

    /// Whether a request that names its receiver names this replica.
    fn is_meant(&self, key: Option<ReplicaKey>) -> bool {
        key.is_none_or(|key| key.matches(&self.settings.local))
    }

    pub(super) fn on_answer(&mut self, turn: &mut Turn<'_>, id: RequestId, answer: Result<PeerAnswer, Lost>) {
        // What a former role asked for is of no use to this one; what its answer says of the leader comes again.
        let Some(sent) = self.peers.answered(id) else { return };
        match answer {
            Ok(answer) => {
                self.peers.heard(&sent.to);
                self.on_answered(turn, &sent, answer);
            }
            Err(lost) => {
                self.peers.lost(&sent.to, turn.now, self.settings.retry_backoff_ms);
                match &sent.request {
                    PeerRequest::Vote(asked) => self.on_vote_lost(turn, asked, lost),
                    PeerRequest::Fetch(_) | PeerRequest::FetchSnapshot { .. } => {
                        self.on_fetch_lost(turn, &sent.to, lost);
                    }
                    PeerRequest::ApiVersions => self.on_kraft_versions(turn, &sent.to, None),
                    _ => {}
                }
            }
        }
    }

    fn on_answered(&mut self, turn: &mut Turn<'_>, sent: &super::peers::Sent, answer: PeerAnswer) {
        match (&sent.request, answer) {
            (PeerRequest::Vote(asked), PeerAnswer::Vote(answer, granted)) => {
                let asked = asked.clone();
                if answer.error == ErrorCode::None || answer.epoch > self.election.epoch {
                    self.on_vote(turn, &asked, &answer, granted);
                } else {
                    self.back_off_after_error(turn, sent);
                }
            }
            (PeerRequest::Fetch(_), PeerAnswer::Fetch { answer, high_watermark, content }) => {
                self.on_fetched(turn, &sent.to, &answer, (high_watermark, content));
            }
            (PeerRequest::FetchSnapshot { id, position, .. }, PeerAnswer::Snapshot(answer, chunk)) => {
                self.on_snapshot_piece(turn, (*id, *position), &answer, chunk);
            }
            (PeerRequest::ApiVersions, PeerAnswer::KraftVersions(versions)) => {
                self.on_kraft_versions(turn, &sent.to, Some(versions));
            }
            (_, PeerAnswer::Plain(answer)) => {
                let is_error = answer.error != ErrorCode::None;
                self.learn(turn, answer.epoch, answer.leader, &answer.endpoints);
                if is_error {
                    self.back_off_after_error(turn, sent);
                } else {
                    self.acknowledged(sent);
                }
            }
            (_, PeerAnswer::Membership { .. }) => {}
            _ => self.back_off_after_error(turn, sent),
        }
    }

    fn back_off_after_error(&mut self, turn: &Turn<'_>, sent: &super::peers::Sent) {
        self.peers.back_off(&sent.to, turn.now, self.settings.retry_backoff_ms);
    }
}
