//! A member of a classic group: what it told, what it was assigned, and the request of its that is parked.

use bytes::Bytes;
use bytestring::ByteString;
use milena_protocol::messages::group_records::group_metadata::MemberMetadata;

use super::request::{DescribedMember, JoinGroup, JoinedMember, Protocol};
use crate::machine::Ticket;

/// A copy: what a group keeps outlives the request, or the read of the log, that it would be a slice of.
pub(super) fn owned(text: &ByteString) -> ByteString {
    ByteString::from(&**text)
}

fn copied(protocols: Vec<Protocol>) -> Vec<Protocol> {
    let copy = |Protocol { name, metadata }: Protocol| Protocol {
        name: owned(&name),
        metadata: Bytes::copy_from_slice(&metadata),
    };
    protocols.into_iter().map(copy).collect()
}

/// A member. Only what [`MemberMetadata`] holds survives a change of the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) id: ByteString,
    pub(super) instance: Option<ByteString>,
    pub(super) client_id: ByteString,
    pub(super) client_host: ByteString,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// The JoinGroup that waits for the rebalance to complete.
    pub(super) awaiting_join: Option<Ticket>,
    /// The SyncGroup that waits for the leader's.
    pub(super) awaiting_sync: Option<Ticket>,
    /// It has not learned its id yet, so its JoinGroup may time out.
    pub(super) is_new: bool,
}

impl Member {
    /// A member that is about to join.
    pub(super) fn joining(id: ByteString, request: JoinGroup, ticket: Ticket) -> Self {
        Self {
            id,
            instance: request.instance.as_ref().map(owned),
            client_id: owned(&request.client_id),
            client_host: request.client_host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: copied(request.protocols),
            assignment: Bytes::new(),
            awaiting_join: Some(ticket),
            awaiting_sync: None,
            is_new: true,
        }
    }

    /// Takes over what the member supports now.
    pub(super) fn learn(&mut self, protocols: Vec<Protocol>) {
        self.protocols = copied(protocols);
    }

    /// A static member that comes back under another id, with what `request` tells. It keeps its assignment.
    pub(super) fn returning(&self, id: ByteString, request: &JoinGroup) -> Self {
        Self {
            id,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: copied(request.protocols.clone()),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            ..self.clone()
        }
    }

    /// A member as the log has it; the only protocol it is known to support is the one agreed on.
    pub(super) fn recorded(record: &MemberMetadata, protocol: Option<&ByteString>) -> Self {
        let name = protocol.cloned().unwrap_or_default();
        Self {
            id: owned(&record.member_id),
            instance: record.group_instance_id.as_ref().map(owned),
            client_id: owned(&record.client_id),
            client_host: owned(&record.client_host),
            rebalance_timeout_ms: match record.rebalance_timeout {
                -1 => record.session_timeout,
                timeout => timeout,
            },
            session_timeout_ms: record.session_timeout,
            protocols: copied(vec![Protocol { name, metadata: record.subscription.clone() }]),
            assignment: Bytes::copy_from_slice(&record.assignment),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    /// The member as the log has it, with what only memory knows: parked requests, and the protocols that were not
    /// agreed on.
    pub(super) fn confirmed(self, recorded: Self, protocol: Option<&ByteString>) -> Self {
        let is_current = self.metadata(protocol) == recorded.metadata(protocol);
        Self {
            protocols: if is_current { self.protocols } else { recorded.protocols },
            awaiting_join: self.awaiting_join,
            awaiting_sync: self.awaiting_sync,
            is_new: self.is_new,
            ..recorded
        }
    }

    /// The member for the log, with this assignment.
    pub(super) fn record(&self, protocol: Option<&ByteString>, assignment: Bytes) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// What the member tells the leader under `protocol`; empty when it does not support it.
    pub(super) fn metadata(&self, protocol: Option<&ByteString>) -> Bytes {
        let supported = self.protocols.iter().find(|supported| Some(&supported.name) == protocol);
        supported.map(|supported| supported.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|supported| supported.name == protocol)
    }

    /// The member's silence is excused: it waits for us.
    pub(super) fn is_parked(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    pub(super) fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    /// As the leader sees it.
    pub(super) fn joined(&self, protocol: Option<&ByteString>) -> JoinedMember {
        JoinedMember {
            member: self.id.clone(),
            instance: self.instance.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// As administrators see it; the metadata only of a stable group.
    pub(super) fn described(&self, protocol: Option<&ByteString>) -> DescribedMember {
        DescribedMember {
            member: self.id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }
}
