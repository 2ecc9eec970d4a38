//! An election in which a vote that was forgotten would elect two leaders in one epoch.
//!
//! All nodes are killed. Some come back and elect; a voter among them is killed as soon as one of them leads, mostly before it
//! can fetch what its leader wrote first. Then it comes back beside the others, which do not hear from that leader: only its own
//! note tells it that it has voted in this epoch.

use std::thread;
use std::time::{Duration, Instant};

use milena_tests::Dice;

use super::{Chaos, Process, shuffle};

const LED: &str = "this node leads the metadata quorum";
/// How long an election may take before the race is given up, and the pause between two looks.
const ELECTION: Duration = Duration::from_millis(1500);
const LOOK: Duration = Duration::from_millis(1);

/// Does the race and yields who was killed twice.
pub(super) fn votes(chaos: &mut Chaos, dice: &mut Dice) -> Vec<i32> {
    let mut nodes = chaos.up();
    if !chaos.is_whole() {
        return Vec::new();
    }
    shuffle(&mut nodes, dice);
    let (voter, rest) = nodes.split_first().expect("nodes");
    let (first, second) = rest.split_at(rest.len() / 2);
    nodes.iter().for_each(|id| chaos.cluster.kill(*id));
    let pairs =
        first.iter().flat_map(|one| second.iter().map(move |two| (*one as usize - 1, *two as usize - 1)));
    let cables: Vec<_> = pairs.flat_map(|(one, two)| [(one, two), (two, one)]).collect();
    chaos.cut_cables(&cables);
    let launch = |chaos: &mut Chaos, ids: &[i32]| {
        ids.iter().for_each(|id| chaos.cluster.launch(*id).expect("a process"));
    };
    launch(chaos, &[first, &[*voter]].concat());
    let leader = await_leader(chaos, first);
    chaos.cluster.kill(*voter);
    leader.iter().for_each(|id| chaos.signal(*id, "STOP"));
    launch(chaos, &[second, &[*voter]].concat());
    await_leader(chaos, second);
    leader.iter().for_each(|id| chaos.signal(*id, "CONT"));
    // Clients are told meanwhile who leads.
    thread::sleep(ELECTION);
    vec![*voter]
}

/// The first of the nodes that leads since its start, if one does soon.
fn await_leader(chaos: &Chaos, nodes: &[i32]) -> Option<i32> {
    let deadline = Instant::now() + ELECTION;
    let leads = |id: &&i32| {
        let lines = chaos.cluster.node(**id).process().map(Process::lines).unwrap_or_default();
        lines.iter().any(|line| line.contains(LED))
    };
    while Instant::now() < deadline {
        if let Some(leader) = nodes.iter().find(leads) {
            return Some(*leader);
        }
        thread::sleep(LOOK);
    }
    None
}
