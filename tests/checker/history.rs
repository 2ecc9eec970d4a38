//! What clients invoked, and what they were answered: one event a line, as the client programs print them.
//!
//! | line                             | event |
//! |----------------------------------|-------|
//! | `S writer number partition`      | a record is handed to a producer |
//! | `A writer number partition offset` | it is acknowledged; a negative offset is unknown |
//! | `F writer number partition`      | the producer gave up: it may be stored or not |
//! | `B reader partition offset`      | a consumer reads a partition from here on |
//! | `R reader partition offset writer number [session]` | it was handed this record; `0 0` is none that anybody sent |
//! | `T broker partition epoch leader` | a client is told who leads in which epoch; a negative leader is none |
//! | `Q node epoch leader` | a node says that this one leads the metadata quorum |
//!
//! A session is a producer id and its epoch, where the client tells them: brokers know a record again within one alone.
//!
//! A record is known by its writer, a producer of its own, and its number there, which ascends. Events of one client are
//! in its order; those of two clients are in none.

use std::fmt::{self, Display};

/// Readers below read every partition from its start to its end when nothing is written any more, each from other leaders.
pub(crate) const AUDITORS: u32 = 10;

/// Which record of which producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    pub(crate) writer: u32,
    pub(crate) number: u64,
}

/// A partition and an offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) partition: u32,
    pub(crate) offset: i64,
}

/// A partition and an epoch of its leaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Term {
    pub(crate) partition: u32,
    pub(crate) epoch: i64,
}

/// See the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Sent {
        record: Record,
        partition: u32,
    },
    Acknowledged {
        record: Record,
        place: Place,
    },
    Failed {
        record: Record,
    },
    Began {
        reader: u32,
        place: Place,
    },
    Polled {
        reader: u32,
        place: Place,
        record: Record,
        session: Option<i64>,
    },
    Told {
        broker: u32,
        term: Term,
        leader: i64,
    },
    Leads {
        epoch: i64,
        leader: i64,
    },
    /// Of the harness: nothing was wrong any more, and records from this place on were never handed to the consumer.
    Stood {
        reader: u32,
        place: Place,
    },
    /// Of the harness: nothing was wrong any more, and replicas of this node did not get in sync to lead.
    Lagged {
        node: i32,
    },
}

impl Event {
    /// Reads a line; `None` for one that no client program prints.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (kind, rest) = line.split_once(' ')?;
        let numbers: Option<Vec<i64>> = rest.split(' ').map(|field| field.parse().ok()).collect();
        let record = |writer: i64, number: i64| {
            Some(Record { writer: writer.try_into().ok()?, number: number.try_into().ok()? })
        };
        let place = |partition: i64, offset| Some(Place { partition: partition.try_into().ok()?, offset });
        Some(match (kind, numbers?.as_slice()) {
            ("S", &[writer, number, partition]) => {
                Self::Sent { record: record(writer, number)?, partition: partition.try_into().ok()? }
            }
            ("A", &[writer, number, partition, offset]) => {
                Self::Acknowledged { record: record(writer, number)?, place: place(partition, offset)? }
            }
            ("F", &[writer, number, _]) => Self::Failed { record: record(writer, number)? },
            ("B", &[reader, partition, offset]) => {
                Self::Began { reader: reader.try_into().ok()?, place: place(partition, offset)? }
            }
            ("R", &[reader, partition, offset, writer, number, ref session @ ..]) if session.len() < 2 => {
                Self::Polled {
                    reader: reader.try_into().ok()?,
                    place: place(partition, offset)?,
                    record: record(writer, number)?,
                    session: session.first().copied(),
                }
            }
            ("Q", &[_, epoch, leader]) => Self::Leads { epoch, leader },
            ("T", &[broker, partition, epoch, leader]) => Self::Told {
                broker: broker.try_into().ok()?,
                term: Term { partition: partition.try_into().ok()?, epoch },
                leader,
            },
            _ => return None,
        })
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of writer {}", self.number, self.writer)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} of partition {}", self.offset, self.partition)
    }
}

#[test]
fn lines_of_clients_are_events() {
    let (record, place) = (Record { writer: 3, number: 17 }, Place { partition: 2, offset: 40 });
    assert_eq!(Event::parse("S 3 17 2"), Some(Event::Sent { record, partition: 2 }));
    assert_eq!(Event::parse("A 3 17 2 40"), Some(Event::Acknowledged { record, place }));
    assert_eq!(Event::parse("F 3 17 2"), Some(Event::Failed { record }));
    assert_eq!(Event::parse("B 9 2 40"), Some(Event::Began { reader: 9, place }));
    let polled = |session| Some(Event::Polled { reader: 9, place, record, session });
    assert_eq!(Event::parse("R 9 2 40 3 17"), polled(None));
    assert_eq!(Event::parse("R 9 2 40 3 17 65537"), polled(Some(65_537)));
    let term = Term { partition: 2, epoch: 5 };
    assert_eq!(Event::parse("T 1 2 5 3"), Some(Event::Told { broker: 1, term, leader: 3 }));
    assert_eq!(Event::parse("Q 3 9 3"), Some(Event::Leads { epoch: 9, leader: 3 }));
    for strange in
        ["", "S", "S 3 17", "R 9 2 40 3 x", "R 9 2 40 3 1 1 1", "S -3 17 2", "Z 1 2 3", "S 3 17 2 "]
    {
        assert_eq!(Event::parse(strange), None, "{strange}");
    }
}
