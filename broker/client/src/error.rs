//! What can go wrong between a client and a broker.

use milena_protocol::{ByteString, DecodeError, ErrorCode};

/// Why a request has no answer. The broker may have carried it out all the same, except after `Dial` and `Version`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The name did not resolve, nothing listens there, or the handshake failed.
    #[error("dial {address}: {reason}")]
    Dial {
        /// `host:port` as it was asked for.
        address: String,
        /// The error of the operating system.
        reason: String,
    },
    /// The connection ended before the answer came.
    #[error("connection to {address} closed: {reason}")]
    Closed {
        /// `host:port` as it was dialled.
        address: String,
        /// What ended it.
        reason: String,
    },
    /// No answer in time. The connection was closed, since answers come in order.
    #[error("no answer from {address} within {timeout_ms} ms")]
    Timeout {
        /// `host:port` as it was dialled.
        address: String,
        /// How long the request waited, in milliseconds.
        timeout_ms: u64,
    },
    /// The broker and this client have no version of the API in common.
    #[error("{address} speaks no version of {api} that this client knows")]
    Version {
        /// `host:port` as it was dialled.
        address: String,
        /// The API's name.
        api: &'static str,
    },
    /// The answer is not what the protocol says.
    #[error("malformed answer: {0}")]
    Decode(#[from] DecodeError),
    /// The broker refused the request as a whole.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// A refusal by the broker, of a request or of one item in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", code.name(), message.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
pub struct Refused {
    /// The broker's code, never [`ErrorCode::None`].
    pub code: ErrorCode,
    /// The broker's explanation.
    pub message: Option<String>,
}

impl Refused {
    /// `Ok` for code 0.
    pub(crate) fn check(code: i16, message: Option<&ByteString>) -> Result<(), Self> {
        match ErrorCode::from(code) {
            ErrorCode::None => Ok(()),
            code => Err(Self { code, message: message.map(ToString::to_string) }),
        }
    }
}
