//! What the node says of itself.

use super::{Counters, Health, LegacyStatus, Node, Noticed};
use torchat_protocol::id::{LaneId, PeerId};

/// A node's state in numbers, for STATUS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeStatus {
    /// Live links.
    pub links: usize,
    /// Contacts.
    pub contacts: usize,
    /// Strangers that wait for the user's decision.
    pub requests: usize,
    /// Messages that are not delivered.
    pub queued: usize,
    /// Bytes of their texts.
    pub queued_bytes: u64,
    /// Bytes of text that nobody has read, and [`crate::account::ROW_BYTES`] for each message and mark.
    pub unread_bytes: u64,
    /// Whether the store takes mail.
    pub writable: bool,
    /// How often limits were met.
    pub counters: Counters,
    /// Whether our way into the network and our service work.
    pub health: Health,
    /// Messages of old daemons.
    pub legacy: LegacyStatus,
    /// What the user should know, oldest first.
    pub notices: Vec<Noticed>,
    /// The peers that are owed mail, and why they have not got it.
    pub waiting: Vec<PeerStatus>,
}

/// Why a peer's mail waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub peer: PeerId,
    /// How many messages wait.
    pub queued: usize,
    /// A link is up.
    pub linked: bool,
    /// Milliseconds until the next dial.
    pub next_dial_in_ms: Option<u64>,
    /// One sentence.
    pub reason: String,
}

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
            notices: self.notices.iter().copied().collect(),
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
