//! Produce in a closed loop: each connection keeps a number of requests in flight until the work is done.

use std::cell::Cell;
use std::rc::Rc;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use super::{Done, block_on, read_frame};
use crate::frames::{ProduceFrame, Shape};

/// A closed loop of Produce requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Produce {
    pub(crate) shape: Shape,
    pub(crate) partitions: usize,
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    /// Requests over all connections.
    pub(crate) requests: u64,
    /// The server is a broker, whose answers are looked at.
    pub(crate) checked: bool,
}

impl Produce {
    /// Bytes of the values in a request.
    pub(crate) fn frame_bytes(&self) -> u64 {
        (self.shape.record_bytes * self.shape.batches) as u64 * self.shape.batch_records
    }

    /// Sends everything to `topic`, whose partition `n` is led by the address `n`, around all of them.
    pub(crate) fn run(&self, addresses: &[&str], topic: &str) -> anyhow::Result<Done> {
        block_on(LocalSet::new().run_until(self.all(addresses, topic)))?
    }

    async fn all(&self, addresses: &[&str], topic: &str) -> anyhow::Result<Done> {
        let left = Rc::new(Cell::new(self.requests));
        let mut connections = JoinSet::new();
        for index in 0..self.connections {
            let partition = index % self.partitions;
            let frame = ProduceFrame::new(topic, partition, self.partitions, &self.shape)?;
            let stream = TcpStream::connect(addresses[partition % addresses.len()]).await?;
            stream.set_nodelay(true)?;
            connections.spawn_local(connection(*self, stream, frame, left.clone()));
        }
        let mut done = Done::default();
        while let Some(ended) = connections.join_next().await {
            done += ended??;
        }
        Ok(done)
    }
}

async fn connection(
    load: Produce,
    stream: TcpStream,
    mut frame: ProduceFrame,
    left: Rc<Cell<u64>>,
) -> anyhow::Result<Done> {
    let (reader, mut writer) = stream.into_split();
    let (mut reader, mut answer) = (BufReader::new(reader), Vec::new());
    let (mut sent, mut answered) = (0_u32, 0_u32);
    loop {
        while left.get() > 0 && (sent - answered) < load.in_flight as u32 {
            left.set(left.get() - 1);
            frame.set_correlation_id(sent);
            writer.write_all(&frame.bytes).await?;
            sent += 1;
        }
        if answered == sent {
            break;
        }
        read_frame(&mut reader, &mut answer).await?;
        anyhow::ensure!(answer.starts_with(&answered.to_be_bytes()), "answers out of order");
        if load.checked {
            ProduceFrame::check(&answer)?;
        }
        answered += 1;
    }
    let requests = u64::from(sent);
    Ok(Done { requests, records: requests * frame.records, bytes: requests * frame.payload_bytes })
}
