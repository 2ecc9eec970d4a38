//! Records of every shape: with and without keys, values and headers, of any age and size.

use crc_fast::{CrcAlgorithm, checksum};
use milena_protocol::Timestamp;
use milena_protocol::records::{BatchBuilder, NewRecord, Record};
use milena_tests::Dice;

use crate::ledger::{Rules, Sent};

/// Keys of compacted topics; few, so that there is something to compact.
const KEYS: i64 = 60;
/// The largest value, about.
const VALUE_BYTES_MAX: usize = 30_000;
/// The same in the batches that are to become large.
const HEAVY_BYTES_MAX: usize = 3_000;
/// The largest batch, before compression.
const BATCH_BYTES_MAX: usize = 500_000;
/// How old a record may be.
const AGE_MS_MAX: i64 = 90_000;

type Bytes = Option<Vec<u8>>;

/// A record that is to be sent.
#[derive(Debug)]
pub(crate) struct Content {
    key: Bytes,
    value: Bytes,
    headers: Vec<(String, Bytes)>,
    timestamp: i64,
}

/// What tells key, value and headers apart: CRC-64/XZ over lengths and bytes, -1 for null.
pub(crate) fn fingerprint<'a>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) -> u64 {
    let mut bytes = Vec::new();
    let mut add = |part: Option<&[u8]>| {
        bytes.extend_from_slice(&part.map_or(-1, |part| part.len() as i64).to_be_bytes());
        bytes.extend_from_slice(part.unwrap_or_default());
    };
    add(key);
    add(value);
    for (name, value) in headers {
        add(Some(name));
        add(value);
    }
    checksum(CrcAlgorithm::Crc64Xz, &bytes)
}

/// What tells keys apart.
pub(crate) fn key_of(key: Option<&[u8]>) -> Option<u64> {
    key.map(|key| checksum(CrcAlgorithm::Crc64Xz, key))
}

/// The fingerprint of a record that was read.
pub(crate) fn of_record(record: &Record) -> u64 {
    let headers =
        record.headers.iter().map(|header| (header.key.as_bytes().as_ref(), header.value.as_deref()));
    fingerprint(record.key.as_deref(), record.value.as_deref(), headers)
}

impl Content {
    /// The record `number` of `writer`. Heavy ones make large batches.
    pub(crate) fn new(
        dice: &mut Dice,
        rules: &Rules,
        (writer, number): (u32, u64),
        (is_heavy, now_ms): (bool, i64),
    ) -> Self {
        let mark = format!("{writer} {number} ");
        let key = if rules.compacts {
            Some(format!("key {}", dice.below(KEYS as usize)).into_bytes())
        } else {
            dice.percent(60).then(|| vec![b'k'; dice.below(30)])
        };
        let value = dice.percent(85).then(|| filled(dice, &mark, is_heavy));
        let mut headers = dice.several(3, |dice| {
            ("h".repeat(dice.below(9)), dice.percent(70).then(|| vec![7; dice.below(40)]))
        });
        if value.is_none() && (rules.stamps || dice.percent(80)) {
            headers.push(("mark".to_owned(), Some(mark.into_bytes())));
        }
        Self { key, value, headers, timestamp: now_ms - dice.between(0, AGE_MS_MAX) }
    }

    pub(crate) fn sent(&self, writer: u32, number: u64) -> Sent {
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        Sent {
            content: fingerprint(self.key.as_deref(), self.value.as_deref(), headers),
            timestamp: self.timestamp,
            key: key_of(self.key.as_deref()),
            is_tombstone: self.value.is_none(),
            writer,
            number,
        }
    }

    pub(crate) fn push_to(&self, builder: &mut BatchBuilder) {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        builder.push(NewRecord {
            timestamp: Timestamp(self.timestamp),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        });
    }
}

/// How many records a batch gets, and whether it may grow large.
pub(crate) fn batch_size(dice: &mut Dice) -> usize {
    dice.of(&[1, 1, 2, 5, 20, 60, 300])
}

/// Whether a batch has got as large as it may: with another record it must fit into a segment.
pub(crate) fn is_full(builder: &BatchBuilder, rules: &Rules) -> bool {
    builder.size_bytes() + VALUE_BYTES_MAX + 1000 > rules.segment_bytes.min(BATCH_BYTES_MAX)
}

/// A value that begins with `mark`: most are short, some long; part of it compresses well.
fn filled(dice: &mut Dice, mark: &str, is_heavy: bool) -> Vec<u8> {
    let mut value = mark.as_bytes().to_vec();
    let is_long = dice.percent(1);
    let below = if is_long { VALUE_BYTES_MAX } else { [250, HEAVY_BYTES_MAX][usize::from(is_heavy)] };
    let length = value.len() + dice.below(below);
    let chunk: Vec<u8> = (0..dice.between(1, 60)).map(|_| dice.below(256) as u8).collect();
    while value.len() < length {
        value.extend_from_slice(&chunk);
    }
    value
}
