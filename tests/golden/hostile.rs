//! Bytes that nobody should send: each is read or refused, without a panic and within bounded memory.

use bytes::Bytes;
use milena_protocol::messages::CATALOGUE;
use milena_protocol::{DECODED_BYTES_PER_BYTE_MAX, MetadataRecord, frames, records};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::memory::allocated_by;
use crate::vector::{ALL, Vector};

/// Mutated messages per run of the test.
const MUTATIONS: u32 = 20_000;
/// Random inputs per version of each message.
const RANDOM_INPUTS: usize = 30;
/// What a decoder may allocate however small the input is: its free allowance, and what writing again takes.
const ALLOCATED_BYTES_FREE: usize = 2 * 1024 * 1024;

/// The largest lengths there are: 16 bits, 32 bits, and as varints of 31 and 32 bits.
const LENGTHS: [&[u8]; 5] = [
    &[0x7f, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x07],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
];

/// Reads `bytes` as the message; what can be read must be writable and read the same again.
fn feed(vector: &Vector, version: i16, bytes: Bytes) {
    let entry = vector.entry;
    let limit = ALLOCATED_BYTES_FREE + 2 * DECODED_BYTES_PER_BYTE_MAX * bytes.len();
    let (read, allocated) = allocated_by(|| (entry.recode)(bytes.clone(), version));
    assert!(allocated <= limit, "{} {version}: {allocated} bytes for {bytes:02x?}", entry.name);
    if let Ok((written, _)) = read {
        let length = written.len();
        assert_eq!(
            (entry.recode)(written.clone(), version),
            Ok((written, length)),
            "{} {version}",
            entry.name
        );
    }
}

#[test]
fn hostile_lengths_reserve_nothing() {
    for vector in ALL.iter() {
        for position in 0..vector.bytes.len() {
            for length in LENGTHS {
                let mut bytes = vector.bytes.to_vec();
                bytes.splice(position..(position + length.len()).min(bytes.len()), length.iter().copied());
                let bytes = Bytes::from(bytes);
                vector.versions.clone().for_each(|version| feed(vector, version, bytes.clone()));
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_every_message_is_read_or_refused() {
    for vector in ALL.iter() {
        for bit in 0..8 * vector.bytes.len() {
            let mut bytes = vector.bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let bytes = Bytes::from(bytes);
            vector.versions.clone().for_each(|version| feed(vector, version, bytes.clone()));
        }
    }
}

#[test]
fn random_bytes_are_read_or_refused() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for entry in CATALOGUE {
        let vector = Vector {
            entry,
            versions: entry.versions.clone(),
            filling: crate::vector::Filling::Full,
            bytes: Bytes::new(),
        };
        for version in entry.versions.clone() {
            for _ in 0..RANDOM_INPUTS {
                let length = random() as usize % 200;
                // Small numbers make lengths that fit, so that reading gets beyond the first of them.
                let small = random() % 2 == 0;
                let bytes: Bytes =
                    (0..length).map(|_| random() as u8 & if small { 0x07 } else { 0xff }).collect();
                feed(&vector, version, bytes);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let interesting = prop_oneof![Just(0u8), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()];
    prop_oneof![
        4 => (any::<Index>(), interesting).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Mutation::Remove(from, to)),
        1 => any::<(Index, Index)>().prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let range = |from: &Index, to: &Index, length: usize| {
        let (a, b) = (from.index(length + 1), to.index(length + 1));
        a.min(b)..a.max(b)
    };
    match mutation {
        Mutation::Set(at, byte) if !bytes.is_empty() => *at.get_mut(bytes) = *byte,
        Mutation::Set(..) => {}
        Mutation::Insert(at, inserted) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, inserted.iter().copied());
        }
        Mutation::Remove(from, to) => drop(bytes.drain(range(from, to, bytes.len()))),
        Mutation::Repeat(from, to) => bytes.extend_from_within(range(from, to, bytes.len())),
    }
}

fn mutated(bytes: &Bytes, mutations: &[Mutation]) -> Bytes {
    let mut bytes = bytes.to_vec();
    mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: MUTATIONS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_are_read_or_refused(
        which: Index,
        version: Index,
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let vector = which.get(&ALL);
        let versions: Vec<_> = vector.versions.clone().collect();
        feed(vector, *version.get(&versions), mutated(&vector.bytes, &mutations));
    }

    #[test]
    fn mutated_frames_are_read_or_refused(
        key in 0i16..100,
        version in -1i16..20,
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let frame = [&key.to_be_bytes()[..], &version.to_be_bytes(), &rest].concat();
        if let Ok(frame) = frames::parse_request(frame.into()) {
            prop_assert_eq!((frame.key, frame.version), (key, version));
            prop_assert!(frame.body.len() <= rest.len());
        }
    }

    #[test]
    fn mutated_records_of_the_metadata_log_are_read_or_refused(
        which: Index,
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let lines = crate::vector::lines("metadata_frames");
        let bytes = mutated(&crate::vector::hex(&which.get(&lines)[1]), &mutations);
        if let Ok(record) = MetadataRecord::from_bytes(bytes) {
            prop_assert_eq!(MetadataRecord::from_bytes(record.to_bytes()), Ok(record));
        }
    }

    #[test]
    fn mutated_batches_are_read_or_refused(which: Index, mutations in prop::collection::vec(mutation(), 1..6)) {
        let lines = crate::vector::lines("batches");
        let bytes = mutated(&crate::vector::hex(&which.get(&lines)[1]), &mutations);
        for batch in records::batches(bytes).map_while(Result::ok) {
            let whole = batch.check_crc().is_ok();
            // What the CRC does not catch, as when a sender computed it over nonsense, must be refused too.
            let read = batch.records().map(|records| records.collect::<Result<Vec<_>, _>>());
            prop_assert!(!whole || matches!(read, Ok(Ok(_))));
        }
    }
}
