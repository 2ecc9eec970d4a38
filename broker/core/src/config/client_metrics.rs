//! Every client-metrics key: which metrics clients push, and how often (KIP-714).
//!
//! Source: `ClientMetricsConfigs` of Apache Kafka 4.3.1.

use milena_protocol::ErrorCode;

use super::{ConfigError, Key, Valid, Value, table::keys};

/// Bounds of `interval.ms`, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<i64> = 100..=3_600_000;

/// The client-metrics key called `name`.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|key| key.name == name)
}

/// What a pattern of `match` may look at.
const MATCHED: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Checks the whole set of values that a subscription would have. A value of the wrong type is a wrong configuration, a
/// wrong name or interval a wrong request, as in Apache Kafka. The regular expressions of `match` are not compiled.
pub fn validate<'a>(
    values: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), (ErrorCode, ConfigError)> {
    let request = |message: String| (ErrorCode::InvalidRequest, ConfigError(message));
    let config = |error: ConfigError| (ErrorCode::InvalidConfig, error);
    for (name, value) in values {
        let key =
            key(name).ok_or_else(|| request(format!("Unknown client metrics configuration: {name}")))?;
        match key.parse(value).map_err(config)? {
            Value::Integer(interval) if !INTERVAL_MS.contains(&interval) => {
                let bounds = "interval must be between 100 and 3600000 (1 hour)";
                return Err(request(format!("Invalid value {interval} for {name}, {bounds}")));
            }
            Value::List(patterns) if key.name == CLIENT_MATCH.name => {
                patterns.iter().try_for_each(|pattern| check_pattern(pattern)).map_err(config)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_pattern(pattern: &str) -> Result<(), ConfigError> {
    let known = pattern
        .split_once('=')
        .filter(|(name, regex)| MATCHED.contains(&name.trim()) && !regex.is_empty() && !regex.contains('='));
    known.map(drop).ok_or_else(|| ConfigError(format!("Illegal client matching pattern: {pattern}")))
}

keys! {
    /// Time between two pushes of metrics by a matching client.
    PUSH_INTERVAL_MS "interval.ms" Int = Some("300000"), Valid::Any, ClusterWide, Medium;
    /// Patterns that pick clients, as `property=regex` entries.
    CLIENT_MATCH "match" List = Some(""), Valid::Any, ClusterWide, Medium;
    /// Prefixes of the metrics that are asked for; empty asks for all.
    METRICS "metrics" List = Some(""), Valid::Any, ClusterWide, Medium;
}
