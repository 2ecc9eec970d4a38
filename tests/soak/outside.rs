//! Writers that are not ours: franz-go, idempotent, a producer for each codec. They live through every end of the broker
//! and go on where they were.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use milena_tests::{eventually, paths};

use crate::PATIENCE;
use crate::events::{Event, Events};
use crate::ledger::{Ledger, Sent, Ticket};
use crate::world::World;

/// Ids of a producer lie in a range of their own.
const IDS_PER_PRODUCER: u64 = 1_000_000_000_000;
/// Ids of our own writers lie below.
const FIRST_WRITER: u32 = 1000;

/// The process, and the thread that notes what it tells.
#[derive(Debug)]
pub(crate) struct Outside {
    child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Outside {
    /// Starts to write to `targets`. `life` tells one process from the next.
    pub(crate) fn start(
        address: &str,
        (seed, life): (u64, u32),
        targets: &[String],
        (world, events): (Arc<World>, Arc<Events>),
    ) -> Self {
        let mut command = Command::new(paths::cache().join("clients/franz"));
        command.args([address, &seed.wrapping_add(life.into()).to_string(), "soak"]).args(targets);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let reader = thread::spawn(move || read(output, life, &world, &events));
        Self { child, reader: Some(reader) }
    }

    /// Panics if it has ended, or told what cannot be.
    pub(crate) fn assert_alive(&mut self) {
        if self.reader.as_ref().is_some_and(JoinHandle::is_finished) {
            self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
            panic!("the outside writers have ended: {:?}", self.child.wait());
        }
    }

    /// Sends it a signal by name: `STOP` makes it pause, `CONT` go on.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Waits until everything is acknowledged. The broker must be there.
    pub(crate) fn end(mut self) {
        self.assert_alive();
        self.signal("TERM");
        self.signal("CONT");
        let status =
            eventually("the end of the outside writers", PATIENCE, || self.child.try_wait().ok().flatten());
        assert!(status.success(), "{status}");
        self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read(output: ChildStdout, life: u32, world: &World, events: &Events) {
    let mut waiting: HashMap<u64, (Arc<Ledger>, Ticket)> = HashMap::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let fields: Vec<_> = line.split(' ').collect();
        let number = |index: usize| fields[index].parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
        let id = number(1);
        match fields[0] {
            "S" => {
                let ledger = world.of(fields[2], number(3) as usize);
                let sent = Sent {
                    content: number(7),
                    timestamp: number(4) as i64,
                    key: (fields[5] != "-").then(|| number(5)),
                    is_tombstone: fields[6] == "true",
                    writer: FIRST_WRITER + life * 10 + (id / IDS_PER_PRODUCER) as u32,
                    number: id,
                };
                let ticket = ledger.send(vec![sent], true);
                waiting.insert(id, (ledger, ticket));
            }
            "A" => {
                let (ledger, ticket) = waiting.remove(&id).expect("sent before");
                ledger.acknowledge(ticket, number(2) as i64);
                events.count(Event::Acknowledged);
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!(waiting.len(), 0, "records that were never acknowledged");
}
