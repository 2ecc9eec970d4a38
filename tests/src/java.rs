//! Programs of Apache Kafka, run from the jars that `tests/kafka/install.sh` fetches.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, ensure};

use crate::paths;

/// `java` with Kafka's class path, without the class to run. Heap and compiler are those of a short-lived small program.
///
/// # Panics
/// If the jars are missing.
pub fn java() -> Command {
    java_with(Path::new(""))
}

/// [`java`] with further classes.
///
/// # Panics
/// If the jars are missing.
pub fn java_with(classes: &Path) -> Command {
    let libs = paths::cache().join("kafka/libs");
    assert!(libs.exists(), "{} is missing: make kafka", libs.display());
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.arg("-Dlog4j2.level=ERROR").arg("-cp").arg(format!("{}/*:{}", libs.display(), classes.display()));
    command
}

/// Runs a tool to its end and yields what it printed on both outputs.
pub fn tool(class: &str, arguments: &[&str]) -> anyhow::Result<String> {
    tool_with_input(class, arguments, "")
}

/// Runs a tool that reads `input`.
pub fn tool_with_input(class: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut command = java();
    command.arg(class).args(arguments);
    run(command, input).with_context(|| format!("run {class} {}", arguments.join(" ")))
}

/// Runs a command to its end and yields what it printed on both outputs; a failure carries them too.
pub fn run(mut command: Command, input: &str) -> anyhow::Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("the input is piped")?;
    let input = input.to_owned();
    // A program that ends without reading is judged by its status, not by the broken pipe.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
    let output = child.wait_with_output()?;
    writer.join().ok();
    let printed =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    ensure!(output.status.success(), "{}:\n{printed}", output.status);
    Ok(printed)
}
