//! Finds out at once that the process of a broker is gone, where its session would tell seconds later.
//!
//! On the active controller a closed connection that heartbeats came on is a hint, and so is the beginning of the
//! controller's own term for every unfenced broker. A hint is checked: the broker's registered inter-broker address is
//! dialled, its name resolved anew. Refused twice in a row means that nobody listens there any more, and the broker is
//! fenced. A connection that is accepted and soon dropped says nothing yet: a process that ends closes its sockets one
//! after the other. Anything else (accepted and held, unreachable, no answer) changes nothing: a broker that is slow or cut
//! off is never declared dead here, `broker.session.timeout.ms` decides. An address that somebody else answers for, such as a
//! Kubernetes Service, says nothing about the process; brokers must not register one for their inter-broker listener.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use milena_core::controller::{ControllerReply, ControllerRequest};
use milena_core::metadata::MetadataImage;
use milena_protocol::NodeId;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::net::{TcpStream, lookup_host};
use crate::task;

/// Hints that wait for the prober; more are dropped, and the sessions decide.
const HINTS_MAX: usize = 1024;
/// Brokers that are probed at a time.
const PROBES_MAX: usize = 32;
/// Dials of one probe.
const DIALS_MAX: usize = 10;
/// Refusals in a row that decide.
const REFUSALS: usize = 2;
/// Pause between two dials of one probe.
const DIAL_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for a name and a connection together.
const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a connection is held by a process that lives.
const HELD: Duration = Duration::from_secs(1);

/// A registration of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) broker: NodeId,
    pub(crate) epoch: i64,
}

/// Whose heartbeats come on a connection; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Option<Registered>>>);

impl Heard {
    /// A heartbeat came.
    pub(crate) fn of(&self, registered: Registered) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(registered);
    }

    fn last(&self) -> Option<Registered> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the prober.
pub(crate) struct Prober {
    hints: mpsc::Sender<Registered>,
    inbox: Mutex<Option<mpsc::Receiver<Registered>>>,
}

impl Prober {
    pub(crate) fn new() -> Self {
        let (hints, inbox) = mpsc::channel(HINTS_MAX);
        Self { hints, inbox: Mutex::new(Some(inbox)) }
    }

    /// The connection of `heard` is closed.
    pub(crate) fn closed(&self, heard: &Heard) {
        if let Some(registered) = heard.last() {
            // A hint that finds no room is lost.
            self.hints.try_send(registered).ok();
        }
    }

    /// Checks hints until `stop`. To be called once.
    pub(crate) async fn run(&self, broker: Arc<Broker>, stop: CancellationToken) {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = inbox else { return };
        let mut leader = broker.quorum.leader();
        let mut was_active = leader.borrow_and_update().is_local;
        let probes = Arc::new(Semaphore::new(PROBES_MAX));
        loop {
            let suspects = tokio::select! {
                () = stop.cancelled() => return,
                Some(hint) = inbox.recv() => vec![hint],
                Ok(()) = leader.changed() => {
                    let is_active = leader.borrow_and_update().is_local;
                    let begins = is_active && !was_active;
                    was_active = is_active;
                    if begins { unfenced(&broker.quorum.committed(), broker.node_id) } else { Vec::new() }
                }
            };
            for suspect in suspects {
                let Ok(permit) = probes.clone().acquire_owned().await else { return };
                let (broker, stop) = (broker.clone(), stop.clone());
                task::spawn(async move {
                    let _permit = permit;
                    stop.run_until_cancelled(check(&broker, suspect)).await;
                });
            }
        }
    }
}

/// Every other broker that counts as alive.
fn unfenced(image: &MetadataImage, own: NodeId) -> Vec<Registered> {
    let alive = image.brokers().filter(|broker| !broker.fenced && broker.id != own);
    alive.map(|broker| Registered { broker: broker.id, epoch: broker.epoch }).collect()
}

/// Has the broker fenced if its process is gone.
async fn check(broker: &Broker, suspect: Registered) {
    let Registered { broker: id, epoch: broker_epoch } = suspect;
    let Some(address) = address(broker, suspect) else { return };
    if !is_gone(&address).await || !broker.quorum.leader().borrow().is_local {
        return;
    }
    tracing::info!(broker = id.0, host = address.0, port = address.1, "nobody listens where a broker was");
    let request = ControllerRequest::ProcessGone { broker: id, broker_epoch };
    match broker.quorum.submit_for_peer(request).await {
        ControllerReply::Done(Ok(())) => {}
        other => tracing::info!(broker = id.0, ?other, "broker was not fenced"),
    }
}

/// Where the broker is dialled by others, while the registration stands and counts as alive.
fn address(broker: &Broker, suspect: Registered) -> Option<(String, u16)> {
    let image = broker.quorum.committed();
    let is_active = broker.quorum.leader().borrow().is_local;
    let found = image.broker(suspect.broker).filter(|found| found.epoch == suspect.epoch && !found.fenced);
    let found = found.filter(|_| is_active)?;
    let named = found.endpoint(&broker.config.inter_broker_listener());
    let endpoint = named.or(found.endpoints.first())?;
    Some((endpoint.host.to_string(), endpoint.port))
}

/// What a dial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialled {
    Held,
    Dropped,
    Refused,
    /// The name is unknown, the host unreachable, or nothing answers.
    Unclear,
}

/// Whether nobody listens any more where a process did.
async fn is_gone((host, port): &(String, u16)) -> bool {
    let mut refusals = 0;
    for _ in 0..DIALS_MAX {
        match dial(host, *port).await {
            Dialled::Refused => refusals += 1,
            Dialled::Dropped => refusals = 0,
            Dialled::Held | Dialled::Unclear => return false,
        }
        if refusals == REFUSALS {
            return true;
        }
        tokio::time::sleep(DIAL_PAUSE).await;
    }
    false
}

async fn dial(host: &str, port: u16) -> Dialled {
    let connected = tokio::time::timeout(DIAL_TIMEOUT, connect(host, port)).await;
    let mut stream = match connected.unwrap_or(Err(Dialled::Unclear)) {
        Ok(stream) => stream,
        Err(dialled) => return dialled,
    };
    // A broker says nothing before it is asked.
    match tokio::time::timeout(HELD, stream.read(&mut [0])).await {
        Err(_) | Ok(Ok(1..)) => Dialled::Held,
        Ok(Ok(0) | Err(_)) => Dialled::Dropped,
    }
}

/// Refused only where every address of the name refuses.
async fn connect(host: &str, port: u16) -> Result<TcpStream, Dialled> {
    let addresses = lookup_host((host, port)).await.map_err(|_| Dialled::Unclear)?;
    let mut dialled = Dialled::Unclear;
    for address in addresses {
        dialled = match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Dialled::Refused,
            Err(_) => return Err(Dialled::Unclear),
        };
    }
    Err(dialled)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_refusal_says_that_the_process_is_gone() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let address = ("127.0.0.1".to_owned(), port);
        assert!(!is_gone(&address).await, "the backlog holds it");
        assert!(!is_gone(&("no-such-host.invalid".to_owned(), port)).await);
        drop(socket);
        assert!(is_gone(&address).await);
    }

    #[tokio::test]
    async fn a_process_that_is_about_to_end_is_dialled_until_it_has() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = ("127.0.0.1".to_owned(), socket.local_addr().unwrap().port());
        let gone = tokio::spawn(async move { is_gone(&address).await });
        for _ in 0..3 {
            drop(socket.accept().await.unwrap());
        }
        drop(socket);
        assert!(gone.await.unwrap());
    }
}
