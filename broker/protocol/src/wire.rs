//! What the derive implements: [`Wire`] and [`Struct`] for every struct, [`Message`] for the outermost one, and above it [`Request`]
//! or [`Record`].
//!
//! A struct declares its fields once, with the versions that have them:
//!
//! ```
//! use milena_protocol::{ByteString, Message};
//!
//! /// A message of versions 0 to 3, flexible from 2.
//! #[derive(Debug, Clone, PartialEq, Message)]
//! #[message(versions = "0-3", flexible = "2+")]
//! pub struct Example {
//!     /// In all versions; null is allowed from 1.
//!     #[field(nullable = "1+")]
//!     pub names: Option<Vec<ByteString>>,
//!     /// Absent in version 0, where it reads as its default.
//!     #[field(versions = "1+", default = -1)]
//!     pub epoch: i32,
//!     /// A tagged field, written where it differs from its default.
//!     #[field(versions = "3+", tag = 0, nullable, default = null)]
//!     pub rack: Option<ByteString>,
//! }
//!
//! let example = Example { epoch: 7, ..Example::default() };
//! let bytes = example.to_bytes(3);
//! assert_eq!(bytes.as_ref(), [1, 0, 0, 0, 7, 0]);
//! assert_eq!(Example::from_bytes(bytes, 3), Ok(example));
//! ```
//!
//! Attributes of the outermost struct: `key` and `response` make a request, `key` alone a record. `Default` is derived
//! too and gives the schema's defaults; as in Kafka a nullable field without `default = null` starts empty, not null.
//! Writing null at a version that does not allow it writes the empty value. A field that the version lacks is dropped.

use std::ops::RangeInclusive;

use bytes::Bytes;
use bytestring::ByteString;
use uuid::Uuid;

pub use milena_protocol_derive::Message;

use crate::primitives::{DecodeError, DecodeReason, Decoder, Encoder, Records};

/// A value inside a message.
pub trait Wire: Sized {
    /// Reads the value as `version` of the message has it.
    fn read(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError>;
    /// Writes the value as `version` of the message has it.
    fn write(&self, encoder: &mut Encoder, version: i16);
}

/// A value that may be null in some version.
pub trait Nullable: Wire + Default {
    /// Reads the nullable form.
    fn read_nullable(decoder: &mut Decoder, version: i16) -> Result<Option<Self>, DecodeError>;
    /// Writes the nullable form.
    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: i16);

    /// Reads the nullable form of a tagged field.
    fn read_tagged(decoder: &mut Decoder, version: i16) -> Result<Option<Self>, DecodeError> {
        Self::read_nullable(decoder, version)
    }

    /// Writes the nullable form of a tagged field.
    fn write_tagged(value: Option<&Self>, encoder: &mut Encoder, version: i16) {
        Self::write_nullable(value, encoder, version);
    }
}

/// A struct. Where it may be null a byte precedes it: -1 and 1, but in a tagged field 0 and 1, as Kafka's generated
/// code has it.
pub trait Struct: Wire + Default {}

/// A whole message.
pub trait Message: Struct {
    /// The schema's name.
    const NAME: &'static str;
    /// The versions that can be read and written.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version.
    const FLEXIBLE: Option<i16>;

    /// Whether `version` is flexible.
    fn is_flexible(version: i16) -> bool {
        Self::FLEXIBLE.is_some_and(|first| version >= first)
    }

    /// Reads the message and leaves the decoder behind it.
    fn decode(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(decoder.error(DecodeReason::Version(version)));
        }
        let before = decoder.set_flexible(Self::is_flexible(version));
        let message = Self::read(decoder, version);
        decoder.set_flexible(before);
        message
    }

    /// Writes the message. The caller has checked that `version` is one of [`Message::VERSIONS`].
    fn encode(&self, encoder: &mut Encoder, version: i16) {
        let before = encoder.set_flexible(Self::is_flexible(version));
        self.write(encoder, version);
        encoder.set_flexible(before);
    }

    /// Reads a message that must fill `bytes`.
    fn from_bytes(bytes: Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let message = Self::decode(&mut decoder, version)?;
        decoder.finish()?;
        Ok(message)
    }

    /// Writes the version as 16 bits and then the message: the form of values in coordinators' topics, and of what
    /// clients put into byte fields.
    fn to_versioned_bytes(&self, version: i16) -> Bytes {
        prefixed_bytes(self, version, version)
    }

    /// Reads the version and then a message that must fill `bytes`: [`Message::to_versioned_bytes`] in reverse.
    fn from_versioned_bytes(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let version = decoder.i16()?;
        let message = Self::decode(&mut decoder, version)?;
        decoder.finish()?;
        Ok(message)
    }

    /// Writes a message that holds no slice of a file.
    ///
    /// # Panics
    /// If it does hold one and the file cannot be read.
    fn to_bytes(&self, version: i16) -> Bytes {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder, version);
        encoder.into_bytes().expect("a message in memory needs no file")
    }
}

/// The body of a request.
pub trait Request: Message {
    /// The API key.
    const KEY: i16;
    /// What answers it.
    type Response: Message;
}

/// A record of the metadata log or of a coordinator's topic.
pub trait Record: Message {
    /// The number that tells records of one log apart.
    const KEY: i16;

    /// Writes the number as 16 bits and then version 0 of the record: the form of keys in coordinators' topics.
    fn to_key_bytes(&self) -> Bytes {
        prefixed_bytes(self, Self::KEY, 0)
    }
}

fn prefixed_bytes<M: Message>(message: &M, prefix: i16, version: i16) -> Bytes {
    let mut encoder = Encoder::new();
    encoder.i16(prefix);
    message.encode(&mut encoder, version);
    encoder.into_bytes().expect("a message in memory needs no file")
}

macro_rules! wire_as {
    ($($type:ty: $name:ident;)*) => {
        $(impl Wire for $type {
            fn read(decoder: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
                decoder.$name()
            }

            fn write(&self, encoder: &mut Encoder, _version: i16) {
                encoder.$name(*self);
            }
        })*
    };
}

wire_as! {
    bool: bool;
    i8: i8;
    i16: i16;
    u16: u16;
    i32: i32;
    u32: u32;
    i64: i64;
    f64: f64;
    Uuid: uuid;
}

/// Implements [`Wire`] by the nullable form, null being an error.
macro_rules! wire_by_nullable {
    ($type:ty $(where $generic:ident)?) => {
        impl$(<$generic: Wire>)? Wire for $type {
            fn read(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
                Self::read_nullable(decoder, version)?.ok_or(decoder.error(DecodeReason::Null))
            }

            fn write(&self, encoder: &mut Encoder, version: i16) {
                Self::write_nullable(Some(self), encoder, version);
            }
        }
    };
}

wire_by_nullable!(ByteString);
wire_by_nullable!(Bytes);
wire_by_nullable!(Records);
wire_by_nullable!(Vec<T> where T);

impl Nullable for ByteString {
    fn read_nullable(decoder: &mut Decoder, _version: i16) -> Result<Option<Self>, DecodeError> {
        decoder.string()
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, _version: i16) {
        encoder.string(value.map(|value| &**value));
    }
}

impl Nullable for Bytes {
    fn read_nullable(decoder: &mut Decoder, _version: i16) -> Result<Option<Self>, DecodeError> {
        decoder.blob()
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, _version: i16) {
        encoder.blob(value);
    }
}

impl Nullable for Records {
    fn read_nullable(decoder: &mut Decoder, _version: i16) -> Result<Option<Self>, DecodeError> {
        Ok(decoder.blob()?.map(Self::Bytes))
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, _version: i16) {
        encoder.records(value);
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn read_nullable(decoder: &mut Decoder, version: i16) -> Result<Option<Self>, DecodeError> {
        // The decoder has charged the memory of all elements, so reserving it is within the frame's bound.
        let Some(count) = decoder.count(size_of::<T>())? else { return Ok(None) };
        let mut elements = Self::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(decoder, version)?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: i16) {
        encoder.count(value.map(Self::len));
        for element in value.into_iter().flatten() {
            element.write(encoder, version);
        }
    }
}

impl<T: Struct> Nullable for T {
    fn read_nullable(decoder: &mut Decoder, version: i16) -> Result<Option<Self>, DecodeError> {
        if decoder.i8()? < 0 { Ok(None) } else { Self::read(decoder, version).map(Some) }
    }

    fn write_nullable(value: Option<&Self>, encoder: &mut Encoder, version: i16) {
        encoder.i8(if value.is_some() { 1 } else { -1 });
        if let Some(value) = value {
            value.write(encoder, version);
        }
    }

    fn read_tagged(decoder: &mut Decoder, version: i16) -> Result<Option<Self>, DecodeError> {
        if decoder.uvarint()? == 0 { Ok(None) } else { Self::read(decoder, version).map(Some) }
    }

    fn write_tagged(value: Option<&Self>, encoder: &mut Encoder, version: i16) {
        encoder.uvarint(value.is_some().into());
        if let Some(value) = value {
            value.write(encoder, version);
        }
    }
}

/// Reads a field that is nullable where `nullable` says so. Called by derived code.
#[doc(hidden)]
pub fn read_optional<T: Nullable>(
    decoder: &mut Decoder,
    version: i16,
    nullable: bool,
) -> Result<Option<T>, DecodeError> {
    if nullable { T::read_nullable(decoder, version) } else { T::read(decoder, version).map(Some) }
}

/// Writes a field that is nullable where `nullable` says so. Called by derived code.
#[doc(hidden)]
pub fn write_optional<T: Nullable>(value: &Option<T>, encoder: &mut Encoder, version: i16, nullable: bool) {
    match value {
        value if nullable => T::write_nullable(value.as_ref(), encoder, version),
        Some(value) => value.write(encoder, version),
        None => T::default().write(encoder, version),
    }
}

/// Whether a tagged field must be written. Called by derived code.
#[doc(hidden)]
pub fn differs<T: PartialEq>(value: &T, default: &T) -> bool {
    value != default
}
