//! Requests that may wait for other clients: each goes over its client's own connection, and is compared once both
//! brokers have answered it. A broker that answers alone gives the other [`ANSWERS_WITHIN`].

use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use milena_tests::{Dice, frame};

use crate::differences::Exchange;
use crate::groups;
use crate::lockstep::{Asked, Lockstep, short_name, show};
use crate::side::{Answer, Side, decode};

/// How long a broker may take for an answer that the other has given.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// After so long without an answer from either, both wait for another client, if both show their groups in one state.
const WAITS_AFTER: Duration = Duration::from_millis(60);

/// What came back on a client's connection; `None` where it was closed.
type Arrived = Option<Bytes>;

/// Compares what arrived from Apache Kafka and from Milena, as far as it did.
type Judge = Box<dyn FnOnce(&mut Lockstep, [Option<Arrived>; 2])>;

/// A request that neither or one has answered.
pub(crate) struct Parked {
    /// Of Apache Kafka, then of Milena.
    arrived: [Option<Arrived>; 2],
    judge: Judge,
}

impl Lockstep {
    /// Asks over the connection of the client in `slot`, unless that waits for an answer already.
    pub(crate) fn ask_client<R: Asked>(
        &mut self,
        slot: usize,
        dice: &mut Dice,
        make: impl Fn(&mut Dice, &Side) -> R,
        learn: impl Fn(&mut Side, &mut R::Response) + 'static,
    ) {
        self.compare_answered();
        if self.parked.contains_key(&slot) {
            return;
        }
        *self.sent.entry(short_name::<R>()).or_default() += 1;
        let version = self.version::<R>(dice);
        let mut text = String::new();
        for side in [&mut self.theirs, &mut self.ours] {
            let request = make(&mut dice.clone(), side);
            text = side.common_text(&format!("{request:?}"));
            side.send_as(slot, &frame::request_bytes(7, version, &request));
        }
        let judge = move |lockstep: &mut Lockstep, arrived: [Option<Arrived>; 2]| {
            let [theirs, ours] = arrived;
            let theirs = settled::<R>(&mut lockstep.theirs, version, theirs, &learn);
            let ours = settled::<R>(&mut lockstep.ours, version, ours, &learn);
            let answers = (theirs, ours);
            lockstep.judge(&Exchange { api: short_name::<R>(), version, request: text, answers });
        };
        self.parked.insert(slot, Parked { arrived: [None, None], judge: Box::new(judge) });
        self.compare_answered();
    }

    /// Compares what has been answered by now.
    pub(crate) fn compare_answered(&mut self) {
        let started = Instant::now();
        loop {
            let is_uneven = self.compare_pairs();
            let waits = started.elapsed() >= WAITS_AFTER && !is_uneven && self.shows_same_groups();
            if self.parked.is_empty() || waits || started.elapsed() >= ANSWERS_WITHIN {
                return self.compare_uneven();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether both show the same states of groups. The question waits in the queue of each group's other requests.
    fn shows_same_groups(&mut self) -> bool {
        groups::states(&mut self.theirs) == groups::states(&mut self.ours)
    }

    /// Compares where both have answered, and tells whether one has answered alone.
    fn compare_pairs(&mut self) -> bool {
        let mut is_uneven = false;
        let slots: Vec<usize> = self.parked.keys().copied().collect();
        for slot in slots {
            let Some(mut parked) = self.parked.remove(&slot) else { continue };
            for (side, arrived) in [&mut self.theirs, &mut self.ours].into_iter().zip(&mut parked.arrived) {
                if arrived.is_none() {
                    *arrived = side.arrived(slot);
                }
            }
            if parked.arrived.iter().all(Option::is_some) {
                (parked.judge)(self, parked.arrived);
            } else {
                is_uneven |= parked.arrived.iter().any(Option::is_some);
                self.parked.insert(slot, parked);
            }
        }
        is_uneven
    }

    /// Judges where only one has answered, and gives both connections up.
    fn compare_uneven(&mut self) {
        let is_uneven = |parked: &Parked| parked.arrived.iter().any(Option::is_some);
        let slots: Vec<usize> =
            self.parked.iter().filter(|(_, parked)| is_uneven(parked)).map(|(slot, _)| *slot).collect();
        for slot in slots {
            if let Some(parked) = self.parked.remove(&slot) {
                self.theirs.hang_up(slot);
                self.ours.hang_up(slot);
                (parked.judge)(self, parked.arrived);
            }
        }
    }
}

fn settled<R: Asked>(
    side: &mut Side,
    version: i16,
    arrived: Option<Arrived>,
    learn: &impl Fn(&mut Side, &mut R::Response),
) -> String {
    let answer = match arrived {
        None => return "waits".to_owned(),
        Some(None) => Answer::Closed,
        Some(Some(bytes)) => {
            let mut response = decode::<R>(bytes, version, side.flavor());
            learn(side, &mut response);
            Answer::Response(response)
        }
    };
    show::<R>(side, &answer, &|_, _| {})
}

/// A frame that has arrived on `stream`, without waiting for one.
pub(crate) fn poll(stream: &mut TcpStream) -> io::Result<Option<Bytes>> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0; 4]);
    stream.set_nonblocking(false)?;
    match peeked {
        Ok(4..) => frame::read_frame(stream).map(Some),
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
