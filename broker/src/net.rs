//! Where sockets come from: the kernel, or the virtual network of the simulation.
//!
//! Everything else names these types and never tokio's. What only a kernel's socket can do is a function here, so that
//! both builds differ in this folder alone.

#[cfg(not(feature = "simulation"))]
mod kernel;
#[cfg(feature = "simulation")]
mod simulated;

#[cfg(not(feature = "simulation"))]
pub(crate) use kernel::{TcpListener, TcpStream, listen, lookup_host, poll_send_file, prepare};
#[cfg(feature = "simulation")]
pub(crate) use simulated::{TcpListener, TcpStream, listen, lookup_host, poll_send_file, prepare};
