//! Every broker key, in six tables by area, and the older names that feed newer ones.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{ConfigError, Key};

pub mod coordinators;
pub mod log;
pub mod quorum;
pub mod security;
pub mod server;
pub mod throttles;
pub mod tier;

/// Every broker key.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    [server::KEYS, log::KEYS, quorum::KEYS, coordinators::KEYS, security::KEYS, tier::KEYS]
        .into_iter()
        .flatten()
        .copied()
}

/// The key called `name`, be it one that is only set while a broker runs.
pub fn key(name: &str) -> Option<&'static Key> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Key>> =
        LazyLock::new(|| keys().chain(throttles::KEYS.iter().copied()).map(|key| (key.name, key)).collect());
    BY_NAME.get(name).copied()
}

/// The listener and the key of a name such as `listener.name.external.max.connections`: keys of the server that may be
/// set for one listener, beside those of security.
pub fn listener_key(name: &str) -> Option<(&str, &'static Key)> {
    let (listener, name) = name.strip_prefix("listener.name.")?.split_once('.')?;
    let keys =
        [&server::MAX_CONNECTIONS, &server::MAX_CONNECTION_CREATION_RATE, &server::NUM_NETWORK_THREADS];
    Some((listener, keys.into_iter().find(|key| key.name == name)?))
}

/// Whether the value of `key` is a number of threads that may change while a broker runs.
pub fn is_pool(key: &Key) -> bool {
    let pools = [
        &server::NUM_IO_THREADS,
        &server::NUM_REPLICA_FETCHERS,
        &server::BACKGROUND_THREADS,
        &log::NUM_RECOVERY_THREADS_PER_DATA_DIR,
        &log::LOG_CLEANER_THREADS,
    ];
    pools.contains(&key)
}

/// Refuses a pool that would change to less than half or more than double of `current` at once, as Kafka does.
pub fn check_resize(key: &Key, current: i64, next: i64) -> Result<(), ConfigError> {
    let bound = match next {
        _ if next == current => return Ok(()),
        ..1 => "at least 1".to_owned(),
        _ if next < current / 2 => format!("at least half the current value {current}"),
        _ if next > current * 2 => format!("not greater than double the current value {current}"),
        _ => return Ok(()),
    };
    let name = key.name;
    let message =
        format!("Dynamic thread count update validation failed for {name}={next}, value should be {bound}");
    Err(ConfigError(message))
}

/// Whether `name` belongs to security: what such a key protects would not be protected by ignoring it.
pub fn is_security(name: &str) -> bool {
    security::KEYS.iter().any(|key| key.name == name)
        || ["super.users", "allow.everyone.if.no.acl.found"].contains(&name)
}

/// The names whose values feed `key`, the strongest first: `log.roll.ms`, then `log.roll.hours`.
pub fn synonyms(key: &'static Key) -> Vec<&'static Key> {
    let weaker: &[&'static Key] = match key.name {
        "log.roll.ms" => &[&log::LOG_ROLL_HOURS],
        "log.roll.jitter.ms" => &[&log::LOG_ROLL_JITTER_HOURS],
        "log.retention.minutes" => &[&log::LOG_RETENTION_HOURS],
        "log.retention.ms" => &[&log::LOG_RETENTION_MINUTES, &log::LOG_RETENTION_HOURS],
        "log.flush.interval.ms" => &[&log::LOG_FLUSH_SCHEDULER_INTERVAL_MS],
        _ => &[],
    };
    std::iter::once(key).chain(weaker.iter().copied()).collect()
}
