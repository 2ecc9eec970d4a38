//! Newtypes for the numbers that must not be mixed up. They wrap what is on the wire and stay out of the wire structs.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

pub use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

number! {
    /// The position of a record in its partition.
    Offset(i64)
}
number! {
    /// How often a partition, or the quorum, has had a leader.
    LeaderEpoch(i32)
}
number! {
    /// A broker or controller of the cluster.
    NodeId(i32)
}
number! {
    /// An idempotent producer.
    ProducerId(i64)
}
number! {
    /// The incarnation of a producer; a higher one fences the lower.
    ProducerEpoch(i16)
}
number! {
    /// A partition of a topic, counted from zero.
    PartitionIndex(i32)
}
number! {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64)
}

impl Offset {
    /// No offset: the wire's -1.
    pub const NONE: Self = Self(-1);
    /// The first offset of a partition.
    pub const ZERO: Self = Self(0);
}

/// The offset that lies `records` further.
impl Add<i64> for Offset {
    type Output = Self;

    fn add(self, records: i64) -> Self {
        Self(self.0.saturating_add(records))
    }
}

impl AddAssign<i64> for Offset {
    fn add_assign(&mut self, records: i64) {
        *self = *self + records;
    }
}

/// The distance in offsets.
impl Sub for Offset {
    type Output = i64;

    fn sub(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl LeaderEpoch {
    /// No epoch: the wire's -1.
    pub const NONE: Self = Self(-1);
    /// The epoch of a new partition's first leader.
    pub const ZERO: Self = Self(0);

    /// The epoch of the next leader.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl NodeId {
    /// No node: the wire's -1.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// Not idempotent: the wire's -1.
    pub const NONE: Self = Self(-1);
}

impl ProducerEpoch {
    /// Not idempotent: the wire's -1.
    pub const NONE: Self = Self(-1);
}

impl Timestamp {
    /// No timestamp: the wire's -1.
    pub const NONE: Self = Self(-1);

    /// The moment `ms` milliseconds later.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`, negative when that lies ahead.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The identity of a topic, which a name does not have: a topic that is created again gets another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// No topic: the wire's zero.
    pub const ZERO: Self = Self(Uuid::nil());

    /// Whether this names no topic.
    pub const fn is_zero(self) -> bool {
        self.0.is_nil()
    }
}

impl From<Uuid> for TopicId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<TopicId> for Uuid {
    fn from(id: TopicId) -> Self {
        id.0
    }
}

/// Kafka's spelling: 22 characters of URL-safe base64.
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64(self.0))
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An id in Kafka's spelling, as in `meta.properties` and tool output: URL-safe base64 without padding.
pub fn base64(id: Uuid) -> String {
    // 22 digits of six bits hold the 128 bits and four zero bits at the end.
    let digit = |index: u32| {
        let bits = if index < 21 { id.as_u128() >> (122 - 6 * index) } else { id.as_u128() << 4 };
        char::from(BASE64_URL[(bits & 0x3f) as usize])
    };
    (0..22).map(digit).collect()
}

/// Reads what [`base64`] writes; padding is accepted.
pub fn from_base64(text: &str) -> Option<Uuid> {
    let text = text.trim_end_matches('=');
    if text.len() != 22 {
        return None;
    }
    let mut bits = 0u128;
    for (index, byte) in text.bytes().enumerate() {
        let digit = BASE64_URL.iter().position(|&c| c == byte)? as u128;
        bits = if index < 21 { (bits << 6) | digit } else { (bits << 2) | (digit >> 4) };
    }
    Some(Uuid::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_spelled_as_kafka_spells_them() {
        // Uuid.METADATA_TOPIC_ID and a value printed by `kafka-storage random-uuid`.
        assert_eq!(TopicId(Uuid::from_u128(1)).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        let id = from_base64("MkU3OEVBNTcwNTJENDM2Qg").unwrap();
        assert_eq!(id.as_bytes(), b"2E78EA57052D436B");
        assert_eq!(base64(id), "MkU3OEVBNTcwNTJENDM2Qg");
        assert_eq!(from_base64("MkU3OEVBNTcwNTJENDM2Qg=="), Some(id));
        assert_eq!(from_base64("too-short"), None);
    }

    #[test]
    fn distances_saturate() {
        assert_eq!(Offset(i64::MAX) + 1, Offset(i64::MAX));
        assert_eq!(Offset(7) - Offset(3), 4);
        assert_eq!(Timestamp(5).ms_since(Timestamp(9)), -4);
    }
}
