//! One test's namespace in a cluster where the operator is installed, with a pod in which kcat runs.
//!
//! The tests share the operator, so only one of them runs at a time. A namespace goes with its fixture, failed tests' too,
//! after everything about it has been printed.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use milena_tests::paths;

use crate::kafka::Kafka;
use crate::kubernetes::{Namespace, eventually, repository, run};
use crate::operator;

/// How long anything that works may take on a busy machine with two cores.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
pub(crate) const CLUSTER: &str = "kafkacluster/demo";
/// Selects the brokers' pods.
pub(crate) const BROKERS: &str =
    "--selector=kafka.milena.dev/cluster=demo,app.kubernetes.io/component=broker";
/// Where `make demo` works.
const DEMO: &str = "truck-gps";
const CLIENT_IMAGE: &str = "localhost/milena-e2e-client:dev";
/// The broker's image by another name, as the next version has one.
pub(crate) const NEXT_IMAGE: &str = "localhost/milena-broker:e2e-next";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const CLIENT: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  enableServiceLinks: false
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: client
      image: localhost/milena-e2e-client:dev
      imagePullPolicy: IfNotPresent
      securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"#;

/// A pod of a broker, by what tells it from its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokerPod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) restarts: String,
}

/// What a test has: see the file's head.
pub(crate) struct Fixture {
    pub(crate) namespace: Namespace,
    _turn: MutexGuard<'static, ()>,
}

impl Fixture {
    /// Installs the operator, makes the namespace and starts the client pod in it.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let fixture = Self::without_client(name)?;
        fixture.start_client()?;
        Ok(fixture)
    }

    /// Installs the operator and makes the namespace.
    pub(crate) fn without_client(name: &str) -> Result<Self> {
        let turn = take_turn();
        prepare()?;
        operator::install()?;
        let namespace = Namespace::new(format!("e2e-{name}"));
        namespace.create()?;
        Ok(Self { namespace, _turn: turn })
    }

    pub(crate) fn start_client(&self) -> Result<()> {
        self.namespace.apply(CLIENT)?;
        self.namespace.wait("pod/client", "Ready", LIMIT)
    }

    /// Applies the cluster `demo` of one broker.
    pub(crate) fn apply_cluster(&self, delete_claims: bool) -> Result<()> {
        self.apply_cluster_with(&format!("brokers: 1, deleteClaims: {delete_claims}"))
    }

    /// Applies the cluster `demo` with this spec beside its storage.
    pub(crate) fn apply_cluster_with(&self, spec: &str) -> Result<()> {
        self.namespace.apply(&format!(
            "apiVersion: kafka.milena.dev/v1alpha1\n\
             kind: KafkaCluster\n\
             metadata: {{name: demo}}\n\
             spec: {{storage: {{size: 1Gi}}, {spec}}}\n"
        ))
    }

    /// The cluster `demo` of one broker, ready.
    pub(crate) fn cluster(&self, delete_claims: bool) -> Result<Kafka> {
        self.apply_cluster(delete_claims)?;
        self.namespace.wait(CLUSTER, "Ready", LIMIT)?;
        self.kafka()
    }

    /// kcat, connected as the cluster's status says.
    pub(crate) fn kafka(&self) -> Result<Kafka> {
        let bootstrap = self.namespace.field(CLUSTER, "{.status.listeners[0].bootstrapServers}")?;
        ensure!(!bootstrap.is_empty(), "the status of {CLUSTER} has no bootstrap servers");
        Ok(Kafka::new(self.namespace.clone(), bootstrap))
    }

    /// Applies a topic of the cluster `demo` and waits until it is there.
    pub(crate) fn topic(&self, name: &str, partitions: usize) -> Result<()> {
        self.topic_with(name, &format!("partitions: {partitions}"))
    }

    /// Applies a topic with this spec beside its cluster, and waits until it is so.
    pub(crate) fn topic_with(&self, name: &str, spec: &str) -> Result<()> {
        self.namespace.apply(&format!(
            "apiVersion: kafka.milena.dev/v1alpha1\n\
             kind: KafkaTopic\n\
             metadata: {{name: {name}}}\n\
             spec: {{clusterRef: {{name: demo}}, {spec}}}\n"
        ))?;
        let topic = format!("kafkatopic/{name}");
        self.await_observed(&topic)?;
        self.namespace.wait(&topic, "Ready", LIMIT)
    }

    /// Waits until the status speaks of the newest spec.
    pub(crate) fn await_observed(&self, object: &str) -> Result<()> {
        eventually(LIMIT, &format!("the status of {object} speaks of its spec"), || {
            let generations =
                self.namespace.field(object, "{.metadata.generation} {.status.observedGeneration}")?;
            let (wanted, observed) = generations.split_once(' ').unwrap_or_default();
            ensure!(wanted == observed, "generation {wanted}, observed {observed}");
            Ok(Some(()))
        })
    }

    /// Name and UID of the pods of all brokers that are ready.
    pub(crate) fn ready_brokers(&self) -> Result<Vec<(String, String)>> {
        let template = "--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} \
                        {.status.containerStatuses[0].ready}{\"\\n\"}{end}";
        let listing = self.namespace.kubectl(&["get", "pods", BROKERS, template])?;
        let pod = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let (name, uid) = (words.next()?, words.next()?);
            (words.next()? == "true").then_some((name, uid))
        };
        Ok(listing.lines().filter_map(pod).collect())
    }

    /// The broker's pod, which is ready.
    pub(crate) fn broker_pod(&self) -> Result<BrokerPod> {
        let template = "--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} \
                        {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}{\"\\n\"}{end}";
        let listing = self.namespace.kubectl(&["get", "pods", BROKERS, template])?;
        let words: Vec<&str> = listing.split_whitespace().collect();
        let &[name, uid, restarts, "true"] = words.as_slice() else {
            return Err(anyhow!("not one ready broker pod: {listing:?}"));
        };
        Ok(BrokerPod { name: name.to_owned(), uid: uid.to_owned(), restarts: restarts.to_owned() })
    }

    /// Deletes the broker's pod and waits for its successor.
    pub(crate) fn replace_broker_pod(&self) -> Result<BrokerPod> {
        let before = self.broker_pod()?;
        self.namespace.kubectl(&["delete", "pod", &before.name, "--timeout=60s"])?;
        eventually(LIMIT, "another broker pod is ready", || {
            let now = self.broker_pod()?;
            ensure!(now.uid != before.uid, "the pod is still the old one");
            Ok(Some(now))
        })
    }

    fn report(&self) {
        let looks: [&[&str]; 5] = [
            &["get", "kafkaclusters,kafkatopics,statefulsets,pods,persistentvolumeclaims", "--output=wide"],
            &[
                "get",
                "kafkaclusters,kafkatopics",
                "--output=jsonpath={range .items[*]}{.kind} {.status}{\"\\n\"}{end}",
            ],
            &["describe", "pods", BROKERS],
            &["logs", BROKERS, "--tail=40", "--prefix", "--ignore-errors"],
            &["get", "events", "--sort-by=.lastTimestamp"],
        ];
        for look in looks {
            let said = self.namespace.kubectl(look).unwrap_or_else(|error| format!("{error:#}"));
            eprintln!("--- kubectl {}\n{said}", look.join(" "));
        }
        let log = ["logs", "--selector=app.kubernetes.io/component=operator", "--tail=60", "--ignore-errors"];
        let said = operator::namespace().kubectl(&log).unwrap_or_else(|error| format!("{error:#}"));
        eprintln!("--- the operator's log\n{said}");
    }

    /// Runs the test's steps, and says everything about the namespace when one of them fails.
    pub(crate) fn check(&self, steps: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let outcome = steps(self);
        if outcome.is_err() {
            self.report();
        }
        outcome
    }
}

impl Drop for Fixture {
    /// The next test installs the operator again, which a topic's finalizer may need: nothing waits here.
    fn drop(&mut self) {
        if thread::panicking() {
            self.report();
        }
        let gone = run(
            "kubectl",
            &["delete", "namespace", &self.namespace.name, "--ignore-not-found", "--wait=false"],
        );
        if let Err(error) = gone {
            eprintln!("{error:#}");
        }
    }
}

/// Waits until the namespaces of earlier tests are gone, with the help of the operator.
pub(crate) fn wait_for_earlier_tests(own: Option<&Namespace>) -> Result<()> {
    eventually(LIMIT, "the namespaces of earlier tests are gone", || {
        let namespaces =
            run("kubectl", &["get", "namespaces", "--output=jsonpath={.items[*].metadata.name}"])?;
        let is_own = |name: &str| own.is_some_and(|own| own.name == name);
        let left: Vec<_> =
            namespaces.split_whitespace().filter(|name| name.starts_with("e2e-") && !is_own(name)).collect();
        ensure!(left.is_empty(), "still there: {left:?}");
        Ok(Some(()))
    })
}

/// Waits for the tests before this one; one that panicked has left nothing that the next does not make anew.
pub(crate) fn take_turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits for a demo that runs; it waits for these tests the same way.
fn lock_cluster() -> Result<File> {
    let path = paths::cache().join("kubernetes/turn");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("open {}", path.display()))?;
    file.lock().context("lock the cluster")?;
    Ok(file)
}

/// Once per run: the cluster is ours alone, and the client's image is in it.
pub(crate) fn prepare() -> Result<()> {
    static PREPARED: OnceLock<Result<File, String>> = OnceLock::new();
    let prepare = || {
        let lock = lock_cluster()?;
        load_client_image()?;
        load_next_image()?;
        require_own_cluster()?;
        Ok(lock)
    };
    let outcome = PREPARED.get_or_init(|| prepare().map_err(|error: anyhow::Error| format!("{error:#}")));
    outcome.as_ref().map(drop).map_err(|error| anyhow!(error.clone()))
}

fn load_client_image() -> Result<()> {
    let archive = std::env::temp_dir().join(format!("milena-e2e-client-{}.tar", std::process::id()));
    let archive = archive.to_str().context("the temporary folder's name is text")?;
    let scripts = repository().join("tests/kubernetes");
    let script = |name: &str| scripts.join(name).to_string_lossy().into_owned();
    let path_of = |command: &str| {
        run("sh", &["-c", &format!("command -v {command}")]).map(|path| path.trim().to_owned())
    };
    let kcat = format!("{}=/usr/bin/kcat", path_of("kcat")?);
    let busybox = format!("{}=/usr/bin/busybox", path_of("busybox")?);
    let entry = ["--", "/usr/bin/busybox", "sleep", "1000000"];
    run(&script("image.sh"), &[&[CLIENT_IMAGE, archive, "10001", &kcat, &busybox], &entry[..]].concat())?;
    let loaded = run(&script("load.sh"), &[archive]).map(drop);
    std::fs::remove_file(archive).context("remove the image's archive")?;
    loaded
}

/// Gives the broker's image, as `make images` left it, another name in the cluster.
fn load_next_image() -> Result<()> {
    let images = paths::cache().join("kubernetes/images");
    let (from, to) = (images.join("milena-broker.tar"), images.join("milena-broker-next.tar"));
    std::fs::remove_file(&to).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let source = format!("oci-archive:{}", from.display());
    let target = format!("oci-archive:{}:{NEXT_IMAGE}", to.display());
    run("skopeo", &["--insecure-policy", "copy", "--quiet", &source, &target])?;
    let load = repository().join("tests/kubernetes/load.sh");
    run(&load.to_string_lossy(), &[&to.to_string_lossy()]).map(drop)
}

/// How many nodes the cluster has.
pub(crate) fn nodes() -> Result<usize> {
    Ok(run("kubectl", &["get", "nodes", "--output=name"])?.lines().count())
}

/// The tests uninstall the operator, which would leave other people's clusters alone with their finalizers. A demo that
/// has ended is taken away, as the next demo would.
fn require_own_cluster() -> Result<()> {
    let definition = [
        "get",
        "customresourcedefinition/kafkaclusters.kafka.milena.dev",
        "--ignore-not-found",
        "--output=name",
    ];
    if run("kubectl", &definition)?.is_empty() {
        return Ok(());
    }
    Namespace::new(DEMO).delete()?;
    let namespaces = "--output=jsonpath={.items[*].metadata.namespace}";
    let listing = run("kubectl", &["get", "kafkaclusters", "--all-namespaces", namespaces])?;
    let others: Vec<_> =
        listing.split_whitespace().filter(|namespace| !namespace.starts_with("e2e-")).collect();
    ensure!(
        others.is_empty(),
        "KafkaClusters exist in {others:?}: these tests take the operator away, delete them first"
    );
    Ok(())
}
