//! A properties file, the keys in it, and values that were stored by something that did not check them.

use milena_core::config::effective::{Layers, TopicConfig, Values};
use milena_core::config::{Properties, broker, client_metrics, file, group, topic};
use milena_core::group::GroupSettings;
use milena_protocol::ByteString;

use super::bounded;

const ALLOCATED_BYTES_FREE: usize = 16 * 1024 * 1024;

pub(super) fn run(data: &[u8]) {
    bounded(ALLOCATED_BYTES_FREE + 1_000 * data.len(), || read(data));
}

fn read(data: &[u8]) {
    let Ok(entries) = file::entries(data) else { return };
    let mut properties = Properties::default();
    let mut stored = Values::new();
    for (name, value) in &entries {
        if properties.set(name, value).is_ok() {
            let key = broker::key(name).expect("only known keys can be set");
            assert!(key.parse(value).is_ok());
        }
        stored.insert(ByteString::from(name.as_str()), ByteString::from(value.as_str()));
    }
    let pairs = entries.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let _ = topic::validate(pairs.clone());
    let _ = group::validate(pairs.clone());
    let _ = client_metrics::validate(pairs);
    resolve(&properties, &stored);
}

fn resolve(properties: &Properties, stored: &Values) {
    let _ = GroupSettings::from(properties);
    let layers = Layers { own: Some(stored), broker: Some(stored), cluster: Some(stored), file: properties };
    let _ = TopicConfig::resolve(&layers);
    let file_only = Layers { own: None, broker: None, cluster: None, file: properties };
    let _ = TopicConfig::resolve(&file_only);
    for key in broker::keys() {
        let _ = (layers.broker(key), properties.text(key), properties.list(key));
    }
    topic::KEYS.iter().for_each(|key| drop(layers.topic(key)));
    group::KEYS.iter().for_each(|key| drop(layers.group(key)));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let line = |name: &str, value: Option<&str>| format!("{name}={}\n", value.unwrap_or_default());
    let broker: String = broker::keys().map(|key| line(key.name, key.default)).collect();
    let topic: String = topic::KEYS.iter().map(|key| line(key.name, key.default)).collect();
    let others = group::KEYS.iter().chain(client_metrics::KEYS);
    let others: String = others.map(|key| line(key.name, key.default)).collect();
    let escapes = "# c\n! c\nlog\\u002eretention.ms : \\\n  5\r\nlisteners\\=x\t\\u0041\\n";
    let texts = [broker, topic, others, escapes.to_owned()];
    let finding = include_bytes!("../findings/properties_with_a_byte_order_mark").to_vec();
    texts.into_iter().map(String::into_bytes).chain([finding]).collect()
}
