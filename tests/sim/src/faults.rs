//! What is done to a cluster, and undone again.
//!
//! | fault | undone by |
//! |---|---|
//! | a process is killed, all processes are, the leader of the quorum and those who vote for another, a process is told to end | a start |
//! | a node loses its power, and writes that were not synced, or parts of them | power and a start |
//! | a process is stopped | its going on |
//! | a node is cut from another or from all, in one direction or both | healing; what was sent meanwhile arrives then |
//! | connections are reset | - |
//! | the network is slow | an ordinary one |
//! | a disk is full, or fails | room; a start, as the broker ends |
//! | a clock is wrong | - |

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use milena_storage::{Call, Survival};
use milena_world::Random;
use tokio::time::{Instant, sleep_until};

use crate::checks;
use crate::counters::count;
use crate::history::History;
use crate::node::Node;
use crate::scenario::Nodes;

const LATENCY_MS: (u64, u64) = (1, 4);
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// Bounds of the difference between a wrong clock and the right one, in milliseconds.
const SKEW_MS_MAX: u64 = 20_000;

/// How a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Undo {
    Start(usize),
    /// The middle of a race for votes: one who may just have voted is killed, and is back at once.
    Bounce(usize),
    Resume(usize),
    Heal(usize, usize),
    Hurry,
    Mend(usize),
}

/// What is wrong at the moment.
pub(crate) struct Faults {
    random: Random,
    nodes: Nodes,
    history: History,
    undo: BinaryHeap<Reverse<(Instant, Undo)>>,
    /// Faults come thick and fast, on the processes above all.
    is_storm: bool,
}

impl Faults {
    pub(crate) fn new(mut random: Random, nodes: Nodes, history: History) -> Self {
        let is_storm = random.one_in(3);
        Self { random, nodes, history, undo: BinaryHeap::new(), is_storm }
    }

    /// Does faults for so long.
    pub(crate) async fn run(&mut self, length: Duration) {
        milena_world::set_latency_ms(LATENCY_MS.0, LATENCY_MS.1);
        let end = Instant::now() + length;
        let mut next = Instant::now() + self.pause();
        while next < end {
            self.undo_until(next).await;
            self.begin_one().await;
            next += self.pause();
        }
    }

    fn pause(&mut self) -> Duration {
        let (low, high) = if self.is_storm { (5, 500) } else { (50, 2_500) };
        Duration::from_millis(self.random.between(low, high))
    }

    async fn undo_until(&mut self, until: Instant) {
        while let Some(Reverse((due, undo))) =
            self.undo.peek().copied().filter(|Reverse((due, _))| *due <= until)
        {
            sleep_until(due).await;
            self.undo.pop();
            self.end_one(undo).await;
        }
        sleep_until(until).await;
        self.mind_processes().await;
    }

    /// Ends all that is wrong, clocks excepted.
    pub(crate) async fn heal(&mut self) {
        while let Some(Reverse((_, undo))) = self.undo.pop() {
            self.end_one(undo).await;
        }
        self.mind_processes().await;
    }

    fn later(&mut self, low_ms: u64, high_ms: u64, undo: Undo) {
        let after = Duration::from_millis(self.random.between(low_ms, high_ms));
        self.undo.push(Reverse((Instant::now() + after, undo)));
    }

    /// Sees to processes that ended: those that were told to, or whose disk failed, are started again later.
    pub(crate) async fn mind_processes(&mut self) {
        for at in 0..self.count() {
            let ended = self.node(at, |node| node.ended().filter(|_| node.is_up));
            let Some(end) = ended else { continue };
            let (is_leaving, had_errors) = self.node(at, |node| (node.is_leaving, node.had_errors));
            match end {
                Ok(()) => count("orderly ends", 1),
                Err(_) if had_errors => count("ends for a failed disk", 1),
                Err(_) if is_leaving => count("ends of those that were leaving", 1),
                Err(error) => self.history.violated(format!("node {} ended by itself: {error}", at + 1)),
            }
            self.kill(at).await;
            self.later(10, 2_000, Undo::Start(at));
            if self.undo.len() == 1 {
                // Nobody undoes any more.
                self.heal_one().await;
            }
        }
    }

    async fn heal_one(&mut self) {
        if let Some(Reverse((_, undo))) = self.undo.pop() {
            self.end_one(undo).await;
        }
    }

    fn count(&self) -> usize {
        self.nodes.borrow().len()
    }

    fn node<R>(&self, at: usize, act: impl FnOnce(&mut Node) -> R) -> R {
        act(&mut self.nodes.borrow_mut()[at])
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "who looks on meanwhile tries, and looks later")]
    async fn kill(&self, at: usize) {
        self.nodes.borrow_mut()[at].kill().await;
    }

    #[expect(clippy::await_holding_refcell_ref, reason = "who looks on meanwhile tries, and looks later")]
    async fn power_off(&self, at: usize, survival: Survival) {
        self.nodes.borrow_mut()[at].power_off(survival).await;
    }

    async fn end_one(&mut self, undo: Undo) {
        match undo {
            Undo::Start(at) => self.node(at, |node| {
                milena_world::power_on(node.host);
                if !node.is_up {
                    node.start();
                }
            }),
            Undo::Bounce(at) => {
                if self.node(at, |node| node.is_up && !node.is_leaving) {
                    self.kill(at).await;
                    self.later(1, 10, Undo::Start(at));
                }
            }
            Undo::Resume(at) => self.node(at, |node| {
                if node.is_stopped() {
                    milena_world::resume(node.host);
                }
            }),
            Undo::Heal(from, to) => milena_world::heal(self.host(from), self.host(to)),
            Undo::Hurry => milena_world::set_latency_ms(LATENCY_MS.0, LATENCY_MS.1),
            Undo::Mend(at) => self.node(at, |node| {
                for call in [Call::Open, Call::Write, Call::Sync, Call::Rename] {
                    node.disk.refuse(call, None);
                }
            }),
        }
    }

    fn host(&self, at: usize) -> milena_world::HostId {
        self.nodes.borrow()[at].host
    }

    async fn begin_one(&mut self) {
        let at = usize::try_from(self.random.below(self.count() as u64)).unwrap_or(0);
        let is_up = self.node(at, |node| node.is_up && !node.is_leaving);
        match if self.is_storm { self.random.below(11) } else { self.random.below(21) } {
            10 if self.is_storm => self.race_votes().await,
            20 => self.race_votes().await,
            0..=2 if is_up => self.crash(at).await,
            3 | 4 if is_up => self.stop(at),
            5 if is_up => self.lose_power(at).await,
            6 => self.cut(at, true),
            7 => self.cut(at, false),
            8 => self.isolate(at),
            9 => self.reset(at),
            10 if is_up => {
                count("orderly stops", 1);
                self.node(at, Node::leave);
            }
            11 => self.crash_all().await,
            12 => self.slow(),
            13 if is_up => self.fill(at),
            14 if is_up => self.fail_disk(at),
            15 => self.skew(at),
            16 | 17 if is_up => self.lose_power(at).await,
            18 if is_up => self.stop(at),
            19 if is_up => self.crash(at).await,
            _ => {}
        }
    }

    async fn crash(&mut self, at: usize) {
        count("crashes of processes", 1);
        self.kill(at).await;
        let longest = if self.is_storm { 100 } else { 6_000 };
        self.later(1, longest, Undo::Start(at));
    }

    async fn crash_all(&mut self) {
        count("crashes of all processes", 1);
        for at in 0..self.count() {
            if self.node(at, |node| node.is_up) {
                self.kill(at).await;
                self.later(1, 2_000, Undo::Start(at));
            }
        }
    }

    /// The leader of the quorum is gone, and while the others elect another, one of them forgets what it did not write.
    async fn race_votes(&mut self) {
        let leads = |node: &Node| node.sight().is_some_and(|sight| sight.quorum().is_local);
        let leader = self.nodes.borrow().iter().position(leads);
        let Some(leader) = leader.filter(|at| self.node(*at, |node| node.is_up && !node.is_leaving)) else {
            return;
        };
        count("races for votes", 1);
        self.kill(leader).await;
        self.later(100, 3_000, Undo::Start(leader));
        for at in (0..self.count()).filter(|at| *at != leader) {
            self.later(1, 120, Undo::Bounce(at));
        }
    }

    async fn lose_power(&mut self, at: usize) {
        if !checks::is_whole(&self.nodes.borrow()) {
            return;
        }
        count("losses of power", 1);
        let seed = self.random.draw();
        let survival = if self.random.one_in(4) { Survival::None } else { Survival::Some(seed) };
        self.power_off(at, survival).await;
        self.later(1, 8_000, Undo::Start(at));
    }

    fn stop(&mut self, at: usize) {
        count("pauses", 1);
        milena_world::stop(self.host(at));
        self.later(20, 9_000, Undo::Resume(at));
    }

    fn cut(&mut self, at: usize, both_ways: bool) {
        let other = usize::try_from(self.random.below(self.count() as u64)).unwrap_or(0);
        if other == at {
            return;
        }
        count(if both_ways { "cuts both ways" } else { "cuts one way" }, 1);
        let length = self.random.between(100, 9_000);
        milena_world::cut(self.host(at), self.host(other));
        self.later(length, length, Undo::Heal(at, other));
        if both_ways {
            milena_world::cut(self.host(other), self.host(at));
            self.later(length, length, Undo::Heal(other, at));
        }
    }

    fn isolate(&mut self, at: usize) {
        count("cuts from all", 1);
        let length = self.random.between(100, 9_000);
        for other in (0..self.count()).filter(|other| *other != at) {
            for (from, to) in [(at, other), (other, at)] {
                milena_world::cut(self.host(from), self.host(to));
                self.later(length, length, Undo::Heal(from, to));
            }
        }
    }

    fn reset(&mut self, at: usize) {
        for other in 0..self.count() {
            let broken = milena_world::reset(self.host(at), self.host(other));
            count("connections reset", broken as u64);
        }
    }

    fn slow(&mut self) {
        count("slow networks", 1);
        let worst = self.random.between(20, 400);
        milena_world::set_latency_ms(1, worst);
        self.later(500, 4_000, Undo::Hurry);
    }

    fn fill(&mut self, at: usize) {
        count("full disks", 1);
        self.node(at, |node| {
            node.had_errors = true;
            node.disk.refuse(Call::Write, Some(ENOSPC));
        });
        self.later(50, 4_000, Undo::Mend(at));
    }

    /// What a disk that failed holds is in doubt, as after a loss of power.
    fn fail_disk(&mut self, at: usize) {
        if !checks::is_whole(&self.nodes.borrow()) {
            return;
        }
        count("failing disks", 1);
        let call =
            *self.random.pick(&[Call::Write, Call::Sync, Call::Rename, Call::Open]).unwrap_or(&Call::Write);
        self.node(at, |node| {
            node.had_errors = true;
            node.disk.refuse(call, Some(EIO));
        });
        self.later(50, 3_000, Undo::Mend(at));
    }

    fn skew(&mut self, at: usize) {
        count("wrong clocks", 1);
        let by = i64::try_from(self.random.below(2 * SKEW_MS_MAX)).unwrap_or(0);
        milena_world::skew(self.host(at), by - i64::try_from(SKEW_MS_MAX).unwrap_or(0));
    }
}
