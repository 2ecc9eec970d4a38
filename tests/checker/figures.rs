//! How much a run did and found, in numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::faults::Fault;
use crate::history::{AUDITORS, Event, Place, Record};
use crate::verdict::Anomaly;

/// Counts of a history.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    sent: usize,
    acknowledged: usize,
    failed: usize,
    polled: usize,
    audited: usize,
    resent: usize,
    told: usize,
    controllers: usize,
    producers: usize,
    consumers: usize,
}

impl Figures {
    pub(crate) fn of(history: &[Event]) -> Self {
        let mut figures = Self::default();
        let (mut producers, mut consumers) = (HashSet::new(), HashSet::new());
        for event in history {
            match *event {
                Event::Sent { record, .. } => {
                    figures.sent += 1;
                    producers.insert(record.writer);
                }
                Event::Acknowledged { .. } => figures.acknowledged += 1,
                Event::Failed { .. } => figures.failed += 1,
                Event::Polled { reader, .. } if reader < AUDITORS => figures.audited += 1,
                Event::Polled { .. } => figures.polled += 1,
                Event::Began { reader, .. } => {
                    consumers.insert(reader);
                }
                Event::Told { .. } => figures.told += 1,
                Event::Leads { .. } => figures.controllers += 1,
                Event::Stood { .. } | Event::Lagged { .. } => {}
            }
        }
        (figures.producers, figures.consumers) = (producers.len(), consumers.len());
        figures.resent = resent(history);
        figures
    }

    /// Records that a producer gave up.
    pub(crate) fn failed(&self) -> usize {
        self.failed
    }

    /// Records of which a producer was told nothing.
    pub(crate) fn unanswered(&self) -> usize {
        self.sent - self.acknowledged - self.failed
    }

    pub(crate) fn print(&self, faults: &BTreeMap<Fault, usize>, anomalies: &BTreeSet<Anomaly>) {
        for (fault, count) in faults {
            eprintln!("{count:>9}  {fault:?}");
        }
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        anomalies.iter().for_each(|anomaly| *kinds.entry(anomaly.kind()).or_default() += 1);
        let rows = [
            ("faults", faults.values().sum()),
            ("producers", self.producers),
            ("consumers, the audits among them", self.consumers),
            ("records sent", self.sent),
            ("acknowledged", self.acknowledged),
            ("failed", self.failed),
            ("without an answer", self.unanswered()),
            ("sent again by their client in a new session", self.resent),
            ("records polled", self.polled),
            ("records audited", self.audited),
            ("changes of leaders told", self.told),
            ("changes of controllers told", self.controllers),
            ("operations", self.sent + self.polled + self.audited),
            ("anomalies", anomalies.len()),
        ];
        for (what, count) in rows.into_iter().chain(kinds) {
            eprintln!("{count:>9}  {what}");
        }
    }
}

/// Copies of records beyond the first.
fn resent(history: &[Event]) -> usize {
    let mut places: HashMap<Record, HashSet<Place>> = HashMap::new();
    for event in history {
        if let Event::Polled { reader: 0, place, record, .. } = *event {
            places.entry(record).or_default().insert(place);
        }
    }
    places.values().map(|places| places.len() - 1).sum()
}
