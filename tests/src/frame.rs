//! Frames over a plain socket, for tests that speak the protocol themselves, or break it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use milena_protocol::{Request, frames};

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects with a deadline on every read and write.
pub fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and reads its answer.
pub fn exchange<R: Request>(stream: &mut TcpStream, version: i16, request: &R) -> io::Result<R::Response> {
    stream.write_all(&request_bytes(7, version, request))?;
    frames::decode_response::<R>(read_frame(stream)?, version).map_err(io::Error::other)
}

/// A whole request, size prefix included.
///
/// # Panics
/// If the request holds a slice of a file that cannot be read.
pub fn request_bytes<R: Request>(correlation_id: i32, version: i16, request: &R) -> Bytes {
    let client_id = Some("harness".into());
    frames::request_frame(correlation_id, client_id, version, request).into_bytes().expect("bytes in memory")
}

/// A request of any key and version with any body, size prefix included. The header has no tagged fields.
///
/// # Panics
/// If `body` is longer than a frame can be.
pub fn raw_request(key: i16, version: i16, body: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&7_i32.to_be_bytes());
    frame.extend_from_slice(&(-1_i16).to_be_bytes());
    frame.extend_from_slice(body);
    let size = i32::try_from(frame.len()).expect("a short frame").to_be_bytes();
    [size.as_slice(), &frame].concat().into()
}

/// Reads one frame without its size prefix.
pub fn read_frame(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).map_err(io::Error::other)?;
    let mut frame = vec![0; size];
    stream.read_exact(&mut frame)?;
    Ok(frame.into())
}
