//! What a controller writes first into an empty metadata log.

use milena_protocol::messages::metadata_records::{
    BeginTransactionRecord, ConfigRecord, EndTransactionRecord, FeatureLevelRecord, MetadataRecord,
};

use crate::config::topic::MIN_INSYNC_REPLICAS;
use crate::metadata::ResourceType;
use crate::metadata::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION, SUPPORTED};

/// The records of a new cluster, one metadata transaction: the feature levels it starts with, and what they need. Eligible
/// leader replicas need one `min.insync.replicas` of all brokers: the one that this node is configured with.
pub fn bootstrap_records(
    levels: impl IntoIterator<Item = MetadataRecord>,
    min_insync_replicas: i32,
) -> Vec<MetadataRecord> {
    let begin = BeginTransactionRecord { name: Some("Bootstrap records".into()) };
    let mut records = vec![begin.into()];
    records.extend(levels);
    let keeps_elr = |record: &MetadataRecord| {
        matches!(record, MetadataRecord::FeatureLevelRecord(level)
            if *level.name == *ELIGIBLE_LEADER_REPLICAS_VERSION && level.feature_level > 0)
    };
    if records.iter().any(keeps_elr) {
        records.push(min_isr_record("", Some(min_insync_replicas)));
    }
    records.push(EndTransactionRecord {}.into());
    records
}

/// Sets or removes the `min.insync.replicas` of a broker, or of all.
pub(super) fn min_isr_record(broker: &str, value: Option<i32>) -> MetadataRecord {
    ConfigRecord {
        resource_type: ResourceType::Broker as i8,
        resource_name: broker.into(),
        name: MIN_INSYNC_REPLICAS.name.into(),
        value: value.map(|value| value.to_string().into()),
    }
    .into()
}

/// The feature levels of a new cluster. The level of the quorum's own records is a control record, not one of these.
pub fn feature_records() -> impl Iterator<Item = MetadataRecord> {
    let finalized = SUPPORTED.iter().filter(|feature| feature.name != KRAFT_VERSION && feature.initial > 0);
    finalized.map(|feature| {
        FeatureLevelRecord { name: feature.name.into(), feature_level: feature.initial }.into()
    })
}
