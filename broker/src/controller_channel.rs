//! The way to the active controller, wherever it is: what a broker itself asks of it goes through here.
//!
//! The handler of this process is called where the local controller is active, the same one that serves the wire;
//! elsewhere the request goes to the leader's controller listener. The name is resolved anew with every dial, since
//! addresses of pods change. NOT_CONTROLLER, a refused dial and a lost connection are tried again, at once when
//! another leader is known and else after a pause, until the caller's patience ends; a request may then have been
//! carried out all the same, or twice, as with Apache Kafka's `NodeToControllerRequestThread`.
//!
//! A channel has one connection, on which answers come in order: who must not wait behind the requests of others takes
//! a [`ControllerChannel::lane`] of its own.

use std::sync::{Arc, Weak};
use std::time::Duration;

use milena_client::{ClientError, Connection, Options};
use milena_core::config::broker::quorum;
use milena_protocol::messages::allocate_producer_ids::AllocateProducerIdsRequest;
use milena_protocol::messages::alter_partition::AlterPartitionRequest;
use milena_protocol::messages::assign_replicas_to_dirs::AssignReplicasToDirsRequest;
use milena_protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use milena_protocol::messages::broker_registration::BrokerRegistrationRequest;
use milena_protocol::messages::controller_registration::ControllerRegistrationRequest;
use milena_protocol::messages::envelope::EnvelopeRequest;
use milena_protocol::{ErrorCode, Request};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::broker::{Broker, Origin, RequestContext};
use crate::config::Config;
use crate::dispatch::{Answer, Served};
use crate::quorum::QuorumLeader;

/// How long a request looks for a controller that answers it, unless its caller says something else.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before the same leader is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for a name, a connection and its versions together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests that may wait for their answers on one connection; what the other end takes.
const IN_FLIGHT_MAX: usize = 64;

/// A request for the active controller whose answer says as a whole if there is none.
pub(crate) trait ToController: Served {
    /// The error of the answer as a whole.
    fn error_code(response: &Self::Response) -> i16;
}

macro_rules! to_controller {
    ($($request:ty;)*) => {
        $(impl ToController for $request {
            fn error_code(response: &Self::Response) -> i16 {
                response.error_code
            }
        })*
    };
}

to_controller! {
    AllocateProducerIdsRequest;
    AlterPartitionRequest;
    AssignReplicasToDirsRequest;
    BrokerHeartbeatRequest;
    BrokerRegistrationRequest;
    ControllerRegistrationRequest;
    EnvelopeRequest;
}

/// The way to the active controller; clones share a connection.
#[derive(Clone)]
pub(crate) struct ControllerChannel {
    broker: Weak<Broker>,
    origin: Origin,
    options: Options,
    leader: watch::Receiver<QuorumLeader>,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl ControllerChannel {
    /// A channel of `broker`, which follows `leader`. Requests come from `origin` where they stay in this process.
    pub(crate) fn new(
        broker: Weak<Broker>,
        origin: Origin,
        leader: watch::Receiver<QuorumLeader>,
        config: &Config,
    ) -> Self {
        let timeout_ms = config.properties.int(&quorum::CONTROLLER_SOCKET_TIMEOUT_MS);
        let options = Options {
            client_id: format!("broker-{}", config.node_id).into(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: Duration::from_millis(u64::try_from(timeout_ms).unwrap_or_default()),
            in_flight_max: IN_FLIGHT_MAX,
            ..Options::default()
        };
        Self { broker, origin, options, leader, connection: Arc::default() }
    }

    /// The same way on a connection of its own.
    pub(crate) fn lane(&self) -> Self {
        Self { connection: Arc::default(), ..self.clone() }
    }

    /// Asks the active controller. An error means that none answered in time, or that it does not know the request.
    pub(crate) async fn send<R: ToController>(&self, request: &R) -> Result<R::Response, ClientError> {
        self.send_within(request, PATIENCE).await
    }

    /// The same with a patience of the caller's.
    pub(crate) async fn send_within<R: ToController>(
        &self,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, ClientError> {
        let deadline = Instant::now() + patience;
        let mut leader = self.leader.clone();
        let mut failure = nobody(patience);
        loop {
            let asked = leader.borrow_and_update().clone();
            let answer = tokio::select! {
                biased;
                answer = timeout_at(deadline, self.attempt(&asked, request)) => answer,
                () = succeeded(leader.clone(), &asked) => continue,
            };
            match answer {
                Ok(Ok(response)) if R::error_code(&response) != ErrorCode::NotController.code() => {
                    return Ok(response);
                }
                Ok(Ok(_)) => {}
                Ok(Err(error @ (ClientError::Version { .. } | ClientError::Decode(_)))) => return Err(error),
                Ok(Err(error)) => failure = error,
                Err(_) => return Err(failure),
            }
            self.connection.lock().await.take();
            let pause = tokio::time::timeout(RETRY_PAUSE, changed(&mut leader));
            if timeout_at(deadline, pause).await.is_err() {
                return Err(failure);
            }
        }
    }

    /// Asks the leader of another process, once.
    pub(crate) async fn ask_leader<R: Request>(&self, request: &R) -> Result<R::Response, ClientError> {
        let leader = self.leader.borrow().clone();
        self.connection(&leader).await?.send(request).await
    }

    async fn attempt<R: ToController>(
        &self,
        leader: &QuorumLeader,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        if leader.is_local {
            self.call(request.clone()).await
        } else {
            self.connection(leader).await?.send(request).await
        }
    }

    /// Calls the handler of this process.
    async fn call<R: ToController>(&self, request: R) -> Result<R::Response, ClientError> {
        let ended = |reason: &str| ClientError::Closed {
            address: "this process".to_owned(),
            reason: reason.to_owned(),
        };
        let broker = self.broker.upgrade().ok_or_else(|| ended("the broker is not running"))?;
        let context = RequestContext {
            version: *R::SERVED.end(),
            client_id: self.options.client_id.clone(),
            peer: self.origin.peer,
            listener: self.origin.listener.clone(),
            heard: self.origin.heard.clone(),
        };
        match request.serve(broker, context).await {
            Answer::Send(response) => Ok(response),
            Answer::Silent => Err(ended("the request has no answer")),
            Answer::Close(reason) => Err(ended(&reason)),
        }
    }

    /// The open connection to `leader`, or a new one.
    async fn connection(&self, leader: &QuorumLeader) -> Result<Connection, ClientError> {
        let Some((host, port)) = leader.endpoint.as_ref().filter(|_| leader.id.is_some()) else {
            // Another leader ends the wait.
            sleep(RETRY_PAUSE).await;
            return Err(nobody(RETRY_PAUSE));
        };
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut current = self.connection.lock().await;
        let usable = |open: &&Connection| open.address() == address && !open.is_closed();
        if let Some(connection) = current.as_ref().filter(usable) {
            return Ok(connection.clone());
        }
        let connection = Connection::dial(&address, self.options.clone()).await?;
        *current = Some(connection.clone());
        Ok(connection)
    }
}

/// Resolves when another leader is known, or none. The end of the quorum is no such news: whoever asks on pauses as ever.
async fn changed(leader: &mut watch::Receiver<QuorumLeader>) {
    if leader.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Resolves when somebody else than `asked` is known to lead.
async fn succeeded(mut leader: watch::Receiver<QuorumLeader>, asked: &QuorumLeader) {
    let moved = |now: &QuorumLeader| now.id.is_some() && (now.id, now.epoch) != (asked.id, asked.epoch);
    if leader.wait_for(moved).await.is_err() {
        std::future::pending().await
    }
}

fn nobody(patience: Duration) -> ClientError {
    let timeout_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    ClientError::Timeout { address: "the active controller".to_owned(), timeout_ms }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::{Buf as _, BytesMut};
    use milena_protocol::messages::allocate_producer_ids::AllocateProducerIdsResponse;
    use milena_protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
    use milena_protocol::{LeaderEpoch, NodeId, frames};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const REQUEST: AllocateProducerIdsRequest = AllocateProducerIdsRequest { broker_id: 1, broker_epoch: 5 };

    /// A controller that answers every AllocateProducerIds with `error_code`.
    async fn controller(id: i32, error_code: ErrorCode) -> QuorumLeader {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(answer(stream, error_code));
            }
        });
        let endpoint = Some(("127.0.0.1".into(), port));
        QuorumLeader { id: Some(NodeId(id)), epoch: LeaderEpoch(id), endpoint, ..QuorumLeader::default() }
    }

    async fn answer(mut stream: TcpStream, error_code: ErrorCode) {
        let mut buffer = BytesMut::new();
        while stream.read_buf(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
            let Some(size) = buffer.first_chunk::<4>().map(|size| i32::from_be_bytes(*size) as usize) else {
                continue;
            };
            if buffer.len() < 4 + size {
                continue;
            }
            buffer.advance(4);
            let frame = frames::parse_request(buffer.split_to(size).freeze()).unwrap();
            let response = if frame.key == ApiVersionsRequest::KEY {
                let served = |api_key| ApiVersion { api_key, min_version: 0, max_version: 0 };
                let api_keys = vec![served(ApiVersionsRequest::KEY), served(AllocateProducerIdsRequest::KEY)];
                frames::response_frame(&frame, &ApiVersionsResponse { api_keys, ..Default::default() })
            } else {
                let error_code = error_code.code();
                let body = AllocateProducerIdsResponse { error_code, ..Default::default() };
                frames::response_frame(&frame, &body)
            };
            stream.write_all(&response.into_bytes().unwrap()).await.unwrap();
        }
    }

    fn channel(leader: watch::Receiver<QuorumLeader>) -> ControllerChannel {
        let config = Config::load(None, &[], std::iter::empty()).unwrap();
        ControllerChannel::new(Weak::new(), Origin::local(&config), leader, &config)
    }

    #[tokio::test]
    async fn a_request_follows_the_controller_until_one_answers() {
        let (moves, leader) = watch::channel(QuorumLeader::default());
        let channel = channel(leader);
        let asked = tokio::spawn(async move { channel.send(&REQUEST).await });
        let gone =
            QuorumLeader { endpoint: Some(("127.0.0.1".into(), 1)), ..controller(1, ErrorCode::None).await };
        moves.send_replace(gone);
        moves.send_replace(controller(2, ErrorCode::NotController).await);
        moves.send_replace(controller(3, ErrorCode::StaleBrokerEpoch).await);
        assert_eq!(asked.await.unwrap().unwrap().error_code, ErrorCode::StaleBrokerEpoch.code());
    }

    #[tokio::test]
    async fn patience_ends_where_nobody_is_the_controller() {
        let (moves, leader) = watch::channel(controller(1, ErrorCode::NotController).await);
        let channel = channel(leader);
        let patience = Duration::from_millis(200);
        assert!(channel.send_within(&REQUEST, patience).await.is_err());
        moves.send_replace(QuorumLeader::default());
        assert!(channel.send_within(&REQUEST, patience).await.is_err());
    }
}
