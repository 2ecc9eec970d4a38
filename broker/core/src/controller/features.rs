//! Feature levels: a level changes when this controller and every registered broker support it. One refusal refuses the
//! whole request.
//!
//! Features that are finalized but not built can be lowered to level 0.
//! `metadata.version` has one supported level, so that no downgrade of it could lose metadata; and
//! `kraft.version` is a control record of the quorum, not one of the controller: it can be asked for at the level it has.

use std::collections::BTreeMap;

use bytestring::ByteString;
use milena_protocol::ErrorCode;
use milena_protocol::messages::metadata_records::{FeatureLevelRecord, MetadataRecord};
use milena_protocol::messages::update_features::FeatureUpdateKey;

use super::{Controller, ControllerReply, Decision, Refusal};
use crate::metadata::features::{KNOWN, KRAFT_VERSION, SUPPORTED};

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
        (records, ControllerReply::Done(Ok(())))
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
            let reason = "Changing the version of this feature while the quorum runs is not built yet.";
            return if level == current { Ok(None) } else { Err(refused(reason)) };
        }
        if !KNOWN.iter().any(|(known, _)| **known == **name) {
            return Err(refused(&format!("Feature {name} not found.")));
        }
        Ok(Some(FeatureLevelRecord { name: name.clone(), feature_level: level }.into()))
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
        Ok(())
    }
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
