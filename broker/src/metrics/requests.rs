//! Requests by API: how many, how large, and where their time went.
//!
//! | time | from | to |
//! |---|---|---|
//! | queue | its last byte was read | its handler starts |
//! | local | its handler starts | it waits for something, or is done |
//! | remote | it waits | it is done |
//! | send | it is done | it is written; answers before it go first |
//! | in all | its last byte was read | it is written |
//!
//! A request costs four readings of the clock and about a dozen relaxed additions; its series are found by its key in a
//! table. An API shows itself once it was asked.

use std::fmt;
use std::time::Instant;

use super::Histogram;
use super::page::{Family, Page, family};
use crate::dispatch;

/// The series of one API.
struct Api {
    name: &'static str,
    queue: Histogram,
    local: Histogram,
    remote: Histogram,
    send: Histogram,
    total: Histogram,
    request: Histogram,
    response: Histogram,
}

impl Api {
    fn new(name: &'static str) -> Self {
        let time = Histogram::of_times;
        let size = Histogram::of_sizes;
        Self {
            name,
            queue: time(),
            local: time(),
            remote: time(),
            send: time(),
            total: time(),
            request: size(),
            response: size(),
        }
    }
}

/// The series of every API, indexed by API key; `None` where the protocol table has no such API.
pub(crate) struct Requests(Vec<Option<Api>>);

/// The moments of one request so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    key: i16,
    arrived: Instant,
    /// When its handler started, then when that waited or was done.
    local: Instant,
    answered: Option<Instant>,
}

impl Timing {
    /// The request is done. Later calls change nothing.
    pub(crate) fn answered(&mut self) {
        self.answered.get_or_insert_with(Instant::now);
    }
}

impl Requests {
    pub(super) fn new() -> Self {
        let apis = dispatch::advertised();
        let keys = apis.iter().map(|api| api.key).max().unwrap_or(0);
        let of_key = |key: i16| apis.iter().find(|api| api.key == key).map(|api| Api::new(api.name));
        Self((0..=keys).map(of_key).collect())
    }

    fn api(&self, key: i16) -> Option<&Api> {
        usize::try_from(key).ok().and_then(|key| self.0.get(key)?.as_ref())
    }

    /// A request of `bytes`, whose last byte was read at `arrived`, starts.
    pub(crate) fn started(&self, key: i16, bytes: usize, arrived: Instant) -> Timing {
        let local = Instant::now();
        if let Some(api) = self.api(key) {
            api.request.observe_size(bytes);
            api.queue.observe_time(local.saturating_duration_since(arrived));
        }
        Timing { key, arrived, local, answered: None }
    }

    /// Its handler waits for something, or is done.
    pub(crate) fn polled(&self, timing: &mut Timing, is_done: bool) {
        let now = Instant::now();
        if let Some(api) = self.api(timing.key) {
            api.local.observe_time(now.saturating_duration_since(timing.local));
        }
        timing.local = now;
        timing.answered = is_done.then_some(now);
    }

    /// Its answer of `bytes` is written; of none where the request asked for none.
    pub(crate) fn finished(&self, timing: &Timing, bytes: Option<usize>) {
        let Some(api) = self.api(timing.key) else { return };
        let now = Instant::now();
        let answered = timing.answered.unwrap_or(now);
        api.remote.observe_time(answered.saturating_duration_since(timing.local));
        api.total.observe_time(now.saturating_duration_since(timing.arrived));
        if let Some(bytes) = bytes {
            api.send.observe_time(now.saturating_duration_since(answered));
            api.response.observe_size(bytes);
        }
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let asked = || self.0.iter().flatten().filter(|api| api.request.count() > 0);
        let sum = |of: fn(&Api) -> &Histogram| asked().map(|api| of(api).sum()).sum::<u64>();
        for (name, help, of) in HISTOGRAMS {
            page.histograms(family(name, help), asked().map(|api| ([("api", api.name)], of(api))))?;
        }
        page.counter(RECEIVED, sum(|api| &api.request))?;
        page.counter(SENT, sum(|api| &api.response))
    }
}

const RECEIVED: Family = family("milena_received_bytes", "Bytes of requests");
const SENT: Family = family("milena_sent_bytes", "Bytes of responses");

type Row = (&'static str, &'static str, fn(&Api) -> &Histogram);

const HISTOGRAMS: [Row; 7] = [
    ("milena_request_time_seconds", "From a request's last byte to its answer's", |api| &api.total),
    ("milena_request_queue_time_seconds", "From a request's last byte to the start of its handler", |api| {
        &api.queue
    }),
    ("milena_request_local_time_seconds", "In the handler, until it waits or is done", |api| &api.local),
    (
        "milena_request_remote_time_seconds",
        "Waiting for replicas, records, other members or the controller",
        |api| &api.remote,
    ),
    (
        "milena_response_send_time_seconds",
        "From an answer to its last byte, earlier answers included",
        |api| &api.send,
    ),
    ("milena_request_size_bytes", "Size of requests", |api| &api.request),
    ("milena_response_size_bytes", "Size of responses, records included", |api| &api.response),
];
