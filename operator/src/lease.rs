//! Leader election on a Lease, by the rules of Kubernetes' own clients.
//!
//! Transitions: waiting -> holding, when the Lease is new, released, ours, or was not renewed for its duration as seen by
//! *our* clock (clocks of others are not trusted); holding -> holding, at each renewal; holding -> lost, when somebody
//! else has it or when no renewal succeeded for two thirds of the duration; holding -> released, at an orderly stop.
//! Who loses the Lease ends the process: nothing of what it was doing may go on.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::names::MANAGER;
use crate::report::told;

const CONFLICT: u16 = 409;
/// How long one look at the Lease may take before somebody leads.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The name of the Lease in the operator's namespace.
pub(crate) const LEASE: &str = "milena-operator";

/// Who wants to lead, and for how long a word holds.
pub(crate) struct Candidate {
    leases: Api<Lease>,
    identity: String,
    duration: Duration,
}

/// What was last seen of somebody else's Lease, and since when it has not changed.
struct Sighting {
    version: Option<String>,
    since: Instant,
}

impl Candidate {
    pub(crate) fn new(client: Client, namespace: &str, identity: &str, duration: Duration) -> Self {
        Self { leases: Api::namespaced(client, namespace), identity: identity.to_owned(), duration }
    }

    /// Waits until the Lease is ours. `reached` is told after each attempt whether the API server answered.
    pub(crate) async fn acquire(&self, reached: impl Fn(bool)) -> Lease {
        let mut seen = Sighting { version: None, since: Instant::now() };
        loop {
            match timeout(ATTEMPT_TIMEOUT, self.attempt(&mut seen)).await {
                Ok(Ok(Some(lease))) => return lease,
                Ok(Ok(None)) => reached(true),
                Ok(Err(error)) => {
                    reached(false);
                    tracing::warn!(error = told(&error), "the Lease could not be read or taken");
                }
                Err(_) => {
                    reached(false);
                    tracing::warn!("no answer about the Lease");
                }
            }
            sleep(self.duration / 6).await;
        }
    }

    /// Renews until the Lease is lost. Whatever the API server does, this ends before the Lease runs out for others.
    pub(crate) async fn hold(&self, mut lease: Lease) {
        loop {
            match timeout(self.duration * 2 / 3, self.renew(lease)).await {
                Ok(Some(renewed)) => lease = renewed,
                Ok(None) => return tracing::error!("somebody else took the Lease"),
                Err(_) => return tracing::error!("the Lease could not be renewed in time"),
            }
        }
    }

    /// Renews once, trying until it succeeds; `None` when somebody else has the Lease.
    async fn renew(&self, mut lease: Lease) -> Option<Lease> {
        sleep(self.duration / 3).await;
        loop {
            match self.take(lease.clone()).await {
                Ok(Some(renewed)) => return Some(renewed),
                Ok(None) => match self.leases.get_opt(LEASE).await {
                    Ok(Some(found)) if self.is_ours(&found) => lease = found,
                    Ok(_) => return None,
                    Err(error) => tracing::warn!(error = told(&error), "the Lease could not be read"),
                },
                Err(error) => tracing::warn!(error = told(&error), "the Lease could not be renewed"),
            }
            sleep(self.duration / 15).await;
        }
    }

    /// Lets the next one take over at once.
    pub(crate) async fn release(&self) {
        let Ok(Some(mut lease)) = self.leases.get_opt(LEASE).await else { return };
        if !self.is_ours(&lease) {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        if let Err(error) = self.leases.replace(LEASE, &params(), &lease).await {
            tracing::warn!(error = told(&error), "the Lease could not be released");
        }
    }

    async fn attempt(&self, seen: &mut Sighting) -> kube::Result<Option<Lease>> {
        let Some(lease) = self.leases.get_opt(LEASE).await? else {
            return self.create().await;
        };
        if seen.version != lease.metadata.resource_version {
            *seen = Sighting { version: lease.metadata.resource_version.clone(), since: Instant::now() };
        }
        let spec = lease.spec.as_ref();
        let is_free = spec.and_then(|spec| spec.holder_identity.as_deref()).is_none_or(str::is_empty);
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
        let is_expired = seen.since.elapsed() > Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        if is_free || is_expired || self.is_ours(&lease) {
            return self.take(lease).await;
        }
        Ok(None)
    }

    async fn create(&self) -> kube::Result<Option<Lease>> {
        let mut lease = Lease::default();
        lease.metadata.name = Some(LEASE.to_owned());
        lease.spec = Some(self.claim(None));
        or_none(self.leases.create(&params(), &lease).await)
    }

    /// Writes ourselves into `lease`; `None` when somebody changed it meanwhile.
    async fn take(&self, mut lease: Lease) -> kube::Result<Option<Lease>> {
        lease.spec = Some(self.claim(lease.spec.as_ref()));
        or_none(self.leases.replace(LEASE, &params(), &lease).await)
    }

    fn claim(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let same = before.filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            // Whole seconds, rounded up: who waits must not be quicker than who holds.
            lease_duration_seconds: i32::try_from(self.duration.as_millis().div_ceil(1000)).ok(),
            acquire_time: same.and_then(|spec| spec.acquire_time.clone()).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if same.is_some() || before.is_none() {
                transitions
            } else {
                transitions + 1
            }),
            ..LeaseSpec::default()
        }
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(&self.identity)
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

fn or_none(result: kube::Result<Lease>) -> kube::Result<Option<Lease>> {
    match result {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.code == CONFLICT => Ok(None),
        Err(error) => Err(error),
    }
}
