//! Topics and partitions: what goes in and out, and how long the logs are.
//!
//! A partition counts in itself; topics are added up when the page is asked for. Bounded to [`PARTITIONS_MAX`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::page::{Family, Page, family};
use crate::broker::Broker;
use crate::partition::Partition;

/// Partitions that the page shows, in the order of their topics; what lies beyond is missing from the series with a
/// label `topic`, and in no other.
pub(super) const PARTITIONS_MAX: usize = 20_000;

/// What one partition was asked since it was opened. Relaxed additions by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    received_bytes: AtomicU64,
    received_records: AtomicU64,
    sent_bytes: AtomicU64,
    produces: AtomicU64,
    failed_produces: AtomicU64,
    fetches: AtomicU64,
    failed_fetches: AtomicU64,
}

impl Traffic {
    /// A batch was appended.
    pub(crate) fn appended(&self, bytes: usize, records: i32) {
        add(&self.received_bytes, bytes as u64);
        add(&self.received_records, u64::try_from(records).unwrap_or(0));
    }

    /// A producer wrote, or was refused.
    pub(crate) fn produced(&self, is_done: bool) {
        add(&self.produces, 1);
        if !is_done {
            add(&self.failed_produces, 1);
        }
    }

    /// A reader was answered with `bytes` of records, or with an error.
    pub(crate) fn fetched(&self, bytes: Option<usize>) {
        add(&self.fetches, 1);
        match bytes {
            Some(bytes) => add(&self.sent_bytes, bytes as u64),
            None => add(&self.failed_fetches, 1),
        }
    }
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

/// A family, and where a partition has its number.
type OfTopic = (Family, fn(&Traffic) -> &AtomicU64);
type OfPartition = (Family, fn(&Partition) -> i64);

const TOPICS: [OfTopic; 7] = [
    (family("milena_topic_received_bytes", "Bytes of batches appended"), |traffic| &traffic.received_bytes),
    (family("milena_topic_received_records", "Records appended"), |traffic| &traffic.received_records),
    (family("milena_topic_sent_bytes", "Bytes of batches read by clients"), |traffic| &traffic.sent_bytes),
    (family("milena_topic_produce_requests", "Writes to a partition, as a part of a Produce"), |traffic| {
        &traffic.produces
    }),
    (family("milena_topic_failed_produce_requests", "Writes that were refused"), |traffic| {
        &traffic.failed_produces
    }),
    (family("milena_topic_fetch_requests", "Reads of a partition, as a part of a Fetch"), |traffic| {
        &traffic.fetches
    }),
    (family("milena_topic_failed_fetch_requests", "Reads that were refused"), |traffic| {
        &traffic.failed_fetches
    }),
];

const PARTITIONS: [OfPartition; 5] = [
    (family("milena_partition_size_bytes", "Bytes of the log, indexes not counted"), |partition| {
        i64::try_from(partition.size_bytes()).unwrap_or(i64::MAX)
    }),
    (family("milena_partition_segments", "Segments of the log"), |partition| {
        i64::try_from(partition.segment_count()).unwrap_or(i64::MAX)
    }),
    (family("milena_partition_log_start_offset", "The first offset that can be read"), |partition| {
        partition.log_start_offset().0
    }),
    (family("milena_partition_log_end_offset", "The offset that the next record gets"), |partition| {
        partition.log_end_offset().0
    }),
    (family("milena_partition_high_watermark", "The offset after the last committed record"), |partition| {
        partition.high_watermark().0
    }),
];

const HOSTED: Family = family("milena_partitions", "Partitions with a replica on this broker");
const LED: Family = family("milena_partitions_led", "Partitions that this broker leads");
const PRODUCER_IDS: Family =
    family("milena_producer_ids", "Idempotent producers that are remembered, over all partitions");

const UNCLEANABLE: Family =
    family("milena_uncleanable_partitions", "Compacted logs that the cleaner leaves alone after an error");

const UNDER_REPLICATED: Family =
    family("milena_under_replicated_partitions", "Partitions led here of which a replica is not in sync");
const UNDER_MIN_ISR: Family = family(
    "milena_under_min_isr_partitions",
    "Partitions led here with fewer replicas in sync than min.insync.replicas",
);

pub(super) fn write(broker: Option<&Broker>, page: &mut Page<'_>) -> fmt::Result {
    let mut all = broker.map(|broker| broker.partitions.all()).unwrap_or_default();
    all.sort_unstable_by(|a, b| (&a.topic, a.index).cmp(&(&b.topic, b.index)));
    page.gauge(HOSTED, count(all.len()))?;
    page.gauge(LED, count(all.iter().filter(|partition| partition.progress().is_leader).count()))?;
    page.gauge(PRODUCER_IDS, count(all.iter().map(|partition| partition.producer_count()).sum()))?;
    page.gauge(UNCLEANABLE, count(all.iter().filter(|partition| partition.is_uncleanable()).count()))?;
    let short: Vec<_> = all.iter().map(|partition| partition.is_short_of_replicas()).collect();
    page.gauge(UNDER_REPLICATED, count(short.iter().filter(|(is_short, _)| *is_short).count()))?;
    page.gauge(UNDER_MIN_ISR, count(short.iter().filter(|(_, is_below)| *is_below).count()))?;
    all.truncate(PARTITIONS_MAX);
    write_topics(&all, page)?;
    let numbers: Vec<String> = all.iter().map(|partition| partition.index.to_string()).collect();
    for (family, of) in PARTITIONS {
        let series = all.iter().zip(&numbers).map(|(partition, number)| {
            ([("topic", &*partition.topic), ("partition", number.as_str())], of(partition))
        });
        page.gauges(family, series)?;
    }
    Ok(())
}

fn write_topics(all: &[Arc<Partition>], page: &mut Page<'_>) -> fmt::Result {
    for (family, of) in TOPICS {
        let series = all.chunk_by(|a, b| a.topic == b.topic).map(|partitions| {
            let sum = partitions.iter().map(|partition| of(&partition.traffic).load(Ordering::Relaxed)).sum();
            ([("topic", &*partitions[0].topic)], sum)
        });
        page.counters(family, series)?;
    }
    Ok(())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
