//! Heartbeats of brokers, and what becomes of a broker by them.
//!
//! | state | heartbeat | next |
//! |---|---|---|
//! | fenced | wants to shut down | may stop |
//! | fenced | wants to be unfenced, has seen its registration | unfenced |
//! | unfenced | wants to be fenced | fenced; may stop if it wants to shut down too |
//! | unfenced | wants to shut down, leads partitions | controlled shutdown |
//! | unfenced | wants to shut down, leads nothing | fenced, may stop |
//! | controlled shutdown | leads nothing, and all others have seen who leads now | fenced, may stop |
//! | any but fenced | silence for `broker.session.timeout.ms`, or its process was found gone | fenced |
//!
//! A heartbeat also names directories that are offline, or that take no new replicas. An epoch that is not the one of
//! the registration is STALE_BROKER_EPOCH.
//!
//! Source: KIP-631, KIP-841, KIP-858, KIP-1066; `BrokerHeartbeatManager` and `ReplicationControlManager` of Apache Kafka.

use milena_protocol::messages::broker_heartbeat::BrokerHeartbeatRequest;
use milena_protocol::messages::metadata_records::MetadataRecord;
use milena_protocol::{ErrorCode, NodeId, Offset, Timestamp};

use super::{Controller, ControllerReply, Decision, Heartbeat, Refusal};

/// How a broker stands with the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Fenced,
    Unfenced,
    ControlledShutdown,
    MayStop,
}

impl Controller {
    pub(super) fn heartbeat(&mut self, now: Timestamp, request: &BrokerHeartbeatRequest) -> Decision {
        let id = NodeId(request.broker_id);
        if let Err(refusal) = self.check_epoch(id, request.broker_epoch) {
            return (Vec::new(), ControllerReply::Heartbeat(Err(refusal)));
        }
        let before = self.standing(id);
        let next = self.next_standing(before, request);
        let mut records = if before == next { Vec::new() } else { self.to_standing(id, next) };
        self.report_directories(request, &mut records);
        self.sessions.heard(id, now, Offset(request.current_metadata_offset));
        match next {
            Standing::MayStop => self.sessions.end(id),
            Standing::ControlledShutdown => self.sessions.leave(id, self.last_offset(&records)),
            Standing::Fenced | Standing::Unfenced => {}
        }
        let heartbeat = Heartbeat {
            is_caught_up: self.has_seen_itself(request),
            is_fenced: matches!(next, Standing::Fenced | Standing::MayStop),
            should_shut_down: next == Standing::MayStop,
        };
        (records, ControllerReply::Heartbeat(Ok(heartbeat)))
    }

    /// A process was found to have ended: its broker is fenced without waiting for the end of its session.
    pub(super) fn process_gone(&mut self, id: NodeId, epoch: i64) -> Decision {
        if let Err(refusal) = self.check_epoch(id, epoch) {
            return (Vec::new(), ControllerReply::Done(Err(refusal)));
        }
        self.sessions.end(id);
        (self.fence(id), ControllerReply::Done(Ok(())))
    }

    /// Fences a broker whose session has ended in silence; one at a time, so that the next sees what came of it.
    pub(super) fn fence_silent(&mut self, now: Timestamp) -> Vec<MetadataRecord> {
        let Some(id) = self.sessions.expired(now) else { return Vec::new() };
        self.sessions.end(id);
        self.fence(id)
    }

    fn fence(&self, id: NodeId) -> Vec<MetadataRecord> {
        let is_unfenced = self.image.broker(id).is_some_and(|broker| !broker.fenced);
        if is_unfenced { self.view().fence(id) } else { Vec::new() }
    }

    fn standing(&self, id: NodeId) -> Standing {
        match self.image.broker(id) {
            Some(broker) if !broker.fenced => match self.sessions.leaves_at(id) {
                Some(_) => Standing::ControlledShutdown,
                None => Standing::Unfenced,
            },
            _ => Standing::Fenced,
        }
    }

    fn next_standing(&self, standing: Standing, request: &BrokerHeartbeatRequest) -> Standing {
        let id = NodeId(request.broker_id);
        let leads = || {
            self.image
                .topics()
                .flat_map(|topic| topic.partitions())
                .any(|(_, partition)| partition.leader == id)
        };
        match standing {
            Standing::Fenced if request.want_shut_down => Standing::MayStop,
            Standing::Fenced if !request.want_fence && self.has_seen_itself(request) => Standing::Unfenced,
            Standing::Unfenced if request.want_fence && request.want_shut_down => Standing::MayStop,
            Standing::Unfenced if request.want_fence => Standing::Fenced,
            Standing::Unfenced if request.want_shut_down && leads() => Standing::ControlledShutdown,
            Standing::Unfenced if request.want_shut_down => Standing::MayStop,
            Standing::ControlledShutdown if !leads() && self.others_have_seen_it_leave(id) => {
                Standing::MayStop
            }
            _ => standing,
        }
    }

    fn others_have_seen_it_leave(&self, id: NodeId) -> bool {
        self.sessions.leaves_at(id) <= Some(self.sessions.seen_by_active(&self.image))
    }

    fn to_standing(&self, id: NodeId, next: Standing) -> Vec<MetadataRecord> {
        match next {
            Standing::Fenced | Standing::MayStop => self.fence(id),
            Standing::Unfenced => self.view().unfence(id),
            Standing::ControlledShutdown => self.view().begin_shutdown(id),
        }
    }

    fn report_directories(&self, request: &BrokerHeartbeatRequest, records: &mut Vec<MetadataRecord>) {
        let id = NodeId(request.broker_id);
        if !request.offline_log_dirs.is_empty() {
            let image = self.image_after(records);
            records.extend(self.view_of(&image).directories_offline(id, &request.offline_log_dirs));
        }
        if let Some(cordoned) = &request.cordoned_log_dirs {
            records.extend(self.view().directories_cordoned(id, cordoned));
        }
    }

    fn has_seen_itself(&self, request: &BrokerHeartbeatRequest) -> bool {
        Offset(request.current_metadata_offset) >= self.sessions.registered_at(NodeId(request.broker_id))
    }

    pub(super) fn check_epoch(&self, id: NodeId, epoch: i64) -> Result<(), Refusal> {
        let stale = |message: String| Err(Refusal::new(ErrorCode::StaleBrokerEpoch, message));
        match self.image.broker(id) {
            None => stale(format!("No broker registration found for broker id {id}")),
            Some(broker) if broker.epoch != epoch => {
                stale(format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch))
            }
            Some(_) => Ok(()),
        }
    }
}
