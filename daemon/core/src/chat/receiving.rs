//! The peers' messages: stored once and in order, then acknowledged.

use crate::account::{Kind, Payer, ROW_BYTES};
use crate::input::LinkId;
use crate::op::{ChatOp, Op};
use crate::policy::Policy;
use crate::snapshot::PeerSnapshot;
use crate::turn::Context;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::{Chain, LaneId, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{Body, LaneState, PeerMessage, Recv, Skip, SkipReason};

/// What a message takes of a link's credit beside its text.
const ENVELOPE_BYTES: u64 = 256;

/// All peers' lanes to us.
#[derive(Debug, Default)]
pub(crate) struct Receiving {
    peers: BTreeMap<PeerId, Inbox>,
    links: BTreeMap<LinkId, Inflow>,
    /// What is unread of all peers.
    unread_bytes: u64,
    /// Enough was read for the peers whose messages had to wait.
    unchoke_due: bool,
    /// The link and lane pairs whose acknowledgement goes out at the end of this turn.
    to_ack: BTreeSet<(LinkId, LaneId)>,
    counts: Counts,
}

/// One peer's part.
#[derive(Debug, Default)]
struct Inbox {
    /// Its lanes; the one that was used last stands last.
    lanes: Vec<LaneState>,
    /// What is unread, with [`crate::account::ROW_BYTES`] for each message and mark.
    unread_bytes: u64,
}

/// How the peer's messages come over one link.
#[derive(Debug, Default)]
struct Inflow {
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
    /// The peer's messages rest: whatever comes meanwhile leaves a gap.
    fn rests(&self) -> bool {
        self.choked || self.paced
    }
}

/// Messages that were neither stored nor acknowledged, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Because strangers may not write, or too many do.
    pub(crate) strangers: u64,
    /// Because too much is unread.
    pub(crate) unread_full: u64,
    /// Because the store took no writes.
    pub(crate) storage: u64,
}

/// Who says something, and on which link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker {
    pub(crate) link: LinkId,
    pub(crate) peer: PeerId,
    pub(crate) contact: bool,
    /// What it says is stored.
    pub(crate) accepted: bool,
}

/// What becomes of something that a peer said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// There is nothing more to do.
    Done,
    /// Its lane has moved on. This is to be written, behind what makes the peer a contact, and then acknowledged.
    Store(Op),
    /// Nothing is stored; this many bytes of text came for nothing, see [`Receiving::waste`].
    Wasted(u64),
    /// The same, and a number is missing: the link's first gap, so where the lanes stand is to be said.
    Gap(u64),
    /// The store takes no writes: the link ends.
    NoStore,
}

impl Receiving {
    pub(crate) fn restore(peers: &[PeerSnapshot]) -> Self {
        let inbox = |row: &PeerSnapshot| Inbox { lanes: row.lanes.clone(), unread_bytes: row.unread_bytes };
        Self {
            peers: peers.iter().map(|row| (row.peer, inbox(row))).collect(),
            unread_bytes: peers.iter().map(|row| row.unread_bytes).sum(),
            ..Self::default()
        }
    }

    /// Where the peer's lanes stand.
    pub(crate) fn lanes(&self, peer: &PeerId) -> &[LaneState] {
        self.peers.get(peer).map(|inbox| inbox.lanes.as_slice()).unwrap_or_default()
    }

    /// What is unread in all.
    pub(crate) fn unread_bytes(&self) -> u64 {
        self.unread_bytes
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    pub(crate) fn link_up(&mut self, id: LinkId) {
        self.links.insert(id, Inflow::default());
    }

    pub(crate) fn link_down(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    pub(crate) fn recv(&mut self, ctx: &mut Context<'_>, payer: &mut Payer<'_>, from: Speaker, recv: Recv) -> Received {
        let Body::Text { text } = recv.body;
        let bytes = text.len() as u64;
        let cost = bytes + ROW_BYTES;
        if !from.accepted {
            self.counts.strangers += 1;
            return Received::Wasted(bytes);
        }
        if !ctx.conditions.writable {
            self.counts.storage += 1;
            return Received::NoStore;
        }
        let state = self.state(&from.peer, recv.lane);
        if recv.seq <= state.hwm {
            // It came before, over this link or another: only the acknowledgement may have been lost.
            self.to_ack.insert((from.link, recv.lane));
            return Received::Done;
        }
        if recv.seq != state.hwm + 1 {
            return self.gap(from.link, bytes);
        }
        if recv.prev != state.chain {
            // The sender's history is another one. Our state tells it so, once in a turn, and it opens a new lane.
            self.to_ack.insert((from.link, recv.lane));
            return Received::Wasted(bytes);
        }
        if self.is_full(ctx.policy, from, cost) || !self.may_store(ctx.policy, payer, from, bytes) {
            return Received::Wasted(bytes);
        }
        let chain = state.chain.next(recv.mid);
        let Recv { lane, seq, mid, sent: sent_s, .. } = recv;
        let (peer, at_ms) = (from.peer, ctx.now.wall_ms);
        self.to_ack.insert((from.link, lane));
        if let Some(flow) = self.links.get_mut(&from.link) {
            flow.restated = false;
            flow.wasted = 0;
        }
        self.advance(ctx, peer, LaneState { lane, hwm: seq, chain }, cost);
        Received::Store(Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid, sent_s, at_ms, text }))
    }

    pub(crate) fn skip(&mut self, ctx: &mut Context<'_>, payer: &mut Payer<'_>, from: Speaker, skip: Skip) -> Received {
        if !from.accepted || !ctx.conditions.writable {
            return Received::Done;
        }
        let Skip { lane, to, chain, why } = skip;
        let hwm = self.state(&from.peer, lane).hwm;
        // Only `lost` jumps: those numbers were acknowledged once. Others are skipped one by one and in their turn, so
        // that a message that we did not take yet (too much is unread) is never skipped with them.
        if why != SkipReason::Lost && to > hwm + 1 {
            return self.gap(from.link, 0);
        }
        if to <= hwm {
            self.to_ack.insert((from.link, lane));
            return Received::Done;
        }
        // A mark waits for its reader like a message.
        let mark = if why == SkipReason::Lost { ROW_BYTES } else { 0 };
        if self.is_full(ctx.policy, from, mark)
            || !self.may_store(ctx.policy, payer, from, 0)
            || mark > 0 && !self.may_mark(payer, from)
        {
            return Received::Wasted(0);
        }
        self.advance(ctx, from.peer, LaneState { lane, hwm: to, chain }, mark);
        self.to_ack.insert((from.link, lane));
        let (peer, at_ms) = (from.peer, ctx.now.wall_ms);
        Received::Store(Op::Chat(ChatOp::Skip { peer, lane, to, chain, count: to - hwm, why, at_ms }))
    }

    fn state(&self, peer: &PeerId, lane: LaneId) -> LaneState {
        let known = self.lanes(peer).iter().find(|state| state.lane == lane).copied();
        // A lane that nothing was stored of, or that was forgotten, stands at its beginning.
        known.unwrap_or(LaneState { lane, hwm: 0, chain: Chain::EMPTY })
    }

    /// Moves a lane on. The lane that was used last stands last; a peer that opens more lanes than one may have (it was
    /// restored from backups so often) makes the longest unused one forgotten, which it will hardly go back to: if it does,
    /// what it repeats is known by the message ids.
    fn advance(&mut self, ctx: &mut Context<'_>, peer: PeerId, state: LaneState, unread: u64) {
        self.unread_bytes += unread;
        let inbox = self.peers.entry(peer).or_default();
        inbox.unread_bytes += unread;
        let lanes = &mut inbox.lanes;
        lanes.retain(|known| known.lane != state.lane);
        if lanes.len() == limits::LANES_PER_PEER {
            ctx.write(Op::Chat(ChatOp::ForgetLane { peer, lane: lanes.remove(0).lane }));
        }
        lanes.push(state);
    }

    /// Whether so much more would be more than may be unread. Where nothing is unread one message fits, however small the quota is:
    /// else a long one would stop its lane forever.
    fn is_full(&mut self, policy: &Policy, from: Speaker, more: u64) -> bool {
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
    fn may_store(&mut self, policy: &Policy, payer: &mut Payer<'_>, from: Speaker, bytes: u64) -> bool {
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

    fn may_mark(&mut self, payer: &mut Payer<'_>, from: Speaker) -> bool {
        // A stranger has paid as one.
        !from.contact || self.pay_or_pace(payer, from, Kind::Notes, 1)
    }

    /// Takes a price, or lets the peer's messages on this link rest until it can be paid.
    fn pay_or_pace(&mut self, payer: &mut Payer<'_>, from: Speaker, kind: Kind, amount: u64) -> bool {
        let paid = payer.pay_or_wait(kind, amount);
        if !paid && let Some(flow) = self.links.get_mut(&from.link) {
            flow.paced = true;
        }
        paid
    }

    /// A number is missing: where the lanes stand is said once. What flies until the sender hears it is dropped.
    fn gap(&mut self, id: LinkId, bytes: u64) -> Received {
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

    /// One cumulative acknowledgement for each lane that moved in this turn.
    pub(crate) fn acknowledge(&mut self, ctx: &mut Context<'_>, peer_of: impl Fn(LinkId) -> Option<PeerId>) {
        for (id, lane) in std::mem::take(&mut self.to_ack) {
            let Some(peer) = peer_of(id) else { continue };
            ctx.say(id, PeerMessage::Ack(self.state(&peer, lane)));
        }
    }

    /// What is unread of a peer.
    #[cfg(test)]
    pub(crate) fn unread_of(&self, peer: &PeerId) -> u64 {
        self.peers.get(peer).map_or(0, |inbox| inbox.unread_bytes)
    }

    /// How many peers something is remembered of.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Tariff};
    use crate::turn::tests::{START, decide, peer};
    use torchat_protocol::id::MessageId;

    const LANE: LaneId = LaneId([3; 8]);
    const LINK: LinkId = LinkId(1);

    struct Bench {
        receiving: Receiving,
        account: Account,
        policy: Policy,
    }

    impl Bench {
        fn new() -> Self {
            let mut receiving = Receiving::default();
            receiving.link_up(LINK);
            Self { receiving, account: Account::new(Tariff::default()), policy: Policy::default() }
        }

        fn says(&mut self, seq: u64, prev: Chain, text: &str) -> Received {
            let from = Speaker { link: LINK, peer: peer(1), contact: true, accepted: true };
            let body = Body::Text { text: text.to_owned() };
            let recv = Recv { lane: LANE, seq, prev, mid: MessageId([9; 16]), sent: 0, body };
            let Self { receiving, account, policy } = self;
            decide(START, policy, |ctx| {
                let mut payer = account.payer(ctx.now, peer(1), true);
                receiving.recv(ctx, &mut payer, from, recv)
            })
            .0
        }

        fn acknowledged(&mut self) -> usize {
            let Self { receiving, policy, .. } = self;
            decide(START, policy, |ctx| receiving.acknowledge(ctx, |_| Some(peer(1)))).1.effects.len()
        }
    }

    #[test]
    fn only_the_next_number_with_the_right_digest_is_stored_and_a_repetition_is_acknowledged() {
        let mut bench = Bench::new();
        assert!(matches!(bench.says(1, Chain::EMPTY, "one"), Received::Store(_)));
        assert_eq!(bench.acknowledged(), 1);
        assert_eq!(bench.says(1, Chain::EMPTY, "one"), Received::Done);
        assert_eq!(bench.acknowledged(), 1, "the first acknowledgement may have been lost");
        assert_eq!(bench.says(2, Chain::EMPTY, "two"), Received::Wasted(3), "another history");
        assert_eq!(bench.acknowledged(), 1, "it is told where the lane stands");
    }

    #[test]
    fn a_gap_is_told_once_until_something_is_stored() {
        let mut bench = Bench::new();
        assert_eq!(bench.says(5, Chain::EMPTY, "five"), Received::Gap(4));
        assert_eq!(bench.says(6, Chain::EMPTY, "six"), Received::Wasted(3));
        assert!(matches!(bench.says(1, Chain::EMPTY, "one"), Received::Store(_)));
        assert_eq!(bench.says(9, Chain::EMPTY, "nine"), Received::Gap(4));
    }

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
