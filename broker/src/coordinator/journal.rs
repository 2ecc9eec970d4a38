//! What a coordinator needs of the log it lives in, and how its records become batches.
//!
//! The trait exists so that the task can be driven by tests without a disk; [`Led`](super::led::Led) is the one
//! implementation of the broker.

use std::collections::BTreeMap;
use std::future::Future;

use bytes::Bytes;
use milena_core::group::GroupRecord;
use milena_protocol::records::{
    BatchBuilder, BatchError, BatchHeader, Compression, ControlRecordType, NewRecord, RecordBatch, batches,
    control_record_type,
};
use milena_protocol::{ErrorCode, Offset, ProducerId, Timestamp};

/// A batch is closed before it grows beyond this, so that it stays below the default `max.message.bytes`. A record
/// that is larger by itself is the log's to refuse.
const BATCH_BYTES_MAX: usize = 1_000_000;

/// A partition of `__consumer_offsets` that this broker leads.
pub(crate) trait Journal: Clone + Send + Sync + 'static {
    /// Appends a batch and yields the offset after it.
    fn append(&self, batch: &RecordBatch) -> Result<Offset, ErrorCode>;

    /// What lies below is committed.
    fn high_watermark(&self) -> Offset;

    /// Resolves once everything below `end` is committed; an error says that this broker leads no more.
    fn committed(&self, end: Offset) -> impl Future<Output = Result<(), ErrorCode>> + Send;

    /// The first offset there is and the one after the last.
    fn range(&self) -> (Offset, Offset);

    /// Whole committed batches from `offset` on, none where they end.
    fn read(&self, offset: Offset) -> Result<Bytes, ErrorCode>;
}

/// The batches of one step, in order.
pub(crate) fn encode(records: &[GroupRecord], now: Timestamp, compression: Compression) -> Vec<RecordBatch> {
    let empty = || BatchBuilder::default().compression(compression);
    let (mut batches, mut batch) = (Vec::new(), empty());
    for record in records {
        let (key, value) = record.encode();
        let size = key.len() + value.as_ref().map_or(0, Bytes::len);
        if !batch.is_empty() && batch.size_bytes() + size > BATCH_BYTES_MAX {
            batches.push(std::mem::replace(&mut batch, empty()).build());
        }
        batch.push(NewRecord { timestamp: now, key: Some(&key), value: value.as_deref(), headers: &[] });
    }
    batches.push(batch.build());
    batches
}

/// Reads a log from its beginning. Offsets that a transaction commits count from its end on (KIP-98): Apache Kafka
/// writes such; those of a transaction that is still open at the end of the log do not count.
#[derive(Default)]
pub(crate) struct Reader {
    /// Offsets of open transactions by their keys.
    pending: BTreeMap<ProducerId, BTreeMap<Bytes, GroupRecord>>,
}

impl Reader {
    /// Gives `take` every record of `bytes` that belongs to groups; yields the offset after the last batch.
    ///
    /// Records that cannot be read are logged and left out: one bad record must not cost a partition all its groups.
    pub(crate) fn read(
        &mut self,
        bytes: Bytes,
        mut take: impl FnMut(&GroupRecord),
    ) -> Result<Option<Offset>, BatchError> {
        let mut end = None;
        for batch in batches(bytes) {
            let batch = batch?;
            end = Some(batch.header().last_offset() + 1);
            if batch.header().attributes.is_control() {
                self.end_transaction(&batch)?.iter().for_each(&mut take);
                continue;
            }
            for record in batch.records()? {
                let record = record?;
                let Some(key) = record.key else { continue };
                match GroupRecord::decode(key.clone(), record.value) {
                    Ok(Some(decoded)) => self.sort(batch.header(), key, decoded, &mut take),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%error, offset = %record.offset, "skip unreadable record of a group")
                    }
                }
            }
        }
        Ok(end)
    }

    fn sort(
        &mut self,
        header: &BatchHeader,
        key: Bytes,
        record: GroupRecord,
        take: &mut impl FnMut(&GroupRecord),
    ) {
        if header.attributes.is_transactional() {
            self.pending.entry(header.producer_id).or_default().insert(key, record);
            return;
        }
        // What comes later counts, whenever the transaction ends.
        self.pending.values_mut().for_each(|offsets| drop(offsets.remove(&key)));
        take(&record);
    }

    /// What the marker commits.
    fn end_transaction(&mut self, marker: &RecordBatch) -> Result<Vec<GroupRecord>, BatchError> {
        let pending = self.pending.remove(&marker.header().producer_id).unwrap_or_default();
        let record = marker.records()?.next().transpose()?;
        let is_commit = record.as_ref().and_then(control_record_type) == Some(ControlRecordType::Commit);
        Ok(if is_commit { pending.into_values().collect() } else { Vec::new() })
    }
}
