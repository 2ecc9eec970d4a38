//! Elections of one and of three, and what counts as committed.

use std::collections::BTreeSet;

use milena_protocol::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};

use super::{ElectionState, Input, LogEnd, Output, Raft, ReplicaKey, Settings};

fn voter(id: i32) -> ReplicaKey {
    ReplicaKey { id: NodeId(id), directory_id: Uuid::from_u128(id as u128) }
}

fn raft(voters: &[i32], election: ElectionState, end: i64) -> Raft {
    let settings = Settings {
        local: voter(1),
        voters: voters.iter().copied().map(voter).collect(),
        election_timeout_ms: 1000,
        election_backoff_max_ms: 1000,
    };
    Raft::new(settings, election, LogEnd { offset: Offset(end), epoch: election.epoch }, 1)
}

fn at(epoch: i32, leader: Option<i32>, voted: Option<i32>) -> ElectionState {
    ElectionState { epoch: LeaderEpoch(epoch), leader: leader.map(NodeId), voted: voted.map(voter) }
}

fn vote(from: i32, epoch: i32, pre_vote: bool, granted: bool) -> Input {
    Input::Vote { from: NodeId(from), epoch: LeaderEpoch(epoch), pre_vote, granted }
}

fn granting(ids: &[i32]) -> BTreeSet<ReplicaKey> {
    ids.iter().copied().map(voter).collect()
}

fn flushed(voter: i32, end: i64) -> Input {
    Input::Flushed { voter: NodeId(voter), end: Offset(end) }
}

#[test]
fn a_quorum_of_one_elects_itself_at_once_and_persists_before_it_leads() {
    let mut raft = raft(&[1], at(4, Some(1), None), 7);
    assert_eq!(raft.leader(), None, "a restarted leader leads no more");
    assert_eq!(
        raft.step(Timestamp(0), Input::Start),
        [
            Output::Persist(at(5, None, Some(1))),
            Output::Persist(at(5, Some(1), None)),
            Output::Lead { epoch: LeaderEpoch(5), granting: granting(&[1]) },
        ]
    );
    assert_eq!((raft.is_leader(), raft.epoch(), raft.next_deadline()), (true, LeaderEpoch(5), None));
    assert_eq!(raft.step(Timestamp(1), flushed(1, 7)), [], "nothing of the own epoch is flushed");
    assert_eq!(raft.step(Timestamp(1), flushed(1, 8)), [Output::Commit(Offset(8))]);
    assert_eq!(raft.step(Timestamp(1), flushed(1, 8)), []);
}

#[test]
fn three_voters_need_two_pre_votes_and_two_votes() {
    let mut raft = raft(&[1, 2, 3], at(4, None, None), 7);
    let log_end = LogEnd { offset: Offset(7), epoch: LeaderEpoch(4) };
    let ask = |epoch, pre_vote| Output::RequestVotes { epoch: LeaderEpoch(epoch), pre_vote, log_end };
    assert_eq!(raft.step(Timestamp(0), Input::Start), [ask(4, true)]);
    assert_eq!(raft.step(Timestamp(1), vote(2, 4, false, true)), [], "no vote was asked for yet");
    assert_eq!(raft.step(Timestamp(1), vote(9, 4, true, true)), [], "not a voter");
    assert_eq!(
        raft.step(Timestamp(1), vote(3, 4, true, true)),
        [Output::Persist(at(5, None, Some(1))), ask(5, false)]
    );
    assert_eq!(
        raft.step(Timestamp(2), vote(2, 5, false, true)),
        [
            Output::Persist(at(5, Some(1), None)),
            Output::Lead { epoch: LeaderEpoch(5), granting: granting(&[1, 2]) }
        ]
    );
    assert_eq!(raft.step(Timestamp(3), flushed(1, 9)), []);
    assert_eq!(raft.step(Timestamp(3), flushed(3, 8)), [Output::Commit(Offset(8))]);
    assert_eq!(raft.step(Timestamp(3), flushed(2, 9)), [Output::Commit(Offset(9))]);
}

#[test]
fn a_lost_or_silent_election_is_tried_again_after_a_pause() {
    let mut raft = raft(&[1, 2, 3], at(4, None, None), 7);
    raft.step(Timestamp(0), Input::Start);
    raft.step(Timestamp(1), vote(2, 4, true, false));
    assert_eq!(raft.step(Timestamp(1), vote(3, 4, true, false)), []);
    let deadline = raft.next_deadline().unwrap();
    assert!((Timestamp(1)..=Timestamp(1001)).contains(&deadline));
    assert_eq!(raft.step(deadline, Input::Deadline).len(), 1, "asks again");
    raft.step(Timestamp(deadline.0 + 1000), Input::Deadline);
    assert_eq!(raft.epoch(), LeaderEpoch(4), "pre-votes do not raise the epoch");
}

#[test]
fn a_higher_epoch_ends_every_role() {
    let mut raft = raft(&[1], at(4, None, None), 7);
    raft.step(Timestamp(0), Input::Start);
    assert_eq!(raft.step(Timestamp(1), vote(2, 9, false, false)), [Output::Persist(at(9, None, None))]);
    assert!(!raft.is_leader());
}
