//! A small deterministic source of random numbers, seeded by the shell. Not for secrets.

use milena_protocol::{TopicId, Uuid};

/// Two SplitMix64 streams.
#[derive(Debug, Clone)]
pub(super) struct Random {
    high: u64,
    low: u64,
}

impl Random {
    pub(super) fn new(seed: u128) -> Self {
        Self { high: (seed >> 64) as u64, low: seed as u64 }
    }

    pub(super) fn number(&mut self) -> u64 {
        split_mix(&mut self.low)
    }

    /// A random id. Kafka reserves small ones and shuns those whose text starts with a dash.
    pub(super) fn topic_id(&mut self) -> TopicId {
        loop {
            let bits = u128::from(split_mix(&mut self.high)) << 64 | u128::from(split_mix(&mut self.low));
            let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
            if !starts_with_dash(id) {
                return TopicId(id);
            }
        }
    }
}

/// Whether the base64 text of `id` starts with `-`: its first six bits are 62.
fn starts_with_dash(id: Uuid) -> bool {
    id.as_bytes()[0] >> 2 == 62
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
