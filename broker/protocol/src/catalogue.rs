//! The list of all messages as values, for whoever treats every message alike: header versions, golden vectors, fuzzing.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::primitives::DecodeError;
use crate::wire::{Message, Request};

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request of this key.
    Request(i16),
    /// The response to a request of this key.
    Response(i16),
    /// A header, or a record of a log.
    Other,
}

/// A message type as a value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The schema's name.
    pub name: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// The versions that can be read and written.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version.
    pub flexible: Option<i16>,
    /// Reads one message and writes it again: the bytes, and how many there were in the input.
    pub recode: fn(Bytes, i16) -> Result<(Bytes, usize), DecodeError>,
    /// Writes the message that has every field's default.
    pub default_bytes: fn(i16) -> Bytes,
}

impl Entry {
    /// The entry of `M`.
    pub(crate) const fn of<M: Message>(kind: Kind) -> Self {
        Self {
            name: M::NAME,
            kind,
            versions: M::VERSIONS,
            flexible: M::FLEXIBLE,
            recode: recode::<M>,
            default_bytes: default_bytes::<M>,
        }
    }

    /// The entry of a request.
    pub(crate) const fn request<R: Request>() -> Self {
        Self::of::<R>(Kind::Request(R::KEY))
    }

    /// The entry of what answers `R`.
    pub(crate) const fn response<R: Request>() -> Self {
        Self::of::<R::Response>(Kind::Response(R::KEY))
    }
}

fn recode<M: Message>(bytes: Bytes, version: i16) -> Result<(Bytes, usize), DecodeError> {
    let mut decoder = crate::Decoder::new(bytes);
    let message = M::decode(&mut decoder, version)?;
    Ok((message.to_bytes(version), decoder.position()))
}

fn default_bytes<M: Message>(version: i16) -> Bytes {
    M::default().to_bytes(version)
}

macro_rules! catalogue {
    (requests { $($request:ident $response:ident,)* } others { $($other:path,)* }) => {
        /// Every message: requests and responses by key, then headers and records.
        pub static CATALOGUE: &[crate::catalogue::Entry] = &[
            $(
                crate::catalogue::Entry::request::<$request>(),
                crate::catalogue::Entry::response::<$request>(),
            )*
            $(crate::catalogue::Entry::of::<$other>(crate::catalogue::Kind::Other),)*
        ];

        /// Whether the request of `key` is flexible at `version`, a later version than known ones included; `None` for
        /// an unknown key.
        pub fn request_flexible(key: i16, version: i16) -> Option<bool> {
            match key {
                $(<$request as crate::Request>::KEY => Some(<$request as crate::Message>::is_flexible(version)),)*
                _ => None,
            }
        }
    };
}

pub(crate) use catalogue;
