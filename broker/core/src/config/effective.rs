//! The value that is in effect: own value, then dynamic broker values, then the file, then the default.
//!
//! [`Layers`] holds what there is; [`Layers::topic`] and friends resolve one key with its source and synonyms, as
//! DescribeConfigs shows them; [`TopicConfig`] is the typed whole that a partition and its log work with.

use std::collections::BTreeMap;

use bytestring::ByteString;

use super::topic::{self, Synonym};
use super::{Key, Properties, Type, Value, broker, group};
use crate::quota::Throttled;

/// Values of one resource in the metadata image.
pub type Values = imbl::OrdMap<ByteString, ByteString>;

/// Where a value comes from, as DescribeConfigs numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Set on this broker while it ran.
    DynamicBroker = 2,
    /// Set on all brokers while they ran.
    DynamicDefaultBroker = 3,
    /// From the file, the environment or an override.
    StaticBroker = 4,
    /// Nobody set anything.
    Default = 5,
    /// Set on the client-metrics subscription.
    ClientMetrics = 7,
    /// Set on the group.
    Group = 8,
}

/// A value with the name it was found under.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The key that holds it, with the prefix of a listener where it has one.
    pub name: ByteString,
    /// The value; `None` where Kafka's default is none either.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// Whether DescribeConfigs lists it among the synonyms. A default is listed under the name of the broker key that
    /// has it; what no broker key has is not.
    pub listed: bool,
}

/// What is configured, from the strongest to the weakest layer.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// Values of the topic, group or subscription itself.
    pub own: Option<&'a Values>,
    /// Dynamic values of this broker.
    pub broker: Option<&'a Values>,
    /// Dynamic values of all brokers.
    pub cluster: Option<&'a Values>,
    /// File, environment and overrides.
    pub file: &'a Properties,
}

impl Found {
    fn is_listed(&self) -> bool {
        self.listed && self.value.is_some()
    }
}

impl Layers<'_> {
    /// A topic key: the value in effect first, then every weaker one that is set.
    pub fn topic(&self, key: &'static Key) -> Vec<Found> {
        let mut found: Vec<Found> = own(self.own, key, Source::Topic).into_iter().collect();
        let synonyms = topic::synonyms(key);
        for synonym in &synonyms {
            found.extend(self.dynamic_and_file(synonym.key).into_iter().map(|value| scaled(value, synonym)));
        }
        let strongest = synonyms.first().map(|synonym| synonym.key);
        found.push(default(key, strongest));
        found
    }

    /// A topic key as DescribeConfigs shows it: the value in effect, then the topic's own value and those of the broker key
    /// that feeds it, unless that is not set by its own name.
    pub fn shown_topic(&self, key: &'static Key) -> Vec<Found> {
        let own = own(self.own, key, Source::Topic);
        let strongest = topic::synonyms(key).first().map(|synonym| synonym.key);
        let of_broker = strongest.map(|key| self.broker(key)).unwrap_or_default();
        let listed: Vec<Found> =
            own.into_iter().chain(of_broker.into_iter().filter(Found::is_listed)).collect();
        let source = listed.first().map_or(Source::Default, |found| found.source);
        let in_effect = self.topic(key).into_iter().next();
        let in_effect = in_effect.map(|found| Found { source, listed: false, ..found });
        in_effect.into_iter().chain(listed).collect()
    }

    /// A broker key as DescribeConfigs shows it: its value first, then every weaker one that is set, and the defaults. One
    /// that is not set by its own name shows no value of another.
    pub fn broker(&self, key: &'static Key) -> Vec<Found> {
        if self.dynamic_and_file(key).is_empty() {
            return vec![default(key, Some(key))];
        }
        let synonyms = broker::synonyms(key);
        let set = synonyms.iter().flat_map(|synonym| self.dynamic_and_file(synonym));
        let defaults = synonyms.iter().map(|synonym| default(synonym, Some(synonym)));
        set.chain(defaults.filter(Found::is_listed)).collect()
    }

    /// Keys of single listeners that are set, by full name: the value in effect first, then every weaker one, then those of
    /// the key without a listener.
    pub fn of_listeners(&self) -> BTreeMap<ByteString, (&'static Key, Vec<Found>)> {
        let mut all: BTreeMap<ByteString, (&'static Key, Vec<Found>)> = BTreeMap::new();
        let mut add = |name: ByteString, value: &str, source| {
            let Some((_, key)) = broker::listener_key(&name) else { return };
            let found = Found { name: name.clone(), value: Some(value.to_owned()), source, listed: true };
            all.entry(name).or_insert_with(|| (key, Vec::new())).1.push(found);
        };
        for (name, value) in self.broker.into_iter().flatten() {
            add(name.clone(), value, Source::DynamicBroker);
        }
        for (name, value) in self.cluster.into_iter().flatten() {
            add(name.clone(), value, Source::DynamicDefaultBroker);
        }
        self.file.of_listeners().for_each(|(name, value)| add(name, value, Source::StaticBroker));
        for (key, found) in all.values_mut() {
            found.extend(self.broker(key));
        }
        all
    }

    /// A group key: the value in effect first, then every weaker one that is set.
    pub fn group(&self, key: &'static Key) -> Vec<Found> {
        let mut found: Vec<Found> = own(self.own, key, Source::Group).into_iter().collect();
        let synonym = group::synonym(key);
        found.extend(synonym.into_iter().flat_map(|synonym| self.dynamic_and_file(synonym)));
        found.push(default(key, synonym.or(Some(key))));
        found
    }

    /// The number in effect for a topic key. A stored value that no longer parses counts as unset.
    pub fn integer(&self, key: &'static Key) -> i64 {
        number(&in_effect(self, key))
    }

    /// Whether a topic key is in effect `true`.
    pub fn boolean(&self, key: &'static Key) -> bool {
        in_effect(self, key) == Value::Boolean(true)
    }

    fn dynamic_and_file(&self, key: &'static Key) -> Vec<Found> {
        let file = self.file.explicit(key).map(|value| Found {
            name: ByteString::from_static(key.name),
            value: Some(value.to_owned()),
            source: Source::StaticBroker,
            listed: true,
        });
        let broker = own(self.broker, key, Source::DynamicBroker);
        let cluster = own(self.cluster, key, Source::DynamicDefaultBroker);
        [broker, cluster, file].into_iter().flatten().collect()
    }
}

/// The value of a client-metrics key, the one in effect first.
pub fn client_metrics(values: Option<&Values>, key: &'static Key) -> Vec<Found> {
    own(values, key, Source::ClientMetrics).into_iter().chain([default(key, None)]).collect()
}

fn own(values: Option<&Values>, key: &'static Key, source: Source) -> Option<Found> {
    let value = values?.get(key.name)?;
    let name = ByteString::from_static(key.name);
    Some(Found { name, value: Some(value.to_string()), source, listed: true })
}

/// The default of `key`, listed under the broker key it belongs to.
fn default(key: &'static Key, listed_as: Option<&'static Key>) -> Found {
    Found {
        name: ByteString::from_static(listed_as.map_or(key.name, |listed| listed.name)),
        value: key.default.map(str::to_owned),
        source: Source::Default,
        listed: listed_as.is_some_and(|listed| listed.default.is_some()),
    }
}

fn scaled(found: Found, synonym: &Synonym) -> Found {
    if synonym.scale == 1 {
        return found;
    }
    let number = found.value.as_deref().and_then(|text| text.trim().parse::<i64>().ok());
    let value = number.map(|n| if n < 0 { n } else { n.saturating_mul(synonym.scale) }.to_string());
    Found { value, ..found }
}

/// The codec of stored batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent them.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// gzip at this level, -1 the default.
    Gzip(i32),
    /// snappy.
    Snappy,
    /// lz4 at this level.
    Lz4(i32),
    /// zstd at this level.
    Zstd(i32),
}

/// Everything a topic is configured with, resolved and typed. Units are in the names; -1 is unlimited where Kafka says so.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each field is the topic key of the same name")]
pub struct TopicConfig {
    pub cleanup_delete: bool,
    pub cleanup_compact: bool,
    pub compression_type: CompressionType,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub follower_replication_throttled_replicas: Throttled,
    pub index_interval_bytes: i32,
    pub leader_replication_throttled_replicas: Throttled,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: i32,
    pub message_timestamp_after_max_ms: i64,
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type=LogAppendTime`.
    pub log_append_time: bool,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
}

impl TopicConfig {
    /// Resolves every key. A stored value that no longer parses counts as unset.
    pub fn resolve(layers: &Layers<'_>) -> Self {
        let text = |key| in_effect(layers, key);
        let long = |key| layers.integer(key);
        let int = |key| i32::try_from(long(key)).unwrap_or(i32::MAX);
        let flag = |key| layers.boolean(key);
        let replicas = |key| match text(key) {
            Value::List(entries) => Throttled::of(&entries),
            _ => Throttled::Nobody,
        };
        let policy = |word: &str| matches!(text(&topic::CLEANUP_POLICY), Value::List(l) if l.iter().any(|e| e == word));
        Self {
            cleanup_delete: policy("delete"),
            cleanup_compact: policy("compact"),
            compression_type: compression_type(layers),
            delete_retention_ms: long(&topic::DELETE_RETENTION_MS),
            file_delete_delay_ms: long(&topic::FILE_DELETE_DELAY_MS),
            flush_messages: long(&topic::FLUSH_MESSAGES),
            flush_ms: long(&topic::FLUSH_MS),
            follower_replication_throttled_replicas: replicas(
                &topic::FOLLOWER_REPLICATION_THROTTLED_REPLICAS,
            ),
            index_interval_bytes: int(&topic::INDEX_INTERVAL_BYTES),
            leader_replication_throttled_replicas: replicas(&topic::LEADER_REPLICATION_THROTTLED_REPLICAS),
            max_compaction_lag_ms: long(&topic::MAX_COMPACTION_LAG_MS),
            max_message_bytes: int(&topic::MAX_MESSAGE_BYTES),
            message_timestamp_after_max_ms: long(&topic::MESSAGE_TIMESTAMP_AFTER_MAX_MS),
            message_timestamp_before_max_ms: long(&topic::MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
            log_append_time: text(&topic::MESSAGE_TIMESTAMP_TYPE) == Value::Text("LogAppendTime".to_owned()),
            min_cleanable_dirty_ratio: real(&text(&topic::MIN_CLEANABLE_DIRTY_RATIO)),
            min_compaction_lag_ms: long(&topic::MIN_COMPACTION_LAG_MS),
            min_insync_replicas: int(&topic::MIN_INSYNC_REPLICAS),
            preallocate: flag(&topic::PREALLOCATE),
            retention_bytes: long(&topic::RETENTION_BYTES),
            retention_ms: long(&topic::RETENTION_MS),
            segment_bytes: segment_bytes(layers),
            segment_index_bytes: int(&topic::SEGMENT_INDEX_BYTES),
            segment_jitter_ms: long(&topic::SEGMENT_JITTER_MS),
            segment_ms: long(&topic::SEGMENT_MS),
            unclean_leader_election_enable: flag(&topic::UNCLEAN_LEADER_ELECTION_ENABLE),
        }
    }
}

fn in_effect(layers: &Layers<'_>, key: &'static Key) -> Value {
    let parsed = |found: Found| found.value.and_then(|text| key.parse(&text).ok());
    layers.topic(key).into_iter().find_map(parsed).unwrap_or_else(|| match key.value_type {
        Type::List => Value::List(Vec::new()),
        Type::String => Value::Text(String::new()),
        _ => Value::Integer(0),
    })
}

fn number(value: &Value) -> i64 {
    if let Value::Integer(number) = value { *number } else { 0 }
}

fn real(value: &Value) -> f64 {
    if let Value::Real(number) = value { *number } else { 0.0 }
}

fn segment_bytes(layers: &Layers<'_>) -> i32 {
    let own = number(&in_effect(layers, &topic::INTERNAL_SEGMENT_BYTES));
    let bytes = if own > 0 { own } else { number(&in_effect(layers, &topic::SEGMENT_BYTES)) };
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

fn compression_type(layers: &Layers<'_>) -> CompressionType {
    let level = |key| i32::try_from(number(&in_effect(layers, key))).unwrap_or(-1);
    match in_effect(layers, &topic::COMPRESSION_TYPE) {
        Value::Text(name) => match name.as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip(level(&topic::COMPRESSION_GZIP_LEVEL)),
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4(level(&topic::COMPRESSION_LZ4_LEVEL)),
            "zstd" => CompressionType::Zstd(level(&topic::COMPRESSION_ZSTD_LEVEL)),
            _ => CompressionType::Producer,
        },
        _ => CompressionType::Producer,
    }
}
