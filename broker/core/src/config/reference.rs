//! The reference page of every key, as Markdown. `make docs` writes it, `tests/reference` compares.

use std::fmt::Write as _;

use super::effect::{self, Effect};
use super::{Importance, Key, Update, Valid, broker, client_metrics, group, topic};

const INTRODUCTION: &str = "\
# Configuration

Every key of Apache Kafka 4.3, and what it does here. Written by `make docs` from the table that the broker itself uses.

Broker keys are set in `server.properties`, by environment (`KAFKA_LOG_RETENTION_MS`: `_` is `.`, `__` is `_`, `___` is
`-`) or with `--override key=value`, the last being the strongest. Keys marked *cluster-wide* or *per broker* can also be
changed while brokers run, with `kafka-configs.sh --entity-type brokers`: for one broker (`--entity-name 1`) or for all
(`--entity-default`). The value of one broker wins over the value of all, that over the file, that over the default.
`max.connections`, `max.connection.creation.rate` and `num.network.threads` can be set for one listener, too:
`listener.name.external.max.connections`.

The column *here* says what comes of setting a key:

| here | meaning |
|---|---|
| obeyed | It does what it says. |
| no effect yet | It is kept and shown. What it is for is not built yet. |
| not needed | It is kept and shown. What it tunes in Apache Kafka has no counterpart here. |
| refused | A value other than the default is refused: ignoring it would be worse. |
";

/// A table of the page: title, what it is about, its keys.
type Section = (&'static str, &'static str, &'static [&'static Key]);

/// The whole page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    let areas: [Section; 6] = [
        ("Broker: node and metadata quorum", "", broker::quorum::KEYS),
        ("Broker: server", "", broker::server::KEYS),
        ("Broker: log", "Most are the defaults of topic keys.", broker::log::KEYS),
        ("Broker: coordinators", "", broker::coordinators::KEYS),
        ("Broker: security", "Not built yet, so nothing here is obeyed in silence.", broker::security::KEYS),
        ("Broker: tiered storage", "Not built yet.", broker::tier::KEYS),
    ];
    for section in areas {
        table(&mut page, section, update, effect::of_broker);
    }
    let topics = "Set with `kafka-topics.sh --create --config` or `kafka-configs.sh --entity-type topics`. What is not set \
                  follows the broker key in the column *default from*.";
    table(&mut page, ("Topic", topics, topic::KEYS), from_broker, effect::of_topic);
    let groups = "Set with `kafka-configs.sh --entity-type groups`.";
    table(&mut page, ("Group", groups, group::KEYS), from_group, |_| Effect::Kept);
    let metrics = "Set with `kafka-client-metrics.sh`.";
    table(&mut page, ("Client metrics", metrics, client_metrics::KEYS), |_| String::new(), |_| Effect::Kept);
    page
}

/// One table; `extra` fills the column that differs between them.
fn table(
    page: &mut String,
    (title, about, keys): Section,
    extra: fn(&Key) -> String,
    effect: fn(&Key) -> Effect,
) {
    let heading = if title.starts_with("Broker") { "while running" } else { "default from" };
    write!(page, "\n## {title}\n\n").ok();
    if !about.is_empty() {
        write!(page, "{about}\n\n").ok();
    }
    writeln!(page, "| key | type | default | valid | {heading} | importance | here | |").ok();
    writeln!(page, "|---|---|---|---|---|---|---|---|").ok();
    let mut keys: Vec<&Key> = keys.to_vec();
    keys.sort_by_key(|key| key.name);
    for key in keys {
        let cells = [
            format!("`{}`", key.name),
            key.value_type.name().to_lowercase(),
            default(key),
            valid(key),
            extra(key),
            importance(key).to_owned(),
            effect(key).words().to_owned(),
            key.documentation.to_owned(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(page, "| {} |", cells.join(" | ")).ok();
    }
}

fn default(key: &Key) -> String {
    match key.default {
        None => String::new(),
        Some("") => "empty".to_owned(),
        Some(value) => format!("`{}`", value.replace(',', ", ")),
    }
}

fn valid(key: &Key) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match key.valid {
        Valid::Any => String::new(),
        Valid::AtLeast(min) => format!("at least {min}"),
        Valid::Between(min, max) => format!("{min} to {max}"),
        Valid::Ratio(min, max) => format!("{min} to {max}"),
        Valid::GzipLevel => "1 to 9, or -1".to_owned(),
        Valid::OneOf(all) => words(all),
        Valid::OneOfIgnoringCase(all) => format!("{}, in any case", words(all)),
        Valid::Entries(all) => format!("any of {}", words(all)),
        Valid::DistinctEntries(all) => format!("at least one of {}, each once", words(all)),
        Valid::DistinctNonEmpty => "at least one entry, none twice".to_owned(),
        Valid::NonEmpty => "not empty".to_owned(),
        Valid::ThrottledReplicas => "`*`, or `partition:broker` entries".to_owned(),
        Valid::OffsetReset => "`latest`, `earliest`, `by_duration:` and a duration".to_owned(),
    }
}

fn importance(key: &Key) -> &'static str {
    match key.importance {
        Importance::High => "high",
        Importance::Medium => "medium",
        Importance::Low => "low",
    }
}

fn update(key: &Key) -> String {
    match key.update {
        Update::ReadOnly => String::new(),
        Update::PerBroker => "per broker".to_owned(),
        Update::ClusterWide => "cluster-wide".to_owned(),
    }
}

fn from_broker(key: &Key) -> String {
    let names = topic::synonyms(key).into_iter().map(|synonym| format!("`{}`", synonym.key.name));
    names.collect::<Vec<_>>().join(", ")
}

fn from_group(key: &Key) -> String {
    group::synonym(key).map(|key| format!("`{}`", key.name)).unwrap_or_default()
}
