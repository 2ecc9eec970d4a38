//! Takes records out of a batch, as the compaction of a log does: what remains keeps its offset, timestamp and bytes.
//!
//! Base offset, last offset, sequences, epoch and codec stay those of the batch, so that readers and producers see the
//! same history with holes. A batch may be given a delete horizon (KIP-534): the moment from which the tombstones and
//! transaction markers in it may go. It stands in place of the base timestamp, and the records' deltas count from it.
//! A batch without any record keeps what its producer's next sequence is checked against.

use bytes::Bytes;

use super::record::{Record, decode_record, read_varint, read_varlong, varlong_size, write_varlong};
use super::{
    Attributes, BATCH_HEADER_BYTES, BATCH_OVERHEAD_BYTES, BatchError, BatchHeader, Compression, RecordBatch,
};
use crate::ids::Timestamp;

/// When a batch is given a delete horizon, if it has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteHorizon {
    /// The moment, usually now and `delete.retention.ms`.
    pub at: Timestamp,
    /// Even if no tombstone remains: the batch is a transaction marker that is needed no more.
    pub always: bool,
}

/// What is left of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// Every record, and no horizon to set: the batch as it is.
    Same,
    /// Some records, or a new horizon.
    Changed(RecordBatch),
    /// No record.
    Empty,
}

impl RecordBatch {
    /// Keeps the records for which `keep`. A batch that keeps a tombstone, or is given one, gets `horizon`.
    ///
    /// # Errors
    /// As [`RecordBatch::records`].
    pub fn filter(
        &self,
        horizon: DeleteHorizon,
        mut keep: impl FnMut(&Record) -> bool,
    ) -> Result<Filtered, BatchError> {
        let header = self.header();
        let codec = header.attributes.compression()?;
        let mut kept = Kept { has_tombstone: false, max_timestamp: Timestamp(-1), bodies: Vec::new() };
        let mut block = codec.decompress(self.payload())?;
        for index in 0..header.count {
            let malformed = |reason| BatchError::Record { index, reason };
            let body = take_body(&mut block).ok_or(malformed("length is beyond the end of the batch"))?;
            let record = decode_record(header, &mut body.clone()).map_err(malformed)?;
            if keep(&record) {
                kept.has_tombstone |= record.value.is_none();
                kept.max_timestamp = kept.max_timestamp.max(record.timestamp);
                kept.bodies.push(body);
            }
        }
        if kept.bodies.is_empty() {
            return Ok(Filtered::Empty);
        }
        let wants_horizon = (horizon.always || kept.has_tombstone) && !header.attributes.has_delete_horizon();
        if !wants_horizon && kept.bodies.len() == usize::try_from(header.count).unwrap_or(0) {
            return Ok(Filtered::Same);
        }
        rebuild(header, codec, &kept, wants_horizon.then_some(horizon.at)).map(Filtered::Changed)
    }

    /// The batch without its records: offsets, sequences and flags stay, so that its producer goes on after it.
    pub fn emptied(&self) -> Self {
        let flags = Attributes::LOG_APPEND_TIME | Attributes::TRANSACTIONAL | Attributes::CONTROL;
        let header = self.header();
        let attributes = Attributes(header.attributes.0 & flags);
        Self::with_block(&BatchHeader { attributes, base_timestamp: Timestamp(-1), count: 0, ..*header }, &[])
    }
}

struct Kept {
    has_tombstone: bool,
    max_timestamp: Timestamp,
    /// Each record without its length.
    bodies: Vec<Bytes>,
}

fn take_body(block: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(read_varint(block)?).ok()?;
    (length <= block.len()).then(|| block.split_to(length))
}

fn rebuild(
    header: &BatchHeader,
    codec: Compression,
    kept: &Kept,
    horizon: Option<Timestamp>,
) -> Result<RecordBatch, BatchError> {
    let base_timestamp = horizon.unwrap_or(header.base_timestamp);
    let shift = header.base_timestamp.0.wrapping_sub(base_timestamp.0);
    let mut block = Vec::with_capacity(kept.bodies.iter().map(|body| body.len() + 5).sum());
    for (body, index) in kept.bodies.iter().zip(0..) {
        write_shifted(&mut block, body, shift)
            .ok_or(BatchError::Record { index, reason: "timestamp is cut off" })?;
    }
    let block = codec.compress(&block).map_err(|error| codec.broken(&error))?;
    let flags = header.attributes.0 | if horizon.is_some() { Attributes::DELETE_HORIZON } else { 0 };
    let append_time = header.attributes.is_log_append_time();
    let max_timestamp = if append_time { header.max_timestamp } else { kept.max_timestamp };
    let count = i32::try_from(kept.bodies.len()).unwrap_or(i32::MAX);
    let attributes = Attributes(flags);
    Ok(RecordBatch::with_block(
        &BatchHeader { attributes, base_timestamp, max_timestamp, count, ..*header },
        &block,
    ))
}

/// Writes a record whose timestamp delta grows by `shift`; nothing else of it changes.
fn write_shifted(out: &mut Vec<u8>, body: &Bytes, shift: i64) -> Option<()> {
    let mut rest = body.clone();
    if rest.is_empty() {
        return None;
    }
    let attributes = rest.split_to(1);
    let delta = read_varlong(&mut rest)?.wrapping_add(shift);
    write_varlong(out, i64::try_from(1 + varlong_size(delta) + rest.len()).ok()?);
    out.extend_from_slice(&attributes);
    write_varlong(out, delta);
    out.extend_from_slice(&rest);
    Some(())
}

impl RecordBatch {
    /// The batch of this header over another records block; length and CRC are set.
    pub(super) fn with_block(header: &BatchHeader, block: &[u8]) -> Self {
        let length = BATCH_HEADER_BYTES - BATCH_OVERHEAD_BYTES + block.len();
        // A block that was filtered is hardly longer than the one it came from, which fitted.
        let batch_length = i32::try_from(length).unwrap_or(i32::MAX);
        Self::assemble(BatchHeader { batch_length, ..*header }, block)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, NewRecord};
    use super::*;
    use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

    const NEVER: DeleteHorizon = DeleteHorizon { at: Timestamp(9_000), always: false };
    const CODECS: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// Five records at timestamps 1000 to 1004; the values of `tombstones` are null.
    fn mk_batch(codec: Compression, tombstones: &[i64]) -> RecordBatch {
        let mut builder =
            BatchBuilder::default().compression(codec).producer(ProducerId(7), ProducerEpoch(2), 40);
        for index in 0..5_i64 {
            builder.push(NewRecord {
                timestamp: Timestamp(1_000 + index),
                key: Some(format!("key {index}").as_bytes()),
                value: (!tombstones.contains(&index)).then_some(b"value"),
                headers: &[("trace", Some(b"1")), ("none", None)],
            });
        }
        builder.build().stamped(Offset(100), LeaderEpoch(3))
    }

    fn records(batch: &RecordBatch) -> Vec<Record> {
        batch.check_crc().unwrap();
        let mut bytes = batch.bytes().clone();
        assert_eq!(&RecordBatch::take(&mut bytes).unwrap(), batch, "the header says what the bytes do");
        batch.records().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn records_that_stay_keep_offset_timestamp_and_headers() {
        for codec in CODECS {
            let batch = mk_batch(codec, &[]);
            let kept = |record: &Record| [Offset(101), Offset(103)].contains(&record.offset);
            let Filtered::Changed(filtered) = batch.filter(NEVER, kept).unwrap() else { panic!("{codec:?}") };
            let expected: Vec<Record> = records(&batch).into_iter().filter(kept).collect();
            assert_eq!(records(&filtered), expected);
            let header = filtered.header();
            assert_eq!((header.base_offset, header.last_offset()), (Offset(100), Offset(104)));
            assert_eq!((header.last_sequence(), header.leader_epoch), (44, LeaderEpoch(3)));
            assert_eq!((header.max_timestamp, header.count), (Timestamp(1_003), 2));
            assert_eq!(header.attributes, batch.header().attributes);
        }
    }

    #[test]
    fn whole_batch_stays_the_same() {
        assert_eq!(mk_batch(Compression::Zstd, &[]).filter(NEVER, |_| true).unwrap(), Filtered::Same);
        assert_eq!(mk_batch(Compression::Zstd, &[1]).filter(NEVER, |_| false).unwrap(), Filtered::Empty);
    }

    #[test]
    fn tombstone_gets_a_horizon_once() {
        for codec in CODECS {
            let batch = mk_batch(codec, &[2]);
            let Filtered::Changed(marked) = batch.filter(NEVER, |_| true).unwrap() else {
                panic!("{codec:?}")
            };
            assert_eq!(marked.header().base_timestamp, Timestamp(9_000));
            assert!(marked.header().attributes.has_delete_horizon());
            assert_eq!(records(&marked), records(&batch), "timestamps count from the horizon");
            let later = DeleteHorizon { at: Timestamp(20_000), always: true };
            assert_eq!(marked.filter(later, |_| true).unwrap(), Filtered::Same);
        }
    }

    #[test]
    fn emptied_batch_keeps_offsets_and_sequences() {
        let batch = mk_batch(Compression::Lz4, &[]);
        let emptied = batch.emptied();
        assert_eq!(records(&emptied), []);
        let header = emptied.header();
        assert_eq!((header.base_offset, header.last_offset()), (Offset(100), Offset(104)));
        assert_eq!((header.producer_id, header.last_sequence()), (ProducerId(7), 44));
        assert_eq!((header.max_timestamp, header.base_timestamp), (Timestamp(1_004), Timestamp(-1)));
        assert_eq!(emptied.filter(NEVER, |_| true).unwrap(), Filtered::Empty);
    }
}
