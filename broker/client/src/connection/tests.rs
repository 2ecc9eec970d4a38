//! The connection against a peer that says what each test scripts, on a real socket.

use std::time::Duration;

use bytes::Bytes;
use milena_protocol::frames::{self, RequestFrame};
use milena_protocol::messages::api_versions::ApiVersion;
use milena_protocol::messages::{ApiVersionsResponse, MetadataRequest, MetadataResponse};
use milena_protocol::{ErrorCode, Message, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The broker's end of a connection.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    async fn next(&mut self) -> Option<RequestFrame> {
        let size = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; usize::try_from(size).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frames::parse_request(Bytes::from(frame)).unwrap())
    }

    async fn answer<M: Message>(&mut self, request: &RequestFrame, response: &M) {
        let frame = frames::response_frame(request, response).into_bytes().unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn shake_hands(&mut self) {
        let request = self.next().await.unwrap();
        self.answer(&request, &versions(MetadataRequest::KEY, 0..=9)).await;
    }
}

fn versions(api_key: i16, range: std::ops::RangeInclusive<i16>) -> ApiVersionsResponse {
    let api = ApiVersion { api_key, min_version: *range.start(), max_version: *range.end() };
    ApiVersionsResponse { api_keys: vec![api], ..Default::default() }
}

fn metadata_of(node: i32) -> MetadataResponse {
    MetadataResponse { controller_id: node, ..Default::default() }
}

/// Dials a listener whose first connection `script` serves.
async fn dial_script<F, S>(options: Options, script: S) -> Result<Connection, ClientError>
where
    F: Future<Output = ()> + Send + 'static,
    S: FnOnce(Peer) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        script(Peer { stream }).await;
    });
    Connection::dial(&address, options).await
}

#[tokio::test]
async fn pipelined_requests_get_their_own_answers() {
    let connection = dial_script(Options::default(), |mut peer| async move {
        peer.shake_hands().await;
        let (first, second) = (peer.next().await.unwrap(), peer.next().await.unwrap());
        peer.answer(&first, &metadata_of(1)).await;
        peer.answer(&second, &metadata_of(2)).await;
        peer.next().await;
    })
    .await
    .unwrap();
    let request = MetadataRequest::default();
    let (first, second) = tokio::join!(connection.send(&request), connection.send(&request));
    assert_eq!((first.unwrap().controller_id, second.unwrap().controller_id), (1, 2));
}

#[tokio::test]
async fn requests_go_out_at_the_highest_common_version() {
    let connection = dial_script(Options::default(), |mut peer| async move {
        peer.shake_hands().await;
        let request = peer.next().await.unwrap();
        peer.answer(&request, &metadata_of(request.version.into())).await;
    })
    .await
    .unwrap();
    assert_eq!(connection.send(&MetadataRequest::default()).await.unwrap().controller_id, 9);
}

#[tokio::test]
async fn older_broker_is_asked_for_its_versions_again() {
    let connection = dial_script(Options::default(), |mut peer| async move {
        let newest = peer.next().await.unwrap();
        let refused = ApiVersionsResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..versions(newest.key, 0..=1)
        };
        peer.answer(&RequestFrame { version: 0, ..newest }, &refused).await;
        let second = peer.next().await.unwrap();
        assert_eq!(second.version, 1);
        peer.answer(&second, &versions(3, 0..=1)).await;
        peer.next().await;
    })
    .await
    .unwrap();
    assert_eq!(connection.versions().highest(3, 0..=13), Some(1));
    assert_eq!(connection.versions().highest(3, 2..=13), None);
}

#[tokio::test]
async fn api_that_the_broker_lacks_is_refused_here() {
    let connection = dial_script(Options::default(), |mut peer| async move {
        let request = peer.next().await.unwrap();
        peer.answer(&request, &versions(0, 0..=0)).await;
        peer.next().await;
    })
    .await
    .unwrap();
    let error = connection.send(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Version { api: "MetadataRequest", .. }), "{error}");
}

#[tokio::test]
async fn silence_ends_the_connection() {
    let options = Options { request_timeout: Duration::from_millis(100), ..Options::default() };
    let connection = dial_script(options, |mut peer| async move {
        peer.shake_hands().await;
        while peer.next().await.is_some() {}
    })
    .await
    .unwrap();
    let error = connection.send(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { timeout_ms: 100, .. }), "{error}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn peer_that_leaves_fails_what_waits() {
    let connection = dial_script(Options::default(), |mut peer| async move {
        peer.shake_hands().await;
        peer.next().await;
    })
    .await
    .unwrap();
    let error = connection.send(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Closed { .. }), "{error}");
    assert!(connection.is_closed());
    assert!(connection.send(&MetadataRequest::default()).await.is_err());
}

#[tokio::test]
async fn hostile_sizes_and_stray_answers_end_the_connection() {
    let frames: [&[u8]; 4] = [
        &[0x7f, 0xff, 0xff, 0xff, 0],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 1, 9],
        &[0, 0, 0, 4, 0, 0, 0, 99],
    ];
    for frame in frames {
        let connection = dial_script(Options::default(), move |mut peer| async move {
            peer.shake_hands().await;
            peer.next().await;
            peer.stream.write_all(frame).await.unwrap();
            peer.next().await;
        })
        .await
        .unwrap();
        let error = connection.send(&MetadataRequest::default()).await.unwrap_err();
        assert!(matches!(error, ClientError::Closed { .. }), "{frame:?}: {error}");
    }
}

#[tokio::test]
async fn requests_beyond_the_bound_wait_for_answers() {
    let options = Options { in_flight_max: 1, ..Options::default() };
    let connection = dial_script(options, |mut peer| async move {
        peer.shake_hands().await;
        for node in 1..=2 {
            let request = peer.next().await.unwrap();
            let early = tokio::time::timeout(Duration::from_millis(50), peer.next()).await;
            assert!(early.is_err(), "a second request came before the first answer");
            peer.answer(&request, &metadata_of(node)).await;
        }
    })
    .await
    .unwrap();
    let request = MetadataRequest::default();
    let (first, second) = tokio::join!(connection.send(&request), connection.send(&request));
    assert_eq!((first.unwrap().controller_id, second.unwrap().controller_id), (1, 2));
}

#[tokio::test]
async fn nothing_listening_is_a_failed_dial() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let error = Connection::dial(&address, Options::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Dial { .. }), "{error}");
}
