//! How many connections there may be: in all, on one listener, from one address; and how fast new ones may come.
//!
//! | limit | when it is reached |
//! |---|---|
//! | `max.connections`, `listener.name.X.max.connections` | the listener accepts nobody until a connection ends |
//! | `max.connections` on the listener of the brokers, where there is another | it accepts all the same; another listener's connection is in excess and ends |
//! | `max.connections.per.ip` and its overrides | the new connection is refused |
//! | `max.connection.creation.rate`, also of one listener | the listener pauses |
//!
//! Who accepts asks [`Connections::arrive`] once, waits for that long and until [`Connections::has_room`], and then calls
//! [`Connections::open`]. Source: `ConnectionQuotas` of Apache Kafka, KIP-308, KIP-402, KIP-612.

use core::net::IpAddr;
use std::collections::{BTreeMap, HashMap};

use milena_protocol::Timestamp;

use super::{Rate, Windows};

/// What is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// `max.connections`.
    pub total_max: usize,
    /// `max.connection.creation.rate`.
    pub creation_rate: i32,
    /// `max.connections.per.ip`.
    pub per_ip_max: usize,
    /// `max.connections.per.ip.overrides`.
    pub of_ip: HashMap<IpAddr, usize>,
    /// Of every listener that shares these limits.
    pub listeners: BTreeMap<String, ListenerLimits>,
}

/// What is allowed on one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// `max.connections` of the listener.
    pub max: usize,
    /// `max.connection.creation.rate` of the listener.
    pub creation_rate: i32,
    /// Brokers use it among themselves, and clients have another: it does not wait for `max.connections`.
    pub is_protected: bool,
}

/// The connections there are.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    total: usize,
    by_ip: HashMap<IpAddr, usize>,
    by_listener: BTreeMap<String, (usize, Rate)>,
    rate: Rate,
}

impl Connections {
    /// None yet.
    pub fn new(limits: Limits, windows: Windows) -> Self {
        let rate = Rate::new(windows);
        let listeners = limits.listeners.keys();
        Self {
            total: 0,
            by_ip: HashMap::new(),
            by_listener: listeners.map(|name| (name.clone(), (0, rate.clone()))).collect(),
            rate,
            limits,
        }
    }

    /// Takes over other limits for the same listeners.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Counts a connection that wants to be accepted; yields how long it has to wait, in milliseconds.
    pub fn arrive(&mut self, now: Timestamp, listener: &str) -> i64 {
        let Some(limits) = self.limits.listeners.get(listener) else { return 0 };
        let broker_ms =
            if limits.is_protected { 0 } else { self.rate.record(now, self.limits.creation_rate) };
        let own = self.by_listener.get_mut(listener);
        own.map_or(0, |(_, rate)| rate.record(now, limits.creation_rate)).max(broker_ms)
    }

    /// Whether the listener may accept another connection now.
    pub fn has_room(&self, listener: &str) -> bool {
        let Some(limits) = self.limits.listeners.get(listener) else { return true };
        let open = self.by_listener.get(listener).map_or(0, |(open, _)| *open);
        open < limits.max && (limits.is_protected || self.total < self.limits.total_max)
    }

    /// Takes in a connection.
    ///
    /// # Errors
    /// The number that its address may have, if it has them already.
    pub fn open(&mut self, listener: &str, ip: IpAddr) -> Result<(), usize> {
        let max = *self.limits.of_ip.get(&ip).unwrap_or(&self.limits.per_ip_max);
        let of_ip = self.by_ip.get(&ip).copied().unwrap_or(0);
        if of_ip >= max {
            return Err(max);
        }
        self.by_ip.insert(ip, of_ip + 1);
        self.total += 1;
        if let Some((open, _)) = self.by_listener.get_mut(listener) {
            *open += 1;
        }
        Ok(())
    }

    /// A connection that was taken in has ended.
    pub fn close(&mut self, listener: &str, ip: IpAddr) {
        self.total = self.total.saturating_sub(1);
        if let Some((open, _)) = self.by_listener.get_mut(listener) {
            *open = open.saturating_sub(1);
        }
        if let Some(of_ip) = self.by_ip.get_mut(&ip) {
            *of_ip = of_ip.saturating_sub(1);
            if *of_ip == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }

    /// How many connections must end, on listeners that are not protected.
    pub fn excess(&self) -> usize {
        self.total.saturating_sub(self.limits.total_max)
    }

    /// Whether a connection of this listener may be ended for one of another.
    pub fn is_protected(&self, listener: &str) -> bool {
        self.limits.listeners.get(listener).is_some_and(|limits| limits.is_protected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const HOME: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
    const AWAY: IpAddr = IpAddr::V6(core::net::Ipv6Addr::LOCALHOST);

    fn mk_limits(total_max: usize, client_max: usize) -> Limits {
        let listener = |max, is_protected| ListenerLimits { max, creation_rate: 5, is_protected };
        let listeners = [("BROKER", listener(3, true)), ("CLIENT", listener(client_max, false))];
        Limits {
            total_max,
            creation_rate: 2,
            per_ip_max: 100,
            of_ip: HashMap::new(),
            listeners: listeners.map(|(name, limits)| (name.to_owned(), limits)).into(),
        }
    }

    fn mk_connections(limits: Limits) -> Connections {
        Connections::new(limits, Windows { count: 11, length_ms: 1_000 })
    }

    #[test]
    fn listener_waits_for_its_own_limit_and_that_of_the_broker() {
        let mut connections = mk_connections(mk_limits(3, 2));
        connections.open("CLIENT", HOME).unwrap();
        connections.open("CLIENT", HOME).unwrap();
        assert!(!connections.has_room("CLIENT"));
        connections.close("CLIENT", HOME);
        assert!(connections.has_room("CLIENT"));
        connections.open("BROKER", HOME).unwrap();
        connections.open("BROKER", HOME).unwrap();
        assert!(!connections.has_room("CLIENT"), "the broker is full");
    }

    #[test]
    fn protected_listener_is_served_at_the_cost_of_others() {
        let mut connections = mk_connections(mk_limits(2, 9));
        connections.open("CLIENT", HOME).unwrap();
        connections.open("CLIENT", HOME).unwrap();
        assert_eq!(connections.excess(), 0);
        for open in 1..=3 {
            assert!(connections.has_room("BROKER"), "{open}");
            connections.open("BROKER", HOME).unwrap();
            assert_eq!(connections.excess(), open);
        }
        assert!(!connections.has_room("BROKER"), "its own limit holds");
        assert!(connections.is_protected("BROKER") && !connections.is_protected("CLIENT"));
    }

    #[test]
    fn address_has_its_own_limit() {
        let of_ip = HashMap::from([(AWAY, 0)]);
        let mut connections = mk_connections(Limits { per_ip_max: 1, of_ip, ..mk_limits(9, 9) });
        connections.open("CLIENT", HOME).unwrap();
        assert_eq!(connections.open("BROKER", HOME), Err(1));
        assert_eq!(connections.open("CLIENT", AWAY), Err(0));
        connections.close("CLIENT", HOME);
        assert!(connections.by_ip.is_empty() && connections.total == 0);
        connections.open("BROKER", HOME).unwrap();
    }

    #[test]
    fn lower_limits_put_connections_in_excess() {
        let mut connections = mk_connections(mk_limits(9, 9));
        (0..5).for_each(|_| connections.open("CLIENT", HOME).unwrap());
        connections.limit(mk_limits(2, 9));
        assert_eq!(connections.excess(), 3);
    }

    #[test]
    fn arrivals_wait_for_the_slower_of_two_rates() {
        let mut connections = mk_connections(mk_limits(9, 9));
        let waits: Vec<_> = (0..21).map(|_| connections.arrive(NOW, "CLIENT")).collect();
        assert_eq!((waits[19], waits[20]), (0, 500), "2 a second of the broker");
        let waits: Vec<_> = (0..51).map(|_| connections.arrive(NOW, "BROKER")).collect();
        assert_eq!((waits[49], waits[50]), (0, 200), "5 a second of its own");
    }
}
