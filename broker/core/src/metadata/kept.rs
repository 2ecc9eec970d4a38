//! Records that are kept for snapshots and for whoever will act on them: quotas, ACLs, credentials, tokens, and records of
//! types that this version does not know.

use bytestring::ByteString;
use imbl::OrdMap;
use milena_protocol::Uuid;
use milena_protocol::messages::metadata_records::{
    ClientQuotaRecord, MetadataRecord, ZkMigrationStateRecord,
};

/// What tells two kept records of one kind apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Quota(Vec<(ByteString, Option<ByteString>)>, ByteString),
    Acl(Uuid),
    Scram(ByteString, i8),
    Token(ByteString),
    ZkMigration,
    /// In the order they came: what they say of each other is not known.
    Unknown(usize),
}

/// Kept records by what they are about; a later record replaces or removes an earlier one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kept(OrdMap<Key, MetadataRecord>);

impl Kept {
    /// Takes `record` if it is one of the kept kinds.
    pub(super) fn replay(&mut self, record: &MetadataRecord) {
        let (key, removes) = match record {
            MetadataRecord::ClientQuotaRecord(quota) => (quota_key(quota), quota.remove),
            MetadataRecord::AccessControlEntryRecord(acl) => (Key::Acl(acl.id), false),
            MetadataRecord::RemoveAccessControlEntryRecord(acl) => (Key::Acl(acl.id), true),
            MetadataRecord::UserScramCredentialRecord(user) => {
                (Key::Scram(user.name.clone(), user.mechanism), false)
            }
            MetadataRecord::RemoveUserScramCredentialRecord(user) => {
                (Key::Scram(user.name.clone(), user.mechanism), true)
            }
            MetadataRecord::DelegationTokenRecord(token) => (Key::Token(token.token_id.clone()), false),
            MetadataRecord::RemoveDelegationTokenRecord(token) => (Key::Token(token.token_id.clone()), true),
            MetadataRecord::ZkMigrationStateRecord(ZkMigrationStateRecord { zk_migration_state }) => {
                (Key::ZkMigration, *zk_migration_state == 0)
            }
            MetadataRecord::Unknown(_) => (self.next_unknown(), false),
            _ => return,
        };
        if removes {
            self.0.remove(&key);
        } else {
            self.0.insert(key, record.clone());
        }
    }

    /// The type of a kept record that protects something, if there is one.
    pub(super) fn security_record(&self) -> Option<&'static str> {
        let protects = |key: &&Key| matches!(key, Key::Acl(_) | Key::Scram(..) | Key::Token(_));
        let (_, record) = self.0.iter().find(|(key, _)| protects(key))?;
        Some(record.name())
    }

    fn next_unknown(&self) -> Key {
        match self.0.keys().next_back() {
            Some(Key::Unknown(last)) => Key::Unknown(last + 1),
            _ => Key::Unknown(0),
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &MetadataRecord> {
        self.0.values()
    }
}

fn quota_key(quota: &ClientQuotaRecord) -> Key {
    let entity =
        quota.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone())).collect();
    Key::Quota(entity, quota.key.clone())
}
