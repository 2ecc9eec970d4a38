//! Writers that speak frames: with idempotence or without, with every codec and acks, one batch at a time. A writer
//! outlives the broker: what was not acknowledged is sent again when it is back, if the broker can tell a retry.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use milena_protocol::messages::produce::PartitionProduceResponse;
use milena_protocol::records::{BatchBuilder, Compression};
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId};
use milena_tests::Dice;

use crate::client::{Client, Place, now_ms};
use crate::content::{self, Content};
use crate::events::{Event, Events};
use crate::ledger::{Ledger, Ticket};
use crate::world::World;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// A batch of which nobody knows whether it was appended.
#[derive(Debug)]
struct Pending {
    place: Place,
    ledger: Arc<Ledger>,
    ticket: Ticket,
    batch: Bytes,
}

/// See the file.
#[derive(Debug)]
pub(crate) struct Writer {
    id: u32,
    number: u64,
    producer: Option<ProducerId>,
    sequences: HashMap<Place, i32>,
    pending: Option<Pending>,
}

/// What all writers share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) address: &'a str,
    pub(crate) world: &'a World,
    pub(crate) events: &'a Events,
    pub(crate) is_over: &'a AtomicBool,
}

impl Scene<'_> {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

impl Writer {
    pub(crate) fn new(id: u32) -> Self {
        Self { id, number: 0, producer: None, sequences: HashMap::new(), pending: None }
    }

    /// Writes until the scene is over, or the broker is gone.
    pub(crate) fn run(&mut self, scene: Scene<'_>, mut dice: Dice) -> io::Result<()> {
        let mut client = Client::connect(scene.address)?;
        while !scene.is_over() {
            if self.pending.is_some() {
                self.send_pending(scene, &mut client)?;
            } else if dice.percent(70) {
                self.write_idempotent(scene, &mut dice, &mut client)?;
            } else {
                self.write_plainly(scene, &mut dice, &mut client)?;
            }
        }
        Ok(())
    }

    fn write_idempotent(&mut self, scene: Scene<'_>, dice: &mut Dice, client: &mut Client) -> io::Result<()> {
        if dice.percent(1) {
            self.producer = None;
            self.sequences.clear();
        }
        let producer = match self.producer {
            Some(producer) => producer,
            None => *self.producer.insert(client.producer_id()?),
        };
        let (place, ledger) = scene.world.any(dice, |_| true);
        let sequence = self.sequences.entry(place).or_default();
        let builder = BatchBuilder::default().producer(producer, ProducerEpoch(0), *sequence);
        let (ticket, batch, count) = self.fill(builder, dice, (&ledger, true));
        self.sequences.entry(place).and_modify(|sequence| *sequence += count);
        self.pending = Some(Pending { place, ledger, ticket, batch: batch.clone() });
        let base = self.send_pending(scene, client)?;
        if base.is_some() && dice.percent(5) {
            let again = client.produce(place, -1, batch)?;
            if let Verdict::Appended(offset) = judge(place, &again, scene.world) {
                assert_eq!(Some(offset), base, "a retry is stored once");
            }
        }
        Ok(())
    }

    /// Sends the pending batch, which stays pending unless it is acknowledged, or its topic is gone. Yields its offset.
    fn send_pending(&mut self, scene: Scene<'_>, client: &mut Client) -> io::Result<Option<i64>> {
        let Some(pending) = &self.pending else { return Ok(None) };
        let response = client.produce(pending.place, -1, pending.batch.clone())?;
        match judge(pending.place, &response, scene.world) {
            Verdict::Appended(base) => {
                pending.ledger.acknowledge(pending.ticket, base);
                scene.events.count(Event::Acknowledged);
                self.pending = None;
                return Ok(Some(base));
            }
            Verdict::Gone => {
                self.sequences.remove(&pending.place);
                self.pending = None;
            }
            Verdict::TooEarly => {}
        }
        Ok(None)
    }

    fn write_plainly(&mut self, scene: Scene<'_>, dice: &mut Dice, client: &mut Client) -> io::Result<()> {
        let acks = dice.of(&[1, -1, 0]);
        // The broker closes the connection where it cannot append and may not answer.
        let (place, ledger) = scene.world.any(dice, |kind| acks != 0 || !kind.is_mortal);
        if ledger.rules().compacts && dice.percent(5) {
            return refused_without_key(scene, place, client);
        }
        let (ticket, batch, _) = self.fill(BatchBuilder::default(), dice, (&ledger, false));
        if acks == 0 {
            return client.produce_blindly(place, batch);
        }
        let response = client.produce(place, acks, batch)?;
        match judge(place, &response, scene.world) {
            Verdict::Appended(base) => {
                ledger.acknowledge(ticket, base);
                scene.events.count(Event::Acknowledged);
            }
            // A leader that resigns may have appended it.
            Verdict::Gone | Verdict::TooEarly => {}
        }
        Ok(())
    }

    /// Notes a batch of random records as sent.
    fn fill(
        &mut self,
        builder: BatchBuilder,
        dice: &mut Dice,
        (ledger, is_retried): (&Ledger, bool),
    ) -> (Ticket, Bytes, i32) {
        let (mut builder, now_ms) = (builder.compression(dice.of(&CODECS)), now_ms());
        let (mut sent, nature) = (Vec::new(), (dice.percent(2), now_ms));
        for _ in 0..content::batch_size(dice) {
            self.number += 1;
            let content = Content::new(dice, &ledger.rules(), (self.id, self.number), nature);
            content.push_to(&mut builder);
            sent.push(content.sent(self.id, self.number));
            if content::is_full(&builder, &ledger.rules()) {
                break;
            }
        }
        let count = builder.count();
        let ticket = ledger.send(sent, is_retried);
        (ticket, builder.build().into_bytes(), count)
    }
}

/// A compacted topic takes no record without a key.
fn refused_without_key(scene: Scene<'_>, place: Place, client: &mut Client) -> io::Result<()> {
    let mut builder = BatchBuilder::default();
    builder.push(Default::default());
    let response = client.produce(place, -1, builder.build().into_bytes())?;
    assert_ne!(response.error_code, 0);
    scene.events.count(Event::Refused);
    Ok(())
}

enum Verdict {
    Appended(i64),
    Gone,
    TooEarly,
}

fn judge(place: Place, response: &PartitionProduceResponse, world: &World) -> Verdict {
    match ErrorCode::from(response.error_code) {
        ErrorCode::None => Verdict::Appended(response.base_offset),
        ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition | ErrorCode::NotLeaderOrFollower => {
            if world.lives(place) {
                Verdict::TooEarly
            } else {
                Verdict::Gone
            }
        }
        code => panic!("{code} from {place:?}: {response:?}"),
    }
}
