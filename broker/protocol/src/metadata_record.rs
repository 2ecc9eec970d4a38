//! A record of the metadata log: one enum over all of them, and the frame around each.
//!
//! | field | size |
//! |---|---|
//! | frame version, always 1 | unsigned varint |
//! | record type, such as 2 for `TopicRecord` | unsigned varint |
//! | version of the record | unsigned varint |
//! | the record | rest |
//!
//! Source: KIP-631; `MetadataRecordSerde` of Apache Kafka, which refuses bytes after the record too.

use bytes::Bytes;

use crate::messages::metadata_records::*;
use crate::primitives::{DecodeError, DecodeReason, Decoder, Encoder};
use crate::wire::{Message, Record};

/// A record of a type that this version does not know, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRecord {
    /// The number of its type.
    pub key: i16,
    /// The version of the record.
    pub version: i16,
    /// What follows the frame.
    pub body: Bytes,
}

/// The only version of the frame.
const FRAME_VERSION: u32 = 1;

macro_rules! metadata_records {
    ($($name:ident),* $(,)?) => {
        /// A record of the metadata log.
        #[derive(Debug, Clone, PartialEq)]
        pub enum MetadataRecord {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
            /// A record of a type that this version does not know.
            Unknown(UnknownRecord),
        }

        $(
            impl From<$name> for MetadataRecord {
                fn from(record: $name) -> Self {
                    Self::$name(record)
                }
            }
        )*

        impl MetadataRecord {
            /// The number of the record's type.
            pub const fn key(&self) -> i16 {
                match self {
                    $(Self::$name(_) => $name::KEY,)*
                    Self::Unknown(record) => record.key,
                }
            }

            /// The name of the record's type.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $name::NAME,)*
                    Self::Unknown(_) => "record of an unknown type",
                }
            }

            /// The version that a cluster of the newest `metadata.version` writes: the record's highest.
            pub const fn version(&self) -> i16 {
                match self {
                    $(Self::$name(_) => *$name::VERSIONS.end(),)*
                    Self::Unknown(record) => record.version,
                }
            }

            fn encode_body(&self, encoder: &mut Encoder, version: i16) {
                match self {
                    $(Self::$name(record) => record.encode(encoder, version),)*
                    Self::Unknown(record) => encoder.slice(&record.body),
                }
            }

            fn decode_body(decoder: &mut Decoder, key: u32, version: i16) -> Result<Self, DecodeError> {
                match i16::try_from(key) {
                    $(Ok($name::KEY) => $name::decode(decoder, version).map(Self::$name),)*
                    Ok(key) => {
                        let body = decoder.bytes(decoder.remaining())?;
                        Ok(Self::Unknown(UnknownRecord { key, version, body }))
                    }
                    Err(_) => Err(decoder.error(DecodeReason::Type(key))),
                }
            }
        }
    };
}

metadata_records! {
    AbortTransactionRecord, AccessControlEntryRecord, BeginTransactionRecord, BrokerRegistrationChangeRecord,
    ClearElrRecord, ClientQuotaRecord, ConfigRecord, DelegationTokenRecord, EndTransactionRecord, FeatureLevelRecord,
    FenceBrokerRecord, NoOpRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord, RemoveTopicRecord,
    RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord, UnregisterBrokerRecord, UserScramCredentialRecord,
    ZkMigrationStateRecord,
}

impl MetadataRecord {
    /// The value of the log's record, in the version of [`MetadataRecord::version`].
    pub fn to_bytes(&self) -> Bytes {
        let version = self.version();
        let mut encoder = Encoder::new();
        encoder.uvarint(FRAME_VERSION);
        encoder.uvarint(self.key() as u32);
        encoder.uvarint(version as u32);
        self.encode_body(&mut encoder, version);
        encoder.into_bytes().expect("a record in memory needs no file")
    }

    /// Reads the value of a record of the log.
    pub fn from_bytes(value: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(value);
        let frame_version = decoder.uvarint()?;
        if frame_version != FRAME_VERSION {
            return Err(decoder.error(DecodeReason::Type(frame_version)));
        }
        let (key, version) = (decoder.uvarint()?, decoder.uvarint()?);
        let version = i16::try_from(version).map_err(|_| decoder.error(DecodeReason::Version(i16::MAX)))?;
        let record = Self::decode_body(&mut decoder, key, version)?;
        decoder.finish()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_frame() {
        let record = MetadataRecord::from(TopicRecord { name: "trucks".into(), ..TopicRecord::default() });
        let bytes = record.to_bytes();
        assert_eq!(bytes[..3], [1, 2, 0]);
        assert_eq!(MetadataRecord::from_bytes(bytes), Ok(record));
    }

    #[test]
    fn a_record_of_an_unknown_type_is_kept_as_it_came() {
        let bytes = Bytes::from_static(&[1, 99, 3, 7, 8, 9]);
        let record = MetadataRecord::from_bytes(bytes.clone()).unwrap();
        assert_eq!((record.key(), record.version()), (99, 3));
        assert_eq!(record.to_bytes(), bytes);
    }

    #[test]
    fn what_is_not_a_record_is_refused() {
        let reason =
            |bytes: &'static [u8]| MetadataRecord::from_bytes(Bytes::from_static(bytes)).unwrap_err().reason;
        assert_eq!(reason(&[2, 20, 0, 0]), DecodeReason::Type(2));
        assert_eq!(reason(&[1, 0xff, 0xff, 0x7f, 0, 0]), DecodeReason::Type(0x1f_ffff));
        assert_eq!(reason(&[1, 20, 9, 0]), DecodeReason::Version(9));
        assert_eq!(reason(&[1, 20, 0, 0, 0]), DecodeReason::Trailing(1));
    }
}
