//! Feature levels: what this version can do, what a new cluster finalizes, and what a cluster of Apache Kafka may have
//! finalized before it came here.
//!
//! A feature is supported only when it is built: clients turn protocols on by what is finalized. Levels that are known
//! but not built are kept in the metadata and told to nobody; records that they govern are kept too.

use std::ops::RangeInclusive;

/// A feature and the levels that are supported.
#[derive(Debug, Clone)]
pub struct Feature {
    /// Its name in FeatureLevelRecord and ApiVersions.
    pub name: &'static str,
    /// The supported levels.
    pub levels: RangeInclusive<i16>,
    /// The level of a new cluster.
    pub initial: i16,
}

/// The name of the feature that numbers the metadata records.
pub const METADATA_VERSION: &str = "metadata.version";
/// 4.3-IV0.
pub const METADATA_VERSION_LEVEL: i16 = 30;
/// The name of the feature that numbers the quorum's own records; its level is a control record.
pub const KRAFT_VERSION: &str = "kraft.version";

/// The name of the feature that keeps replicas eligible that left the ISR (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";

/// Every feature that is built.
pub const SUPPORTED: &[Feature] = &[
    Feature {
        name: METADATA_VERSION,
        levels: METADATA_VERSION_LEVEL..=METADATA_VERSION_LEVEL,
        initial: METADATA_VERSION_LEVEL,
    },
    Feature { name: KRAFT_VERSION, levels: 0..=1, initial: 0 },
    Feature { name: ELIGIBLE_LEADER_REPLICAS_VERSION, levels: 0..=1, initial: 1 },
];

/// Every feature of Kafka 4.3 and its highest level. Those that are not built may be lowered to level 0.
pub const KNOWN: &[(&str, i16)] = &[
    (METADATA_VERSION, METADATA_VERSION_LEVEL),
    (KRAFT_VERSION, 1),
    ("transaction.version", 2),
    ("group.version", 1),
    (ELIGIBLE_LEADER_REPLICAS_VERSION, 1),
    ("share.version", 1),
    ("streams.version", 1),
];

/// Whether this version does what the feature promises at `level`.
pub fn is_supported(name: &str, level: i16) -> bool {
    SUPPORTED.iter().any(|feature| feature.name == name && feature.levels.contains(&level))
}

/// Whether a cluster may come with the feature at `level`: it is supported, or Kafka 4.3 knows it and it can be kept
/// without being served. Levels of the metadata records themselves must be supported.
pub fn is_acceptable(name: &str, level: i16) -> bool {
    let is_kept = |(known, max): &(&str, i16)| {
        *known == name && (0..=*max).contains(&level) && ![METADATA_VERSION, KRAFT_VERSION].contains(known)
    };
    is_supported(name, level) && name != KRAFT_VERSION || KNOWN.iter().any(is_kept)
}
