//! DefaultPrincipalData, as Kafka writes it.

use crate::{ByteString, Message};

/// Default principal data, version 0.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct DefaultPrincipalData {
    pub r#type: ByteString,
    pub name: ByteString,
    pub token_authenticated: bool,
}
