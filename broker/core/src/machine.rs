//! The shape of every replicated state machine: groups, transactions, the controller.
//!
//! The shell calls [`Machine::handle`], appends the records of the [`Outcome`], and only then gives each of them to
//! [`Machine::replay`], the one way in which durable state changes. Replies leave when what was appended before them is
//! committed, those without records included. A refused append changes nothing durable; lost leadership drops the
//! machine and the next leader rebuilds it by replaying the log.

use milena_protocol::Timestamp;

/// Names a caller whose answer is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticket(pub u64);

/// What a step asks of the shell: append these records, then answer these callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<Rec, Reply> {
    /// To be appended as one unit, in this order.
    pub records: Vec<Rec>,
    /// To be released once the records, and all appended before them, are committed.
    pub replies: Vec<(Ticket, Reply)>,
}

impl<Rec, Reply> Default for Outcome<Rec, Reply> {
    fn default() -> Self {
        Self { records: Vec::new(), replies: Vec::new() }
    }
}

impl<Rec, Reply> Outcome<Rec, Reply> {
    /// An answer that changes nothing.
    pub fn reply(ticket: Ticket, reply: Reply) -> Self {
        Self { records: Vec::new(), replies: vec![(ticket, reply)] }
    }
}

/// A state machine whose durable state is the replay of a log.
pub trait Machine {
    /// What callers ask.
    type Request;
    /// What the log holds.
    type Record;
    /// What callers are told.
    type Reply;

    /// Decides on a request. Durable state stays as it is until the records come back through `replay`.
    fn handle(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: Self::Request,
    ) -> Outcome<Self::Record, Self::Reply>;

    /// Takes in a record that is in the log.
    fn replay(&mut self, record: &Self::Record);

    /// When `on_deadline` is due; `None` while nothing is waited for.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Does what time has made due. May be called early or late.
    fn on_deadline(&mut self, now: Timestamp) -> Outcome<Self::Record, Self::Reply>;
}
