//! ZkMigrationStateRecord, as Kafka writes it.

use crate::Message;

/// Zk migration state record (record, key 21), version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(key = 21, versions = "0", flexible = "0+")]
pub struct ZkMigrationStateRecord {
    pub zk_migration_state: i8,
}
