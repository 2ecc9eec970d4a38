//! Primitives at their edges; whole messages are held against Kafka's bytes in tests/golden.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{ByteString, Message};

fn decoder(bytes: &[u8], flexible: bool) -> Decoder {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(bytes));
    decoder.set_flexible(flexible);
    decoder
}

fn written(flexible: bool, write: impl FnOnce(&mut Encoder)) -> Bytes {
    let mut encoder = Encoder::new();
    encoder.set_flexible(flexible);
    write(&mut encoder);
    let length = encoder.len();
    let bytes = encoder.into_bytes().unwrap();
    assert_eq!(bytes.len(), length);
    bytes
}

#[test]
fn varints_have_the_bytes_of_the_guide() {
    for (value, bytes) in [(0, &[0][..]), (127, &[0x7f]), (128, &[0x80, 1]), (300, &[0xac, 2])] {
        assert_eq!(written(false, |e| e.uvarint(value)).as_ref(), bytes);
    }
    assert_eq!(written(false, |e| e.uvarint(u32::MAX)).as_ref(), [0xff, 0xff, 0xff, 0xff, 0x0f]);
    for (value, bytes) in [(0, &[0][..]), (-1, &[1]), (1, &[2]), (-64, &[0x7f]), (64, &[0x80, 1])] {
        assert_eq!(written(false, |e| e.varint(value)).as_ref(), bytes);
        assert_eq!(written(false, |e| e.varlong(value.into())).as_ref(), bytes);
    }
}

#[test]
fn varints_that_do_not_fit_are_errors() {
    let reason = |result: Result<u32, DecodeError>| result.unwrap_err().reason;
    assert_eq!(reason(decoder(&[0xff; 10], true).uvarint()), DecodeReason::Varint);
    assert_eq!(reason(decoder(&[0xff, 0xff, 0xff, 0xff, 0x10], true).uvarint()), DecodeReason::Varint);
    assert_eq!(reason(decoder(&[0x80], true).uvarint()), DecodeReason::Truncated { wanted: 1, left: 0 });
    assert_eq!(decoder(&[0xff; 11], true).varlong().unwrap_err().reason, DecodeReason::Varint);
    let widest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(decoder(&widest, true).varlong(), Ok(i64::MIN));
    let too_wide = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
    assert_eq!(decoder(&too_wide, true).varlong().unwrap_err().reason, DecodeReason::Varint);
}

#[test]
fn null_and_empty_differ_in_both_forms() {
    assert_eq!(written(false, |e| e.string(None)).as_ref(), [0xff, 0xff]);
    assert_eq!(written(false, |e| e.string(Some(""))).as_ref(), [0, 0]);
    assert_eq!(written(true, |e| e.string(None)).as_ref(), [0]);
    assert_eq!(written(true, |e| e.string(Some(""))).as_ref(), [1]);
    assert_eq!(written(false, |e| e.count(None)).as_ref(), [0xff, 0xff, 0xff, 0xff]);
    assert_eq!(written(true, |e| e.count(None)).as_ref(), [0]);
    assert_eq!(decoder(&[0], true).string(), Ok(None));
    assert_eq!(decoder(&[0, 0], false).string(), Ok(Some(ByteString::new())));
}

#[test]
fn lengths_are_checked_before_anything_is_reserved() {
    let huge = [0x7f, 0xff, 0xff, 0xff, 0];
    let truncated = DecodeReason::Truncated { wanted: 0x7fff_ffff, left: 1 };
    assert_eq!(decoder(&huge, false).blob().unwrap_err().reason, truncated);
    assert_eq!(decoder(&huge, false).count(1).unwrap_err().reason, truncated);
}

#[test]
fn every_negative_length_says_null() {
    assert_eq!(decoder(&[0xff, 0xfe], false).string(), Ok(None));
    assert_eq!(decoder(&[0x80, 0, 0, 0], false).count(1), Ok(None));
    let compact = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(decoder(&compact, true).blob(), Ok(None));
}

#[test]
fn collections_may_take_a_multiple_of_the_frame_and_no_more() {
    let bytes = 4_000_000u32.to_be_bytes().into_iter().chain(vec![0; 4_000_000]).collect::<Vec<_>>();
    let most = DECODED_BYTES_PER_BYTE_MAX;
    assert_eq!(decoder(&bytes, false).count(most), Ok(Some(4_000_000)));
    assert_eq!(decoder(&bytes, false).count(2 * most).unwrap_err().reason, DecodeReason::Memory);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    assert_eq!(decoder(&[0, 2, 0xc3, 0x28], false).string().unwrap_err().reason, DecodeReason::Utf8);
}

#[test]
fn a_string_too_long_for_the_older_form_is_cut_at_a_character() {
    let long = "ä".repeat(20_000);
    let bytes = written(false, |e| e.string(Some(&long)));
    let read = decoder(&bytes, false).string().unwrap().unwrap();
    assert_eq!((read.len(), long.starts_with(&*read)), (32_766, true));
    let bytes = written(true, |e| e.string(Some(&long)));
    assert_eq!(decoder(&bytes, true).string().unwrap().as_deref(), Some(long.as_str()));
}

/// A message with a tagged field, as a newer peer has it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
struct Newer {
    number: i32,
    #[field(tag = 3)]
    text: ByteString,
    #[field(tag = 1, nullable, default = null)]
    names: Option<Vec<ByteString>>,
    #[field(tag = 2, versions = "1+", default = 9)]
    late: i64,
}

/// The same, as an older peer has it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
struct Older {
    number: i32,
}

#[test]
fn tagged_fields_leave_in_the_order_of_their_tags_and_only_when_set() {
    assert_eq!(Newer::default().to_bytes(1).as_ref(), [0, 0, 0, 0, 0]);
    let full = Newer { number: 1, text: "t".into(), names: Some(vec!["n".into()]), late: 8 };
    let expected = [0, 0, 0, 1, 3, 1, 3, 2, 2, b'n', 2, 8, 0, 0, 0, 0, 0, 0, 0, 8, 3, 2, 2, b't'];
    assert_eq!(full.to_bytes(1).as_ref(), expected);
    assert_eq!(Newer::from_bytes(full.to_bytes(1), 1), Ok(full.clone()));
    assert_eq!(Newer::from_bytes(full.to_bytes(0), 0), Ok(Newer { late: 9, ..full }));
}

#[test]
fn tagged_fields_of_a_newer_peer_are_skipped() {
    let full = Newer { number: 1, text: "t".repeat(300).into(), ..Newer::default() };
    assert_eq!(Older::from_bytes(full.to_bytes(0), 0), Ok(Older { number: 1 }));
}

#[test]
fn a_tagged_field_ends_where_its_size_says() {
    let reason = |bytes: &'static [u8]| Newer::from_bytes(Bytes::from_static(bytes), 0).unwrap_err().reason;
    // One tagged field, tag 3, size 3, holding the string "t" and a byte more; then size 1, too short for it.
    assert_eq!(reason(&[0, 0, 0, 0, 1, 3, 3, 2, b't', 0]), DecodeReason::TagSize);
    assert_eq!(reason(&[0, 0, 0, 0, 1, 3, 1, 2, b't', 0]), DecodeReason::Truncated { wanted: 1, left: 0 });
    assert_eq!(reason(&[0, 0, 0, 0, 1, 3, 99, 0]), DecodeReason::Truncated { wanted: 99, left: 1 });
}

/// A message with large fields, one of them tagged.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
struct Large {
    before: Bytes,
    #[field(nullable, default = null)]
    records: Option<Records>,
    after: i32,
    #[field(tag = 0)]
    tagged: Bytes,
}

#[test]
fn large_fields_are_spliced_and_not_copied() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before the slice, the slice, after the slice").unwrap();
    let slice = FileSlice { file: Arc::new(file), position: 18, len: 9 };
    let bytes = Bytes::from(vec![7; 5000]);
    let records = Records::Many(vec![slice.clone().into(), bytes.clone().into()]);
    let large = Large { before: bytes.clone(), records: Some(records), after: 5, tagged: bytes.clone() };

    let mut encoder = Encoder::new();
    large.encode(&mut encoder, 0);
    let segments = encoder.into_segments();
    let spliced: Vec<_> =
        segments.iter().filter(|s| matches!(s, Segment::Bytes(b) if b.as_ptr() == bytes.as_ptr())).collect();
    assert_eq!(spliced.len(), 3);
    assert!(segments.contains(&Segment::File(slice)));

    let read = Large::from_bytes(large.to_bytes(0), 0).unwrap();
    let text = [b"the slice".as_slice(), &bytes].concat();
    assert_eq!(read, Large { records: Some(Bytes::from(text).into()), ..large });
}

#[test]
fn null_written_where_it_is_not_allowed_becomes_the_empty_value() {
    let request = crate::messages::MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(request.to_bytes(0).as_ref(), [0, 0, 0, 0]);
    assert_eq!(request.to_bytes(1).as_ref(), [0xff; 4]);
    let null = Bytes::from_static(&[0xff; 4]);
    assert_eq!(crate::messages::MetadataRequest::from_bytes(null, 0).unwrap_err().reason, DecodeReason::Null);
}

#[test]
fn a_version_that_the_message_lacks_is_an_error() {
    let reason = Older::from_bytes(Bytes::from_static(&[0; 5]), 1).unwrap_err().reason;
    assert_eq!(reason, DecodeReason::Version(1));
}

proptest! {
    #[test]
    fn numbers_survive(small: i32, large: i64, unsigned: u32, float: f64) {
        let bytes = written(false, |e| {
            e.varint(small);
            e.varlong(large);
            e.uvarint(unsigned);
            e.f64(float);
        });
        let mut decoder = decoder(&bytes, false);
        prop_assert_eq!(decoder.varint(), Ok(small));
        prop_assert_eq!(decoder.varlong(), Ok(large));
        prop_assert_eq!(decoder.uvarint(), Ok(unsigned));
        prop_assert_eq!(decoder.f64().map(f64::to_bits), Ok(float.to_bits()));
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn text_and_bytes_survive(flexible: bool, text: Option<String>, blob: Option<Vec<u8>>) {
        let blob = blob.map(Bytes::from);
        let bytes = written(flexible, |e| {
            e.string(text.as_deref());
            e.blob(blob.as_ref());
        });
        let mut decoder = decoder(&bytes, flexible);
        prop_assert_eq!(decoder.string(), Ok(text.map(ByteString::from)));
        prop_assert_eq!(decoder.blob(), Ok(blob));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        for version in 0..=1 {
            let _ = Newer::from_bytes(bytes.clone(), version);
            let _ = Large::from_bytes(bytes.clone(), 0);
        }
    }
}
