//! The topics that live in the broker, each of another kind, and what must be found of them after a start.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use milena_protocol::Uuid;
use milena_tests::{Dice, eventually};

use crate::PATIENCE;
use crate::client::{Client, Place};
use crate::ledger::{Ledger, Rules};

/// A kind of topic. Segments are small, so that logs roll all the time, by every rule there is.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    partitions: i32,
    configs: &'static [(&'static str, &'static str)],
    /// It is deleted and created again.
    pub(crate) is_mortal: bool,
}

/// What the outside writers write to: their topics keep their partitions and their lives.
const OUTSIDE: [&str; 3] = ["plain", "compacted", "sized"];
const GROUPS: [&str; 2] = ["readers", "watchers"];
const PARTITIONS_MAX: usize = 6;

const KINDS: &[Kind] = &[
    Kind { name: "plain", partitions: 3, configs: &[("internal.segment.bytes", "200000")], is_mortal: false },
    Kind {
        name: "compacted",
        partitions: 2,
        configs: &[
            ("cleanup.policy", "compact"),
            ("segment.ms", "20000"),
            ("internal.segment.bytes", "100000"),
            ("min.cleanable.dirty.ratio", "0.2"),
            ("delete.retention.ms", "3000"),
        ],
        is_mortal: false,
    },
    Kind {
        name: "sized",
        partitions: 2,
        configs: &[
            ("retention.bytes", "400000"),
            ("internal.segment.bytes", "100000"),
            ("file.delete.delay.ms", "500"),
        ],
        is_mortal: false,
    },
    Kind {
        name: "aged",
        partitions: 2,
        configs: &[("retention.ms", "60000"), ("segment.ms", "15000"), ("file.delete.delay.ms", "0")],
        is_mortal: false,
    },
    Kind {
        name: "both",
        partitions: 1,
        configs: &[
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "80000"),
            ("internal.segment.bytes", "60000"),
            ("min.cleanable.dirty.ratio", "0.1"),
        ],
        is_mortal: false,
    },
    Kind {
        name: "flushed",
        partitions: 1,
        configs: &[
            ("flush.messages", "40"),
            ("index.interval.bytes", "300"),
            ("internal.segment.bytes", "150000"),
        ],
        is_mortal: false,
    },
    Kind {
        name: "stamped",
        partitions: 1,
        configs: &[
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "zstd"),
            ("index.interval.bytes", "500"),
            ("segment.index.bytes", "240"),
        ],
        is_mortal: false,
    },
    Kind { name: "mortal", partitions: 1, configs: &[("internal.segment.bytes", "60000")], is_mortal: true },
    Kind {
        name: "mortal.compacted",
        partitions: 2,
        configs: &[
            ("cleanup.policy", "compact"),
            ("internal.segment.bytes", "60000"),
            ("min.cleanable.dirty.ratio", "0.1"),
            ("compression.type", "lz4"),
        ],
        is_mortal: true,
    },
];

/// What is changed of topics while they live: nothing by which records may leave a log that could not before.
const CHANGES: &[(&str, &str, &[&str])] = &[
    ("plain", "compression.type", &["producer", "gzip", "snappy", "lz4", "zstd", "uncompressed"]),
    ("plain", "internal.segment.bytes", &["200000", "500000"]),
    ("compacted", "max.compaction.lag.ms", &["1000", "9223372036854775807"]),
    ("compacted", "min.compaction.lag.ms", &["0", "500"]),
    ("compacted", "min.cleanable.dirty.ratio", &["0.01", "0.5"]),
    ("sized", "retention.bytes", &["200000", "400000", "800000"]),
    ("sized", "file.delete.delay.ms", &["0", "500", "3000"]),
    ("aged", "segment.jitter.ms", &["0", "5000"]),
    ("flushed", "flush.messages", &["1", "40", "9223372036854775807"]),
    ("flushed", "flush.ms", &["100", "9223372036854775807"]),
];

impl Kind {
    fn config(&self, name: &str) -> Option<&'static str> {
        self.configs.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    pub(crate) fn rules(&self) -> Rules {
        let number = |name| self.config(name).and_then(|value| value.parse::<i64>().ok());
        Rules {
            compacts: self.config("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
            bounds_bytes: self.config("retention.bytes").is_some(),
            age_ms_max: number("retention.ms"),
            stamps: self.config("message.timestamp.type").is_some(),
            segment_bytes: number("internal.segment.bytes").map_or(usize::MAX, |bytes| bytes as usize),
        }
    }

    /// Its records cannot be deleted by a client.
    pub(crate) fn is_compacted_only(&self) -> bool {
        self.config("cleanup.policy") == Some("compact")
    }

    fn is_outside(&self) -> bool {
        OUTSIDE.contains(&self.name)
    }
}

/// Whether offsets may be missing within the logs of a topic.
pub(crate) fn has_holes(topic: &str) -> bool {
    let kind = KINDS.iter().find(|kind| kind.name == topic);
    kind.map_or(topic.starts_with("__consumer"), |kind| kind.rules().compacts)
}

/// A topic in its present life.
#[derive(Debug)]
struct Topic {
    kind: &'static Kind,
    id: Uuid,
    ledgers: Vec<Arc<Ledger>>,
}

/// By group, topic and partition, the last commit that was acknowledged, and the last one that was asked for.
type Commits = BTreeMap<(&'static str, &'static str, i32), (i64, i64)>;

/// Topics, and what groups have committed.
#[derive(Debug, Default)]
pub(crate) struct World {
    topics: Mutex<Vec<Topic>>,
    commits: Mutex<Commits>,
}

impl World {
    fn topics(&self) -> MutexGuard<'_, Vec<Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what there is, after a start: a change that was not answered may have been made or not. Creates what
    /// is missing.
    pub(crate) fn take_over(&self, client: &mut Client) {
        let mut topics = self.topics();
        for kind in KINDS {
            let place = topics.iter().position(|topic| topic.kind.name == kind.name);
            let known = place.map(|place| &topics[place]);
            let found = client.describe(kind.name).unwrap();
            let is_same = known.is_some_and(|known| found.is_some_and(|(id, _)| id == known.id));
            assert!(is_same || known.is_none() || kind.is_mortal, "{} is gone", kind.name);
            if !is_same {
                let topic = begin(kind, client);
                match place {
                    Some(place) => topics[place] = topic,
                    None => topics.push(topic),
                }
            }
            let topic = topics.iter_mut().find(|topic| topic.kind.name == kind.name).unwrap();
            let (_, count) = client.describe(kind.name).unwrap().unwrap();
            assert!(count >= topic.ledgers.len(), "{} has lost partitions", kind.name);
            topic.grow(count);
        }
    }

    /// A partition that `wanted` likes.
    pub(crate) fn any(&self, dice: &mut Dice, wanted: impl Fn(&Kind) -> bool) -> (Place, Arc<Ledger>) {
        let topics = self.topics();
        let fitting: Vec<_> = topics.iter().filter(|topic| wanted(topic.kind)).collect();
        let topic = fitting[dice.below(fitting.len())];
        let index = dice.below(topic.ledgers.len());
        (topic.place(index), topic.ledgers[index].clone())
    }

    /// Every partition.
    pub(crate) fn all(&self) -> Vec<(Place, Arc<Ledger>)> {
        let topics = self.topics();
        let places = topics.iter().flat_map(|topic| {
            topic.ledgers.iter().enumerate().map(|(index, ledger)| (topic.place(index), ledger.clone()))
        });
        places.collect()
    }

    pub(crate) fn of(&self, topic: &str, index: usize) -> Arc<Ledger> {
        let topics = self.topics();
        topics.iter().find(|known| known.kind.name == topic).unwrap().ledgers[index].clone()
    }

    /// What the outside writers are told of their topics.
    pub(crate) fn outside_targets(&self) -> Vec<String> {
        let topics = self.topics();
        let targets = topics.iter().filter(|topic| topic.kind.is_outside()).map(|topic| {
            let keyed = if topic.kind.rules().compacts { ":keyed" } else { "" };
            format!("{}:{}{keyed}", topic.kind.name, topic.kind.partitions)
        });
        targets.collect()
    }

    /// Whether a client may delete records of the topic.
    pub(crate) fn deletes(&self, place: Place) -> bool {
        self.topics().iter().any(|topic| topic.id == place.id && !topic.kind.is_compacted_only())
    }

    /// Whether the partition's topic still lives.
    pub(crate) fn lives(&self, place: Place) -> bool {
        self.topics().iter().any(|topic| topic.id == place.id)
    }

    /// Deletes a topic and creates it anew.
    pub(crate) fn recreate(&self, dice: &mut Dice, client: &mut Client) -> io::Result<bool> {
        let (place, _) = self.any(dice, |kind| kind.is_mortal);
        client.delete_topic(place.topic)?;
        let kind = KINDS.iter().find(|kind| kind.name == place.topic).unwrap();
        let Some(id) = client.create_topic(kind.name, kind.partitions, kind.configs)? else {
            return Ok(false);
        };
        let mut topics = self.topics();
        let topic = topics.iter_mut().find(|topic| topic.kind.name == kind.name).unwrap();
        *topic = Topic::new(kind, id, kind.partitions as usize);
        Ok(true)
    }

    /// Adds a partition to a topic, unless it has as many as it may. False where it does.
    pub(crate) fn grow(&self, dice: &mut Dice, client: &mut Client) -> io::Result<bool> {
        let (place, _) = self.any(dice, |kind| !kind.is_outside());
        let count = self.all().iter().filter(|(known, _)| known.id == place.id).count() + 1;
        if count > PARTITIONS_MAX {
            return Ok(false);
        }
        client.grow(place.topic, count as i32)?;
        self.topics().iter_mut().filter(|topic| topic.id == place.id).for_each(|topic| topic.grow(count));
        Ok(true)
    }

    /// Changes a topic's configuration.
    pub(crate) fn reconfigure(dice: &mut Dice, client: &mut Client) -> io::Result<bool> {
        let (topic, name, values) = dice.of(CHANGES);
        client.configure(topic, (name, dice.of(values)))?;
        Ok(true)
    }

    /// Commits an offset that is greater than the one before. False where the coordinator was not there.
    pub(crate) fn commit(&self, dice: &mut Dice, client: &mut Client) -> io::Result<bool> {
        let (place, _) = self.any(dice, |kind| !kind.is_mortal);
        let key = (dice.of(&GROUPS), place.topic, place.index);
        let next = self.commits().get(&key).map_or(1, |(_, asked)| asked + 1);
        self.commits().entry(key).or_insert((-1, next)).1 = next;
        let is_done = client.commit(key.0, place, next)?;
        if is_done {
            self.commits().entry(key).and_modify(|(acknowledged, _)| *acknowledged = next);
        }
        Ok(is_done)
    }

    fn commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares everything that is served with what must and may be. Senders tell their news while it is awaited.
    pub(crate) fn assert_served(&self, client: &mut Client) {
        for (place, ledger) in self.all() {
            let reading = client.read(place, &mut ledger.decoded.lock().unwrap());
            let mut strange = String::new();
            let outcome = eventually_known(&mut strange, || ledger.compare(&reading));
            assert!(outcome, "{place:?}: {strange}");
            ledger.settle_doubts();
        }
        for group in GROUPS {
            let committed = client.committed(group);
            for ((_, topic, index), (acknowledged, asked)) in
                self.commits().range((group, "", 0)..).take_while(|(key, _)| key.0 == group)
            {
                let found = committed.iter().find(|(name, partition, _)| name == topic && partition == index);
                let found = found.map_or(-1, |(_, _, offset)| *offset);
                assert!(
                    (*acknowledged..=*asked).contains(&found),
                    "{group} at {found} of {topic}-{index}, not {acknowledged} to {asked}"
                );
            }
        }
    }
}

/// Waits until `compare` knows all; leaves in `strange` what it does not.
fn eventually_known(strange: &mut String, mut compare: impl FnMut() -> Result<(), String>) -> bool {
    let mut looks = 0;
    eventually("news of the senders", PATIENCE, || {
        looks += 1;
        match compare() {
            Ok(()) => Some(true),
            Err(_) if looks < NEWS_LOOKS_MAX => None,
            Err(what) => {
                *strange = what;
                Some(false)
            }
        }
    })
}

/// How often it is looked whether the sender of a record is known by now; a look every 20 ms.
const NEWS_LOOKS_MAX: u32 = 1000;

impl Topic {
    fn new(kind: &'static Kind, id: Uuid, count: usize) -> Self {
        let mut topic = Self { kind, id, ledgers: Vec::new() };
        topic.grow(count);
        topic
    }

    fn place(&self, index: usize) -> Place {
        Place { topic: self.kind.name, id: self.id, index: index as i32 }
    }

    fn grow(&mut self, count: usize) {
        while self.ledgers.len() < count {
            self.ledgers.push(Arc::new(Ledger::new(self.kind.rules())));
        }
    }
}

/// Creates the topic, or takes it as it was created without an answer.
fn begin(kind: &'static Kind, client: &mut Client) -> Topic {
    let created = client.create_topic(kind.name, kind.partitions, kind.configs).unwrap();
    let id = created.or_else(|| client.describe(kind.name).unwrap().map(|(id, _)| id));
    Topic::new(kind, id.unwrap(), kind.partitions as usize)
}
