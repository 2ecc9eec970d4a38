//! The typed registry of every configuration key of Apache Kafka 4.3: broker, topic, group and client-metrics keys.
//!
//! Each key is one row of a table: name, type, default, validator, how it may be updated, importance, documentation.
//! Everything that reads, checks or describes a configuration goes through the row. Values stay text, as on the wire
//! and in the metadata log; typed getters parse them. Messages of [`ConfigError`] are the ones tools of Kafka print.
//!
//! Source: `KafkaConfig`, `LogConfig`, `GroupConfig`, `ClientMetricsConfigs` of Apache Kafka 4.3.1 (names, types,
//! defaults, bounds); the documentation is our own.

use std::fmt;

pub mod broker;
pub mod client_metrics;
pub mod effect;
pub mod effective;
pub mod file;
pub mod group;
mod parse;
pub mod properties;
pub mod reference;
mod table;
pub mod topic;

pub use parse::{Value, list};
pub use properties::Properties;

/// The type of a value, as DescribeConfigs names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Text, trimmed.
    String = 2,
    /// 32 bit signed.
    Int = 3,
    /// 16 bit signed.
    Short = 4,
    /// 64 bit signed.
    Long = 5,
    /// 64 bit floating point.
    Double = 6,
    /// Comma-separated text.
    List = 7,
    /// The name of a Java class. Kept, never loaded.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl Type {
    /// The name Kafka uses in messages: `INT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// What a value must satisfy beside its type. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Valid {
    /// Every value of the type.
    Any,
    /// A number of at least this.
    AtLeast(i64),
    /// A number between the two.
    Between(i64, i64),
    /// A real number between the two.
    Ratio(f64, f64),
    /// 1 to 9, or -1 for the codec's default.
    GzipLevel,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words in any case.
    OneOfIgnoringCase(&'static [&'static str]),
    /// Entries from these words; duplicates collapse; may be empty.
    Entries(&'static [&'static str]),
    /// Distinct entries from these words, at least one.
    DistinctEntries(&'static [&'static str]),
    /// At least one entry, none twice.
    DistinctNonEmpty,
    /// At least one character.
    NonEmpty,
    /// `*`, or entries of the form partition:broker.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` and an ISO 8601 duration.
    OffsetReset,
}

/// How a key may be changed while a broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Only by a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker or for all.
    ClusterWide,
}

/// How much attention a key deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Most people look at it.
    High,
    /// Some people tune it.
    Medium,
    /// Hardly anybody needs it.
    Low,
}

/// One row of the registry.
#[derive(Debug, PartialEq)]
pub struct Key {
    /// The name: `num.partitions`.
    pub name: &'static str,
    /// The type of its values.
    pub value_type: Type,
    /// The value when nothing is set; `None` where Kafka has none either.
    pub default: Option<&'static str>,
    /// What values must satisfy.
    pub valid: Valid,
    /// When it may change.
    pub update: Update,
    /// How much attention it deserves.
    pub importance: Importance,
    /// Whether DescribeConfigs hides it.
    pub internal: bool,
    /// What it does, in a sentence.
    pub documentation: &'static str,
}

/// A number as Java prints it, which begins with powers of ten early.
fn java_double(number: f64) -> String {
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) || !number.is_finite() {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    if text.contains('.') { text } else { text.replacen('E', ".0E", 1) }
}

impl Key {
    /// A value as Apache Kafka shows it: parsed and printed again. What does not parse stays as it is.
    pub fn shown(&self, text: &str) -> String {
        match self.parse(text) {
            Ok(Value::Boolean(flag)) => flag.to_string(),
            Ok(Value::Integer(number)) => number.to_string(),
            Ok(Value::Real(number)) => java_double(number),
            Ok(Value::List(entries)) => entries.join(","),
            Ok(Value::Text(text)) => text,
            Err(_) => text.to_owned(),
        }
    }

    /// Whether the value must never be shown or logged.
    pub fn is_sensitive(&self) -> bool {
        self.value_type == Type::Password
    }

    /// Whether it may change while a broker runs.
    pub fn is_dynamic(&self) -> bool {
        self.update != Update::ReadOnly
    }

    /// Parses and validates `text`.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        parse::parse(self, text)
    }
}

/// Why a value or a set of values was refused, in the words of Kafka's own errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
