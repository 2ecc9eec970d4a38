//! Registrations: brokers and controllers that join, brokers that leave for good.
//!
//! - A broker comes under a new incarnation id and gets an epoch, the offset of its record. It starts fenced.
//! - The same incarnation again amends its registration and keeps its epoch.
//! - While another incarnation has a session it is DUPLICATE_BROKER_REGISTRATION, unless the other one has certainly ended:
//!   the newcomer holds a directory of it, which one process locks, or is this controller's own process.
//! - What the former incarnation was in sync with it is not any more. If it did not end in order (its successor does not
//!   know its epoch), it is eligible to lead nothing either (KIP-966).
//! - Every level of a feature that is finalized and served must be supported, UNSUPPORTED_VERSION otherwise.
//!
//! Source: KIP-631, KIP-858, KIP-919, KIP-966; `ClusterControlManager` of Apache Kafka.

use bytestring::ByteString;
use milena_protocol::ids::base64;
use milena_protocol::messages::broker_registration::{BrokerRegistrationRequest, Feature};
use milena_protocol::messages::metadata_records::RegisterBrokerRecord;
use milena_protocol::messages::metadata_records::register_broker_record::{BrokerEndpoint, BrokerFeature};
use milena_protocol::{ErrorCode, NodeId, Timestamp};

use super::{Controller, ControllerReply, Decision, Refusal};
use crate::metadata::BrokerImage;
use crate::metadata::directory::is_reserved;
use crate::metadata::features::{KRAFT_VERSION, METADATA_VERSION, is_supported};

impl Controller {
    pub(super) fn register(
        &mut self,
        now: Timestamp,
        request: &BrokerRegistrationRequest,
        tells_previous_epoch: bool,
    ) -> Decision {
        if let Err(refusal) = self.check_registration(now, request) {
            return (Vec::new(), ControllerReply::Registration(Err(refusal)));
        }
        let id = NodeId(request.broker_id);
        let before = self.image.broker(id);
        let amended = before.filter(|before| before.incarnation_id == request.incarnation_id);
        let mut record = record_of(request);
        let mut records = Vec::new();
        if let Some(amended) = amended {
            record.fenced = amended.fenced;
            record.in_controlled_shutdown = amended.in_controlled_shutdown;
            record.broker_epoch = amended.epoch;
        } else {
            let is_clean = tells_previous_epoch
                && before.is_some_and(|before| before.epoch == request.previous_broker_epoch);
            records = self.view().end_incarnation(id, is_clean);
            record.broker_epoch = self.offset_after(&records);
        }
        let epoch = record.broker_epoch;
        records.push(record.into());
        (records, ControllerReply::Registration(Ok(epoch)))
    }

    pub(super) fn unregister(&mut self, id: NodeId) -> Decision {
        let Some(broker) = self.image.broker(id) else {
            let message = format!("Broker ID {id} is not currently registered");
            let refusal = Refusal::new(ErrorCode::BrokerIdNotRegistered, message);
            return (Vec::new(), ControllerReply::Done(Err(refusal)));
        };
        (self.view().unregister(id, broker.epoch), ControllerReply::Done(Ok(())))
    }

    fn check_registration(&self, now: Timestamp, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let expected = &self.settings.cluster_id;
        if request.cluster_id != *expected {
            let message =
                format!("Expected cluster ID {expected}, but got cluster ID {}", request.cluster_id);
            return Err(Refusal::new(ErrorCode::InconsistentClusterId, message));
        }
        self.check_incarnation(now, request)?;
        if request.is_migrating_zk_broker {
            let message = "Controller does not support registering ZK brokers.";
            return Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, message));
        }
        self.check_directories(request)?;
        self.check_features(request)
    }

    fn check_incarnation(&self, now: Timestamp, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let id = NodeId(request.broker_id);
        let is_other = |before: &&BrokerImage| before.incarnation_id != request.incarnation_id;
        let has_ended = |before: &BrokerImage| {
            let holds = before.log_dirs.iter().any(|directory| request.log_dirs.contains(directory));
            holds || id == self.settings.node_id
        };
        match self.image.broker(id).filter(is_other) {
            Some(other) if self.sessions.is_live(id, other.epoch, now) && !has_ended(other) => {
                let message = "Another broker is registered with that broker id. If the broker was recently restarted \
                               this should self-resolve once the heartbeat manager expires the broker's session.";
                Err(Refusal::new(ErrorCode::DuplicateBrokerRegistration, message))
            }
            _ => Ok(()),
        }
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidRegistration, message));
        let directories = &request.log_dirs;
        if directories.is_empty() {
            return invalid("No directories specified in request".to_owned());
        }
        if directories.iter().any(|directory| is_reserved(*directory)) {
            return invalid("Reserved directory ID in request".to_owned());
        }
        let is_twice = |(place, directory)| directories[..place].contains(directory);
        if directories.iter().enumerate().any(is_twice) {
            return invalid("Duplicate directory ID in request".to_owned());
        }
        let others = self.image.brokers().filter(|broker| broker.id.0 != request.broker_id);
        let taken =
            others.flat_map(|other| other.log_dirs.iter().map(move |directory| (other.id, *directory)));
        match taken.into_iter().find(|(_, directory)| directories.contains(directory)) {
            Some((other, directory)) => {
                let directory = base64(directory);
                invalid(format!("Broker {other} is already registered with directory {directory}"))
            }
            None => Ok(()),
        }
    }

    /// Every finalized level must be within what the broker supports. Levels that are kept without being served bind
    /// nobody.
    fn check_features(&self, request: &BrokerRegistrationRequest) -> Result<(), Refusal> {
        let kraft_version = (ByteString::from_static(KRAFT_VERSION), self.settings.kraft_version);
        let levels = self.image.features().iter().map(|(name, level)| (name.clone(), *level));
        let finalized: Vec<(ByteString, i16)> = levels.chain([kraft_version]).collect();
        for feature in &request.features {
            let level =
                finalized.iter().find(|(name, _)| *name == feature.name).map_or(0, |(_, level)| *level);
            if is_supported(&feature.name, level) || level == 0 {
                check_range(feature, level)?;
            }
        }
        if !request.features.iter().any(|feature| *feature.name == *METADATA_VERSION) {
            let message = format!("Request features do not contain '{METADATA_VERSION}'");
            return Err(Refusal::new(ErrorCode::InvalidRegistration, message));
        }
        let is_named = |name: &ByteString| request.features.iter().any(|feature| feature.name == *name);
        for (name, level) in finalized.into_iter().filter(|(name, level)| !is_named(name) && *level != 0) {
            if is_supported(&name, level) {
                check_range(&Feature { name, min_supported_version: 0, max_supported_version: 0 }, level)?;
            }
        }
        Ok(())
    }
}

fn check_range(feature: &Feature, level: i16) -> Result<(), Refusal> {
    let Feature { name, min_supported_version: min, max_supported_version: max } = feature;
    if (*min..=*max).contains(&level) {
        return Ok(());
    }
    let message = format!(
        "Unable to register because the broker does not support finalized version {level} of {name}. The broker wants a \
         version between {min} and {max}, inclusive."
    );
    Err(Refusal::new(ErrorCode::UnsupportedVersion, message))
}

fn record_of(request: &BrokerRegistrationRequest) -> RegisterBrokerRecord {
    let end_points = request.listeners.iter().map(|listener| BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| BrokerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: request.rack.clone(),
        log_dirs: request.log_dirs.clone(),
        fenced: true,
        ..RegisterBrokerRecord::default()
    }
}
