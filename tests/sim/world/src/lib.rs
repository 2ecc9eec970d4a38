//! The world of a simulation: hosts, the tasks that run on them and the network between them, in one thread of one
//! tokio runtime whose clock is paused.
//!
//! A host is a machine with at most one process. Its tasks are those spawned while one of its tasks is polled ([`task`]), so
//! that a process needs not know that it is simulated. A host is stopped (its tasks are not polled, while time and its
//! kernel go on), killed (its tasks are dropped, its kernel closes their sockets) or cut from its power (nobody is
//! told). [`net`] is TCP: bytes arrive in order or not at all, a cut delays them until it heals, in each direction on its
//! own.
//!
//! Everything random comes from one seed. Each poll of a task and each delivery is an event; [`trace`] is a hash over all
//! of them, in their order and with their times: two runs of a seed have the same one.
//!
//! The state is of the thread; only functions of this crate borrow it, and none calls out while it does.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::task::Waker;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

pub mod net;
mod random;
pub mod task;

pub use random::Random;

use net::Network;

/// A host, by its place in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its tasks run.
    Running,
    /// Its tasks do not run, as after SIGSTOP.
    Stopped,
    /// It has no power.
    Off,
}

#[derive(Debug)]
struct Host {
    name: String,
    address: Ipv4Addr,
    state: State,
    /// Counts the processes; tasks of earlier ones never run again.
    process: u64,
    tasks: Vec<AbortHandle>,
    live_tasks: usize,
    /// Tasks that were to run while the host was stopped.
    parked: Vec<Waker>,
    skew_ms: i64,
}

#[derive(Debug)]
struct World {
    began: Instant,
    hosts: Vec<Host>,
    network: Network,
    random: Random,
    events: u64,
    trace: u64,
}

type Hook = Box<dyn FnMut()>;

thread_local! {
    static STEP: RefCell<Option<Hook>> = const { RefCell::new(None) };
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    static CURRENT: Cell<Option<HostId>> = const { Cell::new(None) };
    static SKEW_MS: Cell<i64> = const { Cell::new(0) };
}

/// The time of day at the beginning of every world: noon of the first day of 2026, UTC.
const DAWN: Duration = Duration::from_secs(1_767_268_800);

fn with<R>(act: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(|world| act(world.as_mut().expect("a world has begun")))
}

/// Begins a world without hosts, in the runtime that will run it. Replaces the one before.
pub fn begin(seed: u64) {
    let network = Network::default();
    let world = World {
        began: Instant::now(),
        hosts: Vec::new(),
        random: Random::new(seed),
        events: 0,
        trace: seed,
        network,
    };
    WORLD.set(Some(world));
    tokio::spawn(net::deliver());
}

/// Calls `hook` at every moment in which something is delivered, from now on.
pub fn on_step(hook: impl FnMut() + 'static) {
    STEP.set(Some(Box::new(hook)));
}

/// Tells whoever looks on.
fn step() {
    if let Some(mut hook) = STEP.take() {
        hook();
        STEP.set(Some(hook));
    }
}

/// Adds a host that runs.
pub fn add_host(name: &str) -> HostId {
    with(|world| {
        let number = world.hosts.len();
        let address = Ipv4Addr::new(10, 0, 0, u8::try_from(number + 1).expect("few hosts"));
        world.hosts.push(Host {
            name: name.to_owned(),
            address,
            state: State::Running,
            process: 0,
            tasks: Vec::new(),
            live_tasks: 0,
            parked: Vec::new(),
            skew_ms: 0,
        });
        HostId(number)
    })
}

/// What the host is doing.
pub fn state(host: HostId) -> State {
    with(|world| world.hosts[host.0].state)
}

/// Polls its tasks no more until [`resume`].
pub fn stop(host: HostId) {
    with(|world| world.hosts[host.0].state = State::Stopped);
}

/// Polls the tasks of a stopped host again.
pub fn resume(host: HostId) {
    let parked = with(|world| {
        let host = &mut world.hosts[host.0];
        host.state = State::Running;
        std::mem::take(&mut host.parked)
    });
    parked.into_iter().for_each(Waker::wake);
}

/// Ends the process: its tasks never run again, its sockets are closed. Resolves when all of it is gone.
pub async fn kill(host: HostId) {
    end_process(host);
    gone(host).await;
}

/// Takes the power away: the process ends, and nobody hears of it.
pub async fn power_off(host: HostId) {
    with(|world| {
        world.hosts[host.0].state = State::Off;
        world.network.forget(host);
    });
    end_process(host);
    gone(host).await;
}

/// Gives the power back. What others still send to the former process is answered with a reset.
pub fn power_on(host: HostId) {
    with(|world| {
        world.hosts[host.0].state = State::Running;
        world.release();
    });
}

fn end_process(host: HostId) {
    let tasks = with(|world| {
        let host = &mut world.hosts[host.0];
        host.process += 1;
        if host.state == State::Stopped {
            host.state = State::Running;
        }
        host.parked.clear();
        std::mem::take(&mut host.tasks)
    });
    tasks.iter().for_each(AbortHandle::abort);
}

async fn gone(host: HostId) {
    while with(|world| world.hosts[host.0].live_tasks > 0) {
        tokio::task::yield_now().await;
    }
}

/// Sets how far the host's time of day is from the true one, in milliseconds.
pub fn skew(host: HostId, skew_ms: i64) {
    with(|world| world.hosts[host.0].skew_ms = skew_ms);
}

/// Lets nothing more through from one host to another, until [`heal`].
pub fn cut(from: HostId, to: HostId) {
    with(|world| world.network.cuts.insert((from, to)));
}

/// Lets everything through again, what was held first.
pub fn heal(from: HostId, to: HostId) {
    with(|world| {
        world.network.cuts.remove(&(from, to));
        world.release();
    });
}

/// Bounds of the time that a segment takes from one host to another, in milliseconds.
pub fn set_latency_ms(min: u64, max: u64) {
    with(|world| world.network.latency_ms = (min, max.max(min)));
}

/// Breaks every connection between two hosts; yields how many there were.
pub fn reset(a: HostId, b: HostId) -> usize {
    with(|world| world.reset(a, b))
}

/// Polls and deliveries so far.
pub fn events() -> u64 {
    with(|world| world.events)
}

/// Deliveries so far.
pub fn deliveries() -> u64 {
    with(|world| world.network.deliveries)
}

/// The hash over all events so far.
pub fn trace() -> u64 {
    with(|world| world.trace)
}

/// Time since the world began.
pub fn elapsed() -> Duration {
    with(|world| world.began.elapsed())
}

/// The time of day on the host whose task is polled, `since_dawn` after the clock began.
pub fn time_of_day(since_dawn: Duration) -> Duration {
    let skew_ms = SKEW_MS.try_with(Cell::get).unwrap_or_default();
    let skew = Duration::from_millis(skew_ms.unsigned_abs());
    let true_time = DAWN + since_dawn;
    if skew_ms < 0 { true_time - skew } else { true_time + skew }
}

impl World {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts an event.
    fn happened(&mut self, kind: u64, detail: u64) {
        self.events += 1;
        for word in [self.now_ms(), kind, detail] {
            self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }

    fn host_named(&self, name: &str) -> Option<HostId> {
        self.hosts.iter().position(|host| host.name == name).map(HostId)
    }
}
