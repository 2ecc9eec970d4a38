//! Elections, commits and changes of voters: single steps, and whole quorums under faults from one seed.

use std::collections::BTreeMap;

use milena_protocol::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp};

use super::*;
use cluster::{Cluster, Counters, address, key, settings, voters};
use log::MemoryLog;

mod cluster;
mod log;

fn at(epoch: i32, leader: Option<i32>, voted: Option<i32>) -> ElectionState {
    ElectionState { epoch: LeaderEpoch(epoch), leader: leader.map(NodeId), voted: voted.map(key) }
}

fn raft(ids: &[i32], election: ElectionState, log: &MemoryLog) -> Raft {
    Raft::new(settings(1), election, log.end(), VoterHistory::new(voters(ids), []), 1)
}

fn vote_of(candidate: i32, epoch: i32, end: (i64, i32), pre_vote: bool) -> PeerRequest {
    PeerRequest::Vote(VoteRequest {
        candidate: key(candidate),
        epoch: LeaderEpoch(epoch),
        voter: Some(key(1)),
        log_end: LogEnd { offset: Offset(end.0), epoch: LeaderEpoch(end.1) },
        pre_vote,
    })
}

/// Whether a vote is granted, and the outputs before the answer.
fn ask(raft: &mut Raft, log: &MemoryLog, request: PeerRequest) -> (ErrorCode, bool, Vec<Output>) {
    let mut outputs = raft.step(Timestamp(5), log, Input::Request { ticket: Ticket(1), request });
    let place = outputs.iter().position(|output| matches!(output, Output::Answer { .. })).unwrap();
    let Output::Answer { answer: PeerAnswer::Vote(answer, granted), .. } = outputs.remove(place) else {
        panic!()
    };
    (answer.error, granted, outputs)
}

#[test]
fn a_quorum_of_one_elects_itself_at_once_and_persists_before_it_leads() {
    let log = MemoryLog::of_epochs(&[4; 7]);
    let mut raft = raft(&[1], at(4, Some(1), None), &log);
    assert_eq!(
        raft.step(Timestamp(0), &log, Input::Start),
        [
            Output::Persist(at(5, None, Some(1))),
            Output::Persist(at(5, Some(1), None)),
            Output::Lead { epoch: LeaderEpoch(5), voters: vec![key(1)], granting: vec![key(1)] },
            Output::LeaderChanged,
        ]
    );
    assert_eq!((raft.is_leader(), raft.epoch()), (true, LeaderEpoch(5)));
    let end = |offset| LogEnd { offset: Offset(offset), epoch: LeaderEpoch(5) };
    assert_eq!(
        raft.step(Timestamp(1), &log, Input::Flushed(end(7))),
        [],
        "nothing of the own epoch is flushed"
    );
    assert_eq!(raft.step(Timestamp(1), &log, Input::Flushed(end(8))), [Output::Commit(Offset(8))]);
    assert_eq!(raft.step(Timestamp(1), &log, Input::Flushed(end(8))), []);
}

#[test]
fn votes_go_to_one_candidate_an_epoch_whose_log_is_not_behind() {
    let log = MemoryLog::of_epochs(&[1, 1, 3]);
    let mut node = raft(&[1, 2, 3], at(4, None, None), &log);
    let (error, granted, _) = ask(&mut node, &log, vote_of(2, 3, (3, 2), false));
    assert_eq!((error, granted), (ErrorCode::FencedLeaderEpoch, false), "an older epoch");
    let (_, granted, outputs) = ask(&mut node, &log, vote_of(2, 5, (9, 2), false));
    assert_eq!(
        (granted, outputs[0].clone()),
        (false, Output::Persist(at(5, None, None))),
        "a log of an older epoch"
    );
    let (_, granted, outputs) = ask(&mut node, &log, vote_of(2, 5, (3, 3), false));
    assert_eq!((granted, outputs[0].clone()), (true, Output::Persist(at(5, None, Some(2)))));
    let (_, granted, _) = ask(&mut node, &log, vote_of(3, 5, (9, 3), false));
    assert!(!granted, "its vote in this epoch is given");
    let (_, granted, _) = ask(&mut node, &log, vote_of(2, 5, (3, 3), false));
    assert!(granted, "the same candidate asks again");
    let (error, granted, _) = ask(&mut node, &log, vote_of(3, 5, (9, 6), true));
    assert_eq!((error, granted), (ErrorCode::InvalidRequest, false), "a log from a later epoch than its own");
}

#[test]
fn a_restarted_voter_keeps_its_vote_and_a_restarted_leader_gives_none_in_its_epoch() {
    let log = MemoryLog::of_epochs(&[1]);
    let mut voted = raft(&[1, 2, 3], at(4, None, Some(2)), &log);
    voted.step(Timestamp(0), &log, Input::Start);
    assert!(!ask(&mut voted, &log, vote_of(3, 4, (5, 1), false)).1);
    let mut led = raft(&[1, 2, 3], at(4, Some(1), None), &log);
    led.step(Timestamp(0), &log, Input::Start);
    assert!(!led.is_leader());
    assert!(!ask(&mut led, &log, vote_of(3, 4, (5, 1), false)).1);
    assert!(ask(&mut led, &log, vote_of(3, 5, (5, 1), false)).1);
}

#[test]
fn a_follower_that_hears_its_leader_grants_no_pre_vote() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[], 1);
    (1..=3).for_each(|id| cluster.start(id));
    assert!(cluster.run_until(5_000, |cluster| cluster.leader().is_some()));
    cluster.run_for(1_000);
    let leader = cluster.leader().unwrap();
    let follower = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    let log = cluster.nodes[&follower].log.clone();
    let raft = &mut cluster.nodes.get_mut(&follower).unwrap().raft;
    let epoch = raft.epoch().0;
    let PeerRequest::Vote(mut request) = vote_of(9, epoch, (1000, epoch), true) else { panic!() };
    request.voter = None;
    assert!(!ask(raft, &log, PeerRequest::Vote(request)).1);
}

#[test]
fn a_killed_leader_is_replaced_within_half_a_second() {
    for seed in 1..50 {
        let mut cluster = Cluster::new(&[1, 2, 3], &[], seed);
        (1..=3).for_each(|id| cluster.start(id));
        assert!(
            cluster.run_until(1_000, |cluster| cluster.leader().is_some()),
            "seed {seed}: first election"
        );
        cluster.run_for(1_000);
        let leader = cluster.leader().unwrap();
        cluster.crash(leader);
        let replaced = |cluster: &Cluster| cluster.leader().is_some_and(|other| other != leader);
        assert!(cluster.run_until(500, replaced), "seed {seed}");
    }
}

#[test]
fn a_leader_that_stops_hands_over_to_the_furthest() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[], 3);
    (1..=3).for_each(|id| cluster.start(id));
    assert!(cluster.run_until(5_000, |cluster| cluster.leader().is_some()));
    cluster.run_for(1_000);
    let leader = cluster.leader().unwrap();
    cluster.step(leader, Input::Resign);
    assert!(cluster.run_until(300, |cluster| cluster.leader().is_some_and(|other| other != leader)));
    assert!(cluster.run_until(300, |cluster| cluster.nodes[&leader].raft.may_stop()));
}

#[test]
fn a_leader_that_stops_waits_for_nobody_who_is_gone() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[], 3);
    (1..=3).for_each(|id| cluster.start(id));
    assert!(cluster.run_until(5_000, |cluster| cluster.leader().is_some()));
    cluster.run_for(500);
    let leader = cluster.leader().unwrap();
    (1..=3).filter(|id| *id != leader).for_each(|id| cluster.crash(id));
    cluster.step(leader, Input::Resign);
    assert!(!cluster.nodes[&leader].raft.may_stop(), "the others were not asked yet");
    assert!(cluster.run_until(100, |cluster| cluster.nodes[&leader].raft.may_stop()));
}

#[test]
fn a_voter_that_is_gone_is_dialled_less_and_less() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[], 8);
    (1..=2).for_each(|id| cluster.start(id));
    assert!(cluster.run_until(5_000, |cluster| cluster.leader().is_some()));
    let before = cluster.counters.refused;
    cluster.run_for(64_000);
    let dialled = cluster.counters.refused - before;
    assert!((90..=120).contains(&dialled), "{dialled} times in 64 s, at most every 640 ms");
}

#[test]
fn a_leader_that_is_cut_off_resigns() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[], 4);
    (1..=3).for_each(|id| cluster.start(id));
    assert!(cluster.run_until(5_000, |cluster| cluster.leader().is_some()));
    let old = cluster.leader().unwrap();
    for other in (1..=3).filter(|id| *id != old) {
        cluster.cut(old, other);
        cluster.cut(other, old);
    }
    assert!(cluster.run_until(15_000, |cluster| !cluster.nodes[&old].raft.is_leader()));
    assert!(cluster.run_until(15_000, |cluster| cluster.leader().is_some()));
    cluster.append(7);
    cluster.heal();
    cluster.run_for(10_000);
    assert_eq!(cluster.committed_values(), [7]);
    assert_eq!(
        cluster.nodes[&old].raft.committed(),
        cluster.nodes[&cluster.leader().unwrap()].raft.committed()
    );
}

#[test]
fn one_voter_becomes_three_and_one_again() {
    let mut cluster = Cluster::new(&[1], &[2, 3], 5);
    (1..=3).for_each(|id| cluster.start(id));
    cluster.run_for(3_000);
    for id in [2, 3] {
        cluster.ask(
            1,
            PeerRequest::AddVoter { voter: cluster::voter(id), ack_when_committed: true, timeout_ms: 5_000 },
        );
        cluster.run_for(3_000);
    }
    let ids =
        |cluster: &Cluster| cluster.nodes[&2].raft.voters().keys().map(|key| key.id.0).collect::<Vec<_>>();
    assert_eq!(ids(&cluster), [1, 2, 3]);
    cluster.ask(1, PeerRequest::RemoveVoter(key(1)));
    assert!(cluster.run_until(10_000, |cluster| cluster.leader().is_some_and(|id| id != 1)));
    cluster.run_for(3_000);
    assert_eq!(ids(&cluster), [2, 3]);
    cluster.append(8);
    cluster.run_for(2_000);
    assert_eq!(cluster.committed_values(), [8]);
    assert_eq!(cluster.nodes[&1].raft.role_name(), "observer", "a removed voter goes on fetching");
}

/// A quorum under random faults; panics where something that must hold does not.
fn life(seed: u64, events: u32) -> Counters {
    let voters: &[i32] = if seed.is_multiple_of(3) { &[1, 2, 3, 4, 5] } else { &[1, 2, 3] };
    let mut cluster = Cluster::new(voters, &[6, 7], seed);
    let ids: Vec<i32> = cluster.nodes.keys().copied().collect();
    cluster.lost_percent = seed % 7;
    ids.iter().for_each(|id| cluster.start(*id));
    let mut value = 0;
    for _ in 0..events {
        let pause = cluster.random(400);
        cluster.run_for(i64::try_from(pause).unwrap());
        let id = ids[usize::try_from(cluster.random(ids.len() as u64)).unwrap()];
        let other = ids[usize::try_from(cluster.random(ids.len() as u64)).unwrap()];
        match cluster.random(14) {
            0 => cluster.crash(id),
            1..=3 if !cluster.nodes[&id].is_up => cluster.start(id),
            4 => cluster.cut(id, other),
            5 | 6 => cluster.heal(),
            7 => cluster.compact(id),
            8 => {
                let leader = cluster.leader();
                let voter = cluster::voter(id);
                leader.into_iter().for_each(|leader| {
                    let add = PeerRequest::AddVoter {
                        voter: voter.clone(),
                        ack_when_committed: true,
                        timeout_ms: 2_000,
                    };
                    cluster.ask(leader, add);
                });
            }
            9 => {
                let leader = cluster.leader();
                leader.into_iter().for_each(|leader| cluster.ask(leader, PeerRequest::RemoveVoter(key(id))));
            }
            _ => {
                value += 1;
                cluster.append(value);
            }
        }
    }
    // Left alone it finds together, and has everything that was committed.
    cluster.heal();
    cluster.lost_percent = 0;
    for id in ids {
        if !cluster.nodes[&id].is_up {
            cluster.start(id);
        }
    }
    let has_leader = cluster.run_until(30_000, |cluster| cluster.leader().is_some());
    assert!(has_leader, "seed {seed}: no leader\n{}", cluster.describe());
    // The first leader may be one that must still give way, and its record with it.
    let commits = (1..=15).any(|try_number| {
        cluster.append(value + try_number);
        cluster.run_until(3_000, |cluster| cluster.committed_values().last() == Some(&(value + try_number)))
    });
    assert!(commits, "seed {seed}: nothing is committed any more\n{}", cluster.describe());
    let ends = |cluster: &Cluster| {
        cluster.nodes.iter().map(|(id, node)| (*id, node.raft.committed())).collect::<BTreeMap<_, _>>()
    };
    let is_even = |cluster: &Cluster| ends(cluster).values().all(|end| *end == ends(cluster)[&1]);
    assert!(cluster.run_until(60_000, is_even), "seed {seed}: {:?}", ends(&cluster));
    cluster.counters
}

#[test]
fn nothing_committed_is_lost_whatever_happens() {
    let mut all = Counters::default();
    for seed in 0..60 {
        let seen = life(seed, 150);
        assert_eq!(seen, if seed < 3 { life(seed, 150) } else { seen.clone() }, "one seed, one course");
        all.elections += seen.elections;
        all.truncations += seen.truncations;
        all.snapshots += seen.snapshots;
        all.resignations += seen.resignations;
        all.changes += seen.changes;
        all.lost += seen.lost;
        all.crashes += seen.crashes;
        all.commits += seen.commits;
    }
    let reached =
        [all.elections, all.truncations, all.snapshots, all.resignations, all.changes, all.lost, all.crashes];
    assert!(reached.iter().all(|count| *count > 0), "{all:?}");
}

/// Elections without end: whoever leads dies, whoever votes restarts at once.
fn elections(seed: u64, vote_is_forgotten: bool) {
    let mut cluster = Cluster::new(&[1, 2, 3, 4, 5], &[], seed);
    cluster.vote_is_forgotten = vote_is_forgotten;
    (1..=5).for_each(|id| cluster.start(id));
    for _ in 0..400 {
        let pause = cluster.random(25);
        cluster.run_for(i64::try_from(pause).unwrap());
        let id = 1 + i32::try_from(cluster.random(5)).unwrap();
        if let Some(leader) = cluster.leader() {
            cluster.crash(leader);
            cluster.start(leader);
        }
        cluster.crash(id);
        cluster.start(id);
    }
}

#[test]
fn a_vote_that_a_restart_forgets_makes_two_leaders_of_one_epoch_and_is_caught() {
    (0..20).for_each(|seed| elections(seed, false));
    let caught = (0..200).any(|seed| std::panic::catch_unwind(|| elections(seed, true)).is_err());
    assert!(caught);
}

#[test]
fn an_observer_of_no_use_finds_the_leader_by_its_bootstrap_servers() {
    let mut cluster = Cluster::new(&[1, 2, 3], &[9], 6);
    (1..=3).for_each(|id| cluster.start(id));
    cluster.run_for(2_000);
    cluster.start(9);
    assert!(cluster.run_until(1_000, |cluster| cluster.nodes[&9].raft.leader().is_some()));
    assert_eq!(cluster.nodes[&9].raft.role_name(), "observer");
    let leader = cluster.leader().unwrap();
    assert_eq!(cluster.nodes[&9].raft.leader_address(), Some(address(leader)));
}
