//! Every client-metrics key: which metrics clients push, and how often (KIP-714).
//!
//! Source: `ClientMetricsConfigs` of Apache Kafka 4.3.1.

use super::{ConfigError, Key, Valid, table::keys};

/// Bounds of `interval.ms`, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<i64> = 100..=3_600_000;

/// The client-metrics key called `name`.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|key| key.name == name)
}

/// Checks the whole set of values that a subscription would have.
pub fn validate<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), ConfigError> {
    for (name, value) in values {
        let key =
            key(name).ok_or_else(|| ConfigError(format!("Unknown client metrics configuration: {name}")))?;
        key.parse(value)?;
        let interval = value.trim().parse::<i64>().ok().filter(|_| name == INTERVAL_MS_KEY);
        if interval.is_some_and(|interval| !INTERVAL_MS.contains(&interval)) {
            let bounds = "interval must be between 100 and 3600000 (1 hour)";
            return Err(ConfigError(format!("Invalid value {value} for interval.ms, {bounds}")));
        }
    }
    Ok(())
}

const INTERVAL_MS_KEY: &str = "interval.ms";

keys! {
    /// Time between two pushes of metrics by a matching client.
    PUSH_INTERVAL_MS "interval.ms" Int = Some("300000"), Valid::Any, ClusterWide, Medium;
    /// Patterns that pick clients, as `property=regex` entries.
    CLIENT_MATCH "match" List = Some(""), Valid::Any, ClusterWide, Medium;
    /// Prefixes of the metrics that are asked for; empty asks for all.
    METRICS "metrics" List = Some(""), Valid::Any, ClusterWide, Medium;
}
