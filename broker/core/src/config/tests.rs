//! Tables over the registry, and Kafka's words for what it refuses.

use bytestring::ByteString;

use super::broker::server;
use super::effective::{CompressionType, Found, Layers, Source, TopicConfig, Values};
use super::{Properties, broker, client_metrics, group, topic};

#[test]
fn every_default_is_valid_and_every_name_is_declared_once() {
    let all = broker::keys().chain(topic::KEYS.iter().copied()).chain(group::KEYS.iter().copied());
    for key in all.chain(client_metrics::KEYS.iter().copied()) {
        if let Some(default) = key.default {
            key.parse(default).unwrap_or_else(|error| panic!("default of {}: {error}", key.name));
        }
    }
    let mut names: Vec<_> = broker::keys().map(|key| key.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), broker::keys().count()), (360, 360));
    assert_eq!((topic::KEYS.len(), group::KEYS.len(), client_metrics::KEYS.len()), (34, 17, 3));
}

#[test]
fn refusals_use_the_words_of_kafka() {
    let refused = |name: &str, value: &str| {
        let key = topic::key(name).or_else(|| broker::key(name)).expect("known key");
        key.parse(value).expect_err("refused").0
    };
    let table = [
        (
            "retention.ms",
            "abc",
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", "-5", "Invalid value -5 for configuration retention.ms: Value must be at least -1"),
        (
            "segment.bytes",
            "3",
            "Invalid value 3 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            "segment.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "preallocate",
            "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "cleanup.policy",
            "foo",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "min.cleanable.dirty.ratio",
            "2",
            "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        ("process.roles", "broker,broker", "Configuration 'process.roles' values must not be duplicated."),
        (
            "process.roles",
            "",
            "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]",
        ),
    ];
    for (name, value, message) in table {
        assert_eq!(refused(name, value), message);
    }
}

#[test]
fn topic_values_are_checked_as_a_set() {
    let refused = |values: &[(&str, &str)]| topic::validate(values.iter().copied()).expect_err("refused").0;
    assert_eq!(refused(&[("segment.ms", "5"), ("foo", "x")]), "Unknown topic config name: foo");
    assert_eq!(
        refused(&[("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "3")]),
        "conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (3)"
    );
    assert!(topic::validate([("retention.ms", "5"), ("cleanup.policy", "")].into_iter()).is_ok());
}

#[test]
fn a_topic_follows_its_own_value_then_the_broker_then_the_default() {
    let mut file = Properties::default();
    file.set("log.retention.hours", "2").unwrap();
    file.set("compression.type", "zstd").unwrap();
    let cluster = Values::unit("log.retention.ms".into(), "7000".into());
    let own = Values::unit("retention.ms".into(), "5".into());
    let layers = Layers { own: None, broker: None, cluster: None, file: &file };
    let retention = |layers: Layers<'_>| {
        let found = layers.topic(&topic::RETENTION_MS).remove(0);
        (found.name.to_string(), found.value.unwrap(), found.source)
    };
    assert_eq!(retention(layers), ("log.retention.hours".to_owned(), "7200000".into(), Source::StaticBroker));
    let layers = Layers { cluster: Some(&cluster), ..layers };
    assert_eq!(
        retention(layers),
        ("log.retention.ms".to_owned(), "7000".into(), Source::DynamicDefaultBroker)
    );
    let layers = Layers { own: Some(&own), ..layers };
    assert_eq!(retention(layers), ("retention.ms".to_owned(), "5".into(), Source::Topic));

    let resolved = TopicConfig::resolve(&layers);
    assert_eq!(resolved.retention_ms, 5);
    assert_eq!(resolved.compression_type, CompressionType::Zstd(3));
    assert_eq!((resolved.segment_bytes, resolved.segment_ms), (1 << 30, 7 * 24 * 60 * 60 * 1000));
    assert!(resolved.cleanup_delete && !resolved.cleanup_compact);
}

/// As Apache Kafka 4.3.1 answers.
#[test]
fn retention_shows_its_synonyms_unless_only_a_weaker_name_is_set() {
    let shown = |set: &[(&str, &str)]| {
        let mut file = Properties::default();
        set.iter().for_each(|(name, value)| file.set(name, value).unwrap());
        let layers = Layers { own: None, broker: None, cluster: None, file: &file };
        let keys = ["log.retention.ms", "log.retention.minutes"].map(|name| broker::key(name).unwrap());
        let texts = |found: Vec<Found>| {
            let text = |found: Found| {
                let value = found.value.unwrap_or_default();
                let mark = if found.listed { "" } else { "=" };
                format!("{mark}{}:{value}:{}", found.name.rsplit('.').next().unwrap(), found.source as i8)
            };
            found.into_iter().map(text).collect::<Vec<_>>().join(" ")
        };
        [layers.shown_topic(&topic::RETENTION_MS), layers.broker(keys[0]), layers.broker(keys[1])].map(texts)
    };
    let (hours, minutes, ms) =
        (("log.retention.hours", "1"), ("log.retention.minutes", "5"), ("log.retention.ms", "7"));
    assert_eq!(shown(&[hours]), ["=hours:3600000:5", "=ms::5", "=minutes::5"]);
    assert_eq!(shown(&[minutes]), ["=minutes:300000:5", "=ms::5", "minutes:5:4 hours:168:5"]);
    let all = "ms:7:4 hours:1:4 hours:168:5";
    assert_eq!(shown(&[hours, ms]), [format!("=ms:7:4 {all}"), all.to_owned(), "=minutes::5".to_owned()]);
}

#[test]
fn pools_of_threads_at_most_double_or_halve() {
    let key = &server::NUM_IO_THREADS;
    assert!(broker::is_pool(key) && !broker::is_pool(&server::MAX_CONNECTIONS));
    for next in [4, 8, 16] {
        assert_eq!(broker::check_resize(key, 8, next), Ok(()), "{next}");
    }
    for (next, bound) in [
        (0, "at least 1"),
        (3, "at least half the current value 8"),
        (17, "not greater than double the current value 8"),
    ] {
        let message = format!(
            "Dynamic thread count update validation failed for num.io.threads={next}, value should be {bound}"
        );
        assert_eq!(broker::check_resize(key, 8, next).map_err(|error| error.0), Err(message));
    }
}

#[test]
fn dynamic_values_lie_over_the_file_those_of_one_broker_on_top() {
    let values = |pairs: &[(&str, &str)]| -> Values {
        pairs.iter().map(|(name, value)| (ByteString::from(*name), ByteString::from(*value))).collect()
    };
    let mut file = Properties::default();
    file.set("max.connections", "10").unwrap();
    file.set("listener.name.EXTERNAL.max.connections", "3").unwrap();
    assert!(file.set("listener.name.external.max.connections", "x").is_err());
    let cluster = values(&[
        ("max.connections", "20"),
        ("max.connections.per.ip", "2"),
        ("listeners", "A://:1"),
        ("num.partitions", "7"),
        ("background.threads", "none"),
        ("gone", "1"),
    ]);
    let broker = values(&[("max.connections", "30"), ("listener.name.external.max.connections", "4")]);
    let both = file.overlaid(Some(&cluster), Some(&broker));
    let ints = |properties: &Properties| {
        [&server::MAX_CONNECTIONS, &server::MAX_CONNECTIONS_PER_IP, &server::NUM_PARTITIONS]
            .map(|key| properties.int(key))
    };
    assert_eq!(ints(&both), [30, 2, 1]);
    assert_eq!(both.explicit(&server::LISTENERS), None);
    assert_eq!(both.int(&server::BACKGROUND_THREADS), 10);
    assert_eq!(both.int_of_listener("External", &server::MAX_CONNECTIONS), Some(4));
    let cluster_alone = file.overlaid(Some(&cluster), None);
    assert_eq!(ints(&cluster_alone), [20, 2, 1]);
    assert_eq!(cluster_alone.int_of_listener("EXTERNAL", &server::MAX_CONNECTIONS), Some(3));
    assert_eq!(file.overlaid(None, None), file);
}
