//! VotersRecord, as Kafka writes it.

use crate::{ByteString, Message, Uuid};

/// Voters record, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct VotersRecord {
    pub version: i16,
    pub voters: Vec<Voter>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Voter {
    pub voter_id: i32,
    pub voter_directory_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub kraft_version_feature: KRaftVersionFeature,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Endpoint {
    pub name: ByteString,
    pub host: ByteString,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct KRaftVersionFeature {
    pub min_supported_version: i16,
    pub max_supported_version: i16,
}
