//! A real API server for tests: etcd, kube-apiserver and a few controllers, as processes on loopback ports.
//!
//! One serves all tests of a run; each test has namespaces of its own. Nothing schedules or runs pods. The audit log tells
//! who asked for what.

use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicObject;
use kube::{Api, Client, Config};
use milena_tests::paths;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::api;

const PATIENCE: Duration = Duration::from_secs(60);
/// Namespaces and what is owned go; StatefulSets make pods and claims, which nobody schedules or binds; budgets count.
const CONTROLLERS: [&str; 5] = [
    "namespace-controller",
    "garbage-collector-controller",
    "statefulset-controller",
    "disruption-controller",
    "persistentvolumeclaim-protection-controller",
];
/// Ends its command when the test process is gone, however it ended: the test holds the other end of stdin.
/// The folder goes with the last of them.
const GUARD: &str = r#""$@" & pid=$!; cat > /dev/null; kill "$pid"; wait "$pid"; rm -rf "$FOLDER""#;

static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// A running control plane.
pub(crate) struct ControlPlane {
    server: String,
    folder: PathBuf,
    authority: Authority,
    /// The users that have a kubeconfig already.
    users: Mutex<HashSet<String>>,
    _processes: Vec<Child>,
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// One request that the API server answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) resource: String,
    pub(crate) name: String,
}

impl ControlPlane {
    /// The one of this run, started when the first test asks for it.
    pub(crate) async fn shared() -> &'static Self {
        PLANE.get_or_init(|| async { Self::start().await.expect("start the control plane") }).await
    }

    async fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("milena-control-plane-")?.keep();
        let authority = Authority::new()?;
        write_secrets(&folder, &authority)?;
        let (etcd, etcd_peer, secure) = (free_port()?, free_port()?, free_port()?);
        let server = format!("https://127.0.0.1:{secure}");
        let mut processes = vec![
            spawn(&folder, "etcd", &etcd_flags(&folder, etcd, etcd_peer))?,
            spawn(&folder, "kube-apiserver", &server_flags(&folder, etcd, secure))?,
        ];
        let users = Mutex::default();
        let mut plane = Self { server, folder, authority, users, _processes: Vec::new() };
        let admin = plane.kubeconfig("admin", &["system:masters"])?;
        plane.await_ready().await?;
        let flags = [
            format!("--kubeconfig={}", admin.display()),
            format!("--controllers={}", CONTROLLERS.join(",")),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=500".to_owned(),
        ];
        processes.push(spawn(&plane.folder, "kube-controller-manager", &flags)?);
        plane._processes = processes;
        plane.install_definitions().await?;
        Ok(plane)
    }

    /// A client with every right.
    pub(crate) async fn admin(&self) -> Result<Client> {
        self.client("admin", &["system:masters"]).await
    }

    /// A client that is `user`.
    pub(crate) async fn client(&self, user: &str, groups: &[&str]) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig(user, groups)?)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// A kubeconfig for `user`, made when it is first asked for.
    pub(crate) fn kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let path = |kind: &str| self.folder.join(format!("{user}.{kind}"));
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.insert(user.to_owned()) {
            return Ok(path("kubeconfig"));
        }
        let (certificate, key) = self.authority.issue(user, groups, &[])?;
        fs::write(path("crt"), certificate)?;
        fs::write(path("key"), key)?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "clusters": [{"name": "test", "cluster": {
                "server": self.server,
                "certificate-authority": self.folder.join("ca.crt"),
            }}],
            "users": [{"name": user, "user": {"client-certificate": path("crt"), "client-key": path("key")}}],
        });
        fs::write(path("kubeconfig"), config.to_string())?;
        Ok(path("kubeconfig"))
    }

    /// Everything that `user` asked for so far, watches aside, in order.
    pub(crate) fn requests(&self, user: &str) -> Result<Vec<Request>> {
        let log = fs::read_to_string(self.folder.join("audit.log"))?;
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mine = entries.filter(|entry| entry["user"]["username"] == user && entry["verb"] != "watch");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let request = |entry: Value| Request {
            verb: text(&entry["verb"]),
            resource: text(&entry["objectRef"]["resource"]),
            name: text(&entry["objectRef"]["name"]),
        };
        Ok(mine.map(request).collect())
    }

    async fn await_ready(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let client = self.admin().await?;
        loop {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            match client.request_text(request).await {
                Ok(_) => return Ok(()),
                Err(error) if tokio::time::Instant::now() > deadline => {
                    return Err(error).with_context(|| self.log_tails());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// The committed definitions, as `kubectl apply` brings them.
    async fn install_definitions(&self) -> Result<()> {
        let client = self.admin().await?;
        let definitions: Api<DynamicObject> =
            Api::all_with(client, &api::resource("CustomResourceDefinition"));
        for file in ["kafkaclusters.yaml", "kafkatopics.yaml"] {
            let text = fs::read_to_string(paths::repository().join("crds").join(file))?;
            let definition: Value = serde_saphyr::from_str(&text)?;
            let name = definition["metadata"]["name"].as_str().context("a definition has a name")?.to_owned();
            definitions.patch(&name, &PatchParams::apply("tests"), &Patch::Apply(&definition)).await?;
            api::until(&format!("{name} is established"), || async {
                let found = definitions.get(&name).await.ok()?;
                let conditions = found.data["status"]["conditions"].as_array()?.clone();
                conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True").then_some(())
            })
            .await;
        }
        Ok(())
    }

    fn log_tails(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(20).collect();
            format!("{name}:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        format!("{}\n{}", tail("etcd"), tail("kube-apiserver"))
    }
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "milena-tests");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    fn issue(&self, user: &str, groups: &[&str], addresses: &[SanType]) -> Result<(String, String)> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, user);
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.subject_alt_names = addresses.to_vec();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}

fn write_secrets(folder: &Path, authority: &Authority) -> Result<()> {
    let addresses = [SanType::IpAddress([127, 0, 0, 1].into())];
    let (certificate, key) = authority.issue("kube-apiserver", &[], &addresses)?;
    let accounts = KeyPair::generate()?;
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata"}],
    });
    fs::write(folder.join("ca.crt"), &authority.certificate)?;
    fs::write(folder.join("server.crt"), certificate)?;
    fs::write(folder.join("server.key"), key)?;
    fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
    fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
    fs::write(folder.join("audit-policy.yaml"), policy.to_string())?;
    Ok(())
}

fn etcd_flags(folder: &Path, client: u16, peer: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn server_flags(folder: &Path, etcd: u16, secure: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={secure}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--service-account-key-file={}", file("accounts.pub")),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        format!("--audit-policy-file={}", file("audit-policy.yaml")),
        format!("--audit-log-path={}", file("audit.log")),
    ]
}

fn spawn(folder: &Path, program: &str, flags: &[String]) -> Result<Child> {
    let binary = paths::cache().join("kubernetes/bin").join(program);
    anyhow::ensure!(binary.exists(), "{} is missing: tests/kubernetes/tools.sh builds it", binary.display());
    let log = fs::File::create(folder.join(format!("{program}.log")))?;
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "guard"]).arg(binary).args(flags);
    command.env("FOLDER", folder).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("start {program}"))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
