//! kubectl and helm as the tests call them: run, apply, wait with a deadline, list everything that exists.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(200);

/// What a cluster makes and removes by its own clockwork, and the definitions that people keep. An APIService comes with
/// each group of custom resources and stays as long as its definitions.
const NOT_COMPARED: [&str; 5] = [
    "events",
    "events.events.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "apiservices.apiregistration.k8s.io",
    "componentstatuses",
];

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// Runs a command to its end; its standard output, or an error that carries everything it said.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    run_with_input(program, arguments, "")
}

/// `run` with text on standard input.
pub(crate) fn run_with_input(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let mut stdin = child.stdin.take().context("take standard input")?;
    let input = input.to_owned();
    // A thread, because the command may write more than a pipe holds before it has read everything. A command that ends
    // early closes the pipe: its exit status tells then.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().with_context(|| format!("run {program}"))?;
    drop(writer.join());
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {}: {}\n{stdout}{stderr}",
        arguments.join(" "),
        output.status
    );
    Ok(stdout)
}

/// Looks until there is an answer; past the deadline the error carries what the last look said.
pub(crate) fn eventually<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let seen = look();
        if let Ok(Some(answer)) = seen {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            let seconds = limit.as_secs();
            return match seen {
                Err(error) => Err(error.context(format!("{what}: not within {seconds} s"))),
                Ok(_) => bail!("{what}: not within {seconds} s"),
            };
        }
        thread::sleep(POLL);
    }
}

/// Every object there is, as `kind.group namespace/name`, without what `NOT_COMPARED` lists.
pub(crate) fn objects() -> Result<BTreeSet<String>> {
    let kinds = run("kubectl", &["api-resources", "--verbs=list", "--output=name"])?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !NOT_COMPARED.contains(kind)).collect();
    let template =
        "{range .items[*]}{.apiVersion} {.kind} {.metadata.namespace}/{.metadata.name}{\"\\n\"}{end}";
    let output = format!("--output=jsonpath={template}");
    let listing = run("kubectl", &["get", &kinds.join(","), "--all-namespaces", &output])?;
    Ok(listing.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Waits until exactly the objects of `before` exist; the error lists the difference.
pub(crate) fn wait_for_objects(limit: Duration, before: &BTreeSet<String>) -> Result<()> {
    eventually(limit, "the objects of before, and no others", || {
        let now = objects()?;
        let left: Vec<_> = now.difference(before).collect();
        let lost: Vec<_> = before.difference(&now).collect();
        ensure!(left.is_empty() && lost.is_empty(), "left behind: {left:#?}\nlost: {lost:#?}");
        Ok(Some(()))
    })
}

/// A namespace of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// kubectl in this namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl_with_input(arguments, "")
    }

    pub(crate) fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let all: Vec<&str> = ["--namespace", &self.name].iter().chain(arguments).copied().collect();
        run_with_input("kubectl", &all, input)
    }

    pub(crate) fn apply(&self, manifest: &str) -> Result<()> {
        self.kubectl_with_input(&["apply", "--filename=-"], manifest).map(drop)
    }

    /// A field of an object by JSONPath, empty when it is not there.
    pub(crate) fn field(&self, object: &str, path: &str) -> Result<String> {
        self.kubectl(&["get", object, &format!("--output=jsonpath={path}")])
    }

    /// Waits for a condition of an object that exists.
    pub(crate) fn wait(&self, object: &str, condition: &str, limit: Duration) -> Result<()> {
        let condition = format!("--for=condition={condition}");
        let timeout = format!("--timeout={}s", limit.as_secs());
        match self.kubectl(&["wait", &condition, &timeout, object]) {
            Ok(_) => Ok(()),
            Err(error) => {
                let status = self.field(object, "{.status}").unwrap_or_default();
                Err(error.context(format!("{object} says {status}")))
            }
        }
    }

    /// Makes the namespace; one that is on its way out from an earlier run is waited for.
    pub(crate) fn create(&self) -> Result<()> {
        self.delete()?;
        run("kubectl", &["create", "namespace", &self.name])?;
        eventually(Duration::from_secs(30), "the default service account", || {
            self.kubectl(&["get", "serviceaccount/default"]).map(Some)
        })?;
        Ok(())
    }

    /// Deletes the namespace, if it is there, and waits until it is gone.
    pub(crate) fn delete(&self) -> Result<()> {
        run("kubectl", &["delete", "namespace", &self.name, "--ignore-not-found", "--timeout=120s"]).map(drop)
    }
}
