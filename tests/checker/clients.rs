//! The programs of real clients: each writes and reads through every fault, and tells what it did and was answered.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use milena_tests::{paths, within};

use crate::PATIENCE;
use crate::history::Event;

/// Producers and consumers of a program, each with a connection of its own to every broker.
const EACH: u32 = 2;
/// Their ids begin here; a program has a hundred.
const FIRST_IDS: [u32; 2] = [100, 200];

/// A program, and the thread that collects its events.
#[derive(Debug)]
pub(crate) struct Clients {
    name: &'static str,
    child: Child,
    reader: Option<JoinHandle<Vec<Event>>>,
    acknowledged: Arc<AtomicU64>,
}

/// Where the clients work: the brokers, the topic and its partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) bootstrap: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) partitions: u32,
    /// Records a second of each producer, about.
    pub(crate) rate: u32,
    /// What the programs print goes here, too.
    pub(crate) folder: &'a Path,
}

impl Clients {
    /// Starts a program of each family.
    pub(crate) fn start_all(scene: Scene<'_>) -> Vec<Self> {
        let numbers = |first: u32| [first, EACH, EACH, scene.rate].map(|number| number.to_string());
        let [franz_first, confluent_first] = FIRST_IDS;
        let target = format!("{}:{}", scene.topic, scene.partitions);
        let mut franz = franz();
        franz.args([scene.bootstrap, &target, "check"]).args(numbers(franz_first));
        let mut confluent = Command::new(paths::cache().join("clients/venv/bin/python"));
        let program = paths::repository().join("tests/clients/python/check.py");
        let partitions = scene.partitions.to_string();
        confluent
            .arg(program)
            .args([scene.bootstrap, scene.topic, &partitions])
            .args(numbers(confluent_first));
        [("franz-go", franz), ("librdkafka", confluent)]
            .map(|(name, command)| Self::start(name, command, scene.folder))
            .into()
    }

    /// Starts to read all partitions from their start to their end as `reader`.
    pub(crate) fn audit(scene: Scene<'_>, reader: u32) -> Self {
        let mut command = franz();
        let target = format!("{}:{}", scene.topic, scene.partitions);
        command.args([scene.bootstrap, &target, "audit", &reader.to_string()]);
        Self::start("audit", command, scene.folder)
    }

    fn start(name: &'static str, mut command: Command, folder: &Path) -> Self {
        let errors = File::create(folder.join(format!("{name}.errors"))).unwrap();
        let history = File::create(folder.join(format!("{name}.history"))).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let counter = acknowledged.clone();
        let reader = thread::spawn(move || collect(output, history, &counter));
        Self { name, child, reader: Some(reader), acknowledged }
    }

    /// How many records were acknowledged to it so far.
    ///
    /// # Panics
    /// If it has ended.
    pub(crate) fn acknowledged(&mut self) -> u64 {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended with {status}", self.name);
        }
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Tells it that it is over.
    pub(crate) fn ask_to_end(&self) {
        let status = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -TERM {}", self.name);
    }

    /// Waits for its end, and yields what happened. One that does not end has records without an answer; what it told
    /// until now is judged all the same.
    pub(crate) fn history(mut self) -> Vec<Event> {
        match within(PATIENCE * 2, || self.child.try_wait().unwrap()) {
            Some(status) => assert!(status.success(), "{} ended with {status}", self.name),
            None => self.child.kill().unwrap(),
        }
        self.reader.take().into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn franz() -> Command {
    Command::new(paths::cache().join("clients/franz"))
}

fn collect(output: ChildStdout, history: File, acknowledged: &AtomicU64) -> Vec<Event> {
    let mut history = BufWriter::new(history);
    let mut events = Vec::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        writeln!(history, "{line}").unwrap();
        let event = Event::parse(&line).unwrap_or_else(|| panic!("no event: {line}"));
        if matches!(event, Event::Acknowledged { .. }) {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        events.push(event);
    }
    events
}
