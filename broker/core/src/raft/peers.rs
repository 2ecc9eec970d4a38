//! Requests on their way: at most one to each address, a pause after one that failed, which doubles while nothing
//! answers there.

use std::collections::BTreeMap;

use milena_protocol::Timestamp;

use super::voters::Address;
use super::{Output, PeerRequest, RequestId, Turn};

/// Losses in a row from which on the pause grows no more: 32 times `controller.quorum.retry.backoff.ms`.
const LOSSES_MAX: u32 = 5;

/// What a request was about, to read its answer by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) to: Address,
    pub(super) request: PeerRequest,
}

#[derive(Debug, Clone, Default)]
struct Peer {
    in_flight: Option<RequestId>,
    not_before: Option<Timestamp>,
    /// Requests in a row that were lost.
    losses: u32,
}

/// The addresses that were spoken to in this role.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers {
    next_id: u64,
    peers: BTreeMap<Address, Peer>,
    sent: BTreeMap<RequestId, Sent>,
}

impl Peers {
    /// Forgets everybody: answers to what was sent before count no more.
    pub(super) fn reset(&mut self) {
        self.peers.clear();
        self.sent.clear();
    }

    /// Whether `address` may be asked now.
    pub(super) fn is_ready(&self, address: &Address) -> bool {
        self.peers.get(address).is_none_or(|peer| peer.in_flight.is_none() && peer.not_before.is_none())
    }

    /// Whether `address` is left alone after a failure.
    pub(super) fn is_backing_off(&self, address: &Address) -> bool {
        self.peers.get(address).is_some_and(|peer| peer.not_before.is_some())
    }

    pub(super) fn has_any_in_flight(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Sends, if `to` may be asked.
    pub(super) fn send(&mut self, turn: &mut Turn<'_>, to: Address, request: PeerRequest) -> bool {
        if !self.is_ready(&to) {
            return false;
        }
        self.next_id += 1;
        let id = RequestId(self.next_id);
        self.peers.entry(to.clone()).or_default().in_flight = Some(id);
        self.sent.insert(id, Sent { to: to.clone(), request: request.clone() });
        turn.outputs.push(Output::Send { id, to, request });
        true
    }

    /// The answer to `id` is here. `None` for one that nobody waits for any more.
    pub(super) fn answered(&mut self, id: RequestId) -> Option<Sent> {
        let sent = self.sent.remove(&id)?;
        if let Some(peer) = self.peers.get_mut(&sent.to) {
            peer.in_flight = None;
        }
        Some(sent)
    }

    /// Something answers at `address`.
    pub(super) fn heard(&mut self, address: &Address) {
        if let Some(peer) = self.peers.get_mut(address) {
            peer.losses = 0;
        }
    }

    /// Leaves `address` alone for a moment: what it answered is of no use.
    pub(super) fn back_off(&mut self, address: &Address, now: Timestamp, pause_ms: i64) {
        self.peers.entry(address.clone()).or_default().not_before = Some(now.plus_ms(pause_ms));
    }

    /// Leaves `address` alone, longer each time: nothing answered there.
    pub(super) fn lost(&mut self, address: &Address, now: Timestamp, pause_ms: i64) {
        let peer = self.peers.entry(address.clone()).or_default();
        let pause_ms = pause_ms.max(1) << peer.losses.min(LOSSES_MAX);
        peer.losses = peer.losses.saturating_add(1);
        peer.not_before = Some(now.plus_ms(pause_ms));
    }

    /// Ends the pauses that are over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for peer in self.peers.values_mut() {
            peer.not_before = peer.not_before.filter(|until| *until > now);
        }
    }

    /// When the next pause ends.
    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        self.peers.values().filter_map(|peer| peer.not_before).filter(|until| *until > now).min()
    }
}
