//! Sessions: which brokers have been heard of lately, and how far each has come.
//!
//! Soft state of the active controller: nothing of it is in the log. A new controller gives every unfenced broker a
//! fresh session, because it does not know when the others were last heard of.
//!
//! | event | session |
//! |---|---|
//! | activation | begins for every unfenced broker |
//! | heartbeat | begins or goes on |
//! | silence for `broker.session.timeout.ms` | ends, the broker is fenced |
//! | the process was found gone, or stops in order | ends |
//! | a new incarnation registers | ends with its epoch |
//!
//! Source: `BrokerHeartbeatManager` and `BrokerHeartbeatTracker` of Apache Kafka.

use std::collections::BTreeMap;

use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::{NodeId, Offset, Timestamp};

use crate::metadata::MetadataImage;

/// What is known of each registered broker.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    timeout_ms: i64,
    brokers: BTreeMap<NodeId, Session>,
}

/// What is known of one registration.
#[derive(Debug, Clone)]
struct Session {
    epoch: i64,
    /// Where its newest registration stands in the log, or before.
    registered_at: Offset,
    /// `None` while there is no session.
    heard: Option<Timestamp>,
    /// The last offset of the metadata that it has seen, as it says.
    seen: Offset,
    /// In controlled shutdown: where the last change stands that moved a leadership away when it began.
    leaves_at: Option<Offset>,
}

impl Session {
    fn new(epoch: i64, registered_at: Offset, heard: Option<Timestamp>) -> Self {
        Self { epoch, registered_at, heard, seen: Offset::NONE, leaves_at: None }
    }
}

impl Sessions {
    /// Fresh sessions for every broker that is not fenced.
    pub(super) fn new(timeout_ms: i64, image: &MetadataImage, now: Timestamp) -> Self {
        let session = |broker: &crate::metadata::BrokerImage| {
            let heard = (!broker.fenced).then_some(now);
            (broker.id, Session::new(broker.epoch, Offset(broker.epoch), heard))
        };
        Self { timeout_ms, brokers: image.brokers().map(session).collect() }
    }

    /// Follows the registrations in the log.
    pub(super) fn replay(&mut self, offset: Offset, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBrokerRecord(record) => {
                let session = self.brokers.entry(NodeId(record.broker_id));
                let session = session.or_insert_with(|| Session::new(record.broker_epoch, offset, None));
                if session.epoch != record.broker_epoch {
                    *session = Session::new(record.broker_epoch, offset, None);
                }
                session.registered_at = offset;
            }
            MetadataRecord::UnregisterBrokerRecord(record) => {
                self.brokers.remove(&NodeId(record.broker_id));
            }
            MetadataRecord::BrokerRegistrationChangeRecord(record) if record.fenced > 0 => {
                self.stay(NodeId(record.broker_id));
            }
            MetadataRecord::FenceBrokerRecord(record) => self.stay(NodeId(record.id)),
            _ => {}
        }
    }

    /// Whether this registration of a broker has a session.
    pub(super) fn is_live(&self, id: NodeId, epoch: i64, now: Timestamp) -> bool {
        let session = self.brokers.get(&id).filter(|session| session.epoch == epoch);
        session.and_then(|session| session.heard).is_some_and(|heard| now < self.expiry(heard))
    }

    /// A heartbeat of a registration that is the current one.
    pub(super) fn heard(&mut self, id: NodeId, now: Timestamp, seen: Offset) {
        if let Some(session) = self.brokers.get_mut(&id) {
            session.heard = Some(now);
            session.seen = seen;
        }
    }

    /// Nothing more is expected of this broker.
    pub(super) fn end(&mut self, id: NodeId) {
        if let Some(session) = self.brokers.get_mut(&id) {
            session.heard = None;
        }
    }

    /// Where the newest registration of a broker stands in the log, or before.
    pub(super) fn registered_at(&self, id: NodeId) -> Offset {
        self.brokers.get(&id).map_or(Offset(i64::MAX), |session| session.registered_at)
    }

    /// The broker is in controlled shutdown since the change at `end`, if it is not since an earlier one.
    pub(super) fn leave(&mut self, id: NodeId, end: Offset) {
        if let Some(session) = self.brokers.get_mut(&id) {
            session.leaves_at.get_or_insert(end);
        }
    }

    /// The end of what a broker in controlled shutdown waits for others to see.
    pub(super) fn leaves_at(&self, id: NodeId) -> Option<Offset> {
        self.brokers.get(&id).and_then(|session| session.leaves_at)
    }

    fn stay(&mut self, id: NodeId) {
        if let Some(session) = self.brokers.get_mut(&id) {
            session.leaves_at = None;
        }
    }

    /// What every active broker has seen; everything where there is none.
    pub(super) fn seen_by_active(&self, image: &MetadataImage) -> Offset {
        let active = self.brokers.iter().filter(|(id, session)| {
            session.leaves_at.is_none() && image.broker(**id).is_some_and(|broker| !broker.fenced)
        });
        active.map(|(_, session)| session.seen).min().unwrap_or(Offset(i64::MAX))
    }

    /// When the next session ends in silence.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.brokers.values().filter_map(|session| session.heard).min().map(|heard| self.expiry(heard))
    }

    /// A broker whose session has ended in silence.
    pub(super) fn expired(&self, now: Timestamp) -> Option<NodeId> {
        let is_over = |session: &Session| session.heard.is_some_and(|heard| now >= self.expiry(heard));
        self.brokers.iter().find(|(_, session)| is_over(session)).map(|(id, _)| *id)
    }

    /// Time in which the controller itself did not run says nothing about brokers.
    pub(super) fn renew(&mut self, now: Timestamp) {
        for session in self.brokers.values_mut() {
            session.heard = session.heard.map(|_| now);
        }
    }

    fn expiry(&self, heard: Timestamp) -> Timestamp {
        Timestamp(heard.0.saturating_add(self.timeout_ms).saturating_add(1))
    }
}
