//! The programs of real clients: each writes and reads through every fault, and tells what it did and was answered.
//! One more asks every broker who leads, all the time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use milena_tests::{Host, paths, within};

use crate::PATIENCE;
use crate::history::{Event, Place};

/// Producers and consumers of a program, each with a connection of its own to every broker.
const EACH: u32 = 2;
/// Their ids begin here; a program has a hundred.
const FIRST_IDS: [u32; PROGRAMS] = [100, 200];
/// Programs that write and read.
pub(crate) const PROGRAMS: usize = 2;

/// The next offset behind what is known of each partition.
pub(crate) type Ends = BTreeMap<u32, i64>;

/// What the events of a program came to so far.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: u64,
    /// Behind what was acknowledged.
    ends: Ends,
    /// Behind what each of its consumers was handed.
    positions: BTreeMap<(u32, u32), i64>,
}

/// A program, and the thread that collects its events.
#[derive(Debug)]
pub(crate) struct Clients {
    name: &'static str,
    child: Child,
    reader: Option<JoinHandle<Vec<Event>>>,
    seen: Arc<Mutex<Seen>>,
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
    /// Where each program runs.
    pub(crate) hosts: &'a [Host],
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
        let programs = [("franz-go", franz), ("librdkafka", confluent)].into_iter().zip(scene.hosts);
        let start = |((name, command), host): ((_, Command), &Host)| {
            Self::start(name, host.enter(&command), scene.folder)
        };
        programs.map(start).collect()
    }

    /// Starts to ask every broker who leads, and every one of the `controllers` whether it does.
    pub(crate) fn watch(scene: Scene<'_>, controllers: &str) -> Self {
        let mut command = franz();
        let target = format!("{}:{}", scene.topic, scene.partitions);
        command.args([scene.bootstrap, &target, "watch", controllers]);
        Self::start("metadata", scene.hosts[0].enter(&command), scene.folder)
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
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        let reader = thread::spawn(move || collect(output, history, &shared));
        Self { name, child, reader: Some(reader), seen }
    }

    /// How many records were acknowledged to it so far.
    ///
    /// # Panics
    /// If it has ended.
    pub(crate) fn acknowledged(&mut self) -> u64 {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} ended with {status}", self.name);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).acknowledged
    }

    /// The ends of what was acknowledged to it so far.
    pub(crate) fn ends(&self) -> Ends {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).ends.clone()
    }

    /// Which of its consumers have records before `ends` to be handed yet, and from where on.
    pub(crate) fn behind(&self, ends: &Ends) -> Vec<Event> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = seen.positions.iter().filter_map(|((reader, partition), offset)| {
            let place = Place { partition: *partition, offset: *offset };
            (ends.get(partition)? > offset).then_some(Event::Stood { reader: *reader, place })
        });
        behind.collect()
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

fn collect(output: ChildStdout, history: File, seen: &Mutex<Seen>) -> Vec<Event> {
    let mut history = BufWriter::new(history);
    let mut events = Vec::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        writeln!(history, "{line}").unwrap();
        let event = Event::parse(&line).unwrap_or_else(|| panic!("no event: {line}"));
        seen.lock().unwrap_or_else(PoisonError::into_inner).note(&event);
        events.push(event);
    }
    events
}

impl Seen {
    fn note(&mut self, event: &Event) {
        match *event {
            Event::Acknowledged { place, .. } => {
                self.acknowledged += 1;
                let end = self.ends.entry(place.partition).or_default();
                *end = (place.offset + 1).max(*end);
            }
            Event::Began { reader, place } => {
                self.positions.insert((reader, place.partition), place.offset);
            }
            Event::Polled { reader, place, .. } => {
                self.positions.insert((reader, place.partition), place.offset + 1);
            }
            _ => {}
        }
    }
}
