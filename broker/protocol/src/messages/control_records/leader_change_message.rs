//! LeaderChangeMessage, as Kafka writes it.

use crate::{Message, Uuid};

/// Leader change message, versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct LeaderChangeMessage {
    pub version: i16,
    pub leader_id: i32,
    pub voters: Vec<Voter>,
    pub granting_voters: Vec<Voter>,
}

#[derive(Debug, Clone, PartialEq, Message)]
pub struct Voter {
    pub voter_id: i32,
    #[field(versions = "1+")]
    pub voter_directory_id: Uuid,
}
