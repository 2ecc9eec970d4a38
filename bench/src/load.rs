//! The load generator: pre-encoded requests over many connections, closed loop for rates, open loop for latency.

pub(crate) mod fetch;
pub(crate) mod open_loop;
pub(crate) mod produce;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;

/// What a load did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) requests: u64,
    pub(crate) records: u64,
    /// Bytes of values for producing, of batches for consuming.
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// Runs `load` on one thread: the rest of the machine belongs to the server.
fn block_on<F: Future>(load: F) -> anyhow::Result<F::Output> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(load))
}

/// Reads one frame into `buffer`, its size prefix left out.
async fn read_frame(reader: &mut BufReader<OwnedReadHalf>, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    let size = usize::try_from(reader.read_i32().await?)?;
    buffer.resize(size, 0);
    reader.read_exact(buffer).await?;
    Ok(())
}
