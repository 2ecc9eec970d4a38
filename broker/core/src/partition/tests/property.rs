//! Random producers against a model that keeps every batch and applies the rules to all of them (KIP-98).

use proptest::prelude::*;

use super::*;

const PRODUCERS: i64 = 2;
const SILENCE_MS_MAX: i64 = 1_000;
/// Where a producer begins, so that its sequences run over the largest.
const BEGIN: i32 = i32::MAX - 9;

#[derive(Debug, Clone)]
enum Act {
    /// The batch that follows the last one of the producer, `skip` sequences later.
    Next {
        producer: i64,
        count: usize,
        skip: i32,
    },
    /// One of the batches before, `back` of them ago, perhaps with a record more.
    Again {
        producer: i64,
        back: usize,
        more: usize,
    },
    /// A batch of another epoch.
    Epoch {
        producer: i64,
        by: i16,
        base_sequence: i32,
    },
    /// All but the last `tail` batches come from a snapshot.
    Restart {
        tail: usize,
    },
    Pass {
        ms: i64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let producer = 0..PRODUCERS;
    let skip = prop_oneof![6 => Just(0), 1 => -2..3];
    prop_oneof![
        8 => (producer.clone(), 1..5_usize, skip)
            .prop_map(|(producer, count, skip)| Act::Next { producer, count, skip }),
        4 => (producer.clone(), 0..8_usize, prop_oneof![4 => Just(0), 1 => Just(1)])
            .prop_map(|(producer, back, more)| Act::Again { producer, back, more }),
        1 => (producer, -1..3_i16, prop_oneof![3 => Just(0), 1 => Just(4)])
            .prop_map(|(producer, by, base_sequence)| Act::Epoch { producer, by, base_sequence }),
        1 => (0..8_usize).prop_map(|tail| Act::Restart { tail }),
        1 => (1..SILENCE_MS_MAX).prop_map(|ms| Act::Pass { ms }),
    ]
}

/// A batch in the log.
#[derive(Debug, Clone)]
struct Written {
    producer: i64,
    epoch: i16,
    sequence: i32,
    count: usize,
    offset: i64,
    at: Timestamp,
    batch: RecordBatch,
    /// Its sequences are not known any more, for a restart or an expiry.
    is_forgotten: bool,
}

impl Written {
    fn after(&self, skip: i32) -> i32 {
        let sum = i64::from(self.sequence) + self.count as i64 + i64::from(skip);
        i32::try_from(sum.rem_euclid(1 << 31)).unwrap()
    }
}

#[derive(Default)]
struct Model(Vec<Written>);

impl Model {
    /// What is known of the producer, oldest first.
    fn known(&self, producer: i64) -> Vec<&Written> {
        self.0.iter().filter(|written| written.producer == producer && !written.is_forgotten).collect()
    }

    /// The offset of the batch and whether it is there already.
    fn expected(&self, batch: &BatchHeader, end: i64) -> Result<(i64, bool), ErrorCode> {
        let known = self.known(batch.producer_id.0);
        let Some(last) = known.last() else { return Ok((end, false)) };
        let (epoch, sequence) = (batch.producer_epoch.0, batch.base_sequence);
        if epoch < last.epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        let of_epoch = known.iter().rev().take_while(|written| written.epoch == epoch);
        let same = |written: &&&Written| {
            written.sequence == sequence && written.count == usize::try_from(batch.count).unwrap()
        };
        if let Some(first) = of_epoch.take(5).filter(same).last() {
            return Ok((first.offset, true));
        }
        let due = if epoch > last.epoch { 0 } else { last.after(0) };
        if sequence == due { Ok((end, false)) } else { Err(ErrorCode::OutOfOrderSequenceNumber) }
    }

    fn forgotten(&self) -> Vec<bool> {
        self.0.iter().map(|written| written.is_forgotten).collect()
    }

    /// A snapshot, made when this was `forgotten`, keeps the last batch of each producer; all of the tail is known again.
    fn restart(&mut self, forgotten: &[bool]) {
        for (index, written) in self.0.iter_mut().enumerate() {
            written.is_forgotten = forgotten.get(index).copied().unwrap_or(false);
        }
        for producer in 0..PRODUCERS {
            let before = &mut self.0[..forgotten.len()];
            let is_known = |written: &&mut Written| written.producer == producer && !written.is_forgotten;
            before.iter_mut().filter(is_known).rev().skip(1).for_each(|written| written.is_forgotten = true);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        for producer in 0..PRODUCERS {
            let last = self.known(producer).last().map(|last| last.at);
            if last.is_some_and(|at| now.ms_since(at) >= SILENCE_MS_MAX) {
                self.0
                    .iter_mut()
                    .filter(|written| written.producer == producer)
                    .for_each(|written| written.is_forgotten = true);
            }
        }
    }
}

fn mk_batch_of(producer: i64, epoch: i16, sequence: i32, count: usize) -> RecordBatch {
    let mut builder = BatchBuilder::default().producer(ProducerId(producer), ProducerEpoch(epoch), sequence);
    (0..count).for_each(|_| builder.push(NewRecord { timestamp: NOW, ..NewRecord::default() }));
    builder.build()
}

fn batch_of(act: &Act, model: &Model) -> Option<RecordBatch> {
    let last = |producer| model.0.iter().rev().find(|written| written.producer == producer).cloned();
    Some(match *act {
        Act::Next { producer, count, skip } => match last(producer) {
            Some(last) => mk_batch_of(producer, last.epoch, last.after(skip), count),
            None => mk_batch_of(producer, 0, BEGIN, count),
        },
        Act::Again { producer, back, more } => {
            let again = model.0.iter().rev().filter(|written| written.producer == producer).nth(back)?;
            mk_batch_of(producer, again.epoch, again.sequence, again.count + more)
        }
        Act::Epoch { producer, by, base_sequence } => {
            let epoch = (last(producer)?.epoch + by).max(0);
            mk_batch_of(producer, epoch, base_sequence, 1)
        }
        Act::Restart { .. } | Act::Pass { .. } => return None,
    })
}

/// A replica that was rebuilt from a snapshot and the batches after it. A tail counts as seen when it is replayed.
fn restarted(replica: &Replica, snapshot: &Producers, tail: &[Written]) -> Replica {
    let mut rebuilt = mk_replica(tail.first().map_or(replica.log_end().0, |first| first.offset));
    snapshot.iter().for_each(|producer| rebuilt.restore(producer));
    for written in tail {
        let batch = written.batch.stamped(Offset(written.offset), LeaderEpoch(0));
        rebuilt.replay(batch.header(), written.at);
    }
    lead(&mut rebuilt, mk_leadership(0, &[1]));
    rebuilt
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn producers_are_answered_as_the_rules_say(acts in prop::collection::vec(act(), 1..80)) {
        let (mut replica, mut model, mut now) = (mk_leader(&[1]), Model::default(), NOW);
        // What a snapshot taken before each batch would hold.
        let mut snapshots = vec![];
        for act in &acts {
            match *act {
                Act::Restart { tail } => {
                    let tail = tail.min(model.0.len());
                    let cut = model.0.len() - tail;
                    let today = || (replica.producers().clone(), model.forgotten());
                    let (snapshot, forgotten) = snapshots.get(cut).cloned().unwrap_or_else(today);
                    replica = restarted(&replica, &snapshot, &model.0[cut..]);
                    replica.expire_producers(now, SILENCE_MS_MAX);
                    model.restart(&forgotten);
                    model.expire(now);
                }
                Act::Pass { ms } => {
                    now = now.plus_ms(ms);
                    replica.expire_producers(now, SILENCE_MS_MAX);
                    model.expire(now);
                }
                _ => {
                    let Some(batch) = batch_of(act, &model) else { continue };
                    let header = batch.header();
                    let expected = model.expected(header, replica.log_end().0);
                    let before = (replica.producers().clone(), model.forgotten());
                    let answer = match replica.plan_append(header, CLIENT) {
                        Ok(AppendPlan::Append { base_offset, .. }) => {
                            replica.apply(header, base_offset, now);
                            Ok((base_offset.0, false))
                        }
                        Ok(AppendPlan::Duplicate(batch)) => Ok((batch.first_offset().0, true)),
                        Err(code) => Err(code),
                    };
                    prop_assert_eq!(answer, expected, "{:?}", act);
                    if let Ok((offset, false)) = answer {
                        snapshots.push(before);
                        model.0.push(Written {
                            producer: header.producer_id.0,
                            epoch: header.producer_epoch.0,
                            sequence: header.base_sequence,
                            count: usize::try_from(header.count).unwrap(),
                            offset,
                            at: now,
                            batch: batch.clone(),
                            is_forgotten: false,
                        });
                    }
                }
            }
        }
    }
}
