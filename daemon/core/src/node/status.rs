//! What the node says of itself when it is asked.

use super::{Node, Parts};
use crate::account::Kind;
use crate::dialling::Target;
use crate::piece::Retained;
use crate::time::Now;
use crate::view::{ContactView, Counters, NodeStatus, Obstacle, PeerStatus, QueueStatus, RequestView};
use torchat_protocol::id::{LaneId, MessageId, PeerId};
use torchat_protocol::room::RoomId;

impl Node {
    /// The state, at the given time of the monotonic clock.
    #[must_use]
    pub fn status(&self, mono_ms: u64) -> NodeStatus {
        let parts = &self.parts;
        let (contacts, requests) = parts.contacts.count();
        let (messages, bytes) = parts.chat.sending.total();
        let waiting = |peer: &PeerId| PeerStatus {
            peer: *peer,
            queued: parts.chat.sending.queued(peer),
            linked: !parts.links.is_unlinked(peer),
            next_dial_in_ms: self.next_dial_in_ms(peer, mono_ms),
            obstacle: self.obstacle_of_owed(peer),
        };
        NodeStatus {
            links: parts.links.count_open(),
            contacts,
            requests,
            queue: QueueStatus { messages, bytes, bytes_limit: self.policy.outbox_bytes_total },
            unread_bytes: parts.chat.receiving.unread_bytes(),
            writable: self.conditions.writable,
            counters: parts.counters(),
            health: parts.supervision.health(&self.policy.repair, mono_ms),
            legacy: parts.chat.legacy.status(),
            notices: parts.notices.list(),
            waiting: parts.chat.sending.owed().map(waiting).collect(),
        }
    }

    /// What keeps this peer's messages. `None` when nothing waits.
    #[must_use]
    pub fn obstacle(&self, peer: &PeerId) -> Option<Obstacle> {
        self.parts.chat.sending.owes(peer).then(|| self.obstacle_of_owed(peer))
    }

    fn obstacle_of_owed(&self, peer: &PeerId) -> Obstacle {
        let Parts { contacts, dialling, links, .. } = &self.parts;
        let target = Target::chat(*peer);
        let (asking, linked) = (dialling.is_asking(&target), !links.is_unlinked(peer));
        if contacts.is_waiting(peer) && !asking {
            Obstacle::NotAccepted
        } else if asking && linked {
            Obstacle::Asking
        } else if linked {
            Obstacle::NotConfirmed
        } else if !self.conditions.network_usable {
            Obstacle::NoNetwork
        } else if dialling.is_running(&target) {
            Obstacle::Connecting
        } else {
            Obstacle::NoConnection { why: dialling.why(&target).cloned(), tries: dialling.attempts(&target) }
        }
    }

    /// Milliseconds until the next dial of this peer, at the given time of the monotonic clock. `None`: none is planned.
    #[must_use]
    pub fn next_dial_in_ms(&self, peer: &PeerId, mono_ms: u64) -> Option<u64> {
        Some(self.parts.dialling.due_at(&Target::chat(*peer))?.saturating_sub(mono_ms))
    }

    /// Milliseconds until the next dial of somebody who can pass on what we say in a room, at the given time of the monotonic
    /// clock. `None`: none is planned.
    #[must_use]
    pub fn next_room_dial_in_ms(&self, room: RoomId, mono_ms: u64) -> Option<u64> {
        let due = self.rooms().others(room).filter_map(|peer| self.parts.dialling.due_at(&Target::room(peer)));
        Some(due.min()?.saturating_sub(mono_ms))
    }

    /// What keeps our messages in a room from the others, besides the room itself: there is no way into the network, or somebody is
    /// being dialled.
    #[must_use]
    pub fn room_obstacle(&self, room: RoomId) -> Option<Obstacle> {
        if !self.conditions.network_usable {
            return Some(Obstacle::NoNetwork);
        }
        let dialled = self.rooms().others(room).any(|peer| self.parts.dialling.is_running(&Target::room(peer)));
        dialled.then_some(Obstacle::Connecting)
    }

    /// The conversations that keep their messages only for a time, and before which moment, in milliseconds since 1970, a message
    /// of them is too old. Empty while the clock is not believed. A store that takes no mail is no reason to keep them: if it is full,
    /// there is a reserve for what erases.
    #[must_use]
    pub fn retained(&self, now: Now) -> Vec<Retained> {
        let Some(believed) = self.believed(now).filter(|_| !self.conditions.stopping) else { return Vec::new() };
        let of_contacts = self.parts.contacts.retained(believed);
        let of_contacts = of_contacts.map(|(peer, before_ms)| Retained { peer, before_ms, unread: false });
        let of_rooms = self.rooms().retained(believed);
        of_contacts.chain(of_rooms.map(|(peer, before_ms)| Retained { peer, before_ms, unread: true })).collect()
    }

    /// Whether the message is queued and not delivered.
    #[must_use]
    pub fn is_pending(&self, peer: &PeerId, mid: &MessageId) -> bool {
        self.parts.chat.sending.is_pending(peer, mid)
    }

    /// The lane and the number below which everything was put on a live link.
    #[must_use]
    pub fn sent_below(&self, peer: &PeerId) -> Option<(LaneId, u64)> {
        self.parts.chat.sending.sent_below(peer, self.parts.links.of(peer))
    }

    /// Whether the peer holds our messages back.
    #[must_use]
    pub fn is_waiting(&self, peer: &PeerId) -> bool {
        self.parts.contacts.is_waiting(peer)
    }

    /// What a peer has paid of a kind, for those who watch that it is not more than it may.
    #[must_use]
    pub fn spent(&self, peer: &PeerId, kind: Kind) -> u64 {
        self.parts.account.spent(peer, kind)
    }

    /// The requests that the user has not decided, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        self.parts.contacts.requests()
    }

    /// The contacts and the blocked peers, at the given moment.
    #[must_use]
    pub fn contacts(&self, now: Now) -> Vec<ContactView> {
        self.contacts_after(None, now).collect()
    }

    /// The contacts and the blocked peers behind this one, in the order of their ids. What is not taken costs nothing.
    pub fn contacts_after(&self, after: Option<PeerId>, now: Now) -> impl Iterator<Item = ContactView> {
        self.parts.contacts.listed(after).map(move |peer| self.parts.view(*peer, now))
    }

    /// Whether CONTACTS lists this peer: a contact, or a blocked peer.
    #[must_use]
    pub fn is_listed(&self, peer: &PeerId) -> bool {
        self.parts.contacts.is_contact(peer) || self.parts.contacts.is_blocked(peer)
    }

    /// What is known of any peer, at the given moment.
    #[must_use]
    pub fn contact(&self, peer: &PeerId, now: Now) -> ContactView {
        self.parts.view(*peer, now)
    }
}

impl Parts {
    pub(super) fn view(&self, peer: PeerId, now: Now) -> ContactView {
        #[cfg(test)]
        crate::turn::tests::LOOKS.set(crate::turn::tests::LOOKS.get() + 1);
        let by_link = self.links.last_heard(&peer).map(|heard| now.mono_ms.saturating_sub(heard));
        let by_store = || {
            let seen = self.presence.seen_ms(&peer)?;
            Some(u64::try_from(now.wall_ms.saturating_sub(seen)).unwrap_or(0))
        };
        ContactView {
            linked: self.links.is_any_open(&peer),
            heard_ms_ago: by_link.or_else(by_store),
            hidden: self.presence.is_hidden(&peer),
            queued: self.chat.sending.queued(&peer),
            ..self.contacts.view(peer)
        }
    }

    fn counters(&self) -> Counters {
        let received = self.chat.receiving.counts();
        let (requests, invites) = self.contacts.refused();
        let (links, misbehaved) = self.links.closed();
        Counters {
            strangers: received.strangers,
            requests,
            unread_full: received.unread_full,
            storage: received.storage,
            dials: self.dialling.put_off(),
            links,
            misbehaved,
            outbox: self.chat.sending.refused(),
            invites,
            account: self.account.refused(),
        }
    }
}
