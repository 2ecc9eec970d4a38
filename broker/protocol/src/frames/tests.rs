//! Headers against bytes written by hand; all APIs against Kafka's own are in tests/golden.

use super::*;
use crate::messages::{
    ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest,
};

fn frame_of<R: Request>(version: i16, request: &R) -> Bytes {
    let frame = request_frame(7, Some("c".into()), version, request).into_bytes().unwrap();
    assert_eq!(frame.len() - 4, u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize);
    frame.slice(4..)
}

#[test]
fn a_request_survives_its_frame_in_both_header_versions() {
    for version in HeartbeatRequest::VERSIONS {
        let request = HeartbeatRequest { generation_id: 3, ..HeartbeatRequest::default() };
        let frame = parse_request(frame_of(version, &request)).unwrap();
        assert_eq!((frame.key, frame.version, frame.correlation_id), (12, version, 7));
        assert_eq!(frame.client_id.as_deref(), Some("c"));
        assert_eq!(decode_request(&frame), Ok(request));
    }
}

#[test]
fn the_response_to_api_versions_has_the_oldest_header() {
    let request = parse_request(frame_of(3, &ApiVersionsRequest::default())).unwrap();
    let bytes = response_frame(&request, &ApiVersionsResponse::default()).into_bytes().unwrap();
    // Size, correlation id, then at once the error code, an empty array, the throttle time and no tagged field.
    assert_eq!(bytes.as_ref(), [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 0]);
    let request = parse_request(frame_of(4, &HeartbeatRequest::default())).unwrap();
    let bytes = response_frame(&request, &HeartbeatResponse::default()).into_bytes().unwrap();
    assert_eq!(bytes.as_ref(), [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_response_reads_back() {
    let response = HeartbeatResponse { error_code: 27, throttle_time_ms: 5 };
    for version in 1..=4 {
        let request = parse_request(frame_of(version, &HeartbeatRequest::default())).unwrap();
        let bytes = response_frame(&request, &response).into_bytes().unwrap().slice(4..);
        assert_eq!(correlation_id(&bytes), Ok(7));
        assert_eq!(decode_response::<HeartbeatRequest>(bytes, version), Ok(response.clone()));
    }
}

#[test]
fn a_header_of_an_unknown_key_or_version_still_names_it() {
    let unknown = Bytes::from_static(&[0x7f, 0xff, 0, 1, 0, 0, 0, 9, 0xff, 0xff]);
    let frame = parse_request(unknown).unwrap();
    assert_eq!((frame.key, frame.version, frame.correlation_id, frame.client_id), (i16::MAX, 1, 9, None));
    let newer = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 9, 0, 1, b'c', 0, 0]);
    let frame = parse_request(newer).unwrap();
    assert_eq!((frame.key, frame.version, frame.body.as_ref()), (18, 99, [0].as_slice()));
}

#[test]
fn bytes_after_the_body_are_ignored() {
    let mut bytes = frame_of(1, &MetadataRequest::default()).to_vec();
    bytes.extend([1, 2, 3]);
    let frame = parse_request(bytes.into()).unwrap();
    assert_eq!(decode_request::<MetadataRequest>(&frame), Ok(MetadataRequest::default()));
}

#[test]
fn a_frame_cut_anywhere_in_its_header_is_an_error() {
    let whole = frame_of(9, &MetadataRequest::default());
    let header_length = whole.len() - parse_request(whole.clone()).unwrap().body.len();
    for length in 0..header_length {
        assert!(parse_request(whole.slice(..length)).is_err(), "{length} bytes");
    }
}
