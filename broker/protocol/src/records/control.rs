//! Control records: what a batch with the control flag holds, told by its key.
//!
//! | offset | size | field of the key |
//! |---|---|---|
//! | 0 | 2 | version, 0 |
//! | 2 | 2 | type |
//!
//! Source: KIP-98 (transaction markers), KIP-595 and KIP-630 (quorum), KIP-853 (voters).

use super::Record;

/// What a control record says. The value's layout depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlRecordType {
    /// A transaction was aborted.
    Abort,
    /// A transaction was committed.
    Commit,
    /// A new leader of the quorum took over.
    LeaderChange,
    /// First record of a metadata snapshot.
    SnapshotHeader,
    /// Last record of a metadata snapshot.
    SnapshotFooter,
    /// The finalized `kraft.version`.
    KRaftVersion,
    /// The voters of the quorum.
    KRaftVoters,
}

impl ControlRecordType {
    const ALL: [Self; 7] = [
        Self::Abort,
        Self::Commit,
        Self::LeaderChange,
        Self::SnapshotHeader,
        Self::SnapshotFooter,
        Self::KRaftVersion,
        Self::KRaftVoters,
    ];

    /// The type of this wire id.
    pub fn from_id(id: i16) -> Option<Self> {
        usize::try_from(id).ok().and_then(|id| Self::ALL.get(id).copied())
    }

    /// The wire id.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// The key of a control record of this type.
    pub fn key(self) -> [u8; 4] {
        let [high, low] = self.id().to_be_bytes();
        [0, 0, high, low]
    }
}

/// The type of a record of a control batch; `None` for a type that does not exist (yet), which readers skip.
pub fn control_record_type(record: &Record) -> Option<ControlRecordType> {
    let key = record.key.as_ref()?.first_chunk::<4>()?;
    ControlRecordType::from_id(i16::from_be_bytes([key[2], key[3]]))
}
