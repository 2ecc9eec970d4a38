//! A network of its own for each node of a cluster, so that a cable can be pulled: namespaces on a bridge.
//!
//! Clients stay where this program runs, with a cable of its own. It takes the rights of root. What was made goes with the
//! value. Addresses are of RFC 2544's range for benchmarks.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, ensure};

/// The end of the cable on this side, and the bridge at its other end.
const BRIDGE: &str = "bench-milena";
/// The namespace of the bridge.
const SWITCH: &str = "bench-milena-switch";
/// The bridge's own address; that of node `n` is so many higher.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 77, 1);
const PREFIX_BITS: u8 = 24;

/// Namespaces for nodes 1 to `count`, connected.
#[derive(Debug)]
pub(crate) struct Network {
    count: u32,
}

impl Network {
    /// Makes them; what a former run left behind goes first.
    pub(crate) fn new(count: u32) -> anyhow::Result<Self> {
        let network = Self { count };
        network.remove();
        // A bridge among this machine's own devices would be subject to its firewall.
        ip(&format!("netns add {SWITCH}")).context("namespaces take the rights of root")?;
        ip(&format!("-n {SWITCH} link add {BRIDGE} type bridge"))?;
        ip(&format!("-n {SWITCH} link set {BRIDGE} up"))?;
        ip(&format!("link add {BRIDGE} type veth peer name port0 netns {SWITCH}"))?;
        ip(&format!("-n {SWITCH} link set port0 master {BRIDGE} up"))?;
        ip(&format!("addr add {FIRST_ADDRESS}/{PREFIX_BITS} dev {BRIDGE}"))?;
        ip(&format!("link set {BRIDGE} up"))?;
        (1..=count).try_for_each(|node| network.add(node))?;
        Ok(network)
    }

    fn add(&self, node: u32) -> anyhow::Result<()> {
        let (name, address) = (name(node), self.address(node));
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {SWITCH} link add port{node} type veth peer name eth0 netns {name}"))?;
        ip(&format!("-n {SWITCH} link set port{node} master {BRIDGE} up"))?;
        ip(&format!("-n {name} addr add {address}/{PREFIX_BITS} dev eth0"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} link set eth0 up"))
    }

    /// Where node `node` listens.
    #[expect(clippy::unused_self, reason = "an address exists as long as its network does")]
    pub(crate) fn address(&self, node: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(FIRST_ADDRESS.to_bits() + node)
    }

    /// A command that runs where node `node` lives; its arguments and environment follow.
    #[expect(clippy::unused_self, reason = "a namespace exists as long as its network does")]
    pub(crate) fn command(&self, node: u32, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &name(node)]).arg(program);
        command
    }

    /// Nothing reaches the node any more, nor leaves it, and nobody is told.
    #[expect(clippy::unused_self, reason = "a cable exists as long as its network does")]
    pub(crate) fn cut(&self, node: u32) -> anyhow::Result<()> {
        ip(&format!("-n {SWITCH} link set port{node} nomaster"))
    }

    /// Undoes [`Network::cut`].
    #[expect(clippy::unused_self, reason = "a cable exists as long as its network does")]
    pub(crate) fn mend(&self, node: u32) -> anyhow::Result<()> {
        ip(&format!("-n {SWITCH} link set port{node} master {BRIDGE}"))
    }

    fn remove(&self) {
        for node in 1..=self.count {
            ip(&format!("netns del {}", name(node))).ok();
        }
        ip(&format!("link del {BRIDGE}")).ok();
        ip(&format!("netns del {SWITCH}")).ok();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}

fn name(node: u32) -> String {
    format!("{BRIDGE}-{node}")
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output().context("run ip")?;
    ensure!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
