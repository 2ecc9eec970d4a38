//! What this process tells the cluster about itself, and what it must find there to be allowed to take part.

use anyhow::ensure;
use milena_core::controller::Settings;
use milena_core::metadata::MetadataImage;
use milena_core::metadata::features::{METADATA_VERSION, SUPPORTED, is_acceptable, is_supported};
use milena_core::raft::VoterSet;
use milena_protocol::messages::metadata_records::RegisterControllerRecord;
use milena_protocol::messages::metadata_records::register_controller_record::{
    ControllerEndpoint, ControllerFeature,
};

use super::format::random_id;
use crate::config::Config;

/// The number of PLAINTEXT among security protocols.
const PLAINTEXT: i16 = 0;

/// The registration of this process as a controller.
pub(super) fn controller(config: &Config) -> RegisterControllerRecord {
    let endpoints = config.listeners.iter().filter(|listener| listener.is_controller);
    let endpoints = endpoints.map(|listener| ControllerEndpoint {
        name: listener.name.as_str().into(),
        host: listener.advertised_host.as_str().into(),
        port: listener.advertised_port,
        security_protocol: PLAINTEXT,
    });
    let features = SUPPORTED.iter().map(|feature| ControllerFeature {
        name: feature.name.into(),
        min_supported_version: *feature.levels.start(),
        max_supported_version: *feature.levels.end(),
    });
    RegisterControllerRecord {
        controller_id: config.node_id.0,
        incarnation_id: random_id(),
        zk_migration_ready: false,
        end_points: endpoints.collect(),
        features: features.collect(),
    }
}

/// What the controller is configured with.
pub(super) fn settings(config: &Config, cluster_id: &str, voters: &VoterSet) -> Settings {
    Settings {
        node_id: config.node_id,
        cluster_id: cluster_id.into(),
        kraft_version: voters.kraft_version,
        kraft_version_max: voters.kraft_version,
        voters: voters.keys().map(|key| key.id).collect(),
        is_alone: true,
        properties: config.properties.clone(),
    }
}

/// Refuses a cluster whose metadata promises what this version neither does nor can leave to others.
pub(super) fn check(image: &MetadataImage) -> anyhow::Result<()> {
    for (name, level) in image.features() {
        ensure!(
            is_acceptable(name, *level),
            "the cluster has finalized {name}={level}, which this version does not support"
        );
    }
    let version = image.features().get(METADATA_VERSION);
    ensure!(version.is_some() || image.features().is_empty(), "the metadata log has no {METADATA_VERSION}");
    let protected = image.security_record();
    ensure!(
        protected.is_none(),
        "the metadata log holds a {}, which this version does not enforce",
        protected.unwrap_or_default()
    );
    Ok(())
}

/// Says which of the cluster's features are kept but not served.
pub(super) fn warn_of_unserved(image: &MetadataImage) {
    for (feature, level) in image.features().iter().filter(|(name, level)| !is_supported(name, **level)) {
        tracing::warn!(%feature, level, "finalized feature is kept, but not served yet; clients are not told of it");
    }
}
