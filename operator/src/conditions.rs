//! Conditions of both resources: `Ready`, `Progressing`, `Degraded`, each with the generation that it speaks of.
//!
//! `Ready` and the top-level `observedGeneration` are what kstatus and `kubectl wait` read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Conditions hold at most this much text.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What one reconciliation concludes about a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Everything is as the spec asks.
    Ready { message: String },
    /// Everything is as the spec asks, and that is less than something else asks.
    ReadyBut { message: String, reason: &'static str, concern: String },
    /// On the way there by itself.
    Progressing { reason: &'static str, message: String },
    /// Somebody has to change something first.
    Refused { reason: String, message: String },
    /// Something that should work does not; it is tried again.
    Failing { reason: String, message: String },
}

impl Outlook {
    pub(crate) fn progressing(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Progressing { reason, message: message.into() }
    }

    pub(crate) fn refused(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into(), message: message.into() }
    }

    pub(crate) fn failing(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Failing { reason: reason.into(), message: message.into() }
    }

    pub(crate) fn is_failing(&self) -> bool {
        matches!(self, Self::Failing { .. } | Self::Refused { .. })
    }

    /// The three conditions, keeping the transition time of each whose status stays.
    pub(crate) fn conditions(
        &self,
        before: &[Condition],
        generation: Option<i64>,
        now: Timestamp,
    ) -> Vec<Condition> {
        let make = |kind: &str, status: bool, reason: &str, message: &str| {
            one(before, kind, status, (reason, message), (generation, now))
        };
        match self {
            Self::Ready { message } => vec![
                make("Ready", true, "Ready", message),
                make("Progressing", false, "Settled", "the spec is realised"),
                make("Degraded", false, "AsExpected", ""),
            ],
            Self::ReadyBut { message, reason, concern } => vec![
                make("Ready", true, "Ready", message),
                make("Progressing", false, "Settled", "the spec is realised"),
                make("Degraded", true, reason, concern),
            ],
            Self::Progressing { reason, message } => vec![
                make("Ready", false, reason, message),
                make("Progressing", true, reason, message),
                make("Degraded", false, "AsExpected", ""),
            ],
            Self::Refused { reason, message } => vec![
                make("Ready", false, reason, message),
                make("Progressing", false, reason, "waits for a change of the spec or of what it refers to"),
                make("Degraded", true, reason, message),
            ],
            Self::Failing { reason, message } => vec![
                make("Ready", false, reason, message),
                make("Progressing", true, reason, "is tried again"),
                make("Degraded", true, reason, message),
            ],
        }
    }
}

/// A condition, keeping the transition time while its status stays.
pub(crate) fn one(
    before: &[Condition],
    kind: &str,
    status: bool,
    (reason, message): (&str, &str),
    (generation, now): (Option<i64>, Timestamp),
) -> Condition {
    let status = if status { "True" } else { "False" };
    let kept =
        find(before, kind).filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: clip(message),
        observed_generation: generation,
        last_transition_time: kept.unwrap_or(Time(now)),
    }
}

/// The conditions of a paused resource: what was known, and that nothing is done.
pub(crate) fn paused(before: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let message = "nothing is done while the annotation kafka.milena.dev/paused is true";
    let mut conditions: Vec<_> =
        before.iter().filter(|condition| condition.type_ != "Progressing").cloned().collect();
    let kept = find(before, "Progressing")
        .filter(|old| old.status == "False")
        .map(|old| old.last_transition_time.clone());
    let progressing = Condition {
        type_: "Progressing".to_owned(),
        status: "False".to_owned(),
        reason: "Paused".to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time: kept.unwrap_or(Time(now)),
    };
    conditions.insert(conditions.len().min(1), progressing);
    conditions
}

pub(crate) fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn clip(message: &str) -> String {
    let end = (0..=message.len().min(MESSAGE_BYTES_MAX))
        .rev()
        .find(|at| message.is_char_boundary(*at))
        .unwrap_or(0);
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let waiting = Outlook::progressing("BrokersStarting", "0 of 1");
        let first = waiting.conditions(&[], Some(1), at(10));
        let second = Outlook::refused("Bad", "no").conditions(&first, Some(2), at(20));
        let time = |conditions: &[Condition], kind| find(conditions, kind).unwrap().last_transition_time.0;
        assert_eq!(time(&second, "Ready"), at(10));
        assert_eq!(time(&second, "Degraded"), at(20));
        assert_eq!(find(&second, "Ready").unwrap().observed_generation, Some(2));
    }

    #[test]
    fn a_paused_resource_keeps_what_was_known() {
        let ready = Outlook::Ready { message: String::new() }.conditions(&[], Some(1), at(10));
        let paused = paused(&ready, Some(2), at(20));
        assert_eq!(find(&paused, "Ready").unwrap().status, "True");
        assert_eq!(find(&paused, "Progressing").unwrap().reason, "Paused");
        assert_eq!(paused.len(), 3);
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(clip(&"ä".repeat(4000)).len(), 4096);
        assert_eq!(clip("short"), "short");
    }
}
