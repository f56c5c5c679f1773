//! The peers' messages: stored once and in order, then acknowledged.

mod rest;

use crate::account::{Payer, ROW_BYTES};
use crate::input::LinkId;
use crate::op::{ChatOp, Op};
use crate::snapshot::PeerSnapshot;
use crate::turn::Context;
use rest::Inflow;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::{Chain, LaneId, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{Body, LaneState, PeerMessage, Recv, Skip, SkipReason};

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
            flow.moves_on();
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
    use crate::policy::Policy;
    use crate::turn::tests::{START, decide, peer};
    use torchat_protocol::id::MessageId;

    const LANE: LaneId = LaneId([3; 8]);
    pub(super) const LINK: LinkId = LinkId(1);

    pub(super) struct Bench {
        pub(super) receiving: Receiving,
        account: Account,
        pub(super) policy: Policy,
    }

    impl Bench {
        pub(super) fn new() -> Self {
            let mut receiving = Receiving::default();
            receiving.link_up(LINK);
            Self { receiving, account: Account::new(Tariff::default()), policy: Policy::default() }
        }

        pub(super) fn says(&mut self, seq: u64, prev: Chain, text: &str) -> Received {
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
}
