//! The broker's properties as they are now: the file, and over it what was set while the broker ran (KIP-226).
//!
//! [`LiveProperties::apply`] is called once per new metadata image, before the image is shown to handlers, so that the
//! answer to IncrementalAlterConfigs comes after the change has taken effect. Who works with a dynamic key either
//!
//! - reads it each time it is needed: `broker.live.current().int(&server::MAX_CONNECTIONS)`, for what is decided now and
//!   then (a connection accepted, a turn of a background task begun), or
//! - is told: `let mut changes = broker.live.subscribe();`, then `changes.changed().await` and
//!   `changes.borrow_and_update()`, for what has to be resized or woken.
//!
//! A value for one listener is `current().int_of_listener("EXTERNAL", &server::MAX_CONNECTIONS)`. Keys that are the
//! defaults of topic keys need none of this: partitions get their whole `TopicConfig` anew. Nothing else in the process
//! may keep the value of a dynamic key.

use std::sync::Arc;

use milena_core::config::Properties;
use milena_core::metadata::{ConfigResource, MetadataDelta, MetadataImage, ResourceType};
use milena_protocol::NodeId;
use tokio::sync::watch;

use super::Config;

/// The way to the properties in effect; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct LiveProperties(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node_id: NodeId,
    file: Properties,
    current: watch::Sender<Arc<Properties>>,
}

impl LiveProperties {
    /// The properties in effect with `image`.
    pub(crate) fn new(config: &Config, image: &MetadataImage) -> Self {
        let (node_id, file) = (config.node_id, config.properties.clone());
        let (current, _) = watch::channel(Arc::new(effective(&file, node_id, image)));
        Self(Arc::new(Inner { node_id, file, current }))
    }

    /// The properties in effect now. Cheap; a value is parsed anew each time it is read.
    pub(crate) fn current(&self) -> Arc<Properties> {
        self.0.current.borrow().clone()
    }

    /// Sees the properties of now, and those of every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Properties>> {
        self.0.current.subscribe()
    }

    /// Takes over what `image` sets on this broker or on all brokers.
    pub(crate) fn apply(&self, delta: &MetadataDelta, image: &MetadataImage) {
        if !delta.broker_configs_changed() {
            return;
        }
        let next = effective(&self.0.file, self.0.node_id, image);
        let differs = |current: &mut Arc<Properties>| {
            let differs = **current != next;
            *current = Arc::new(next);
            differs
        };
        if self.0.current.send_if_modified(differs) {
            tracing::info!("broker configuration changed");
        }
    }
}

fn effective(file: &Properties, node_id: NodeId, image: &MetadataImage) -> Properties {
    let of = |name: String| image.config(&ConfigResource::new(ResourceType::Broker, name));
    file.overlaid(of(String::new()), of(node_id.0.to_string()))
}
