//! Names of hosts. Every spelling of this machine is the host whose task asks.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::{CURRENT, with};

/// What names an address.
pub trait Resolve {
    /// The address, as the host whose task asks sees it.
    ///
    /// # Errors
    /// `NotFound` for a name that no host has, `InvalidInput` for what is no address.
    fn resolve(&self) -> io::Result<SocketAddr>;
}

impl Resolve for SocketAddr {
    fn resolve(&self) -> io::Result<SocketAddr> {
        Ok(*self)
    }
}

impl Resolve for (&str, u16) {
    fn resolve(&self) -> io::Result<SocketAddr> {
        let (name, port) = *self;
        if let Ok(address) = name.parse::<IpAddr>()
            && !address.is_unspecified()
            && !address.is_loopback()
        {
            return Ok(SocketAddr::new(address, port));
        }
        let is_here = name == "localhost" || name.parse::<IpAddr>().is_ok();
        with(|world| {
            let host = if is_here { CURRENT.get() } else { world.host_named(name) };
            let host = host.ok_or(io::ErrorKind::NotFound)?;
            Ok(SocketAddr::new(IpAddr::V4(world.hosts[host.0].address), port))
        })
    }
}

impl Resolve for (String, u16) {
    fn resolve(&self) -> io::Result<SocketAddr> {
        (self.0.as_str(), self.1).resolve()
    }
}

impl Resolve for &str {
    fn resolve(&self) -> io::Result<SocketAddr> {
        let (name, port) = self.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
        (name, port.parse().map_err(|_| io::ErrorKind::InvalidInput)?).resolve()
    }
}

/// The addresses of a name: one.
///
/// # Errors
/// As of [`Resolve::resolve`].
pub async fn lookup_host(name: impl Resolve) -> io::Result<impl Iterator<Item = SocketAddr>> {
    name.resolve().map(std::iter::once)
}
