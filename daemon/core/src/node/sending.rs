//! Our messages: accepted, numbered, transmitted, acknowledged.

use super::Node;
use crate::effect::{Effect, Turn};
use crate::entropy::{self, Entropy};
use crate::input::{Answer, LinkId, Refused, RequestId};
use crate::op::Op;
use crate::outbox::{Outbox, Verdict};
use crate::time::Now;
use torchat_protocol::id::{LaneId, MessageId, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{ContactState, Hello, LaneState, PeerMessage, Skip, SkipReason};

impl Node {
    pub(super) fn send(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        request: RequestId,
        peer: PeerId,
        text: String,
        turn: &mut Turn,
    ) {
        if let Err(refused) = self.may_send(&peer, &text) {
            turn.effects.push(Effect::Answer { request, answer: Answer::Refused(refused) });
            return;
        }
        if !self.peers.get(&peer).is_some_and(|p| p.contact) {
            // Whoever is written to may answer.
            self.make_contact(now, peer, turn);
            for link in self.peers.entry(peer).or_default().links.clone() {
                self.introduce(link, turn);
            }
        }
        let mid = MessageId(entropy::bytes(entropy));
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let row = self.peers.entry(peer).or_default();
        let out = row.out.get_or_insert_with(|| Outbox::new(LaneId(entropy::bytes(entropy))));
        let (seq, chain) = out.push(mid, bytes);
        let lane = out.lane();
        self.outbox_bytes += u64::from(bytes);
        turn.ops.push(Op::Queue { peer, mid, lane, seq, chain, at_ms: now.wall_ms, text });
        turn.effects.push(Effect::Answer { request, answer: Answer::Queued(mid) });
        self.to_pump.insert(peer);
        self.hurry(now, entropy, peer);
    }

    fn may_send(&self, peer: &PeerId, text: &str) -> Result<(), Refused> {
        self.may_change(peer)?;
        if text.len() > limits::TEXT_BYTES {
            return Err(Refused::TextTooLong(text.len()));
        }
        let waiting = self.peers.get(peer).and_then(|p| p.out.as_ref()).map_or(0, |out| out.pending().len());
        if waiting >= self.policy.outbox_messages_per_contact {
            return Err(Refused::OutboxFullForContact);
        }
        if self.outbox_bytes + text.len() as u64 > self.policy.outbox_bytes_total {
            return Err(Refused::OutboxFull);
        }
        Ok(())
    }

    pub(super) fn hello(&mut self, now: Now, entropy: &mut dyn Entropy, id: LinkId, hello: Hello, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.peer;
        link.inflight = usize::try_from(hello.limits.inflight).unwrap_or(usize::MAX).min(limits::IN_FLIGHT_MESSAGES);
        link.credit = hello.limits.credit.min(limits::RECEIVE_CREDIT_BYTES);
        link.said_hello = true;
        // Whatever flew on this link is judged by what the peer says now.
        link.next = None;
        link.lanes = hello.lanes;
        if link.accepted {
            self.start_lane(now, entropy, id, turn);
        }
        self.to_pump.insert(peer);
    }

    pub(super) fn contact_state(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        id: LinkId,
        st: ContactState,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.accepted = st == ContactState::Accepted;
        let peer = link.peer;
        let ask = !link.accepted && !link.asked;
        link.asked |= ask;
        if !link.accepted {
            link.next = None;
        }
        let waiting = !link.accepted;
        let Some(row) = self.peers.get_mut(&peer) else { return };
        if ask && row.contact {
            let message = PeerMessage::ContactReq(torchat_protocol::message::ContactReq {
                nick: String::new(),
                text: String::new(),
                invite: None,
            });
            turn.effects.push(Effect::Say { link: id, message });
        }
        // Only a peer that we have a row for is worth a write.
        if row.waiting != waiting && (row.contact || row.out.is_some()) && self.writable {
            row.waiting = waiting;
            turn.ops.push(Op::Waiting { peer, waiting });
        }
        if !waiting && self.links.get(&id).is_some_and(|link| link.said_hello && link.next.is_none()) {
            self.start_lane(now, entropy, id, turn);
        }
        self.to_pump.insert(peer);
    }

    /// Compares the peer's HELLO with our lane and decides where to go on.
    fn start_lane(&mut self, now: Now, entropy: &mut dyn Entropy, id: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get(&id) else { return };
        let peer = link.peer;
        let Some(lane) = self.peers.get(&peer).and_then(|p| p.out.as_ref()).map(Outbox::lane) else { return };
        let state = link.lanes.iter().find(|s| s.lane == lane).copied();
        let state = state.unwrap_or(LaneState { lane, hwm: 0, chain: torchat_protocol::id::Chain::EMPTY });
        self.judge(now, entropy, id, state, true, turn);
    }

    pub(super) fn ack(&mut self, now: Now, entropy: &mut dyn Entropy, id: LinkId, state: LaneState, turn: &mut Turn) {
        self.judge(now, entropy, id, state, false, turn);
    }

    fn judge(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        id: LinkId,
        state: LaneState,
        restart: bool,
        turn: &mut Turn,
    ) {
        // A delivery that cannot be written down is none. The peer says it again when the store takes writes.
        if !self.writable {
            return;
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.peer;
        let Some(row) = self.peers.get_mut(&peer) else { return };
        let Some(out) = row.out.as_mut().filter(|out| out.lane() == state.lane) else { return };
        match out.peer_has(state) {
            Verdict::Delivered(done) => {
                if restart {
                    link.next = Some(out.acked() + 1);
                } else if let Some(next) = link.next {
                    link.next = Some(next.max(out.acked() + 1));
                }
                if !done.is_empty() {
                    link.progress = true;
                    row.dialling.succeeded();
                    self.outbox_bytes -= done.iter().map(|p| u64::from(p.bytes)).sum::<u64>();
                    let op = Op::Delivered {
                        peer,
                        lane: state.lane,
                        upto: state.hwm,
                        chain: state.chain,
                        at_ms: now.wall_ms,
                    };
                    turn.ops.push(op);
                    turn.effects.push(Effect::Delivered { peer, mids: done.iter().map(|p| p.mid).collect() });
                }
            }
            // An older acknowledgement that another link overtook says nothing new; only a HELLO is a full statement.
            Verdict::Behind if !restart => {}
            Verdict::Behind => {
                let skip = Skip { lane: state.lane, to: out.acked(), chain: out.acked_chain(), why: SkipReason::Lost };
                link.next = Some(out.acked() + 1);
                turn.effects.push(Effect::Say { link: id, message: PeerMessage::Skip(skip) });
            }
            Verdict::Foreign => {
                let lane = LaneId(entropy::bytes(entropy));
                let messages = out.move_to(lane);
                turn.ops.push(Op::NewLane { peer, lane, messages });
                for other in &row.links {
                    if let Some(link) = self.links.get_mut(other) {
                        link.next = (link.accepted && link.said_hello).then_some(1);
                    }
                }
            }
        }
        self.to_pump.insert(peer);
    }

    /// Sends what the peers have room for. Each peer's messages go over one link, the newest that is ready.
    pub(super) fn pump(&mut self, turn: &mut Turn) {
        for peer in std::mem::take(&mut self.to_pump) {
            let Some(row) = self.peers.get(&peer) else { continue };
            let Some(out) = row.out.as_ref() else { continue };
            let ready = |id: &&LinkId| self.links.get(*id).is_some_and(|l| l.accepted && l.said_hello && !l.closing);
            let Some(&id) = row.links.iter().rev().find(ready) else { continue };
            let Some(link) = self.links.get_mut(&id) else { continue };
            let first = match link.next {
                Some(next) => next,
                // The lane is younger than the peer's HELLO.
                None if out.acked() == 0 && !link.lanes.iter().any(|s| s.lane == out.lane()) => 1,
                None => continue,
            };
            let count = out.sendable(first, link.inflight, link.credit);
            link.next = Some(first + count);
            let Some(prev) = out.chain_before(first).filter(|_| count > 0) else { continue };
            turn.effects.push(Effect::Transmit { link: id, peer, lane: out.lane(), first, prev, count });
        }
    }
}
