//! The stages of a run: a start, a comparison, work, an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use milena_tests::{Dice, Flavor, TestBroker};

use crate::client::Client;
use crate::ending::{self, Ending};
use crate::events::{Event, Events};
use crate::files::{self, Segments};
use crate::outside::Outside;
use crate::world::World;
use crate::writer::{Scene, Writer};
use crate::{PATIENCE, administrator};

/// Background work comes all the time, and slowly enough to be cut.
const SETTINGS: &[(&str, &str)] = &[
    ("log.cleaner.backoff.ms", "50"),
    ("log.cleaner.io.max.bytes.per.second", "4000000"),
    ("log.flush.offset.checkpoint.interval.ms", "700"),
    ("log.flush.start.offset.checkpoint.interval.ms", "600"),
    ("log.retention.check.interval.ms", "400"),
    ("log.segment.delete.delay.ms", "1500"),
    ("metadata.log.max.record.bytes.between.snapshots", "2000"),
    ("metadata.max.retention.bytes", "20000"),
    ("offsets.topic.num.partitions", "2"),
    ("offsets.topic.segment.bytes", "1048576"),
    ("replica.high.watermark.checkpoint.interval.ms", "500"),
];

const WRITERS: u32 = 3;
/// The outside writers end in order after so many stages, and others begin.
const STAGES_OF_OUTSIDE: u64 = 20;
/// Every so many stages all files are read by Apache Kafka's tool.
const STAGES_OF_DUMP: u64 = 8;
/// Acknowledgements in a stage.
const PROGRESS_MAX: usize = 3000;
/// What the log says of what happens in the background.
const TOLD: &[(&str, Event)] = &[
    ("log compacted", Event::Compacted),
    ("deleted old segments", Event::Retired),
    ("cut a torn tail off", Event::TornTail),
    ("set aside a log", Event::SetAside),
    ("wrote a metadata snapshot", Event::MetadataSnapshot),
];

/// See the file.
#[derive(Debug)]
pub(crate) struct Life {
    seed: u64,
    is_long: bool,
    stage: u64,
    broker: TestBroker,
    is_running: bool,
    world: Arc<World>,
    events: Arc<Events>,
    writers: Vec<Writer>,
    outside: Option<Outside>,
    segments: Segments,
}

/// Tells the threads of a stage that it is over, also when the stage fails.
struct Curtain<'a>(&'a AtomicBool);

impl Drop for Curtain<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Life {
    /// Keeps the data of a run that failed.
    fn drop(&mut self) {
        if thread::panicking() {
            self.broker.kill();
            let kept = std::env::temp_dir().join(format!("milena-soak-{}", self.broker.process().id()));
            let is_kept = std::fs::rename(self.broker.data(), &kept).is_ok();
            eprintln!("data directory kept in {}: {is_kept}", kept.display());
        }
    }
}

impl Life {
    /// A long run has more to show.
    pub(crate) fn begin(seed: u64, is_long: bool) -> Self {
        Self {
            seed,
            is_long,
            stage: 0,
            broker: TestBroker::start_with(Flavor::Milena, SETTINGS).unwrap(),
            is_running: true,
            world: Arc::default(),
            events: Arc::default(),
            writers: (0..WRITERS).map(Writer::new).collect(),
            outside: None,
            segments: Segments::default(),
        }
    }

    /// Whether something has not happened yet that must.
    pub(crate) fn is_poor(&self) -> bool {
        !self.events.missing(self.is_long).is_empty()
    }

    /// From a start to an end.
    pub(crate) fn stage(&mut self) {
        self.stage += 1;
        let mut dice = Dice::new(self.seed, self.stage << 8);
        if !self.is_running && dice.percent(20) {
            ending::cut_start(&mut self.broker, &mut dice, &self.events);
            self.take_notes();
        }
        let progress = if dice.percent(10) { 0 } else { dice.below(PROGRESS_MAX) };
        let ending = Ending::random(&mut dice);
        eprintln!("stage {}: {progress} acknowledgements, then {ending:?}", self.stage);
        let started = Instant::now();
        self.start();
        self.renew_outside();
        let compared = started.elapsed();
        self.work(progress, ending);
        eprintln!("compared after {compared:?}, ended after {:?}", started.elapsed());
        self.is_running = false;
        self.take_notes();
        if self.stage.is_multiple_of(STAGES_OF_DUMP) {
            self.dump(!ending.is_orderly());
        }
        if !ending.is_orderly() && dice.percent(40) && files::damage(&self.broker.data(), &mut dice) {
            self.events.count(Event::Damaged);
        }
    }

    /// Ends the run in order.
    pub(crate) fn end(mut self) -> Self {
        self.start();
        let outside = self.outside.take().expect("begun with the first stage");
        outside.end();
        self.world.assert_served(&mut self.client());
        self.broker.stop();
        self.events.count(Event::OrderlyStop);
        self.take_notes();
        self.dump(false);
        self.events.print();
        assert_eq!(self.events.missing(self.is_long), []);
        self
    }

    /// Has Apache Kafka serve what the run has left.
    pub(crate) fn hand_over(mut self) {
        self.broker.restart_as(Flavor::Kafka).unwrap();
        self.world.assert_served(&mut self.client());
        self.broker.stop();
    }

    fn client(&self) -> Client {
        Client::connect(&self.broker.bootstrap()).unwrap()
    }

    /// Starts the broker, unless it runs, and compares what it serves with what was acknowledged.
    fn start(&mut self) {
        if !self.is_running {
            self.broker.restart().unwrap();
        }
        self.is_running = true;
        self.events.count(Event::Start);
        let mut client = self.client();
        self.world.take_over(&mut client);
        self.world.assert_served(&mut client);
    }

    fn renew_outside(&mut self) {
        let life = self.stage / STAGES_OF_OUTSIDE;
        if self.stage.is_multiple_of(STAGES_OF_OUTSIDE) {
            self.outside.take().into_iter().for_each(Outside::end);
        }
        let (address, targets) = (self.broker.bootstrap(), self.world.outside_targets());
        let shared = (self.world.clone(), self.events.clone());
        let outside = self
            .outside
            .get_or_insert_with(|| Outside::start(&address, (self.seed, life as u32), &targets, shared));
        outside.assert_alive();
        outside.signal("CONT");
    }

    /// Lets everybody work until so much was acknowledged and the end comes. The outside writers pause then, so that
    /// what is to be compared does not grow with the time that it takes.
    fn work(&mut self, progress: usize, ending: Ending) {
        let (address, is_over) = (self.broker.bootstrap(), AtomicBool::new(false));
        let scene = Scene { address: &address, world: &self.world, events: &self.events, is_over: &is_over };
        let dice = |thread: u32| Dice::new(self.seed, (self.stage << 8) + u64::from(thread) + 1);
        thread::scope(|scope| {
            let _curtain = Curtain(&is_over);
            let writers = self.writers.iter_mut().zip(0..);
            let mut workers: Vec<_> = writers
                .map(|(writer, number)| scope.spawn(move || writer.run(scene, dice(number))))
                .collect();
            workers.push(scope.spawn(move || administrator::run(scene, dice(WRITERS))));
            let wanted = self.events.of(Event::Acknowledged) + progress;
            let deadline = Instant::now() + PATIENCE;
            while self.events.of(Event::Acknowledged) < wanted {
                if let Some(place) = workers.iter().position(thread::ScopedJoinHandle::is_finished) {
                    panic!("a worker has ended: {:?}", workers.swap_remove(place).join());
                }
                self.outside.iter_mut().for_each(Outside::assert_alive);
                assert!(Instant::now() < deadline, "nothing goes on");
                thread::sleep(Duration::from_millis(2));
            }
            ending.bring(&mut self.broker, &self.events);
        });
        self.outside.iter().for_each(|outside| outside.signal("STOP"));
    }

    /// Counts what the ended process has told and left.
    fn take_notes(&mut self) {
        let data = self.broker.data();
        for line in self.broker.process().lines() {
            assert!(!line.contains("ERROR") && !line.contains("panicked"), "{line}");
            let told = TOLD.iter().filter(|(words, _)| line.contains(words));
            told.for_each(|(_, event)| self.events.count(*event));
        }
        self.events.add(Event::Rolled, self.segments.count_new(&data));
        if files::any(&data, |name| name.ends_with(".cleaned") || name.ends_with(".swap")) {
            self.events.count(Event::KilledWhileCompacting);
        }
        if files::any(&data, |name| name.ends_with(".deleted") || name.ends_with("-delete")) {
            self.events.count(Event::LeftDeleting);
        }
    }

    fn dump(&mut self, is_killed: bool) {
        let files = files::assert_readable(&self.broker.data(), is_killed);
        self.events.add(Event::FileDumped, files);
    }
}
