//! When the messages on a link rest: too much is unread, the peer cannot pay, or a number is missing.

use super::{Received, Receiving, Speaker};
use crate::account::{Kind, Payer};
use crate::input::LinkId;
use crate::policy::Policy;
use torchat_protocol::id::PeerId;
use torchat_protocol::limits;

/// What a message takes of a link's credit beside its text.
const ENVELOPE_BYTES: u64 = 256;

/// How the peer's messages come over one link.
#[derive(Debug, Default)]
pub(super) struct Inflow {
    /// They wait because too much is unread.
    choked: bool,
    /// They wait because the peer could not pay for them.
    paced: bool,
    /// We said where the lanes stand, after a gap.
    restated: bool,
    /// Bytes that came and were not acknowledged.
    wasted: u64,
}

impl Inflow {
    /// A message of it was stored.
    pub(super) fn moves_on(&mut self) {
        self.restated = false;
        self.wasted = 0;
    }

    /// The peer's messages rest: whatever comes meanwhile leaves a gap.
    fn rests(&self) -> bool {
        self.choked || self.paced
    }
}

impl Receiving {
    /// Whether so much more would be more than may be unread. Where nothing is unread one message fits, however small the quota is:
    /// else a long one would stop its lane forever.
    pub(super) fn is_full(&mut self, policy: &Policy, from: Speaker, more: u64) -> bool {
        let over = |unread: u64, most: u64| unread > 0 && unread.saturating_add(more) > most;
        let of_peer = self.peers.get(&from.peer).map_or(0, |inbox| inbox.unread_bytes);
        let full = over(of_peer, policy.unread_bytes_per_peer) || over(self.unread_bytes, policy.unread_bytes_total);
        if full {
            self.counts.unread_full += 1;
            if let Some(flow) = self.links.get_mut(&from.link) {
                flow.choked = true;
            }
        }
        full
    }

    /// Whether the peer can pay for one more message or skipped number. If not, its link rests until it can: a gap would follow
    /// whatever else comes.
    pub(super) fn may_store(&mut self, policy: &Policy, payer: &mut Payer<'_>, from: Speaker, bytes: u64) -> bool {
        if self.links.get(&from.link).is_some_and(|flow| flow.paced) {
            return false;
        }
        if !from.contact {
            // It becomes a contact by this, where strangers may write. An onion costs nothing, so all of them pay together.
            let paid = payer.pay_onion(&policy.requests);
            self.counts.strangers += u64::from(!paid);
            return paid;
        }
        self.pay_or_pace(payer, from, Kind::Rows, 1) && self.pay_or_pace(payer, from, Kind::Bytes, bytes)
    }

    pub(super) fn may_mark(&mut self, payer: &mut Payer<'_>, from: Speaker) -> bool {
        // A stranger has paid as one.
        !from.contact || self.pay_or_pace(payer, from, Kind::Notes, 1)
    }

    /// Takes a price, or lets the peer's messages on this link rest until it can be paid.
    pub(super) fn pay_or_pace(&mut self, payer: &mut Payer<'_>, from: Speaker, kind: Kind, amount: u64) -> bool {
        let paid = payer.pay_or_wait(kind, amount);
        if !paid && let Some(flow) = self.links.get_mut(&from.link) {
            flow.paced = true;
        }
        paid
    }

    /// A number is missing: where the lanes stand is said once. What flies until the sender hears it is dropped.
    pub(super) fn gap(&mut self, id: LinkId, bytes: u64) -> Received {
        match self.links.get_mut(&id) {
            Some(flow) if !flow.rests() && !flow.restated => {
                flow.restated = true;
                Received::Gap(bytes)
            }
            _ => Received::Wasted(bytes),
        }
    }

    /// Counts what arrived and was not acknowledged. `false`: it is more than the credit that we announced.
    pub(crate) fn waste(&mut self, id: LinkId, bytes: u64) -> bool {
        let Some(flow) = self.links.get_mut(&id) else { return true };
        flow.wasted += bytes + ENVELOPE_BYTES;
        // Twice the credit: a sender may fill it once more before it hears the HELLO that starts it anew.
        flow.wasted <= 2 * limits::RECEIVE_CREDIT_BYTES
    }

    /// The peer can pay again: whether this link rested for that alone, so that a HELLO is to tell where to go on.
    pub(crate) fn goes_on(&mut self, id: LinkId) -> bool {
        let Some(flow) = self.links.get_mut(&id).filter(|flow| flow.paced) else { return false };
        flow.paced = false;
        flow.restated = false;
        if flow.choked {
            return false;
        }
        flow.wasted = 0;
        true
    }

    /// The links whose messages had to wait because too much was unread, if enough was read since, and whether a HELLO is to
    /// tell where to go on.
    pub(crate) fn unchoke(&mut self, is_open: impl Fn(LinkId) -> bool) -> Vec<LinkId> {
        if !std::mem::take(&mut self.unchoke_due) {
            return Vec::new();
        }
        let mut free = Vec::new();
        for (id, flow) in self.links.iter_mut().filter(|(id, flow)| flow.choked && is_open(**id)) {
            flow.choked = false;
            flow.wasted = 0;
            if !flow.paced {
                free.push(*id);
            }
        }
        free
    }

    /// [`Receiving::unchoke`] has something to do at once.
    pub(crate) fn is_unchoke_due(&self) -> bool {
        self.unchoke_due
    }

    /// A commit has marked so much of what a peer said as read. What follows from it is in the next turn.
    pub(crate) fn freed(&mut self, policy: &Policy, peer: &PeerId, bytes: u64, is_open: impl Fn(LinkId) -> bool) {
        let Some(inbox) = self.peers.get_mut(peer) else { return };
        inbox.unread_bytes = inbox.unread_bytes.saturating_sub(bytes);
        self.unread_bytes = self.unread_bytes.saturating_sub(bytes);
        // Half free before the flow starts again, or every single message read would cost a HELLO.
        self.unchoke_due |= inbox.unread_bytes <= policy.unread_bytes_per_peer / 2
            && self.unread_bytes <= policy.unread_bytes_total / 2
            && self.links.iter().any(|(id, flow)| flow.choked && is_open(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::ROW_BYTES;
    use crate::chat::receiving::tests::{Bench, LINK};
    use crate::turn::tests::peer;
    use torchat_protocol::id::{Chain, MessageId};

    #[test]
    fn what_is_full_waits_until_half_of_it_is_read() {
        let mut bench = Bench::new();
        bench.policy.unread_bytes_per_peer = 2 * ROW_BYTES;
        assert!(matches!(bench.says(1, Chain::EMPTY, "one"), Received::Store(_)));
        let chain = Chain::EMPTY.next(MessageId([9; 16]));
        assert_eq!(bench.says(2, chain, &"x".repeat(600)), Received::Wasted(600));
        assert_eq!(bench.receiving.counts().unread_full, 1);
        let Bench { receiving, policy, .. } = &mut bench;
        assert_eq!(receiving.unchoke(|_| true), []);
        receiving.freed(policy, &peer(1), ROW_BYTES + 3, |_| true);
        assert!(receiving.is_unchoke_due());
        assert_eq!(receiving.unchoke(|_| true), [LINK]);
    }

    #[test]
    fn more_than_twice_the_credit_for_nothing_is_too_much() {
        let mut bench = Bench::new();
        let most = 2 * limits::RECEIVE_CREDIT_BYTES;
        assert!(bench.receiving.waste(LINK, most - 2 * ENVELOPE_BYTES));
        assert!(bench.receiving.waste(LINK, 0));
        assert!(!bench.receiving.waste(LINK, 0));
    }
}
