//! Fetch: each connection reads its partition from the start to the end, one request at a time.

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Done, block_on, read_frame};
use crate::frames::FetchFrame;

/// The consumers' default of `max.partition.fetch.bytes`.
const PARTITION_BYTES_MAX: i32 = 1 << 20;

/// Readers of a topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch {
    pub(crate) partitions: usize,
    /// Bytes that each partition is read for, at least.
    pub(crate) partition_bytes: u64,
    /// The server is a broker, whose answers say where to go on.
    pub(crate) checked: bool,
}

impl Fetch {
    /// Reads `topic` at `address`.
    pub(crate) fn run(&self, address: &str, topic: &str) -> anyhow::Result<Done> {
        block_on(self.all(address, topic))?
    }

    async fn all(&self, address: &str, topic: &str) -> anyhow::Result<Done> {
        let mut connections = JoinSet::new();
        for partition in 0..self.partitions {
            let frame = FetchFrame::new(topic, partition, PARTITION_BYTES_MAX)?;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connections.spawn(connection(*self, stream, frame));
        }
        let mut done = Done::default();
        while let Some(ended) = connections.join_next().await {
            done += ended??;
        }
        Ok(done)
    }
}

async fn connection(load: Fetch, stream: TcpStream, mut frame: FetchFrame) -> anyhow::Result<Done> {
    let (reader, mut writer) = stream.into_split();
    let (mut reader, mut answer) = (BufReader::with_capacity(16, reader), Vec::new());
    let (mut done, mut offset) = (Done::default(), 0);
    while done.bytes < load.partition_bytes {
        frame.set_offset(offset);
        writer.write_all(&frame.bytes).await?;
        read_frame(&mut reader, &mut answer).await?;
        let mut bytes = answer.len();
        if load.checked {
            let (next, records) = frame.read(&answer)?;
            bytes = records;
            // The end of the data: begin again.
            offset = next.unwrap_or(0);
        }
        done += Done { requests: 1, records: 0, bytes: bytes as u64 };
    }
    Ok(done)
}
