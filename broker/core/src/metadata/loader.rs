//! The loader: replays the log and publishes only what lies outside an open metadata transaction (KIP-868).
//!
//! | record | outside | inside |
//! |---|---|---|
//! | BeginTransactionRecord | remembers the image | error |
//! | EndTransactionRecord | error | publishes everything since |
//! | AbortTransactionRecord | error | returns to the remembered image |
//! | others | published at once | hidden until the end |

use milena_protocol::Offset;
use milena_protocol::messages::metadata_records::MetadataRecord;

use super::{MetadataImage, ReplayError};

/// Replays records in the order of the log.
#[derive(Debug, Clone, Default)]
pub struct MetadataLoader {
    current: MetadataImage,
    /// The image from before the open transaction.
    before: Option<MetadataImage>,
}

impl MetadataLoader {
    /// Continues from an image.
    pub fn new(image: MetadataImage) -> Self {
        Self { current: image, before: None }
    }

    /// Replays the record at `offset`.
    pub fn replay(&mut self, offset: Offset, record: &MetadataRecord) -> Result<(), ReplayError> {
        let misplaced =
            |reason: &str| ReplayError { record: record.name(), offset, reason: reason.to_owned() };
        match (record, self.before.take()) {
            (MetadataRecord::BeginTransactionRecord(_), None) => self.before = Some(self.current.clone()),
            (MetadataRecord::BeginTransactionRecord(_), Some(_)) => {
                return Err(misplaced("a transaction is open"));
            }
            (MetadataRecord::EndTransactionRecord(_), Some(_)) => {}
            (MetadataRecord::AbortTransactionRecord(_), Some(before)) => self.current = before,
            (MetadataRecord::EndTransactionRecord(_) | MetadataRecord::AbortTransactionRecord(_), None) => {
                return Err(misplaced("no transaction is open"));
            }
            (_, before) => self.before = before,
        }
        self.current.replay(offset, record)
    }

    /// Moves over a batch that holds no metadata record, such as a control batch.
    pub fn skip_to(&mut self, next_offset: Offset) {
        self.current.skip_to(next_offset);
    }

    /// Everything that was replayed, open transaction included.
    pub fn current(&self) -> &MetadataImage {
        &self.current
    }

    /// What brokers may see.
    pub fn published(&self) -> &MetadataImage {
        self.before.as_ref().unwrap_or(&self.current)
    }

    /// Whether a transaction was begun and not ended: a former controller did not finish it.
    pub fn is_in_transaction(&self) -> bool {
        self.before.is_some()
    }
}
