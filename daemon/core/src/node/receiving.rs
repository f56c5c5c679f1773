//! The peers' messages: stored once and in order, then acknowledged.

use super::Node;
use crate::effect::{Effect, Turn};
use crate::input::{Answer, LinkId, Refused, RequestId};
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
            // The sender's history is another one. Our state tells it so, and it opens a new lane.
            turn.effects.push(Effect::Say { link: id, message: PeerMessage::Ack(state) });
            return;
        }
        if row.unread_bytes + bytes > self.policy.unread_bytes_per_peer
            || self.unread_bytes + bytes > self.policy.unread_bytes_total
        {
            self.counters.unread_full += 1;
            if let Some(link) = self.links.get_mut(&id) {
                link.choked = true;
            }
            self.spend_credit(id, bytes, turn);
            return;
        }
        let contact = row.contact;
        let chain = state.chain.next(recv.mid);
        row.unread_bytes += bytes;
        self.unread_bytes += bytes;
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
        }
    }

    pub(super) fn skip(&mut self, now: Now, id: LinkId, skip: Skip, turn: &mut Turn) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else { return };
        if !self.accepts(&peer) || !self.writable {
            return;
        }
        let row = self.peers.entry(peer).or_default();
        let hwm = row.lanes.iter().find(|s| s.lane == skip.lane).map_or(0, |s| s.hwm);
        // Only `lost` jumps: those numbers were acknowledged once. Others are skipped one by one and in their turn, so
        // that a message that we did not take yet (too much is unread) is never skipped with them.
        if skip.why != SkipReason::Lost && skip.to > hwm + 1 {
            self.restate(id, 0, turn);
            return;
        }
        if skip.to > hwm {
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

    /// One cumulative acknowledgement for each lane that moved in this turn.
    pub(super) fn acknowledge(&mut self, turn: &mut Turn) {
        for (id, lane) in std::mem::take(&mut self.to_ack) {
            let Some(link) = self.links.get(&id) else { continue };
            let lanes = self.peers.get(&link.peer).map(|p| p.lanes.as_slice()).unwrap_or_default();
            if let Some(state) = lanes.iter().find(|s| s.lane == lane) {
                turn.effects.push(Effect::Say { link: id, message: PeerMessage::Ack(*state) });
            }
        }
    }

    pub(super) fn read_upto(&mut self, request: RequestId, peer: PeerId, upto: i64, limit: u32, turn: &mut Turn) {
        let answer = if self.writable {
            turn.ops.push(Op::ReadUpto { peer, upto, limit });
            Answer::Done
        } else {
            Answer::Refused(Refused::Storage)
        };
        turn.effects.push(Effect::Answer { request, answer });
    }

    /// A commit has marked so many bytes of a peer's text as read. Only the store knows how many: what one program has
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
            self.introduce(id, turn);
        }
    }

    /// A number is missing: says once where the lanes stand. What flies until the sender hears it is dropped.
    fn restate(&mut self, id: LinkId, bytes: u64, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.choked && !link.restated {
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
