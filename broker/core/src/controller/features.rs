//! Feature levels: a level changes when this controller and every registered broker support it. One refusal refuses the
//! whole request.
//!
//! Every other controller that has registered must support it too, and every voter must have registered.
//! Features that are finalized but not built can be lowered to level 0.
//! `metadata.version` has one supported level, so that no downgrade of it could lose metadata; and
//! `kraft.version` is a control record of the quorum, not one of the controller: where the decision has a record of its
//! level, the quorum writes its own there, which names the voters.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::messages::metadata_records::{FeatureLevelRecord, MetadataRecord};
use milena_protocol::messages::update_features::FeatureUpdateKey;
use milena_protocol::{ErrorCode, NodeId};

use super::activation::min_isr_record;
use super::{Controller, ControllerReply, Decision, Refusal};
use crate::config::topic::MIN_INSYNC_REPLICAS;
use crate::metadata::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, KNOWN, KRAFT_VERSION, SUPPORTED};
use crate::metadata::{ConfigResource, ResourceType};

/// What a change of level may do, by its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpgradeType {
    Upgrade = 1,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    fn from_code(code: i8) -> Option<Self> {
        [Self::Upgrade, Self::SafeDowngrade, Self::UnsafeDowngrade]
            .into_iter()
            .find(|kind| *kind as i8 == code)
    }
}

impl Controller {
    pub(super) fn update_features(&self, updates: &[FeatureUpdateKey], validate_only: bool) -> Decision {
        let mut records = Vec::new();
        // Of two levels for one feature the last counts.
        let last: BTreeMap<_, _> =
            updates.iter().enumerate().map(|(index, update)| (&update.feature, index)).collect();
        for (_, update) in
            updates.iter().enumerate().filter(|(index, update)| last[&update.feature] == *index)
        {
            match self.update_feature(update) {
                Ok(record) => records.extend(record),
                Err(refusal) => return (Vec::new(), ControllerReply::Done(Err(refusal))),
            }
        }
        if validate_only {
            records.clear();
        }
        let keeps_elr = |update: &FeatureUpdateKey| {
            *update.feature == *ELIGIBLE_LEADER_REPLICAS_VERSION && update.max_version_level > 0
        };
        if !validate_only && updates.iter().any(keeps_elr) {
            records.splice(..0, self.min_isr_of_all());
        }
        (records, ControllerReply::Done(Ok(())))
    }

    /// Eligible leader replicas need one `min.insync.replicas` of all brokers, and none of single ones.
    fn min_isr_of_all(&self) -> Vec<MetadataRecord> {
        let key = MIN_INSYNC_REPLICAS.name;
        let mut records = Vec::new();
        let all = ConfigResource::new(ResourceType::Broker, "");
        if self.image.config(&all).is_none_or(|values| !values.contains_key(key)) {
            records.push(min_isr_record("", Some(self.settings.min_insync_replicas())));
        }
        let of_one = self.image.configs().filter(|(resource, values)| {
            resource.resource_type == ResourceType::Broker
                && !resource.name.is_empty()
                && values.contains_key(key)
        });
        records.extend(of_one.map(|(resource, _)| min_isr_record(&resource.name, None)));
        records
    }

    fn update_feature(&self, update: &FeatureUpdateKey) -> Result<Option<MetadataRecord>, Refusal> {
        let (name, level) = (&update.feature, update.max_version_level);
        let refused = |reason: &str| {
            let message = format!("Invalid update version {level} for feature {name}. {reason}");
            Refusal::new(ErrorCode::InvalidUpdateVersion, message)
        };
        let kind = UpgradeType::from_code(update.upgrade_type)
            .ok_or_else(|| refused("The controller does not support the given upgrade type."))?;
        if level < 0 {
            return Err(refused("A feature version cannot be less than 0."));
        }
        self.check_supported(name, level).map_err(|reason| refused(&reason))?;
        let current = self.feature_level(name);
        if level < current && kind == UpgradeType::Upgrade {
            return Err(refused(
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                 unsafe downgrade.",
            ));
        }
        if level > current && kind != UpgradeType::Upgrade {
            return Err(refused("Can't downgrade to a newer version."));
        }
        if **name == *KRAFT_VERSION {
            return self.check_kraft_version(level).map(|is_news| is_news.then(|| level_record(name, level)));
        }
        if !KNOWN.iter().any(|(known, _)| **known == **name) {
            return Err(refused(&format!("Feature {name} not found.")));
        }
        Ok(Some(level_record(name, level)))
    }

    /// Whether `level` is another than that of now, which is only ever raised, and by all voters.
    fn check_kraft_version(&self, level: i16) -> Result<bool, Refusal> {
        let refused = |message: String| Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message));
        if level < self.settings.kraft_version {
            let reason = "Can't downgrade the version of this feature.";
            return refused(format!("Invalid update version {level} for feature {KRAFT_VERSION}. {reason}"));
        }
        if level > self.settings.kraft_version_max {
            return refused(format!(
                "Invalid upgrade of {KRAFT_VERSION} to {level} because not all of the voters support it"
            ));
        }
        Ok(level > self.settings.kraft_version)
    }

    fn feature_level(&self, name: &ByteString) -> i16 {
        if **name == *KRAFT_VERSION {
            return self.settings.kraft_version;
        }
        self.image.features().get(name).copied().unwrap_or(0)
    }

    fn check_supported(&self, name: &str, level: i16) -> Result<(), String> {
        let own = SUPPORTED.iter().find(|feature| feature.name == name);
        let own = own.map(|feature| (*feature.levels.start(), *feature.levels.end()));
        check_range(&format!("Local controller {}", self.settings.node_id), own, level)?;
        for broker in self.image.brokers() {
            let range = broker.features.iter().find(|(feature, ..)| **feature == *name);
            let range = range.map(|(_, min, max)| (*min, *max));
            check_range(&format!("Broker {}", broker.id), range, level)?;
        }
        let others = self.image.controllers().filter(|other| other.controller_id != self.settings.node_id.0);
        for other in others {
            let range = other.features.iter().find(|feature| *feature.name == *name);
            let range = range.map(|feature| (feature.min_supported_version, feature.max_supported_version));
            check_range(&format!("Controller {}", other.controller_id), range, level)?;
        }
        let is_known = |voter: &&NodeId| {
            **voter == self.settings.node_id || self.image.controllers().any(|c| c.controller_id == voter.0)
        };
        match self.settings.voters.iter().find(|voter| !is_known(voter)) {
            Some(voter) => {
                Err(format!("controller {voter} has not registered, and may not support this feature"))
            }
            None => Ok(()),
        }
    }
}

fn level_record(name: &ByteString, level: i16) -> MetadataRecord {
    FeatureLevelRecord { name: name.clone(), feature_level: level }.into()
}

/// A feature that is not known is supported at level 0: that is to be without it.
fn check_range(who: &str, range: Option<(i16, i16)>, level: i16) -> Result<(), String> {
    let (min, max) = range.unwrap_or((0, 0));
    if (min..=max).contains(&level) {
        return Ok(());
    }
    if max == 0 {
        return Err(format!("{who} does not support this feature."));
    }
    let versions = if min == max { min.to_string() } else { format!("{min}-{max}") };
    Err(format!("{who} only supports versions {versions}"))
}
