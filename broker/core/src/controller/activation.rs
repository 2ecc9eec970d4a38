//! What a controller writes first into an empty metadata log.

use milena_protocol::messages::metadata_records::{
    BeginTransactionRecord, EndTransactionRecord, FeatureLevelRecord, MetadataRecord,
};

use crate::metadata::features::{KRAFT_VERSION, SUPPORTED};

/// The records of a new cluster, one metadata transaction: the level of every feature that is built and has one.
pub fn bootstrap_records() -> Vec<MetadataRecord> {
    let begin = BeginTransactionRecord { name: Some("Bootstrap records".into()) };
    let mut records = vec![begin.into()];
    records.extend(feature_records());
    records.push(EndTransactionRecord {}.into());
    records
}

/// The feature levels of a new cluster. The level of the quorum's own records is a control record, not one of these.
pub fn feature_records() -> impl Iterator<Item = MetadataRecord> {
    let finalized = SUPPORTED.iter().filter(|feature| feature.name != KRAFT_VERSION && feature.initial > 0);
    finalized.map(|feature| {
        FeatureLevelRecord { name: feature.name.into(), feature_level: feature.initial }.into()
    })
}
