//! One connection to one address.
//!
//! Requests are pipelined: any number of tasks send at once, at most [`Options::in_flight_max`] wait for their answers,
//! and answers come in the order of the requests (Kafka's guarantee per connection). The first thing said is ApiVersions;
//! each request then goes out at the highest version that both sides know. Anything unexpected ends the connection: an
//! answer out of order, one larger than [`Options::response_bytes_max`], one that does not come in time.
//!
//! The connection ends when its last handle is dropped. It is never revived: [`Connection::dial`] again, which resolves
//! the name again.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::{Request, frames};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::ClientError;
use crate::net::{TcpStream, spawn};

mod negotiate;
mod transport;

pub use negotiate::Versions;
use transport::{Call, Reply};

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names this client in the broker's log and quotas.
    pub client_id: ByteString,
    /// Longest wait for name resolution, connect and handshake together.
    pub connect_timeout: Duration,
    /// Longest wait for one answer, counted from the call.
    pub request_timeout: Duration,
    /// Requests without an answer; further ones wait.
    pub in_flight_max: usize,
    /// Largest answer that is read.
    pub response_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: ByteString::from_static("milena"),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            in_flight_max: 5,
            response_bytes_max: 100 * 1024 * 1024,
        }
    }
}

/// A handle on an open connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    address: String,
    options: Options,
    calls: mpsc::Sender<Call>,
    in_flight: Arc<Semaphore>,
    correlation_id: AtomicI32,
    versions: OnceLock<Versions>,
    end: Arc<End>,
}

/// How the connection comes to its end, and why it did.
#[derive(Debug, Default)]
struct End {
    wanted: Notify,
    reason: OnceLock<String>,
}

impl End {
    /// Ends the connection; the first reason stays.
    fn finish(&self, reason: impl Into<String>) {
        self.reason.set(reason.into()).ok();
        self.wanted.notify_one();
    }
}

impl Connection {
    /// Resolves `address` (`host:port`), connects, and asks for the broker's versions.
    pub async fn dial(address: &str, options: Options) -> Result<Self, ClientError> {
        let failed = |reason: String| ClientError::Dial { address: address.to_owned(), reason };
        let connect_timeout = options.connect_timeout;
        timeout(connect_timeout, Self::open(address, options))
            .await
            .unwrap_or_else(|_| Err(failed(format!("no answer within {} ms", connect_timeout.as_millis()))))
            .map_err(|error| match error {
                ClientError::Dial { .. } => error,
                error => failed(error.to_string()),
            })
    }

    async fn open(address: &str, options: Options) -> Result<Self, ClientError> {
        let stream = connect(address)
            .await
            .map_err(|error| ClientError::Dial { address: address.to_owned(), reason: error.to_string() })?;
        let (calls, queue) = mpsc::channel(options.in_flight_max);
        let end = Arc::new(End::default());
        spawn(transport::run(stream, queue, options.response_bytes_max, end.clone()));
        let connection = Self {
            inner: Arc::new(Inner {
                address: address.to_owned(),
                calls,
                in_flight: Arc::new(Semaphore::new(options.in_flight_max)),
                correlation_id: AtomicI32::new(0),
                versions: OnceLock::new(),
                options,
                end,
            }),
        };
        let versions = negotiate::negotiate(&connection).await?;
        // Nobody else has a handle yet, so the cell is empty.
        connection.inner.versions.set(versions).ok();
        Ok(connection)
    }

    /// `host:port` as it was dialled.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Whether requests can no longer be sent.
    pub fn is_closed(&self) -> bool {
        self.inner.end.reason.get().is_some() || self.inner.calls.is_closed()
    }

    /// What the broker said about its APIs and features.
    pub fn versions(&self) -> &Versions {
        self.inner.versions.get_or_init(Versions::default)
    }

    /// Sends a request at the highest version that both sides know and waits for the answer.
    pub async fn send<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        let version = self
            .versions()
            .highest(R::KEY, R::VERSIONS)
            .ok_or_else(|| ClientError::Version { address: self.inner.address.clone(), api: R::NAME })?;
        self.send_at(version, request).await
    }

    /// Sends a request at `version` and waits for the answer.
    pub async fn send_at<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, ClientError> {
        let frame = self.exchange(version, request).await?;
        Ok(frames::decode_response::<R>(frame, version)?)
    }

    /// The answer as a frame without its size prefix.
    async fn exchange<R: Request>(&self, version: i16, request: &R) -> Result<Bytes, ClientError> {
        let patience = self.inner.options.request_timeout;
        match timeout(patience, self.call(version, request)).await {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(self.closed()),
            Err(_) => {
                self.inner.end.finish("a request timed out");
                let timeout_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                Err(ClientError::Timeout { address: self.inner.address.clone(), timeout_ms })
            }
        }
    }

    /// None once the connection is gone.
    async fn call<R: Request>(&self, version: i16, request: &R) -> Option<Bytes> {
        let permit = self.inner.in_flight.clone().acquire_owned().await.ok()?;
        let correlation_id = self.inner.correlation_id.fetch_add(1, Ordering::Relaxed);
        let client_id = Some(self.inner.options.client_id.clone());
        let frame = frames::request_frame(correlation_id, client_id, version, request).into_segments();
        let (answer, waiting) = oneshot::channel();
        let reply = Reply { correlation_id, answer, _permit: permit };
        self.inner.calls.send(Call { frame, reply }).await.ok()?;
        waiting.await.ok()
    }

    fn closed(&self) -> ClientError {
        let reason = self.inner.end.reason.get().map_or("no reason given", String::as_str).to_owned();
        ClientError::Closed { address: self.inner.address.clone(), reason }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.inner.address)
            .field("end", &self.inner.end)
            .finish()
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
