//! The operator as people have it: a Helm release of the chart in a namespace of its own.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, ensure};

use crate::kubernetes::{Namespace, eventually, run};

/// The release of `make demo` has the same names, so that the two never fight over the custom resource definitions.
const RELEASE: &str = "milena";
const NAMESPACE: &str = "milena-system";
const DEPLOYMENT: &str = "deployment/milena-operator";
const PODS: &str = "--selector=app.kubernetes.io/component=operator";
const SETTLED_WITHIN: Duration = Duration::from_secs(90);

/// The namespace of the operator.
pub(crate) fn namespace() -> Namespace {
    Namespace::new(NAMESPACE)
}

/// Installs the chart unless it is there, and waits for its pods, which run the image as it was when the tests began.
pub(crate) fn install() -> Result<()> {
    static BEGIN: OnceLock<String> = OnceLock::new();
    apply_chart(BEGIN.get_or_init(moment))
}

/// Upgrades the chart with a change that replaces the operator's pods, and waits for the new ones.
pub(crate) fn upgrade() -> Result<()> {
    apply_chart(&moment())
}

fn moment() -> String {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!("podAnnotations.e2e=at-{moment}")
}

fn apply_chart(annotation: &str) -> Result<()> {
    take_back_uninstallation()?;
    let chart =
        ["upgrade", "--install", RELEASE, "charts/milena", "--namespace", NAMESPACE, "--create-namespace"];
    let options = ["--set", annotation, "--wait", "--timeout=90s", "--hide-notes"];
    run("helm", &[&chart[..], &options[..]].concat()).map(drop)
}

/// Helm calls a release whose uninstallation was refused `uninstalling` until it is rolled back, and upgrades it no more.
fn take_back_uninstallation() -> Result<()> {
    let status = run("helm", &["list", "--uninstalling", "--short", "--namespace", NAMESPACE])?;
    if status.trim() != RELEASE {
        return Ok(());
    }
    run("helm", &["rollback", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout=90s"]).map(drop)
}

/// Uninstalls the chart; the error is what the chart has against it.
pub(crate) fn uninstall() -> Result<()> {
    run("helm", &["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout=90s"]).map(drop)
}

/// Takes the operator's pods away, or gives them back, and waits for it.
pub(crate) fn scale(replicas: usize) -> Result<()> {
    namespace().kubectl(&["scale", DEPLOYMENT, &format!("--replicas={replicas}")])?;
    if replicas > 0 {
        return namespace().kubectl(&["rollout", "status", DEPLOYMENT, "--timeout=90s"]).map(drop);
    }
    wait_until_gone()
}

/// Kills the operator's pods some time into `step`, as a failing node would. Another has to go on where they were.
pub(crate) fn killed_after<T>(moment: Duration, step: impl FnOnce() -> Result<T>) -> Result<T> {
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            // The moment is what is chosen at random; nothing is waited for.
            thread::sleep(moment);
            namespace().kubectl(&["delete", "pod", PODS, "--grace-period=0", "--force"])
        });
        let outcome = step();
        killer.join().map_err(|_| anyhow!("the killer panicked"))??;
        outcome
    })
}

/// Waits until no pod of the operator is left.
pub(crate) fn wait_until_gone() -> Result<()> {
    eventually(SETTLED_WITHIN, "the operator's pods are gone", || {
        let pods = namespace().kubectl(&["get", "pods", PODS, "--output=name"])?;
        ensure!(pods.is_empty(), "still there: {pods}");
        Ok(Some(()))
    })
}
