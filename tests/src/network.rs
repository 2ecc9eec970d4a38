//! A network of this test alone: hosts on one switch, and cuts between them, one way or both.
//!
//! A host is a network namespace with one address; the switch is a bridge in a namespace of its own, so that no firewall
//! of the machine has a say. A cut drops what a host hears from another, silently, as a broken cable does. The test itself
//! has an address too and is never cut. Making namespaces takes root.
//!
//! Everything is named after the process and goes with the value, also when a test panics. What a killed test left behind
//! goes at the next start, its processes too.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{self, Command};

/// Before the names of all namespaces and of the interface of the test.
const PREFIX: &str = "milena";
/// Addresses for tests of networks (RFC 2544): 198.18.0.0/15, a /24 of them for each test.
const SUBNETS: u32 = 512;
/// Only what a host hears is dropped: sets of senders, empty at first.
const FIREWALL: &str = "add table inet cut; add set inet cut silenced { type ipv4_addr; }; \
    add chain inet cut input { type filter hook input priority 0; }; \
    add rule inet cut input ip saddr @silenced drop";

/// Where a program runs: a namespace and its address.
#[derive(Debug, Clone)]
pub struct Host {
    namespace: String,
    address: String,
}

/// Hosts on one switch.
#[derive(Debug)]
pub struct Network {
    hosts: Vec<Host>,
    switch: String,
}

impl Network {
    /// Makes so many hosts that all hear each other.
    ///
    /// # Panics
    /// Without root, or without the packages that `make setup` installs.
    pub fn start(hosts: usize) -> Self {
        sweep();
        let name = |what: &str| format!("{PREFIX}-{}-{what}", process::id());
        let subnet = free_subnet();
        let host = |number: usize| Host {
            namespace: name(&number.to_string()),
            address: format!("{subnet}.{number}"),
        };
        let network = Self { hosts: (1..=hosts).map(host).collect(), switch: name("switch") };
        let (switch, outside) = (&network.switch, interface());
        must(&format!(
            "ip netns add {switch}\n\
             ip -n {switch} link add switch type bridge forward_delay 0\n\
             ip -n {switch} link set switch up\n\
             ip link add {outside} type veth peer name port0 netns {switch}\n\
             ip -n {switch} link set port0 master switch up\n\
             ip address add {subnet}.254/24 dev {outside}\n\
             ip link set {outside} up"
        ));
        for (number, Host { namespace, address }) in (1..).zip(&network.hosts) {
            must(&format!(
                "ip netns add {namespace}\n\
                 ip -n {switch} link add port{number} type veth peer name eth0 netns {namespace}\n\
                 ip -n {switch} link set port{number} master switch up\n\
                 ip -n {namespace} address add {address}/24 dev eth0\n\
                 ip -n {namespace} link set eth0 up\n\
                 ip -n {namespace} link set lo up\n\
                 ip netns exec {namespace} nft '{FIREWALL}'"
            ));
        }
        network
    }

    /// Its hosts, in their order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Lets `to` hear nothing from `from` any more; the other way stays as it is.
    ///
    /// # Panics
    /// If the firewall refuses.
    pub fn cut(&self, from: &Host, to: &Host) {
        let Host { namespace, .. } = to;
        must(&format!(
            "ip netns exec {namespace} nft 'add element inet cut silenced {{ {} }}'",
            from.address
        ));
    }

    /// Lets every host hear every other again.
    ///
    /// # Panics
    /// If the firewall refuses.
    pub fn heal(&self) {
        let heal =
            |host: &Host| format!("ip netns exec {} nft 'flush set inet cut silenced'\n", host.namespace);
        must(&self.hosts.iter().map(heal).collect::<String>());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&process::id().to_string());
    }
}

impl Host {
    /// Its address, without a port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same command, run on this host, under the same process id.
    pub fn enter(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.namespace]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }
}

fn interface() -> String {
    format!("{PREFIX}{}", process::id())
}

/// The first three numbers of addresses that this machine has no way to yet.
fn free_subnet() -> String {
    let routes = shell("ip -4 route show table all").1;
    let subnets = (0..SUBNETS).map(|add| (process::id() + add) % SUBNETS);
    let mut subnets = subnets.map(|subnet| format!("198.{}.{}", 18 + subnet / 256, subnet % 256));
    subnets.find(|subnet| !routes.contains(&format!("{subnet}."))).expect("one of 512 subnets is free")
}

/// Removes the networks of processes that are gone.
fn sweep() {
    let namespaces = shell("ip netns list").1;
    let owners = namespaces.lines().filter_map(|line| line.strip_prefix(PREFIX)?.split('-').nth(1));
    let owners = owners.filter(|owner| owner.parse::<u32>().is_ok());
    let gone = owners.filter(|owner| !Path::new("/proc").join(owner).exists());
    for owner in gone.collect::<BTreeSet<_>>() {
        eprintln!("removing the network that process {owner} left behind");
        remove(owner);
    }
}

/// Removes the network of a process, and whatever still runs in it.
fn remove(owner: &str) {
    let prefix = format!("{PREFIX}-{owner}-");
    shell(&format!("ip link delete {PREFIX}{owner}"));
    for namespace in shell("ip netns list").1.split_whitespace().filter(|name| name.starts_with(&prefix)) {
        for pid in shell(&format!("ip netns pids {namespace}")).1.split_whitespace() {
            shell(&format!("kill -9 {pid}"));
        }
        shell(&format!("ip netns delete {namespace}"));
    }
}

fn must(script: &str) {
    let (is_done, said) = shell(script);
    assert!(
        is_done,
        "a network of namespaces takes root, and iproute2 and nftables (make setup); this failed:\n{script}\n{said}"
    );
}

/// Runs a script until a command of it fails; whether none did, and what it said.
fn shell(script: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-ec", script]).output().expect("a shell");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), said.concat())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Process, eventually};

    const PATIENCE: Duration = Duration::from_secs(60);
    const LISTEN: &str = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 9))
print('listening', flush=True)
while True: print(s.recv(9).decode(), flush=True)";
    const SEND: &str = "import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), (sys.argv[2], 9))";

    fn python(host: &Host, arguments: &[&str]) -> Process {
        Process::start(host.enter(Command::new("python3").arg("-c").args(arguments))).unwrap()
    }

    fn listen(host: &Host) -> Process {
        let mut ear = python(host, &[LISTEN, host.address()]);
        ear.line_with("listening", PATIENCE);
        ear
    }

    fn send(from: &Host, word: &str, to: &Host) {
        let mut mouth = python(from, &[SEND, word, to.address()]);
        let status = eventually("a datagram sent", PATIENCE, || mouth.ended());
        assert!(status.success(), "{:?}", mouth.lines());
    }

    #[test]
    fn cut_is_one_way_until_it_is_healed_and_nothing_is_left() {
        let network = Network::start(2);
        let [one, two] = network.hosts() else { panic!("two hosts") };
        let (mut ear_of_one, mut ear_of_two) = (listen(one), listen(two));
        send(one, "before", two);
        ear_of_two.line_with("before", PATIENCE);
        network.cut(one, two);
        send(one, "meanwhile", two);
        send(two, "back", one);
        ear_of_one.line_with("back", PATIENCE);
        network.heal();
        send(one, "after", two);
        ear_of_two.line_with("after", PATIENCE);
        assert_eq!(ear_of_two.lines(), ["listening", "before", "after"]);
        drop(network);
        let left = [shell("ip netns list").1, shell("ip link show").1].concat();
        assert!(!left.contains(&process::id().to_string()), "{left}");
    }
}
