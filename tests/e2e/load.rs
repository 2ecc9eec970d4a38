//! Clients that run through everything a test does: a producer whose every record all replicas must acknowledge, and a
//! consumer in a group that must miss none. Both are kcat, with its own idea of time-outs and retries.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::fixture::LIMIT;
use crate::kafka::{Kafka, records};
use crate::kubernetes::eventually;

/// What the records are called.
const NAME: &str = "load";
/// Records that are sent together, and how long after the last ones: 500 a second.
const TOGETHER: usize = 25;
const PACE: Duration = Duration::from_millis(50);

/// A client in the pod that ends with the test.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What the consumer has seen.
struct Seen {
    records: BTreeSet<String>,
    again: usize,
    last: Instant,
    longest_pause: Duration,
}

impl Seen {
    fn new() -> Self {
        Self { records: BTreeSet::new(), again: 0, last: Instant::now(), longest_pause: Duration::ZERO }
    }

    fn take(&mut self, record: String) {
        if !self.records.is_empty() {
            self.longest_pause = self.longest_pause.max(self.last.elapsed());
        }
        self.last = Instant::now();
        self.again += usize::from(!self.records.insert(record));
    }
}

/// Runs `steps` while records flow through `topic`: every send succeeds, and the consumer gets all of them.
pub(crate) fn under_load(kafka: &Kafka, topic: &str, steps: impl FnOnce() -> Result<()>) -> Result<()> {
    let (done, seen) = (AtomicBool::new(false), Mutex::new(Seen::new()));
    // `-E`: all connections may be gone at once for a moment, which is no reason to end.
    let read = ["-E", "-G", "throughout", topic, "-q", "-u", "-X", "auto.offset.reset=earliest"];
    let mut consumer = Client(kafka.spawn(&read)?);
    let mut producer = Client(kafka.spawn(&["-E", "-P", "-t", topic, "-X", "enable.idempotence=true"])?);
    let input = producer.0.stdin.take().context("the producer's input")?;
    let output = consumer.0.stdout.take().context("the consumer's output")?;
    let mut complaints = producer.0.stderr.take().context("the producer's complaints")?;
    thread::scope(|scope| {
        scope.spawn(|| collect(output, &seen));
        let sender = scope.spawn(|| send(input, &done));
        let heard = scope.spawn(move || {
            let mut said = String::new();
            complaints.read_to_string(&mut said).map(|_| said)
        });
        let outcome = until_flowing(&seen).and_then(|()| steps());
        done.store(true, Ordering::Relaxed);
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        outcome?;
        let ended = eventually(LIMIT, "the end of the producer", || Ok(producer.0.try_wait()?))?;
        let said = heard.join().map_err(|_| anyhow!("the listener panicked"))??;
        ensure!(
            ended.success() && !said.contains("Delivery failed"),
            "the producer ended with {ended}: {said}"
        );
        let sent = sent?;
        let missed = all_seen(&seen, sent);
        let consumer_ended = consumer.0.try_wait()?;
        drop(consumer);
        missed.with_context(|| format!("the consumer's end: {consumer_ended:?}"))?;
        kafka.has_exactly(topic, &[(NAME, sent)])
    })
}

fn send(mut input: ChildStdin, done: &AtomicBool) -> Result<usize> {
    let mut sent = 0;
    while !done.load(Ordering::Relaxed) {
        for number in sent..sent + TOGETHER {
            writeln!(input, "{NAME}-{number:05}").context("write to the producer")?;
        }
        sent += TOGETHER;
        // This is the load's pace, nothing is waited for.
        thread::sleep(PACE);
    }
    Ok(sent)
}

fn collect(output: impl Read, seen: &Mutex<Seen>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        seen.lock().unwrap_or_else(PoisonError::into_inner).take(line);
    }
}

fn until_flowing(seen: &Mutex<Seen>) -> Result<()> {
    eventually(LIMIT, "records reach the consumer", || {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((!seen.records.is_empty()).then_some(()))
    })
}

fn all_seen(seen: &Mutex<Seen>, sent: usize) -> Result<()> {
    eventually(LIMIT, "the consumer has all records", || {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let missed: Vec<_> =
            records(NAME, sent).into_iter().filter(|it| !seen.records.contains(it)).collect();
        ensure!(
            missed.is_empty(),
            "{} of {sent} are missing, the first is {:?}",
            missed.len(),
            missed.first()
        );
        let pause = seen.longest_pause.as_secs_f64();
        eprintln!(
            "{sent} records sent, none failed, none missed, {} read again, longest pause {pause:.1} s",
            seen.again
        );
        Ok(Some(()))
    })
}
