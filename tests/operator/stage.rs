//! One test's namespaces, an operator that may do there what the chart grants, and short words for what tests do.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, ValidationDirective};
use kube::core::DynamicObject;
use kube::{Api, Client};
use milena_tests::{Process, TestBroker, paths};
use serde_json::{Value, json};

use crate::api::{resource, until};
use crate::control_plane::{ControlPlane, Request};

/// Seconds between two looks at Kafka, short enough for tests of drift.
const DRIFT_INTERVAL: &str = "0.5";
/// Seconds that a Lease holds without renewal.
const LEASE_SECONDS: &str = "3";

/// Where a test plays.
pub(crate) struct Stage {
    plane: &'static ControlPlane,
    client: Client,
    /// The test's first namespace.
    pub(crate) namespace: String,
    others: Vec<String>,
}

impl Stage {
    pub(crate) async fn new(name: &str) -> Result<Self> {
        Self::with_others(name, &[]).await
    }

    /// `others` are the endings of further namespaces that the operator serves.
    pub(crate) async fn with_others(name: &str, others: &[&str]) -> Result<Self> {
        let plane = ControlPlane::shared().await;
        let namespace = format!("{name}-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
        let others: Vec<_> = others.iter().map(|other| format!("{namespace}-{other}")).collect();
        let stage = Self { plane, client: plane.admin().await?, namespace, others };
        for namespace in stage.namespaces().chain([&stage.home()]) {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            stage.namespaces_api().create(&PostParams::default(), &serde_json::from_value(body)?).await?;
        }
        stage.grant().await?;
        Ok(stage)
    }

    fn namespaces(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.namespace).chain(&self.others)
    }

    /// The namespace with that ending.
    pub(crate) fn other(&self, ending: &str) -> String {
        format!("{}-{ending}", self.namespace)
    }

    /// The name by which the API server knows this test's operators.
    fn user(&self) -> String {
        format!("operator-{}", self.namespace)
    }

    /// Where the operator lives.
    fn home(&self) -> String {
        self.other("operator")
    }

    /// What the chart grants to an operator that serves all namespaces.
    async fn grant(&self) -> Result<()> {
        let user = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": self.user()}]);
        let reference = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let name = self.user();
        let mut rules = chart_rules()?;
        let nodes = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]});
        rules.as_array_mut().context("rules are a list")?.push(nodes);
        self.apply_global("ClusterRole", &name, json!({"rules": rules})).await?;
        let binding = json!({"roleRef": reference("ClusterRole", &name), "subjects": user});
        self.apply_global("ClusterRoleBinding", &name, binding).await?;
        self.apply_in(&self.home(), "Role", "lease", json!({"rules": lease_rules()})).await?;
        let binding = json!({"roleRef": reference("Role", "lease"), "subjects": user});
        self.apply_in(&self.home(), "RoleBinding", "lease", binding).await?;
        Ok(())
    }

    /// Starts an operator and waits until it leads. Without a broker it finds none.
    pub(crate) fn operator(&self, broker: Option<&TestBroker>) -> Result<Process> {
        let mut operator = self.standby("operator-0", broker)?;
        operator.line_with("leading", std::time::Duration::from_secs(60));
        Ok(operator)
    }

    /// Starts an operator that finds every broker at `address`, and waits until it leads.
    pub(crate) fn operator_at(&self, address: &str) -> Result<Process> {
        let mut operator = self.standby_at("operator-0", Some(address))?;
        operator.line_with("leading", std::time::Duration::from_secs(60));
        Ok(operator)
    }

    /// Starts an operator that waits for the Lease under the name `identity`.
    pub(crate) fn standby(&self, identity: &str, broker: Option<&TestBroker>) -> Result<Process> {
        self.standby_at(identity, broker.map(TestBroker::bootstrap).as_deref())
    }

    fn standby_at(&self, identity: &str, address: Option<&str>) -> Result<Process> {
        let mut command = Command::new(paths::binary("milena-operator"));
        command
            .args(["run", "--http-listen", "127.0.0.1:0"])
            .args(["--copy-zones", "true"])
            .args(["--drift-interval", DRIFT_INTERVAL, "--lease-duration", LEASE_SECONDS])
            .env("KUBECONFIG", self.plane.kubeconfig(&self.user(), &[])?)
            .env("MILENA_WATCH_NAMESPACES", self.namespaces().cloned().collect::<Vec<_>>().join(","))
            .env("MILENA_NAMESPACE", self.home())
            .env("NO_COLOR", "1")
            .env("POD_NAME", identity);
        if let Some(address) = address {
            command.args(["--broker-address-override", address]);
        }
        Ok(Process::start(command)?)
    }

    /// Runs another command of the operator's binary to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new(paths::binary("milena-operator"));
        command
            .args(arguments)
            .env("KUBECONFIG", self.plane.kubeconfig(&self.user(), &[])?)
            .env("MILENA_WATCH_NAMESPACES", &self.namespace);
        Ok(command.output()?)
    }

    /// What the operators of this test asked the API server for so far, watches aside.
    pub(crate) fn requests(&self) -> Result<Vec<Request>> {
        self.plane.requests(&self.user())
    }

    pub(crate) fn api(&self, namespace: &str, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }

    /// Who holds the Lease.
    pub(crate) async fn leader(&self) -> Option<String> {
        let lease = self.api(&self.home(), "Lease").get_opt("milena-operator").await.ok()??;
        lease.data["spec"]["holderIdentity"].as_str().map(str::to_owned)
    }

    /// Creates or changes an object of the first namespace, as a person with `kubectl apply` does.
    pub(crate) async fn apply(
        &self,
        kind: &str,
        name: &str,
        body: Value,
    ) -> Result<DynamicObject, kube::Error> {
        self.apply_in(&self.namespace, kind, name, body).await
    }

    pub(crate) async fn apply_in(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        body: Value,
    ) -> Result<DynamicObject, kube::Error> {
        apply(&self.api(namespace, kind), kind, name, body).await
    }

    /// What a scheduler does: gives a pod its node, which is made in the zone.
    pub(crate) async fn bind(&self, pod: &str, node: &str, zone: &str) -> Result<()> {
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}});
        self.apply_global("Node", node, labels).await?;
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod, "namespace": self.namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/binding", self.namespace);
        let request = http::Request::post(path).header("content-type", "application/json");
        self.client.request_text(request.body(serde_json::to_vec(&binding)?)?).await?;
        Ok(())
    }

    async fn apply_global(&self, kind: &str, name: &str, body: Value) -> Result<DynamicObject, kube::Error> {
        apply(&Api::all_with(self.client.clone(), &resource(kind)), kind, name, body).await
    }

    /// Changes an object behind the operator's back.
    pub(crate) async fn merge(
        &self,
        kind: &str,
        name: &str,
        change: Value,
    ) -> Result<DynamicObject, kube::Error> {
        self.api(&self.namespace, kind).patch(name, &PatchParams::default(), &Patch::Merge(change)).await
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<DynamicObject> {
        self.api(&self.namespace, kind).get_opt(name).await.expect("the API server answers")
    }

    /// Waits for an object.
    pub(crate) async fn await_object(&self, kind: &str, name: &str) -> DynamicObject {
        until(&format!("{kind} {name}"), || self.get(kind, name)).await
    }

    /// Asks for an object's deletion.
    pub(crate) async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.api(&self.namespace, kind).delete(name, &DeleteParams::background()).await?;
        Ok(())
    }

    /// Waits until an object is gone.
    pub(crate) async fn await_gone(&self, kind: &str, name: &str) {
        let gone = || async { self.get(kind, name).await.is_none().then_some(()) };
        until(&format!("{kind} {name} is gone"), gone).await;
    }

    /// Asks for the deletion of the first namespace.
    pub(crate) async fn delete_namespace(&self) -> Result<()> {
        self.namespaces_api().delete(&self.namespace, &DeleteParams::background()).await?;
        Ok(())
    }

    /// Waits until the first namespace is gone.
    pub(crate) async fn await_namespace_gone(&self) {
        let api = self.namespaces_api();
        let gone = || async { api.get_opt(&self.namespace).await.ok()?.is_none().then_some(()) };
        until("the namespace is gone", gone).await;
    }

    fn namespaces_api(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &resource("Namespace"))
    }

    /// Waits until a condition of the present generation has this status and reason, and yields its message.
    pub(crate) async fn await_condition(&self, kind: &str, name: &str, wanted: (&str, &str, &str)) -> String {
        self.await_condition_in(&self.namespace, kind, name, wanted).await
    }

    pub(crate) async fn await_condition_in(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        (condition, status, reason): (&str, &str, &str),
    ) -> String {
        let api = self.api(namespace, kind);
        let seen = std::cell::RefCell::new(Value::Null);
        let probe = || async {
            let object = api.get_opt(name).await.expect("the API server answers")?;
            *seen.borrow_mut() = object.data["status"].clone();
            let conditions = object.data["status"]["conditions"].as_array()?.clone();
            let found = conditions.into_iter().find(|found| found["type"] == condition)?;
            let is_wanted = found["status"] == status
                && found["reason"] == reason
                && found["observedGeneration"] == json!(object.metadata.generation);
            is_wanted.then(|| found["message"].as_str().unwrap_or_default().to_owned())
        };
        let what = format!("{kind} {name} has {condition}={status} {reason}");
        let waiting = until(&what, probe);
        tokio::pin!(waiting);
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(20));
        ticks.tick().await;
        loop {
            tokio::select! {
                message = &mut waiting => return message,
                _ = ticks.tick() => eprintln!("still waiting: {what}; now {}", seen.borrow()),
            }
        }
    }

    pub(crate) async fn await_ready(&self, kind: &str, name: &str) -> DynamicObject {
        self.await_condition(kind, name, ("Ready", "True", "Ready")).await;
        self.get(kind, name).await.expect("it was there a moment ago")
    }

    /// The reasons of the Events about an object.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let events = self.api(&self.namespace, "Event").list(&kube::api::ListParams::default()).await;
        let events = events.expect("the API server answers").items.into_iter();
        let about = events.filter(|event| event.data["regarding"]["name"] == name);
        about.filter_map(|event| event.data["reason"].as_str().map(str::to_owned)).collect()
    }

    /// What a kubelet would report of a pod whose broker is ready.
    pub(crate) async fn pretend_ready(&self, pod: &str) -> Result<()> {
        self.await_object("Pod", pod).await;
        let now = "2026-01-01T00:00:00Z";
        let conditions = ["Ready", "ContainersReady", "Initialized", "PodScheduled"]
            .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now}));
        let status = json!({"status": {"phase": "Running", "conditions": conditions}});
        let api = self.api(&self.namespace, "Pod");
        api.patch_status(pod, &PatchParams::default(), &Patch::Merge(status)).await?;
        Ok(())
    }
}

async fn apply(
    api: &Api<DynamicObject>,
    kind: &str,
    name: &str,
    mut body: Value,
) -> Result<DynamicObject, kube::Error> {
    body["apiVersion"] = json!(resource(kind).api_version);
    body["kind"] = json!(kind);
    body["metadata"]["name"] = json!(name);
    let mut params = PatchParams::apply("person").force();
    params.field_validation = Some(ValidationDirective::Strict);
    api.patch(name, &params, &Patch::Apply(body)).await
}

/// The rules that the chart grants, read from its template.
fn chart_rules() -> Result<Value> {
    let text = fs::read_to_string(paths::repository().join("charts/milena/templates/rbac.yaml"))?;
    let from = text.split("define \"milena.rules\" -}}").nth(1).context("the chart names its rules")?;
    let rules = from.split("{{- end }}").next().context("the rules end")?;
    Ok(serde_saphyr::from_str(rules)?)
}

/// What the chart grants in the operator's own namespace.
fn lease_rules() -> Value {
    let group = ["coordination.k8s.io"];
    json!([
        {"apiGroups": group, "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": group, "resources": ["leases"], "resourceNames": ["milena-operator"], "verbs": ["get", "update"]},
    ])
}
