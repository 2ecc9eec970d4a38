//! Every broker key, in six tables by area, and the older names that feed newer ones.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Key;

pub mod coordinators;
pub mod log;
pub mod quorum;
pub mod security;
pub mod server;
pub mod tier;

/// Every broker key.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    [server::KEYS, log::KEYS, quorum::KEYS, coordinators::KEYS, security::KEYS, tier::KEYS]
        .into_iter()
        .flatten()
        .copied()
}

/// The key called `name`.
pub fn key(name: &str) -> Option<&'static Key> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Key>> =
        LazyLock::new(|| keys().map(|key| (key.name, key)).collect());
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
        "log.retention.ms" => &[&log::LOG_RETENTION_MINUTES, &log::LOG_RETENTION_HOURS],
        "log.flush.interval.ms" => &[&log::LOG_FLUSH_SCHEDULER_INTERVAL_MS],
        _ => &[],
    };
    std::iter::once(key).chain(weaker.iter().copied()).collect()
}
