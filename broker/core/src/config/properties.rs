//! The broker's own properties: validated text under known keys, read through typed getters.

use std::collections::BTreeMap;

use bytestring::ByteString;

use super::effective::Values;
use super::{ConfigError, Key, Update, Value, broker, parse};

/// Broker properties as set by file, environment and overrides. Everything unset has its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    values: BTreeMap<&'static str, String>,
    /// By listener in lower case and key.
    of_listeners: BTreeMap<(String, &'static str), String>,
}

impl Properties {
    /// Sets the key called `name`, replacing an earlier value. Unknown names and invalid values are refused.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        if let Some((listener, key)) = broker::listener_key(name) {
            key.parse(value)?;
            self.of_listeners.insert((listener.to_lowercase(), key.name), value.to_owned());
            return Ok(());
        }
        let key =
            broker::key(name).ok_or_else(|| ConfigError(format!("Unknown broker config name: {name}")))?;
        key.parse(value)?;
        self.values.insert(key.name, value.to_owned());
        Ok(())
    }

    /// These properties with what was set while brokers ran laid over them: first the values of all brokers, then those
    /// of one. What may not change while a broker runs, or no longer parses, is left out.
    pub fn overlaid(&self, cluster: Option<&Values>, broker: Option<&Values>) -> Self {
        let mut properties = self.clone();
        let mut lay = |values: Option<&Values>, is_allowed: fn(Update) -> bool| {
            for (name, value) in values.into_iter().flatten() {
                let key = broker::key(name).or_else(|| broker::listener_key(name).map(|(_, key)| key));
                if key.is_some_and(|key| is_allowed(key.update)) {
                    // A value that an earlier version took and this one does not counts as unset.
                    properties.set(name, value).ok();
                }
            }
        };
        lay(cluster, |update| update == Update::ClusterWide);
        lay(broker, |update| update != Update::ReadOnly);
        properties
    }

    /// The value of an `Int` key set for one listener: `listener.name.external.max.connections`.
    pub fn int_of_listener(&self, listener: &str, key: &Key) -> Option<i32> {
        let text = self.of_listeners.get(&(listener.to_lowercase(), key.name))?;
        text.trim().parse().ok()
    }

    /// Full name and value of every key that was set for one listener.
    pub fn of_listeners(&self) -> impl Iterator<Item = (ByteString, &str)> {
        let name = |listener: &str, key: &str| format!("listener.name.{listener}.{key}").into();
        self.of_listeners.iter().map(move |((listener, key), value)| (name(listener, key), value.as_str()))
    }

    /// What was set for `key`, if anything was.
    pub fn explicit(&self, key: &Key) -> Option<&str> {
        self.values.get(key.name).map(String::as_str)
    }

    /// Every value that was set.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The text of `key` or its default; `None` where Kafka has no default.
    pub fn text(&self, key: &Key) -> Option<&str> {
        self.explicit(key).or(key.default).map(str::trim)
    }

    /// The value of an integer key. Keys without a default answer `None` while unset.
    pub fn integer(&self, key: &Key) -> Option<i64> {
        match self.value(key)? {
            Value::Integer(number) => Some(number),
            other => unreachable!("{} is not an integer key: {other:?}", key.name),
        }
    }

    /// The value of an `Int` or `Short` key that has a default.
    pub fn int(&self, key: &Key) -> i32 {
        let value = self.integer(key).expect("key has a default");
        i32::try_from(value).expect("validated as an int when it was set")
    }

    /// The value of a `Long` key that has a default.
    pub fn long(&self, key: &Key) -> i64 {
        self.integer(key).expect("key has a default")
    }

    /// The value of a `Double` key that has a default.
    pub fn real(&self, key: &Key) -> f64 {
        match self.value(key).expect("key has a default") {
            Value::Real(number) => number,
            other => unreachable!("{} is not a key of real numbers: {other:?}", key.name),
        }
    }

    /// The value of a `Boolean` key.
    pub fn boolean(&self, key: &Key) -> bool {
        self.value(key) == Some(Value::Boolean(true))
    }

    /// The entries of a `List` key; empty while unset.
    pub fn list(&self, key: &Key) -> Vec<&str> {
        self.text(key).map(|text| parse::list(text).collect()).unwrap_or_default()
    }

    fn value(&self, key: &Key) -> Option<Value> {
        self.text(key).map(|text| key.parse(text).expect("validated when it was set, or a default"))
    }
}
