//! The producers: programs of real clients with their defaults, which write at a steady rate and tell every answer.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, ensure};
use milena_tests::paths;

use super::history::History;
use crate::cluster::{Cluster, wait_for};
use crate::server::kafka_classes;

/// Each has a topic of its name.
pub(super) const FAMILIES: [&str; 2] = ["java", "librdkafka"];
/// Partitions of each topic.
pub(super) const PARTITIONS: usize = 12;
/// Records a second of each client.
pub(super) const RATE: u32 = 1000;

/// A running program.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) family: &'static str,
    child: Child,
    // It ends when its input does.
    input: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    history: Arc<Mutex<History>>,
}

impl Client {
    /// Starts a program that writes into the topic of its family.
    pub(super) fn start(family: &'static str, cluster: &Cluster) -> anyhow::Result<Self> {
        let programs = paths::repository().join("bench/failover");
        let mut command = match family {
            "java" => java(programs.join("Produce.java")),
            _ => {
                let mut python = Command::new(paths::cache().join("clients/venv/bin/python"));
                python.arg(programs.join("produce.py"));
                python
            }
        };
        command.args([&cluster.bootstrap(), family, &PARTITIONS.to_string(), &RATE.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("the output is piped")?;
        let history = Arc::new(Mutex::new(History::new(PARTITIONS)));
        let shared = history.clone();
        let reader = Some(thread::spawn(move || collect(output, &shared)));
        let input = child.stdin.take();
        Ok(Self { family, child, input, reader, history })
    }

    /// What it told so far.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a record of every partition was acknowledged after `time_us`.
    pub(super) fn await_answers(&mut self, time_us: i64) -> anyhow::Result<()> {
        wait_for(&format!("answers to {}", self.family), || {
            let ended = self.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "{} ended with {ended:?}", self.family);
            (self.history().quietest_us() > time_us).then_some(())
        })
    }

    /// Ends it once all it sent is answered.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        drop(self.input.take());
        let status = wait_for("the end of a client", || self.child.try_wait().ok().flatten())?;
        ensure!(status.success(), "{} ended with {status}", self.family);
        self.reader.take().map_or(Ok(()), JoinHandle::join).ok().context("a reader that panicked")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A program in one file of Java, compiled as it starts.
fn java(program: PathBuf) -> Command {
    let mut command = Command::new("java");
    command.arg("-Xmx512m").args(kafka_classes()).arg(program);
    command
}

fn collect(output: ChildStdout, history: &Mutex<History>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let is_known = history.lock().unwrap_or_else(PoisonError::into_inner).note(&line);
        if !is_known {
            eprintln!("a client says: {line}");
        }
    }
}
