//! This process as a controller of its cluster: the metadata says where it is reached and what it supports (KIP-919).
//!
//! A controller that the metadata does not name as it is tells the active one, which may be itself, until it does.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use milena_core::metadata::MetadataImage;
use milena_core::metadata::features::SUPPORTED;
use milena_protocol::messages::ControllerRegistrationRequest;
use milena_protocol::messages::controller_registration::{Feature, Listener};
use milena_protocol::messages::metadata_records::RegisterControllerRecord;
use milena_protocol::{ErrorCode, Uuid};
use tokio::time::{sleep, timeout};

use crate::broker::Broker;
use crate::config::Config;

/// The number of PLAINTEXT among security protocols.
const PLAINTEXT: i16 = 0;
/// Pause after a refusal, and longest wait for the metadata to show what was agreed to.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(crate) async fn keep_registered(broker: Arc<Broker>) {
    let own = registration(&broker.config);
    let is_missing = |image: &MetadataImage| {
        let known = image.controllers().find(|known| known.controller_id == own.controller_id);
        !image.features().is_empty() && known.is_none_or(|known| !is_same(known, &own))
    };
    loop {
        broker.quorum.committed_where(is_missing).await;
        let refusal = match broker.controller.send(&own).await {
            Ok(answer) if answer.error_code == 0 => {
                timeout(RETRY_PAUSE, broker.quorum.committed_where(|image| !is_missing(image))).await.ok();
                continue;
            }
            Ok(answer) => ErrorCode::from(answer.error_code).to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(refusal, "this controller is not registered yet");
        sleep(RETRY_PAUSE).await;
    }
}

fn registration(config: &Config) -> ControllerRegistrationRequest {
    let listeners = config.listeners.iter().filter(|listener| listener.is_controller);
    let listeners = listeners.map(|listener| Listener {
        name: listener.name.as_str().into(),
        host: listener.advertised_host.as_str().into(),
        port: listener.advertised_port,
        security_protocol: PLAINTEXT,
    });
    let features = SUPPORTED.iter().map(|feature| Feature {
        name: ByteString::from_static(feature.name),
        min_supported_version: *feature.levels.start(),
        max_supported_version: *feature.levels.end(),
    });
    ControllerRegistrationRequest {
        controller_id: config.node_id.0,
        incarnation_id: Uuid::new_v4(),
        zk_migration_ready: false,
        listeners: listeners.collect(),
        features: features.collect(),
    }
}

/// Whether the metadata says of a controller what it says of itself. Processes of one node need not be told apart.
fn is_same(known: &RegisterControllerRecord, own: &ControllerRegistrationRequest) -> bool {
    let of_known = known.end_points.iter().map(|at| (&at.name, &at.host, at.port));
    let of_own = own.listeners.iter().map(|at| (&at.name, &at.host, at.port));
    let levels_of_known =
        known.features.iter().map(|f| (&f.name, f.min_supported_version, f.max_supported_version));
    let levels_of_own =
        own.features.iter().map(|f| (&f.name, f.min_supported_version, f.max_supported_version));
    of_known.eq(of_own) && levels_of_known.eq(levels_of_own)
}
