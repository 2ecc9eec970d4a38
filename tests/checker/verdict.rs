//! Decides from a history alone what the cluster did wrong. Pure: events in, anomalies out.
//!
//! It holds for topics that nobody deletes from, with idempotent producers and without transactions: their offsets have no
//! holes, and every record that is there once is there at the end. The history must end with audits: each of some readers
//! below [`AUDITORS`] has read every partition from its first offset to its end after the last answer to a producer.
//!
//! Brokers know a record again by producer id, epoch and sequence. librdkafka takes a new epoch when a request behind
//! another one comes out of order, and sends again what may be stored already: two copies of two sessions are its doing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::history::{AUDITORS, Event, Place, Record, Term};

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Anomaly {
    /// Acknowledged, and not there at the end.
    LostWrite { record: Record, place: Option<Place> },
    /// Served to a consumer, and not there at the end.
    LostRead { record: Record, place: Place },
    /// Stored twice in one session of its producer.
    Duplicate { record: Record, places: [Place; 2] },
    /// Served, and never sent to this partition.
    Phantom { record: Record, place: Place },
    /// One offset, two records: read by two, or acknowledged and read.
    InconsistentOffset { place: Place, records: [Record; 2] },
    /// A consumer was handed an offset that is not behind the one before.
    NonMonotonicPoll { reader: u32, place: Place, expected: i64 },
    /// A consumer was not handed offsets that are there.
    SkippedPoll { reader: u32, place: Place, expected: i64 },
    /// Records of one producer are not in the order in which it sent them.
    NonMonotonicSend { place: Place, records: [Record; 2] },
    /// A broker told of an older epoch of leaders after a newer one.
    StaleMetadata { broker: u32, term: Term, newer: i64 },
    /// Clients were told of two leaders of one epoch.
    TwoLeaders { term: Term, leaders: [i64; 2] },
    /// Two controllers led the metadata quorum in one epoch.
    TwoControllers { epoch: i64, leaders: [i64; 2] },
    /// A consumer was not handed records that are there, for long after the last fault was healed.
    StandingConsumer { reader: u32, place: Place },
    /// Replicas of a node did not get in sync, for as long.
    StandingReplicas { node: i32 },
}

impl Anomaly {
    /// Its kind, for counting.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::LostWrite { .. } => "lost write",
            Self::LostRead { .. } => "lost read",
            Self::Duplicate { .. } => "duplicate",
            Self::Phantom { .. } => "phantom",
            Self::InconsistentOffset { .. } => "inconsistent offset",
            Self::NonMonotonicPoll { .. } => "non-monotonic poll",
            Self::SkippedPoll { .. } => "skipped poll",
            Self::NonMonotonicSend { .. } => "non-monotonic send",
            Self::StaleMetadata { .. } => "stale metadata",
            Self::TwoLeaders { .. } => "two leaders",
            Self::TwoControllers { .. } => "two controllers",
            Self::StandingConsumer { .. } => "standing consumer",
            Self::StandingReplicas { .. } => "standing replicas",
        }
    }
}

/// Every anomaly once, in a stable order.
pub(crate) fn judge(history: &[Event]) -> BTreeSet<Anomaly> {
    let mut anomalies = of_places(history);
    anomalies.extend(of_readers(history));
    anomalies.extend(of_metadata(history));
    anomalies.extend(of_quorum(history));
    let sessions = sessions(history);
    for log in audited(history).values() {
        anomalies.extend(of_losses(history, log));
        anomalies.extend(of_order(log, &sessions));
    }
    anomalies
}

/// The log as an audit found it.
type Log = BTreeMap<Place, Record>;

/// What each auditor found; the first one is always among them, so that a history without an audit has lost all.
fn audited(history: &[Event]) -> BTreeMap<u32, Log> {
    let mut logs = BTreeMap::from([(0, Log::new())]);
    for event in history {
        match *event {
            Event::Began { reader, .. } if reader < AUDITORS => {
                logs.entry(reader).or_default();
            }
            Event::Polled { reader, place, record, .. } if reader < AUDITORS => {
                logs.entry(reader).or_default().insert(place, record);
            }
            _ => {}
        }
    }
    logs
}

/// Where each record was, by every answer: once, where it was sent to, and alone at its offset.
fn of_places(history: &[Event]) -> BTreeSet<Anomaly> {
    let sent: HashMap<Record, u32> = history.iter().filter_map(sending).collect();
    let sessions = sessions(history);
    let (mut records, mut places) = (HashMap::new(), HashMap::new());
    let mut anomalies = BTreeSet::new();
    for event in history {
        let (record, place) = match *event {
            Event::Polled { record, place, .. } => {
                if sent.get(&record) != Some(&place.partition) {
                    anomalies.insert(Anomaly::Phantom { record, place });
                }
                (record, place)
            }
            Event::Acknowledged { record, place } if place.offset >= 0 => (record, place),
            _ => continue,
        };
        let at_place = *records.entry(place).or_insert(record);
        if at_place != record {
            anomalies.insert(Anomaly::InconsistentOffset { place, records: [at_place, record] });
        }
        let of_record = *places.entry(record).or_insert(place);
        let is_resent = || match (sessions.get(&of_record), sessions.get(&place)) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        if of_record != place && !is_resent() {
            anomalies.insert(Anomaly::Duplicate { record, places: [of_record, place] });
        }
    }
    anomalies
}

/// The sessions of records, as far as clients tell.
pub(crate) fn sessions(history: &[Event]) -> HashMap<Place, i64> {
    let told = history.iter().filter_map(|event| match *event {
        Event::Polled { place, session, .. } => Some((place, session?)),
        _ => None,
    });
    told.collect()
}

fn sending(event: &Event) -> Option<(Record, u32)> {
    match *event {
        Event::Sent { record, partition } => Some((record, partition)),
        _ => None,
    }
}

/// What each consumer was handed, one offset after the other.
fn of_readers(history: &[Event]) -> Vec<Anomaly> {
    let mut expected = HashMap::new();
    let mut anomalies = Vec::new();
    for event in history {
        match *event {
            Event::Began { reader, place } => {
                expected.insert((reader, place.partition), place.offset);
            }
            Event::Polled { reader, place, .. } => {
                let next = expected.insert((reader, place.partition), place.offset + 1);
                let expected = next.unwrap_or_default();
                if place.offset < expected {
                    anomalies.push(Anomaly::NonMonotonicPoll { reader, place, expected });
                } else if place.offset > expected {
                    anomalies.push(Anomaly::SkippedPoll { reader, place, expected });
                }
            }
            Event::Stood { reader, place } => anomalies.push(Anomaly::StandingConsumer { reader, place }),
            Event::Lagged { node } => anomalies.push(Anomaly::StandingReplicas { node }),
            _ => {}
        }
    }
    anomalies
}

/// Epochs of each partition go on at each broker, restarts of it included, and have one leader at all of them.
fn of_metadata(history: &[Event]) -> Vec<Anomaly> {
    let (mut epochs, mut leaders) = (HashMap::new(), HashMap::new());
    let mut anomalies = Vec::new();
    for event in history {
        let Event::Told { broker, term, leader } = *event else { continue };
        let newer = epochs.entry((broker, term.partition)).or_insert(term.epoch);
        if *newer > term.epoch {
            anomalies.push(Anomaly::StaleMetadata { broker, term, newer: *newer });
        }
        *newer = term.epoch.max(*newer);
        let known = *leaders.entry(term).or_insert(leader);
        if known < 0 {
            leaders.insert(term, leader);
        } else if leader >= 0 && leader != known {
            anomalies.push(Anomaly::TwoLeaders { term, leaders: [known, leader] });
        }
    }
    anomalies
}

/// An epoch of the metadata quorum has one leader.
fn of_quorum(history: &[Event]) -> Vec<Anomaly> {
    let mut leaders = HashMap::new();
    let mut anomalies = Vec::new();
    for event in history {
        let Event::Leads { epoch, leader } = *event else { continue };
        let known = *leaders.entry(epoch).or_insert(leader);
        if known != leader {
            anomalies.push(Anomaly::TwoControllers { epoch, leaders: [known, leader] });
        }
    }
    anomalies
}

/// What was acknowledged or served is there at the end.
fn of_losses(history: &[Event], log: &Log) -> Vec<Anomaly> {
    let kept: HashSet<Record> = log.values().copied().collect();
    let losses = history.iter().filter_map(|event| match *event {
        Event::Acknowledged { record, place } if !kept.contains(&record) => {
            Some(Anomaly::LostWrite { record, place: (place.offset >= 0).then_some(place) })
        }
        Event::Polled { record, place, .. } if !kept.contains(&record) => {
            Some(Anomaly::LostRead { record, place })
        }
        _ => None,
    });
    losses.collect()
}

/// The records of a session are in each partition in the order of their numbers.
fn of_order(log: &Log, sessions: &HashMap<Place, i64>) -> Vec<Anomaly> {
    let mut last = HashMap::new();
    let mut anomalies = Vec::new();
    for (place, record) in log {
        let session = (place.partition, record.writer, sessions.get(place));
        if let Some(before) = last.insert(session, *record)
            && before.number > record.number
        {
            anomalies.push(Anomaly::NonMonotonicSend { place: *place, records: [before, *record] });
        }
    }
    anomalies
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history by its lines, and an audit that finds records of `log`, each `partition offset writer number`.
    fn judged(lines: &[&str], log: &[&str]) -> Vec<Anomaly> {
        let audit = ["B 0 0 0", "B 0 1 0"].into_iter().map(str::to_owned);
        let audit = audit.chain(log.iter().map(|line| format!("R 0 {line}")));
        let lines = lines.iter().map(|line| (*line).to_owned()).chain(audit);
        let history: Vec<_> = lines.map(|line| Event::parse(&line).expect("a line")).collect();
        judge(&history).into_iter().collect()
    }

    fn kinds(anomalies: &[Anomaly]) -> Vec<&'static str> {
        anomalies.iter().map(Anomaly::kind).collect()
    }

    const SENT: [&str; 3] = ["S 1 1 0", "S 1 2 0", "S 2 1 1"];

    fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [SENT.as_slice(), more].concat()
    }

    const fn record(writer: u32, number: u64) -> Record {
        Record { writer, number }
    }

    const fn place(partition: u32, offset: i64) -> Place {
        Place { partition, offset }
    }

    #[test]
    fn a_log_of_what_was_acknowledged_has_no_anomaly() {
        let lines = with(&[
            "A 1 1 0 0",
            "B 70 0 0",
            "R 70 0 0 1 1",
            "A 1 2 0 1",
            "R 70 0 1 1 2",
            "A 2 1 1 0",
            "B 70 0 0",
        ]);
        assert_eq!(judged(&lines, &["0 0 1 1", "0 1 1 2", "1 0 2 1"]), []);
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_or_not() {
        let lines = with(&["F 1 1 0", "A 2 1 1 -1"]);
        assert_eq!(judged(&lines, &["0 0 1 2", "1 0 2 1"]), []);
        assert_eq!(judged(&lines, &["0 0 1 1", "1 0 2 1"]), []);
    }

    #[test]
    fn acknowledged_record_that_is_gone_is_a_lost_write() {
        let lost = judged(&with(&["A 1 1 0 0", "A 1 2 0 1"]), &["0 0 1 1"]);
        assert_eq!(lost, [Anomaly::LostWrite { record: record(1, 2), place: Some(place(0, 1)) }]);
        let lost = judged(&with(&["A 1 1 0 -1"]), &[]);
        assert_eq!(lost, [Anomaly::LostWrite { record: record(1, 1), place: None }]);
    }

    #[test]
    fn record_that_one_replica_lacks_is_a_lost_write() {
        let lost = judged(&with(&["A 1 1 0 0", "B 1 0 0"]), &["0 0 1 1"]);
        assert_eq!(kinds(&lost), ["lost write", "lost read"]);
        assert_eq!(judged(&with(&["A 1 1 0 0", "B 1 0 0", "R 1 0 0 1 1"]), &["0 0 1 1"]), []);
    }

    #[test]
    fn record_that_was_read_and_is_gone_is_a_lost_read() {
        let lost = judged(&with(&["B 70 0 0", "R 70 0 0 1 1"]), &[]);
        assert_eq!(lost, [Anomaly::LostRead { record: record(1, 1), place: place(0, 0) }]);
    }

    #[test]
    fn record_at_two_offsets_is_a_duplicate() {
        let found = judged(&with(&["A 1 1 0 0"]), &["0 0 1 1", "0 1 1 1"]);
        let places = [place(0, 0), place(0, 1)];
        assert_eq!(found, [Anomaly::Duplicate { record: record(1, 1), places }]);
    }

    #[test]
    fn record_that_its_client_sent_again_in_a_new_session_is_none() {
        let audit = |sessions: [&str; 2]| {
            let [first, second] = sessions;
            [format!("0 0 1 1 {first}"), format!("0 1 1 2 {first}"), format!("0 2 1 1 {second}")]
        };
        let kinds_of = |sessions| kinds(&judged(&SENT, &audit(sessions).each_ref().map(String::as_str)));
        assert_eq!(kinds_of(["65536", "65537"]), [""; 0]);
        assert_eq!(kinds_of(["65536", "65536"]), ["duplicate", "non-monotonic send"]);
    }

    #[test]
    fn record_that_nobody_sent_there_is_a_phantom() {
        for (line, writer) in [("0 0 9 9", 9), ("1 0 1 9", 1), ("0 0 0 0", 0)] {
            let found = judged(&SENT, &[line]);
            assert!(
                matches!(found[..], [Anomaly::Phantom { record, .. }] if record.writer == writer),
                "{found:?}"
            );
        }
        let elsewhere = judged(&SENT, &["1 0 1 1"]);
        assert_eq!(elsewhere, [Anomaly::Phantom { record: record(1, 1), place: place(1, 0) }]);
    }

    #[test]
    fn offset_with_two_records_is_inconsistent() {
        // Two consumers read different records, or a producer was told of another one.
        let read = judged(&with(&["B 70 0 0", "R 70 0 0 1 2"]), &["0 0 1 1", "0 1 1 2"]);
        assert_eq!(kinds(&read), ["duplicate", "inconsistent offset"]);
        let told = judged(&with(&["A 1 2 0 0"]), &["0 0 1 1"]);
        let records = [record(1, 2), record(1, 1)];
        assert!(told.contains(&Anomaly::InconsistentOffset { place: place(0, 0), records }), "{told:?}");
    }

    #[test]
    fn poll_that_goes_back_is_not_monotonic() {
        let lines = with(&["B 70 0 0", "R 70 0 0 1 1", "R 70 0 1 1 2", "R 70 0 0 1 1"]);
        let found = judged(&lines, &["0 0 1 1", "0 1 1 2"]);
        assert_eq!(found, [Anomaly::NonMonotonicPoll { reader: 70, place: place(0, 0), expected: 2 }]);
    }

    #[test]
    fn poll_that_leaves_an_offset_out_skips() {
        let skipped = [Anomaly::SkippedPoll { reader: 70, place: place(0, 1), expected: 0 }];
        let found = judged(&with(&["B 70 0 0", "R 70 0 1 1 2"]), &["0 0 1 1", "0 1 1 2"]);
        assert_eq!(found, skipped);
        // The audit is a reader, too: a hole in the log is one.
        let found = judged(&SENT, &["0 1 1 1"]);
        assert_eq!(kinds(&found), ["skipped poll"]);
    }

    #[test]
    fn records_of_a_producer_in_another_order_are_not_monotonic() {
        let found = judged(&SENT, &["0 0 1 2", "0 1 1 1"]);
        let records = [record(1, 2), record(1, 1)];
        assert_eq!(found, [Anomaly::NonMonotonicSend { place: place(0, 1), records }]);
    }

    #[test]
    fn broker_that_tells_of_an_older_epoch_is_stale() {
        let term = Term { partition: 0, epoch: 4 };
        let found = judged(&["T 1 0 4 2", "T 1 0 5 2", "T 1 0 4 2", "T 2 0 4 2"], &[]);
        assert_eq!(found, [Anomaly::StaleMetadata { broker: 1, term, newer: 5 }]);
    }

    #[test]
    fn epoch_has_one_leader_or_none_that_is_known() {
        let term = Term { partition: 0, epoch: 4 };
        assert_eq!(judged(&["T 1 0 4 -1", "T 2 0 4 2", "T 1 0 4 2", "T 3 0 4 -1", "T 3 1 4 1"], &[]), []);
        let found = judged(&["T 1 0 4 2", "T 2 0 4 3"], &[]);
        assert_eq!(found, [Anomaly::TwoLeaders { term, leaders: [2, 3] }]);
    }

    #[test]
    fn epoch_of_the_quorum_has_one_leader() {
        assert_eq!(judged(&["Q 1 4 1", "Q 1 4 1", "Q 2 5 2"], &[]), []);
        let found = judged(&["Q 1 4 1", "Q 2 4 2"], &[]);
        assert_eq!(found, [Anomaly::TwoControllers { epoch: 4, leaders: [1, 2] }]);
    }

    #[test]
    fn consumers_and_replicas_that_stand_are_anomalies() {
        let stood = Event::Stood { reader: 70, place: place(0, 3) };
        let found: Vec<_> = judge(&[stood, Event::Lagged { node: 2 }]).into_iter().collect();
        let consumer = Anomaly::StandingConsumer { reader: 70, place: place(0, 3) };
        assert_eq!(found, [consumer, Anomaly::StandingReplicas { node: 2 }]);
    }
}
