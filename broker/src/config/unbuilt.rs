//! Keys that promise what this version does not do. Ignoring them in silence would be worse than not starting.

use anyhow::bail;
use milena_core::config::broker::{quorum, server, tier};
use milena_core::config::{Key, Properties, broker};

/// Plugged-in Java classes and other features that cannot be ignored.
static FEATURES: [&Key; 5] = [
    &server::ALTER_CONFIG_POLICY_CLASS_NAME,
    &server::CREATE_TOPIC_POLICY_CLASS_NAME,
    &server::CLIENT_QUOTA_CALLBACK_CLASS,
    &server::CONFIG_PROVIDERS,
    &tier::REMOTE_LOG_STORAGE_SYSTEM_ENABLE,
];

/// What picks the replica that a consumer reads from: the leader, or one in the consumer's rack.
const REPLICA_SELECTORS: [&str; 2] = [
    "org.apache.kafka.common.replica.LeaderSelector",
    "org.apache.kafka.common.replica.RackAwareReplicaSelector",
];

/// Whether `name` is a security key, with or without the prefix of one listener.
pub(super) fn is_security(name: &str) -> bool {
    let of_listener = || name.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.'));
    broker::is_security(name)
        || of_listener().is_some_and(|(_, key)| key.contains("ssl.") || key.contains("sasl."))
}

/// Refuses every key that is set to something else than its default and would not be obeyed.
pub(super) fn refuse(properties: &Properties) -> anyhow::Result<()> {
    for (name, value) in properties.iter() {
        let default = broker::key(name).and_then(|key| key.default).unwrap_or_default();
        if value.trim() == default {
            continue;
        }
        if is_security(name) {
            bail!("{name} is a security key that this version does not enforce");
        }
        if FEATURES.iter().any(|key| key.name == name) {
            bail!("{name}={value} is not built yet");
        }
    }
    let selector = properties.text(&server::REPLICA_SELECTOR_CLASS);
    if let Some(class) = selector.filter(|class| !REPLICA_SELECTORS.contains(class)) {
        bail!("replica.selector.class={class} is not one of {}", REPLICA_SELECTORS.join(", "));
    }
    if properties.boolean(&quorum::UNSTABLE_API_VERSIONS_ENABLE) {
        bail!("unstable.api.versions.enable is not built yet");
    }
    Ok(())
}
