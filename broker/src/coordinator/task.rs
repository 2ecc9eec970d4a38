//! The task of one coordinator: load the log, then handle, append, replay, and answer once it is committed.
//!
//! It ends when it is told to or when the log refuses it as leader; whoever waits then hears NOT_COORDINATOR, and the
//! next leader rebuilds the groups from the log.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use milena_core::group::{Coordinator, GroupOutcome, GroupSettings, Reply, Request};
use milena_core::machine::{Machine as _, Ticket};
use milena_protocol::records::Compression;
use milena_protocol::{ErrorCode, Offset, Timestamp};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::journal::{self, Journal};
use crate::partition::now;
use crate::task::spawn_blocking;

/// Requests that wait for a coordinator's attention; more wait in their connections.
pub(super) const CALLS_MAX: usize = 1024;
/// Answers that wait for a commit before the coordinator stops to take requests.
const PARKED_MAX: usize = 10_000;
/// Logs that are read at the same time.
static LOADS: Semaphore = Semaphore::const_new(4);

/// A request and who waits for its answer.
pub(crate) struct Call {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Result<Reply, ErrorCode>>,
}

/// What all coordinators of the broker share.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) groups: GroupSettings,
    /// `offsets.commit.timeout.ms`.
    pub(super) commit_timeout: Duration,
    /// `offsets.topic.compression.codec`.
    pub(super) compression: Compression,
}

/// Answers that wait until everything below `end` is committed.
struct Parked {
    end: Offset,
    until: Instant,
    replies: Vec<(Ticket, Reply)>,
}

/// Runs the coordinator in `journal` until `stop` or until leadership is lost. `ready` becomes true once it serves.
pub(super) async fn run<J: Journal>(
    journal: J,
    settings: Settings,
    mut calls: mpsc::Receiver<Call>,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let loaded = tokio::select! {
        loaded = load(journal.clone(), settings.groups.clone()) => loaded,
        () = stop.cancelled() => return,
    };
    let machine = match loaded {
        Ok(machine) => machine,
        Err(error) => return tracing::error!(%error, "read the log of groups"),
    };
    let mut serving = Serving {
        journal,
        machine,
        settings,
        waiting: HashMap::new(),
        parked: VecDeque::new(),
        next_ticket: 0,
        end: Offset::ZERO,
    };
    let first = serving.machine.loaded(now());
    let _ = serving.step(first);
    ready.send_replace(true);
    tokio::select! {
        () = serving.serve(&mut calls) => {}
        () = stop.cancelled() => {}
    }
    ready.send_replace(false);
    calls.close();
    for (_, answer) in serving.waiting.drain() {
        let _ = answer.send(Err(ErrorCode::NotCoordinator));
    }
    while let Ok(call) = calls.try_recv() {
        let _ = call.answer.send(Err(ErrorCode::NotCoordinator));
    }
}

async fn load<J: Journal>(journal: J, settings: GroupSettings) -> anyhow::Result<Coordinator> {
    let _permit = LOADS.acquire().await?;
    let (mut offset, end) = journal.range();
    // What the last leader wrote and did not commit is committed now, or never was.
    journal
        .committed(end)
        .await
        .map_err(|code| anyhow::anyhow!("{code} before offset {end} was committed"))?;
    spawn_blocking(move || {
        let (mut machine, mut reader) = (Coordinator::new(settings), journal::Reader::default());
        while offset < end {
            let bytes = journal.read(offset).map_err(|code| anyhow::anyhow!("{code} at offset {offset}"))?;
            match reader.read(bytes, |record| machine.replay(record))? {
                Some(next) if next > offset => offset = next,
                _ => break,
            }
        }
        Ok(machine)
    })
    .await?
}

/// The log refused an append for good: this broker leads no more.
struct Resigned;

struct Serving<J> {
    journal: J,
    machine: Coordinator,
    settings: Settings,
    waiting: HashMap<Ticket, oneshot::Sender<Result<Reply, ErrorCode>>>,
    parked: VecDeque<Parked>,
    next_ticket: u64,
    /// The offset after the last append.
    end: Offset,
}

impl<J: Journal> Serving<J> {
    async fn serve(&mut self, calls: &mut mpsc::Receiver<Call>) {
        loop {
            let journal = self.journal.clone();
            let front = self.parked.front().map(|parked| (parked.end, parked.until));
            let alarm = self.machine.next_deadline().map(instant);
            let result = tokio::select! {
                biased;
                committed = until_committed(&journal, front) => self.release(committed),
                () = until(alarm) => {
                    let outcome = self.machine.on_deadline(now());
                    self.step(outcome)
                }
                call = calls.recv(), if self.parked.len() < PARKED_MAX => match call {
                    Some(call) => self.take(call),
                    None => Err(Resigned),
                },
            };
            if result.is_err() {
                return;
            }
        }
    }

    fn take(&mut self, call: Call) -> Result<(), Resigned> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.insert(ticket, call.answer);
        let outcome = self.machine.handle(now(), ticket, call.request);
        self.step(outcome)
    }

    /// Appends, and answers or parks.
    fn step(&mut self, outcome: GroupOutcome) -> Result<(), Resigned> {
        if let Err(code) = self.append(&outcome) {
            tracing::warn!(%code, records = outcome.records.len(), "log refused records of a group");
            for (ticket, _) in outcome.replies {
                self.answer(ticket, Err(refusal(code)));
            }
            // A disk that is full takes records again when there is room.
            let resigned = matches!(code, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
            return if resigned { Err(Resigned) } else { Ok(()) };
        }
        if self.parked.is_empty() && self.journal.high_watermark() >= self.end {
            outcome.replies.into_iter().for_each(|(ticket, reply)| self.answer(ticket, Ok(reply)));
        } else if !outcome.replies.is_empty() {
            let until = Instant::now() + self.settings.commit_timeout;
            self.parked.push_back(Parked { end: self.end, until, replies: outcome.replies });
        }
        Ok(())
    }

    /// Appends and replays batch by batch: where the log refuses one, the groups are as the log has them.
    fn append(&mut self, outcome: &GroupOutcome) -> Result<(), ErrorCode> {
        if outcome.records.is_empty() {
            return Ok(());
        }
        let mut records = outcome.records.iter();
        for batch in journal::encode(&outcome.records, now(), self.settings.compression) {
            self.end = self.journal.append(&batch)?;
            let count = usize::try_from(batch.header().count).unwrap_or_default();
            records.by_ref().take(count).for_each(|record| self.machine.replay(record));
        }
        Ok(())
    }

    /// The oldest parked answers may leave, or have waited too long.
    fn release(&mut self, committed: Result<(), ErrorCode>) -> Result<(), Resigned> {
        let Some(parked) = self.parked.pop_front() else { return Ok(()) };
        for (ticket, reply) in parked.replies {
            self.answer(ticket, committed.map(|()| reply).map_err(refusal));
        }
        match committed.map_err(refusal) {
            Err(ErrorCode::NotCoordinator) => Err(Resigned),
            _ => Ok(()),
        }
    }

    fn answer(&mut self, ticket: Ticket, reply: Result<Reply, ErrorCode>) {
        if let Some(waiting) = self.waiting.remove(&ticket) {
            // Nobody listens any more when the connection is gone.
            let _ = waiting.send(reply);
        }
    }
}

/// What a client is told when the log refused an append or did not commit it.
fn refusal(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch | ErrorCode::KafkaStorageError => {
            ErrorCode::NotCoordinator
        }
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}

async fn until_committed<J: Journal>(journal: &J, front: Option<(Offset, Instant)>) -> Result<(), ErrorCode> {
    match front {
        Some((end, until)) => tokio::time::timeout_at(until, journal.committed(end))
            .await
            .unwrap_or(Err(ErrorCode::RequestTimedOut)),
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn instant(at: Timestamp) -> Instant {
    let ms = u64::try_from(at.ms_since(now())).unwrap_or_default();
    Instant::now() + Duration::from_millis(ms)
}
