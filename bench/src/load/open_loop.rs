//! Produce in an open loop: requests leave when they are due, whether or not earlier ones are answered, and latency
//! counts from when a request was due. A server that stalls is charged for every request that waited (no coordinated
//! omission).
//!
//! Threads with blocking sockets: one that sends, and one for each connection that reads. The timer of an event loop
//! would be coarser than the latencies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use hdrhistogram::Histogram;
use milena_tests::frame;

use crate::frames::{ProduceFrame, Shape};

/// An open loop of Produce requests at a fixed rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenLoop {
    pub(crate) shape: Shape,
    pub(crate) partitions: usize,
    pub(crate) connections: usize,
    pub(crate) requests_per_second: u64,
    pub(crate) duration: Duration,
    /// Requests that are due earlier are not counted.
    pub(crate) warm_up: Duration,
    /// The server is a broker, whose answers say whether it took the records.
    pub(crate) checked: bool,
}

/// Latency in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl OpenLoop {
    /// Sends everything to `topic`, whose partition `n` is led by the address `n`, around all of them.
    pub(crate) fn run(&self, addresses: &[&str], topic: &str) -> anyhow::Result<Latency> {
        let total = self.requests_per_second * self.duration.as_secs();
        let mut streams = Vec::new();
        let mut frames = Vec::new();
        for index in 0..self.connections {
            let partition = index % self.partitions;
            streams.push(frame::connect(addresses[partition % addresses.len()])?);
            frames.push(ProduceFrame::new(topic, partition, self.partitions, &self.shape)?);
        }
        let schedule = Schedule { start: Instant::now() + Duration::from_millis(100), load: *self, total };
        let readers: Vec<_> = streams
            .iter()
            .enumerate()
            .map(|(index, stream)| {
                let stream = stream.try_clone()?;
                anyhow::Ok(thread::spawn(move || schedule.read(index as u64, stream)))
            })
            .collect::<anyhow::Result<_>>()?;
        schedule.send(&mut streams, &mut frames)?;
        let mut all = Histogram::<u64>::new(3)?;
        for reader in readers {
            all += reader.join().map_err(|_| anyhow!("a reader panicked"))??;
        }
        let milliseconds = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
        Ok(Latency { p50: milliseconds(0.5), p99: milliseconds(0.99), p999: milliseconds(0.999) })
    }
}

/// When which request is due: request `n` on connection `n % connections`.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    start: Instant,
    load: OpenLoop,
    total: u64,
}

impl Schedule {
    fn due(&self, request: u64) -> Instant {
        self.start + Duration::from_nanos(request * 1_000_000_000 / self.load.requests_per_second)
    }

    fn send(&self, streams: &mut [TcpStream], frames: &mut [ProduceFrame]) -> anyhow::Result<()> {
        // The kernel's usual slack of 50 us would count as the server's.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        for request in 0..self.total {
            let index = (request % self.load.connections as u64) as usize;
            let wait = self.due(request).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
            }
            frames[index].set_correlation_id(request as u32);
            streams[index].write_all(&frames[index].bytes)?;
        }
        Ok(())
    }

    /// Latencies of one connection, in microseconds.
    fn read(&self, connection: u64, mut stream: TcpStream) -> anyhow::Result<Histogram<u64>> {
        let mut latencies = Histogram::new(3)?;
        let mut answer = Vec::new();
        for request in (connection..self.total).step_by(self.load.connections) {
            let mut size = [0; 4];
            stream.read_exact(&mut size)?;
            answer.resize(usize::try_from(i32::from_be_bytes(size))?, 0);
            stream.read_exact(&mut answer)?;
            let latency = self.due(request).elapsed();
            if self.load.checked {
                ProduceFrame::check(&answer)?;
            }
            if self.due(request) >= self.start + self.load.warm_up {
                latencies.record(latency.as_micros() as u64)?;
            }
        }
        Ok(latencies)
    }
}
