//! Feature levels: what this version can do and what a new cluster finalizes.
//!
//! A feature stands here only when it is built: clients turn protocols on by what is finalized.

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

/// Every feature that is built.
pub const SUPPORTED: &[Feature] = &[
    Feature {
        name: METADATA_VERSION,
        levels: METADATA_VERSION_LEVEL..=METADATA_VERSION_LEVEL,
        initial: METADATA_VERSION_LEVEL,
    },
    Feature { name: KRAFT_VERSION, levels: 0..=1, initial: 0 },
];

/// Every feature of Kafka 4.3: those that are not built may be asked for at level 0.
pub const KNOWN: &[&str] = &[
    METADATA_VERSION,
    KRAFT_VERSION,
    "transaction.version",
    "group.version",
    "eligible.leader.replicas.version",
    "share.version",
    "streams.version",
];
