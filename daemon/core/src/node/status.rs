//! What the node says of itself.

use super::Node;
use crate::view::{Counters, NodeStatus, PeerStatus};
use torchat_protocol::id::{LaneId, PeerId};

impl Node {
    /// The state, at the given time of the monotonic clock.
    #[must_use]
    pub fn status(&self, mono_ms: u64) -> NodeStatus {
        let owed = |p: &super::Peer| p.out.as_ref().map_or(0, |out| out.owed().count());
        NodeStatus {
            links: self.links.values().filter(|link| !link.closing).count(),
            contacts: self.peers.values().filter(|p| p.contact).count(),
            requests: self.peers.values().filter(|p| p.asks().is_some()).count(),
            queued: self.peers.values().map(owed).sum(),
            queued_bytes: self.outbox_bytes,
            unread_bytes: self.unread_bytes,
            writable: self.writable,
            counters: Counters { account: self.account.refused(), ..self.counters },
            health: self.health(mono_ms),
            legacy: self.legacy.status(),
            notices: self.notices.iter().map(|(notice, _)| *notice).collect(),
            waiting: self
                .peers
                .iter()
                .filter(|(_, p)| p.owes())
                .map(|(peer, p)| PeerStatus {
                    peer: *peer,
                    queued: owed(p),
                    linked: !p.links.is_empty(),
                    next_dial_in_ms: p.dialling.due().map(|due| due.saturating_sub(mono_ms)),
                    reason: self.reason(peer).unwrap_or_default(),
                })
                .collect(),
        }
    }

    /// Why this peer's messages are not delivered, in a sentence. `None` when nothing waits.
    #[must_use]
    pub fn reason(&self, peer: &PeerId) -> Option<String> {
        let row = self.peers.get(peer).filter(|row| row.owes())?;
        Some(if row.waiting && !row.asking {
            "the peer has not accepted you as a contact yet".to_owned()
        } else if row.asking && !row.links.is_empty() {
            "asking the peer to accept you as a contact".to_owned()
        } else if !row.links.is_empty() {
            "sent, the peer has not confirmed it yet".to_owned()
        } else if !self.network_usable {
            "Tor is not ready yet".to_owned()
        } else if row.dialling.is_running() {
            "connecting to the peer".to_owned()
        } else {
            let why = row.dialling.reason.as_deref().unwrap_or("not tried yet");
            format!("no connection to the peer ({why}), {} tries so far", row.dialling.attempts())
        })
    }

    /// Milliseconds until the next dial of this peer, at the given time of the monotonic clock. `None`: none is planned.
    #[must_use]
    pub fn next_dial_in_ms(&self, peer: &PeerId, mono_ms: u64) -> Option<u64> {
        Some(self.peers.get(peer)?.dialling.due()?.saturating_sub(mono_ms))
    }

    /// The lane and the number below which everything was put on a live link.
    #[must_use]
    pub fn sent_below(&self, peer: &PeerId) -> Option<(LaneId, u64)> {
        let row = self.peers.get(peer)?;
        let next = row.links.iter().filter_map(|id| self.links.get(id)?.next).max()?;
        Some((row.out.as_ref()?.lane(), next))
    }

    /// Whether the peer holds our messages back.
    #[must_use]
    pub fn is_waiting(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.waiting)
    }
}
