//! What happens to a node, to which, and what it may cost a client.

use crate::report::Goal;

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGTERM.
    Stop,
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGCONT after [`super::ABSENCE`].
    Pause,
    /// Nothing reaches it nor leaves it, for [`super::ABSENCE`].
    Cut,
}

impl Fault {
    /// The process is gone, and is started again afterwards.
    pub(super) fn ends_process(self) -> bool {
        matches!(self, Self::Stop | Self::Kill)
    }
}

/// Which process it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    /// It leads partitions, and is not the active controller.
    Leader,
    /// It is the active controller, and leads nothing.
    Controller,
    /// It is both.
    Both,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// How it is asked for.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) victim: Victim,
    /// The longest gap of each client, in ms, in the order of [`super::clients::FAMILIES`].
    pub(super) goals: [Goal; 2],
}

/// librdkafka waits `retry.backoff.ms` before it asks for new leaders.
const ORDERLY: [Goal; 2] = [Goal::AtMost(50.0), Goal::AtMost(130.0)];
const KILLED: [Goal; 2] = [Goal::AtMost(1000.0); 2];
const BOTH_KILLED: [Goal; 2] = [Goal::AtMost(2000.0); 2];
/// The session decides, as in Kafka; clients wait for their own time-outs besides.
const SILENT: [Goal; 2] = [Goal::AtMostTimesKafka(1.1); 2];

/// Every case, in the order they happen.
pub(super) const CASES: [Case; 7] = [
    case("stop", "orderly stop of a leader", (Fault::Stop, Victim::Leader), ORDERLY),
    case("stop-both", "orderly stop of leader and active controller", (Fault::Stop, Victim::Both), ORDERLY),
    case("kill", "SIGKILL of a leader", (Fault::Kill, Victim::Leader), KILLED),
    case("kill-controller", "SIGKILL of the active controller", (Fault::Kill, Victim::Controller), KILLED),
    case("kill-both", "SIGKILL of leader and active controller", (Fault::Kill, Victim::Both), BOTH_KILLED),
    case("pause", "SIGSTOP of a leader for 20 s", (Fault::Pause, Victim::Leader), SILENT),
    case("cut", "network cut of a leader for 20 s", (Fault::Cut, Victim::Leader), SILENT),
];

const fn case(
    key: &'static str,
    name: &'static str,
    (fault, victim): (Fault, Victim),
    goals: [Goal; 2],
) -> Case {
    Case { key, name, fault, victim, goals }
}
