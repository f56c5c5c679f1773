//! Our messages: accepted, numbered, transmitted, acknowledged.

use super::Node;
use crate::account::{Kind, RENUMBERED};
use crate::effect::{Effect, Turn};
use crate::entropy::{self, Entropy};
use crate::input::{Answer, LinkId, Refused, RequestId};
use crate::op::Op;
use crate::outbox::{Outbox, Progress, Taken, Verdict};
use crate::snapshot::Pending;
use crate::time::Now;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{ByeReason, ContactState, Hello, LaneState, PeerMessage, Skip, SkipReason};

/// How often the age of undelivered messages is looked at.
const EXPIRY_STEP_MS: u64 = 3_600_000;

/// A HELLO that makes us begin anew is answered less often than this on a link, as long as nothing is acknowledged.
const AGAIN: u32 = 3;

/// A message as a client gives it.
pub(super) struct Text {
    pub(super) peer: PeerId,
    pub(super) text: String,
    pub(super) client: Option<String>,
    pub(super) expire_ms: Option<i64>,
}

impl Node {
    pub(super) fn send(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        request: RequestId,
        text: Text,
        turn: &mut Turn,
    ) {
        let Text { peer, text, client, expire_ms } = text;
        if let Err(refused) = self.may_send(&peer, &text) {
            let full = matches!(refused, Refused::OutboxFull | Refused::OutboxFullForContact);
            self.counters.outbox += u64::from(full);
            turn.effects.push(Effect::Answer { request, answer: Answer::Refused(refused) });
            return;
        }
        if !self.peers.get(&peer).is_some_and(|p| p.contact) {
            // Whoever is written to may answer.
            self.make_contact(now, peer, turn);
            self.introduce_all(now, entropy, peer, turn);
        }
        let mid = MessageId(entropy::bytes(entropy));
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let row = self.peers.entry(peer).or_default();
        let out = row.out.get_or_insert_with(|| Outbox::new(LaneId(entropy::bytes(entropy))));
        let expire_ms = expire_ms.map(|ms| ms.clamp(0, self.policy.expiry_ms));
        let until_ms = expire_ms.map(|ms| now.wall_ms.saturating_add(ms));
        let end_mono_ms = expire_ms.map(|ms| now.mono_ms.saturating_add(ms.unsigned_abs()));
        let (chain, at_ms, gone) = (Chain::EMPTY, now.wall_ms, None);
        let (seq, chain) = out.push_pending(Pending { mid, chain, bytes, at_ms, gone, until_ms, end_mono_ms });
        let lane = out.lane();
        self.ends.extend(end_mono_ms.map(|end| (end, peer, mid)));
        self.outbox_bytes += u64::from(bytes);
        turn.ops.push(Op::Queue { peer, mid, lane, seq, chain, at_ms, until_ms, client, text });
        turn.effects.push(Effect::Answer { request, answer: Answer::Queued(mid) });
        self.to_pump.insert(peer);
        self.hurry(now, entropy, peer);
    }

    fn may_send(&self, peer: &PeerId, text: &str) -> Result<(), Refused> {
        self.may_change(peer)?;
        if self.peers.get(peer).is_some_and(|row| row.blocked) {
            return Err(Refused::Blocked);
        }
        if text.len() > limits::TEXT_BYTES {
            return Err(Refused::TextTooLong(text.len()));
        }
        let waiting = self.peers.get(peer).and_then(|p| p.out.as_ref()).map_or(0, |out| out.pending().len());
        // Tombstones count: they are kept as long as the peer is away.
        if waiting >= self.policy.outbox_messages_per_contact {
            return Err(Refused::OutboxFullForContact);
        }
        if self.outbox_bytes + text.len() as u64 > self.policy.outbox_bytes_total {
            return Err(Refused::OutboxFull);
        }
        Ok(())
    }

    pub(super) fn hello(&mut self, now: Now, entropy: &mut dyn Entropy, id: LinkId, hello: Hello, turn: &mut Turn) {
        if self.is_said_again(id) {
            self.misbehaved(id, ByeReason::Limit, turn);
            return;
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.peer;
        link.inflight = usize::try_from(hello.limits.inflight).unwrap_or(usize::MAX).min(limits::IN_FLIGHT_MESSAGES);
        link.credit = hello.limits.credit.min(limits::RECEIVE_CREDIT_BYTES);
        link.said_hello = true;
        link.shows_life = hello.features.iter().any(|feature| feature == super::links::LIFE);
        // Whatever flew on this link is judged by what the peer says now.
        link.next = None;
        self.met(id, peer, &hello, turn);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.lanes = hello.lanes;
        if link.accepted {
            self.start_lane(now, entropy, id, turn);
        }
        self.to_pump.insert(peer);
    }

    /// Whether this HELLO is one too many: it makes us say again what flies, although the peer has acknowledged nothing of it since
    /// the last one. An honest peer has a reason to do so once, perhaps twice: a gap, or a quota that is free again.
    fn is_said_again(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let out = self.peers.get(&link.peer).and_then(|row| row.out.as_ref());
        if out.is_some_and(|out| link.next.is_some_and(|next| next > out.acked() + 1)) {
            link.again += 1;
        }
        link.again >= AGAIN
    }

    pub(super) fn contact_state(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        id: LinkId,
        st: ContactState,
        turn: &mut Turn,
    ) {
        // "pending" takes back what flies as a HELLO does.
        if st == ContactState::Pending && self.is_said_again(id) {
            self.misbehaved(id, ByeReason::Limit, turn);
            return;
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        link.accepted = st == ContactState::Accepted;
        // The first statement on a link answers nothing; then each request is answered by one.
        link.unanswered = if link.accepted { 0 } else { link.unanswered.saturating_sub(1) };
        let answered = link.accepted || (link.asked && link.unanswered == 0);
        let peer = link.peer;
        let ask = !link.accepted && !link.asked;
        link.asked |= ask;
        if !link.accepted {
            link.next = None;
        }
        let waiting = !link.accepted;
        let Some(row) = self.peers.get_mut(&peer) else { return };
        row.asking &= !answered;
        // Only a contact is worth a write, and that one only as often as it can pay: see `show_links`.
        if row.contact {
            row.waiting = waiting;
            self.to_show.insert(peer);
        }
        if !waiting && self.links.get(&id).is_some_and(|link| link.said_hello && link.next.is_none()) {
            self.start_lane(now, entropy, id, turn);
        }
        if ask && self.peers.get(&peer).is_some_and(|row| row.contact) {
            self.say_request(id, turn);
        }
        self.to_pump.insert(peer);
    }

    /// Compares the peer's HELLO with our lane and decides where to go on.
    fn start_lane(&mut self, now: Now, entropy: &mut dyn Entropy, id: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get(&id) else { return };
        let peer = link.peer;
        let Some(lane) = self.peers.get(&peer).and_then(|p| p.out.as_ref()).map(Outbox::lane) else { return };
        let state = link.lanes.iter().find(|s| s.lane == lane).copied();
        let state = state.unwrap_or(LaneState { lane, hwm: 0, chain: Chain::EMPTY });
        self.judge(now, entropy, id, state, true, turn);
    }

    /// A peer whose lane was left alone is accepted again: its links go on from what it has said.
    pub(super) fn resume_lane(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId, turn: &mut Turn) {
        let links = self.peers.get(&peer).map(|row| row.links.clone()).unwrap_or_default();
        let waits = |id: &LinkId| {
            self.links.get(id).is_some_and(|l| l.accepted && l.said_hello && !l.closing && l.next.is_none())
        };
        for id in links.into_iter().filter(waits).collect::<Vec<_>>() {
            self.start_lane(now, entropy, id, turn);
        }
        self.to_pump.insert(peer);
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
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else { return };
        // A former contact hears what every stranger hears: nothing of a lane. Its HELLO is judged if it is a contact again.
        if !self.accepts(&peer) {
            return;
        }
        let Some(out) = self.peers.get(&peer).and_then(|row| row.out.as_ref()).filter(|out| out.lane() == state.lane)
        else {
            return;
        };
        let price = out.price(state);
        if price > 0 && !self.pay(peer, Kind::Work, price) {
            self.misbehaved(id, ByeReason::Limit, turn);
            return;
        }
        let Some(row) = self.peers.get_mut(&peer) else { return };
        let Some(out) = row.out.as_mut() else { return };
        match out.peer_has(state) {
            Verdict::Known(progress) => {
                // What it says of this lane later without a HELLO is judged by this.
                if let Some(link) = self.links.get_mut(&id) {
                    link.lanes.retain(|known| known.lane != state.lane);
                    link.lanes.push(state);
                }
                for other in &row.links {
                    let Some(link) = self.links.get_mut(other).filter(|link| link.next.is_some()) else { continue };
                    // Digests that changed make what flies useless.
                    link.next = Some(if progress.rechained { 0 } else { link.next.unwrap_or(0) }.max(out.acked() + 1));
                }
                if restart && let Some(link) = self.links.get_mut(&id) {
                    link.next = Some(out.acked() + 1);
                }
                let Progress { delivered, taken_back, .. } = progress;
                if !delivered.is_empty() || !taken_back.is_empty() {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.progress = true;
                        link.again = 0;
                    }
                    row.dialling.succeeded();
                    for pending in delivered.iter().chain(&taken_back) {
                        if let Some(end) = pending.end_mono_ms {
                            self.ends.remove(&(end, peer, pending.mid));
                        }
                    }
                    let owed = delivered.iter().filter(|p| p.gone.is_none());
                    self.outbox_bytes -= owed.map(|p| u64::from(p.bytes)).sum::<u64>();
                    let late = delivered.iter().filter(|p| p.gone.is_some()).map(|p| p.mid).collect();
                    let (lane, upto, chain) = (state.lane, state.hwm, state.chain);
                    turn.ops.push(Op::Delivered { peer, lane, upto, chain, late, at_ms: now.wall_ms });
                    turn.effects.push(Effect::Delivered { peer, mids: delivered.iter().map(|p| p.mid).collect() });
                }
            }
            // An older acknowledgement that another link overtook says nothing new; only a HELLO is a full statement.
            Verdict::Behind if !restart => {}
            Verdict::Behind => {
                let skip = Skip { lane: state.lane, to: out.acked(), chain: out.acked_chain(), why: SkipReason::Lost };
                if let Some(link) = self.links.get_mut(&id) {
                    link.next = Some(out.acked() + 1);
                }
                turn.effects.push(Effect::Say { link: id, message: PeerMessage::Skip(skip) });
            }
            Verdict::Foreign => {
                let now_ms = now.mono_ms;
                let rows = out.pending().len() as u64 * RENUMBERED;
                if !self.account.pay(now_ms, peer, Kind::Lanes, 1) || !self.account.pay(now_ms, peer, Kind::Work, rows)
                {
                    self.misbehaved(id, ByeReason::Limit, turn);
                    return;
                }
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

    /// Takes a message back.
    pub(super) fn cancel(&mut self, now: Now, request: RequestId, peer: PeerId, mid: MessageId, turn: &mut Turn) {
        let answer = match self.may_decide(&peer) {
            Err(refused) => Answer::Refused(refused),
            Ok(()) => match self.take_back(now, peer, &[mid], SkipReason::Withdrawn, turn).as_slice() {
                [taken, ..] => Answer::TakenBack { certain: taken.certain },
                [] => Answer::Refused(Refused::NotPending),
            },
        };
        turn.effects.push(Effect::Answer { request, answer });
    }

    pub(super) fn take_back(
        &mut self,
        now: Now,
        peer: PeerId,
        mids: &[MessageId],
        why: SkipReason,
        turn: &mut Turn,
    ) -> Vec<Taken> {
        let Some(out) = self.peers.get_mut(&peer).and_then(|row| row.out.as_mut()) else { return Vec::new() };
        let taken = out.take_back(mids, why);
        if taken.is_empty() {
            return taken;
        }
        for (end, mid) in taken.iter().filter_map(|t| Some((t.end_mono_ms?, t.mid))) {
            self.ends.remove(&(end, peer, mid));
        }
        self.outbox_bytes -= taken.iter().map(|t| u64::from(t.bytes)).sum::<u64>();
        turn.ops.extend(taken.iter().map(|t| Op::TakeBack { peer, mid: t.mid, seq: t.seq, why, at_ms: now.wall_ms }));
        turn.effects.push(Effect::TakenBack { peer, mids: taken.iter().map(|t| t.mid).collect(), why });
        self.to_pump.insert(peer);
        taken
    }

    /// The wall clock is not believed for a while.
    pub(super) fn put_off_expiry(&mut self, now: Now) {
        self.expiry_due = now.mono_ms + super::calm::CALM_MS;
    }

    /// Gives up what waited too long. The wall clock alone would not do: one that is set a month ahead by mistake would
    /// fail everything. So it is believed only after it has stood still for a while on a machine that Tor lets in,
    /// which it does not with a wrong clock.
    ///
    /// A message with an end of its own that was sent in this run ends by the monotonic clock, which nobody sets. After
    /// a restart only the wall clock knows its end.
    pub(super) fn expire(&mut self, now: Now, turn: &mut Turn) {
        while self.writable
            && !self.stopping
            && let Some((end, peer, mid)) = self.ends.first().copied()
            && end <= now.mono_ms
        {
            self.ends.pop_first();
            self.take_back(now, peer, &[mid], SkipReason::Expired, turn);
        }
        if now.mono_ms < self.expiry_due {
            return;
        }
        self.expiry_due = now.mono_ms + EXPIRY_STEP_MS;
        let Some(believed) = self.believed(now).filter(|_| self.writable && !self.stopping) else { return };
        self.forget_old_requests(now, believed, turn);
        self.forget_old_messages(believed, turn);
        let kept_ms = self.policy.expiry_ms;
        let born = believed.born_before(kept_ms).unwrap_or(i64::MIN);
        for (peer, mids) in self
            .peers
            .iter()
            .filter_map(|(peer, row)| {
                let old =
                    |p: &&Pending| p.at_ms < born || p.until_ms.is_some_and(|until| believed.is_over(until, kept_ms));
                let old: Vec<_> = row.out.as_ref()?.owed().filter(old).map(|p| p.mid).collect();
                (!old.is_empty()).then_some((*peer, old))
            })
            .collect::<Vec<_>>()
        {
            self.take_back(now, peer, &mids, SkipReason::Expired, turn);
        }
        // A message of an earlier run may have its own end before the next look.
        let owed = self.peers.values().filter_map(|row| row.out.as_ref()).flat_map(Outbox::owed);
        let ends = owed.filter(|p| p.end_mono_ms.is_none()).filter_map(|p| p.until_ms);
        if let Some(pause) = ends.map(|until| until.saturating_sub(now.wall_ms)).min() {
            let pause = u64::try_from(pause).unwrap_or(0).max(1_000);
            self.expiry_due = self.expiry_due.min(now.mono_ms + pause);
        }
    }

    /// Sends what the peers have room for. Each peer's messages go over one link, the newest that is ready.
    pub(super) fn pump(&mut self, turn: &mut Turn) {
        for peer in std::mem::take(&mut self.to_pump) {
            if !self.accepts(&peer) {
                continue;
            }
            let Some(row) = self.peers.get_mut(&peer) else { continue };
            let Some(out) = row.out.as_mut() else { continue };
            let ready = |id: &&LinkId| self.links.get(*id).is_some_and(|l| l.accepted && l.said_hello && !l.closing);
            let Some(&id) = row.links.iter().rev().find(ready) else { continue };
            let Some(link) = self.links.get_mut(&id) else { continue };
            let first = match link.next {
                // A HELLO of one link may be older than an acknowledgement on another: what was acknowledged meanwhile is
                // not sent again (found by seed 2502002909, whose link stood still for ever).
                Some(next) => next.max(out.acked() + 1),
                // The lane is younger than the peer's HELLO.
                None if out.acked() == 0 && !link.lanes.iter().any(|s| s.lane == out.lane()) => 1,
                None => continue,
            };
            let now_ms = self.now.mono_ms;
            let wanted = out.sendable(first, link.inflight, link.credit);
            // What was said before, in this run, is paid for by whoever makes us say it again.
            let (count, resent) = out.affordable(first, wanted, self.account.left(now_ms, &peer, Kind::Resent));
            if resent > 0 {
                self.account.pay(now_ms, peer, Kind::Resent, resent);
            }
            if count < wanted {
                self.account.hold_up(now_ms, peer, Kind::Resent, out.cost_of(first + count));
            }
            link.next = Some(first + count);
            if count == 0 {
                continue;
            }
            out.sending(first + count - 1);
            if self.writable
                && let Some((first, count)) = out.tell_sent(first + count - 1)
            {
                turn.ops.push(Op::Sent { peer, lane: out.lane(), first, count });
            }
            transmit(out, id, peer, first, count, turn);
        }
    }
}

/// Runs of messages, and between them the numbers that never come.
fn transmit(out: &Outbox, link: LinkId, peer: PeerId, first: u64, count: u64, turn: &mut Turn) {
    let lane = out.lane();
    let mut run: Option<(u64, Chain)> = None;
    let mut before = out.chain_before(first).unwrap_or(Chain::EMPTY);
    let flush = |run: &mut Option<(u64, Chain)>, end: u64, turn: &mut Turn| {
        if let Some((first, prev)) = run.take() {
            turn.effects.push(Effect::Transmit { link, peer, lane, first, prev, count: end - first });
        }
    };
    for (seq, pending) in (first..first + count).zip(out.from(first)) {
        match pending.gone {
            None => {
                run.get_or_insert((seq, before));
            }
            Some(why) => {
                flush(&mut run, seq, turn);
                let skip = Skip { lane, to: seq, chain: pending.chain, why };
                turn.effects.push(Effect::Say { link, message: PeerMessage::Skip(skip) });
            }
        }
        before = pending.chain;
    }
    flush(&mut run, first + count, turn);
}
