//! Cluster metadata as values: an immutable image, the replay of the metadata log into it, and what changed between two.
//!
//! [`MetadataImage`] is cheap to clone: its maps share what did not change. [`MetadataLoader`] replays records and
//! hides metadata transactions until they end. [`MetadataDelta::between`] tells a broker what to do about a new image.
//! Records that nothing here acts on (quotas, ACLs, credentials, tokens) are kept, so that snapshots carry them on.
//!
//! Source: KIP-631 and the `*Record.json` schemas of Apache Kafka 4.3; `MetadataImage` and `MetadataLoader` for the
//! shape.

pub mod delta;
pub mod directory;
pub mod features;
mod image;
mod kept;
mod loader;
mod replay;
mod snapshot;
pub mod topic_name;

pub use delta::MetadataDelta;
pub use image::{
    BrokerImage, ConfigResource, Endpoint, MetadataImage, PartitionImage, ResourceType, TopicImage,
};
pub use loader::MetadataLoader;
pub use replay::ReplayError;
pub(crate) use snapshot::partition_record;

#[cfg(test)]
mod tests;
