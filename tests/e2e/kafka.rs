//! kcat inside the client pod: an ordinary client that finds the brokers through the cluster's DNS and Services.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::kubernetes::Namespace;

/// Seconds after which a client that gets no answer is killed.
const CLIENT_SECONDS_MAX: &str = "60";

/// A Kafka cluster as its clients see it.
pub(crate) struct Kafka {
    namespace: Namespace,
    pub(crate) bootstrap: String,
}

impl Kafka {
    pub(crate) fn new(namespace: Namespace, bootstrap: String) -> Self {
        Self { namespace, bootstrap }
    }

    fn kcat(&self, arguments: &[&str], input: &str) -> Result<String> {
        let shell = [
            "exec",
            "--stdin",
            "client",
            "--",
            "/usr/bin/busybox",
            "timeout",
            "-s",
            "KILL",
            CLIENT_SECONDS_MAX,
        ];
        let kcat = ["/usr/bin/kcat", "-b", &self.bootstrap];
        self.namespace.kubectl_with_input(&[&shell[..], &kcat[..], arguments].concat(), input)
    }

    /// kcat without a limit of its time.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &self.namespace.name, "exec", "--stdin", "client", "--"]);
        command.args(["/usr/bin/kcat", "-b", &self.bootstrap]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("start kubectl")
    }

    /// What Metadata answers.
    pub(crate) fn metadata(&self) -> Result<Value> {
        serde_json::from_str(&self.kcat(&["-L", "-J"], "")?).context("parse the metadata")
    }

    /// The records `name-0` to `name-(count-1)`, each acknowledged by all replicas.
    pub(crate) fn produce(&self, topic: &str, name: &str, count: usize) -> Result<()> {
        let idempotent = ["-X", "enable.idempotence=true", "-X", "message.timeout.ms=45000"];
        self.kcat(&[&["-P", "-t", topic], &idempotent[..]].concat(), &records(name, count).join("\n"))
            .map(drop)
    }

    /// Every record of the topic, sorted.
    pub(crate) fn consume_all(&self, topic: &str) -> Result<Vec<String>> {
        Ok(sorted(&self.kcat(&["-C", "-q", "-e", "-t", topic, "-o", "beginning"], "")?))
    }

    /// The next `count` records for a group, sorted; it commits what it has read and leaves.
    pub(crate) fn consume_as(&self, group: &str, topic: &str, count: usize) -> Result<Vec<String>> {
        let count = count.to_string();
        let options = ["-q", "-c", &count, "-X", "auto.offset.reset=earliest"];
        Ok(sorted(&self.kcat(&[&options[..], &["-G", group, topic]].concat(), "")?))
    }

    /// Everything that was produced under these names is there, once.
    pub(crate) fn has_exactly(&self, topic: &str, produced: &[(&str, usize)]) -> Result<()> {
        let mut expected: Vec<_> = produced.iter().flat_map(|(name, count)| records(name, *count)).collect();
        expected.sort();
        let found = self.consume_all(topic)?;
        let missing = expected.iter().filter(|record| found.binary_search(record).is_err()).count();
        ensure!(
            found == expected,
            "{topic}: {} records, {} expected, {missing} missing",
            found.len(),
            expected.len()
        );
        Ok(())
    }
}

/// The records that `produce` sends.
pub(crate) fn records(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number:05}")).collect()
}

fn sorted(lines: &str) -> Vec<String> {
    let mut lines: Vec<_> = lines.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
