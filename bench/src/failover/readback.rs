//! Reads everything back: how often each record of a topic is there.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use milena_protocol::messages::FetchRequest;
use milena_protocol::messages::fetch::{FetchPartition, FetchTopic};
use milena_protocol::records::batches;
use milena_tests::frame;

use crate::cluster::Cluster;

/// The last Fetch version that names topics.
const FETCH_VERSION: i16 = 12;
const BYTES_MAX: i32 = 4 << 20;

/// How often each number was read.
pub(super) fn copies(cluster: &Cluster, topic: &str) -> anyhow::Result<BTreeMap<u64, usize>> {
    let mut copies = BTreeMap::new();
    for partition in cluster.node(1).partitions(topic).context("a topic")? {
        let leader = cluster.node(partition.leader_id);
        read(&leader.address, topic, partition.partition_index, &mut copies)?;
    }
    Ok(copies)
}

fn read(address: &str, topic: &str, partition: i32, copies: &mut BTreeMap<u64, usize>) -> anyhow::Result<()> {
    let mut stream = frame::connect(address)?;
    let mut next = 0;
    loop {
        let wanted = FetchPartition {
            partition,
            fetch_offset: next,
            partition_max_bytes: BYTES_MAX,
            ..Default::default()
        };
        let topics = vec![FetchTopic { topic: topic.into(), partitions: vec![wanted], ..Default::default() }];
        let request = FetchRequest { max_bytes: BYTES_MAX, topics, ..Default::default() };
        let answer = frame::exchange(&mut stream, FETCH_VERSION, &request)?;
        let answered = answer.responses.first().and_then(|topic| topic.partitions.first());
        let answered = answered.context("an answer for the partition")?;
        ensure!(answered.error_code == 0, "fetch refused with error {}", answered.error_code);
        let records = answered.records.clone().map(|records| records.into_bytes()).transpose()?;
        let from = next;
        // An answer may end in the middle of a batch, which the next one has whole.
        for batch in batches(records.unwrap_or_default()).map_while(Result::ok) {
            for record in batch.records()? {
                let value = record?.value.context("a value")?;
                *copies.entry(number(&value).context("a number")?).or_default() += 1;
            }
            next = batch.header().next_offset().0;
        }
        if next >= answered.high_watermark {
            return Ok(());
        }
        ensure!(next > from, "partition {partition} cannot be read from offset {from} on");
    }
}

/// What a value begins with.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
