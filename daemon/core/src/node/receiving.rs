//! The peers' messages: stored once and in order, then acknowledged.

use super::Node;
use crate::account::{Kind, ROW_BYTES};
use crate::effect::{Effect, Turn};
use crate::input::{Answer, LinkId, RequestId};
use crate::op::Op;
use crate::time::Now;
use torchat_protocol::id::{Chain, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{Body, ByeReason, LaneState, PeerMessage, Recv, Skip, SkipReason};

impl Node {
    pub(super) fn recv(&mut self, now: Now, id: LinkId, recv: Recv, turn: &mut Turn) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else { return };
        let Body::Text { text } = recv.body;
        let bytes = text.len() as u64;
        let cost = bytes + ROW_BYTES;
        if !self.accepts(&peer) {
            self.counters.strangers += 1;
            self.spend_credit(id, bytes, turn);
            return;
        }
        if !self.writable {
            self.counters.storage += 1;
            self.close(id, Some(ByeReason::Full), turn);
            return;
        }
        let row = self.peers.entry(peer).or_default();
        let known = row.lanes.iter().find(|s| s.lane == recv.lane).copied();
        let state = known.unwrap_or(LaneState { lane: recv.lane, hwm: 0, chain: Chain::EMPTY });
        if recv.seq <= state.hwm {
            // It came before, over this link or another: only the acknowledgement may have been lost.
            self.to_ack.insert((id, recv.lane));
            return;
        }
        if recv.seq != state.hwm + 1 {
            self.restate(id, bytes, turn);
            return;
        }
        if recv.prev != state.chain {
            // The sender's history is another one. Our state tells it so, once in a turn, and it opens a new lane.
            self.to_ack.insert((id, recv.lane));
            self.spend_credit(id, bytes, turn);
            return;
        }
        if self.is_full(&peer, cost) {
            self.counters.unread_full += 1;
            if let Some(link) = self.links.get_mut(&id) {
                link.choked = true;
            }
            self.spend_credit(id, bytes, turn);
            return;
        }
        if !self.may_store(now, id, peer, bytes) {
            self.spend_credit(id, bytes, turn);
            return;
        }
        let row = self.peers.entry(peer).or_default();
        let contact = row.contact;
        let chain = state.chain.next(recv.mid);
        row.unread_bytes += cost;
        self.unread_bytes += cost;
        set_lane(peer, &mut row.lanes, LaneState { lane: recv.lane, hwm: recv.seq, chain }, turn);
        if !contact {
            self.make_contact(now, peer, turn);
        }
        let (lane, seq, mid, sent_s) = (recv.lane, recv.seq, recv.mid, recv.sent);
        turn.ops.push(Op::Receive { peer, lane, seq, chain, mid, sent_s, at_ms: now.wall_ms, text });
        self.to_ack.insert((id, lane));
        if let Some(link) = self.links.get_mut(&id) {
            link.progress = true;
            link.restated = false;
            link.wasted = 0;
            link.stored = now.mono_ms;
        }
    }

    /// Whether so much more would be more than may be unread. Where nothing is unread one message fits, however small the quota is:
    /// else a long one would stop its lane for ever.
    fn is_full(&self, peer: &PeerId, more: u64) -> bool {
        let over = |unread: u64, most: u64| unread > 0 && unread.saturating_add(more) > most;
        over(self.peers.get(peer).map_or(0, |row| row.unread_bytes), self.policy.unread_bytes_per_peer)
            || over(self.unread_bytes, self.policy.unread_bytes_total)
    }

    /// Whether the peer can pay for one more message or skipped number. If not, its link rests until it can: a gap would follow
    /// whatever else comes.
    fn may_store(&mut self, now: Now, id: LinkId, peer: PeerId, bytes: u64) -> bool {
        if self.links.get(&id).is_some_and(|link| link.paced) {
            return false;
        }
        if self.is_stranger(&peer) {
            // It becomes a contact by this, where strangers may write. An onion costs nothing, so all of them pay together.
            let policy = &self.policy.requests;
            let paid = self.account.pay_onion(now.mono_ms, policy.burst, policy.token_ms);
            self.counters.strangers += u64::from(!paid);
            return paid;
        }
        self.pay_or_pace(id, peer, Kind::Rows, 1) && self.pay_or_pace(id, peer, Kind::Bytes, bytes)
    }

    /// Takes a price, or lets the peer's messages on this link rest until it can be paid.
    fn pay_or_pace(&mut self, id: LinkId, peer: PeerId, kind: Kind, amount: u64) -> bool {
        let paid = self.account.pay(self.now.mono_ms, peer, kind, amount);
        if !paid {
            self.account.wait(self.now.mono_ms, peer, kind, amount);
            if let Some(link) = self.links.get_mut(&id) {
                link.paced = true;
            }
        }
        paid
    }

    /// Goes on with the peers that could not pay and can now.
    pub(super) fn go_on(&mut self, now: Now, turn: &mut Turn) {
        for peer in self.account.woken(now.mono_ms) {
            self.to_pump.insert(peer);
            self.to_show.insert(peer);
            for id in self.peers.get(&peer).map(|row| row.links.clone()).unwrap_or_default() {
                let Some(link) = self.links.get_mut(&id).filter(|link| link.paced && !link.closing) else { continue };
                link.paced = false;
                link.restated = false;
                if !link.choked {
                    link.wasted = 0;
                    self.introduce(id, turn);
                }
            }
        }
    }

    pub(super) fn skip(&mut self, now: Now, id: LinkId, skip: Skip, turn: &mut Turn) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else { return };
        if !self.accepts(&peer) || !self.writable {
            return;
        }
        let hwm =
            self.peers.get(&peer).and_then(|row| row.lanes.iter().find(|s| s.lane == skip.lane)).map_or(0, |s| s.hwm);
        // Only `lost` jumps: those numbers were acknowledged once. Others are skipped one by one and in their turn, so
        // that a message that we did not take yet (too much is unread) is never skipped with them.
        if skip.why != SkipReason::Lost && skip.to > hwm + 1 {
            self.restate(id, 0, turn);
            return;
        }
        if skip.to > hwm {
            // A mark waits for its reader like a message.
            let mark = if skip.why == SkipReason::Lost { ROW_BYTES } else { 0 };
            if self.is_full(&peer, mark) {
                self.counters.unread_full += 1;
                if let Some(link) = self.links.get_mut(&id) {
                    link.choked = true;
                }
                self.spend_credit(id, 0, turn);
                return;
            }
            if !self.may_store(now, id, peer, 0) || mark > 0 && !self.may_mark(id, peer) {
                self.spend_credit(id, 0, turn);
                return;
            }
            self.unread_bytes += mark;
            let row = self.peers.entry(peer).or_default();
            row.unread_bytes += mark;
            // A lane is kept of contacts only, so whoever's first number is a skipped one becomes a contact as by a
            // message. Else a restart would forget the lane, and the number be marked as a lost message.
            let contact = row.contact;
            set_lane(peer, &mut row.lanes, LaneState { lane: skip.lane, hwm: skip.to, chain: skip.chain }, turn);
            if !contact {
                self.make_contact(now, peer, turn);
            }
            let Skip { lane, to, chain, why } = skip;
            turn.ops.push(Op::Skip { peer, lane, to, chain, count: to - hwm, why, at_ms: now.wall_ms });
        }
        self.to_ack.insert((id, skip.lane));
    }

    fn may_mark(&mut self, id: LinkId, peer: PeerId) -> bool {
        // A stranger has paid as one.
        self.is_stranger(&peer) || self.pay_or_pace(id, peer, Kind::Notes, 1)
    }

    /// One cumulative acknowledgement for each lane that moved in this turn.
    pub(super) fn acknowledge(&mut self, turn: &mut Turn) {
        for (id, lane) in std::mem::take(&mut self.to_ack) {
            let Some(link) = self.links.get(&id) else { continue };
            let lanes = self.peers.get(&link.peer).map(|p| p.lanes.as_slice()).unwrap_or_default();
            // A lane that nothing was stored of, or that was forgotten, stands at its beginning.
            let state = lanes.iter().find(|s| s.lane == lane).copied();
            let state = state.unwrap_or(LaneState { lane, hwm: 0, chain: Chain::EMPTY });
            turn.effects.push(Effect::Say { link: id, message: PeerMessage::Ack(state) });
        }
    }

    pub(super) fn read_upto(&mut self, request: RequestId, peer: PeerId, upto: i64, limit: u32, turn: &mut Turn) {
        // There is a reserve for it in the store: whether there is room, the commit tells.
        turn.ops.push(Op::ReadUpto { peer, upto, limit });
        turn.effects.push(Effect::Answer { request, answer: Answer::Done });
    }

    /// A commit has marked so much of what a peer said as read: the bytes of its texts, and [`ROW_BYTES`] for each message and mark. Only the store knows how many: what one program has
    /// seen and another one takes later counts once. What follows from it is in the next turn, which is due at once.
    pub fn freed(&mut self, peer: &PeerId, bytes: u64) {
        let Some(row) = self.peers.get_mut(peer) else { return };
        row.unread_bytes = row.unread_bytes.saturating_sub(bytes);
        self.unread_bytes = self.unread_bytes.saturating_sub(bytes);
        // Half free before the flow starts again, or every single message read would cost a HELLO.
        self.unchoke_due |= row.unread_bytes <= self.policy.unread_bytes_per_peer / 2
            && self.unread_bytes <= self.policy.unread_bytes_total / 2
            && self.links.values().any(|link| link.choked && !link.closing);
    }

    pub(super) fn storage(&mut self, writable: bool, turn: &mut Turn) {
        if writable && !self.writable {
            // What peers said meanwhile was not taken down. New links state everything anew; this is rare enough.
            for id in self.links.keys().copied().collect::<Vec<_>>() {
                self.close(id, Some(ByeReason::Idle), turn);
            }
        }
        self.writable = writable;
    }

    /// Lets the peers whose messages had to wait send again: a HELLO tells them where to go on.
    pub(super) fn unchoke(&mut self, turn: &mut Turn) {
        let choked: Vec<_> = self.links.iter().filter(|(_, l)| l.choked && !l.closing).map(|(id, _)| *id).collect();
        for id in choked {
            if let Some(link) = self.links.get_mut(&id) {
                link.choked = false;
                link.wasted = 0;
            }
            let paced = self.links.get(&id).is_some_and(|link| link.paced);
            if !paced {
                self.introduce(id, turn);
            }
        }
    }

    /// A number is missing: says once where the lanes stand. What flies until the sender hears it is dropped.
    fn restate(&mut self, id: LinkId, bytes: u64, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.choked && !link.paced && !link.restated {
            link.restated = true;
            self.introduce(id, turn);
        }
        self.spend_credit(id, bytes, turn);
    }

    /// Counts what arrived and was not acknowledged: more than the credit that we announced closes the link.
    fn spend_credit(&mut self, id: LinkId, bytes: u64, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.wasted += bytes + 256;
        // Twice the credit: a sender may fill it once more before it hears the HELLO that starts it anew.
        if link.wasted > 2 * limits::RECEIVE_CREDIT_BYTES {
            self.misbehaved(id, ByeReason::Limit, turn);
        }
    }

    /// Counts and closes a link, once: what else is on its way on it when that is decided changes nothing.
    pub(super) fn misbehaved(&mut self, id: LinkId, why: ByeReason, turn: &mut Turn) {
        if self.links.get(&id).is_none_or(|link| link.closing) {
            return;
        }
        self.counters.misbehaved += 1;
        self.close(id, Some(why), turn);
    }
}

/// Moves a lane on. The lane that was used last stands last; a peer that opens more lanes than one may have (it was
/// restored from backups so often) makes the longest unused one forgotten, which it will hardly go back to: if it does,
/// what it repeats is known by the message ids.
fn set_lane(peer: PeerId, lanes: &mut Vec<LaneState>, state: LaneState, turn: &mut Turn) {
    lanes.retain(|s| s.lane != state.lane);
    if lanes.len() == limits::LANES_PER_PEER {
        turn.ops.push(Op::ForgetLane { peer, lane: lanes.remove(0).lane });
    }
    lanes.push(state);
}
