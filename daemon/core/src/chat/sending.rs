//! Our messages: accepted, numbered, transmitted, acknowledged.

use super::outbox::{Outbox, Progress, Taken, Verdict};
use crate::account::{Account, Kind, Payer, RENUMBERED};
use crate::effect::{ChatEffect, Effect, LinkEffect};
use crate::input::{Answer, LinkId, Refused, RequestId};
use crate::op::{ChatOp, Op};
use crate::policy::Policy;
use crate::snapshot::{OutSnapshot, Pending};
use crate::time::{Believed, Now};
use crate::turn::Context;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{Hello, LaneState, PeerMessage, Skip, SkipReason};

/// How often the age of undelivered messages is looked at.
const EXPIRY_STEP_MS: u64 = 3_600_000;

/// A HELLO that makes us begin anew is answered less often than this on a link, as long as nothing is acknowledged.
const AGAIN: u32 = 3;

/// Our lanes to all peers.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    lanes: BTreeMap<PeerId, Outbox>,
    links: BTreeMap<LinkId, Flow>,
    /// Bytes of all texts that are to be delivered.
    bytes: u64,
    /// When messages of this run fail that have an end of their own, by the monotonic clock.
    ends: BTreeSet<(u64, PeerId, MessageId)>,
    /// When the age of undelivered messages is looked at next.
    expiry_due: u64,
    /// The peers that may have room for another message.
    to_pump: BTreeSet<PeerId>,
    /// Texts that were not accepted because too much waits to be delivered.
    refused: u64,
}

/// How our messages go over one link.
#[derive(Debug, Default)]
struct Flow {
    /// The peer stated its lanes.
    said_hello: bool,
    /// Its statement, as long as nothing was transmitted.
    lanes: Vec<LaneState>,
    /// The peer stores our messages.
    accepted: bool,
    /// What the peer takes unacknowledged.
    inflight: usize,
    /// The same in bytes.
    credit: u64,
    /// The number that goes out next.
    next: Option<u64>,
    /// How often the peer made us begin anew although nothing had moved since.
    again: u32,
}

impl Flow {
    fn is_ready(&self) -> bool {
        self.said_hello && self.accepted
    }
}

/// A message as a client gives it.
pub(crate) struct Text {
    pub(crate) peer: PeerId,
    pub(crate) text: String,
    pub(crate) client: Option<String>,
    pub(crate) expire_ms: Option<i64>,
}

/// What became of a peer's statement about our lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It was taken, or says nothing.
    Taken,
    /// Something was delivered, or taken back in time.
    Moved,
    /// It is one too many, or more than the peer can pay for.
    Limit,
}

/// A statement of a peer about our lane.
#[derive(Debug, Clone, Copy)]
struct Statement {
    link: LinkId,
    state: LaneState,
    /// By a HELLO, which is a full statement: the link begins anew.
    full: bool,
}

impl Sending {
    pub(crate) fn restore(lanes: impl Iterator<Item = (PeerId, OutSnapshot)>) -> Self {
        let lanes: BTreeMap<_, _> = lanes.map(|(peer, out)| (peer, Outbox::restore(out))).collect();
        Self { bytes: lanes.values().map(Outbox::bytes).sum(), lanes, ..Self::default() }
    }

    /// Whether messages wait for the peer.
    pub(crate) fn owes(&self, peer: &PeerId) -> bool {
        self.lanes.get(peer).is_some_and(|out| out.owed().next().is_some())
    }

    /// The peers that messages wait for.
    pub(crate) fn owed(&self) -> impl Iterator<Item = &PeerId> {
        self.lanes.iter().filter(|(_, out)| out.owed().next().is_some()).map(|(peer, _)| peer)
    }

    /// How many messages wait for the peer.
    pub(crate) fn queued(&self, peer: &PeerId) -> usize {
        self.lanes.get(peer).map_or(0, |out| out.owed().count())
    }

    /// How many messages wait in all, and the bytes of their texts.
    pub(crate) fn total(&self) -> (usize, u64) {
        (self.lanes.values().map(|out| out.owed().count()).sum(), self.bytes)
    }

    /// Texts that were not accepted.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether we have a lane to the peer.
    pub(crate) fn has_lane(&self, peer: &PeerId) -> bool {
        self.lanes.contains_key(peer)
    }

    /// Whether the message is queued and not delivered.
    pub(crate) fn is_pending(&self, peer: &PeerId, mid: &MessageId) -> bool {
        self.lanes.get(peer).is_some_and(|out| out.owed().any(|p| p.mid == *mid))
    }

    /// The lane and the number below which everything was put on one of these links.
    pub(crate) fn sent_below(&self, peer: &PeerId, links: &[LinkId]) -> Option<(LaneId, u64)> {
        let next = links.iter().filter_map(|id| self.links.get(id)?.next).max()?;
        Some((self.lanes.get(peer)?.lane(), next))
    }

    /// The peer has stated its lanes on this link.
    pub(crate) fn said_hello(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|flow| flow.said_hello)
    }

    /// The peer said on this link that it stores our messages.
    pub(crate) fn is_accepted(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|flow| flow.accepted)
    }

    /// Whether something that went out on this link is not acknowledged.
    pub(crate) fn is_flying(&self, id: LinkId, peer: &PeerId) -> bool {
        let next = self.links.get(&id).and_then(|flow| flow.next);
        next.is_some_and(|next| self.lanes.get(peer).is_some_and(|out| next > out.acked() + 1))
    }

    /// The bytes of the longest message that went out on this link and is not acknowledged.
    pub(crate) fn flying_bytes(&self, id: LinkId, peer: &PeerId) -> u64 {
        let Some(out) = self.lanes.get(peer) else { return 0 };
        let next = self.links.get(&id).and_then(|flow| flow.next);
        let flying = next.map_or(0, |next| next.saturating_sub(out.acked() + 1));
        let flying = usize::try_from(flying).unwrap_or(usize::MAX);
        out.pending().iter().take(flying).map(|message| u64::from(message.bytes)).max().unwrap_or(0)
    }

    pub(crate) fn link_up(&mut self, id: LinkId) {
        self.links.insert(id, Flow::default());
    }

    /// A link is being closed: nothing goes out on it any more, and another one may go on.
    pub(crate) fn closing(&mut self, id: LinkId, peer: PeerId) {
        if let Some(flow) = self.links.get_mut(&id) {
            flow.next = None;
        }
        self.to_pump.insert(peer);
    }

    pub(crate) fn link_down(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// The peer may have room for another message.
    pub(crate) fn wants_pump(&mut self, peer: PeerId) {
        self.to_pump.insert(peer);
    }

    /// Whether a text is accepted, as far as our lane is concerned.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn may_take(&mut self, policy: &Policy, peer: &PeerId, text: &str) -> Result<(), Refused> {
        if text.len() > limits::TEXT_BYTES {
            return Err(Refused::TextTooLong(text.len()));
        }
        // Tombstones count: they are kept as long as the peer is away.
        let full = if self.lanes.get(peer).map_or(0, |out| out.pending().len()) >= policy.outbox_messages_per_contact {
            Refused::OutboxFullForContact
        } else if self.bytes + text.len() as u64 > policy.outbox_bytes_total {
            Refused::OutboxFull
        } else {
            return Ok(());
        };
        self.refused += 1;
        Err(full)
    }

    /// Takes a text that is accepted.
    pub(crate) fn take(&mut self, ctx: &mut Context<'_>, request: RequestId, text: Text) {
        let Text { peer, text, client, expire_ms } = text;
        let now = ctx.now;
        let mid = MessageId(ctx.random());
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let out = self.lanes.entry(peer).or_insert_with(|| Outbox::new(LaneId(ctx.random())));
        let expire_ms = expire_ms.map(|ms| ms.clamp(0, ctx.policy.expiry_ms));
        let until_ms = expire_ms.map(|ms| now.wall_ms.saturating_add(ms));
        let end_mono_ms = expire_ms.map(|ms| now.mono_ms.saturating_add(ms.unsigned_abs()));
        let (chain, at_ms, gone) = (Chain::EMPTY, now.wall_ms, None);
        let (seq, chain) = out.push_pending(Pending { mid, chain, bytes, at_ms, gone, until_ms, end_mono_ms });
        let lane = out.lane();
        self.ends.extend(end_mono_ms.map(|end| (end, peer, mid)));
        self.bytes += u64::from(bytes);
        ctx.write(Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, at_ms, until_ms, client, text }));
        ctx.answer(request, Answer::Queued(mid));
        self.to_pump.insert(peer);
    }

    /// Whether a HELLO, or a "pending", is one too many: it makes us say again what flies, although the peer has acknowledged
    /// nothing of it since the last one. An honest peer has a reason to do so once, perhaps twice: a gap, or a quota that is free
    /// again.
    pub(crate) fn is_said_again(&mut self, id: LinkId, peer: &PeerId) -> bool {
        let flying = self.is_flying(id, peer);
        let Some(flow) = self.links.get_mut(&id) else { return false };
        flow.again += u32::from(flying);
        flow.again >= AGAIN
    }

    /// The peer states its lanes. Whatever flew on this link is judged by what it says now, see [`Sending::start`].
    pub(crate) fn hello(&mut self, id: LinkId, hello: Hello) {
        let Some(flow) = self.links.get_mut(&id) else { return };
        flow.inflight = usize::try_from(hello.limits.inflight).unwrap_or(usize::MAX).min(limits::IN_FLIGHT_MESSAGES);
        flow.credit = hello.limits.credit.min(limits::RECEIVE_CREDIT_BYTES);
        flow.said_hello = true;
        flow.next = None;
        flow.lanes = hello.lanes;
    }

    /// The peer says whether it stores our messages. "pending" takes back what flies.
    pub(crate) fn states(&mut self, id: LinkId, accepted: bool) {
        let Some(flow) = self.links.get_mut(&id) else { return };
        flow.accepted = accepted;
        if !accepted {
            flow.next = None;
        }
    }

    /// Whether the peer has said all on this link that our lane needs, and it has not begun.
    pub(crate) fn may_start(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|flow| flow.accepted && flow.said_hello && flow.next.is_none())
    }

    /// Compares the peer's HELLO with our lane and decides where to go on.
    pub(crate) fn start(
        &mut self,
        ctx: &mut Context<'_>,
        payer: &mut Payer<'_>,
        link: LinkId,
        peer: PeerId,
        others: &[LinkId],
    ) -> Judged {
        let Some(lane) = self.lanes.get(&peer).map(Outbox::lane) else { return Judged::Taken };
        let Some(flow) = self.links.get(&link) else { return Judged::Taken };
        let state = flow.lanes.iter().find(|s| s.lane == lane).copied();
        let state = state.unwrap_or(LaneState { lane, hwm: 0, chain: Chain::EMPTY });
        self.judge(ctx, payer, Statement { link, state, full: true }, peer, others)
    }

    /// The peer acknowledges.
    pub(crate) fn acknowledged(
        &mut self,
        ctx: &mut Context<'_>,
        payer: &mut Payer<'_>,
        link: LinkId,
        state: LaneState,
        peer: PeerId,
        others: &[LinkId],
    ) -> Judged {
        self.judge(ctx, payer, Statement { link, state, full: false }, peer, others)
    }

    /// Judges a statement of a peer whose messages we store. `others` are all its links, this one among them.
    fn judge(
        &mut self,
        ctx: &mut Context<'_>,
        payer: &mut Payer<'_>,
        said: Statement,
        peer: PeerId,
        others: &[LinkId],
    ) -> Judged {
        // A delivery that cannot be written down is none. The peer says it again when the store takes writes.
        if !ctx.conditions.writable {
            return Judged::Taken;
        }
        let Some(out) = self.lanes.get_mut(&peer).filter(|out| out.lane() == said.state.lane) else {
            return Judged::Taken;
        };
        let price = out.price(said.state);
        if price > 0 && !payer.pay(Kind::Work, price) {
            return Judged::Limit;
        }
        let judged = match out.peer_has(said.state) {
            Verdict::Known(progress) => self.known(ctx, said, peer, others, progress),
            // An older acknowledgement that another link overtook says nothing new; only a HELLO is a full statement.
            Verdict::Behind if !said.full => Judged::Taken,
            Verdict::Behind => {
                let (lane, to, chain) = (said.state.lane, out.acked(), out.acked_chain());
                if let Some(flow) = self.links.get_mut(&said.link) {
                    flow.next = Some(to + 1);
                }
                ctx.say(said.link, PeerMessage::Skip(Skip { lane, to, chain, why: SkipReason::Lost }));
                Judged::Taken
            }
            Verdict::Foreign => {
                let rows = out.pending().len() as u64 * RENUMBERED;
                if !payer.pay_as_contact(Kind::Lanes, 1) || !payer.pay_as_contact(Kind::Work, rows) {
                    return Judged::Limit;
                }
                let lane = LaneId(ctx.random());
                let messages = out.move_to(lane);
                ctx.write(Op::Chat(ChatOp::NewLane { peer, lane, messages }));
                for other in others {
                    if let Some(flow) = self.links.get_mut(other) {
                        flow.next = (flow.accepted && flow.said_hello).then_some(1);
                    }
                }
                Judged::Taken
            }
        };
        self.to_pump.insert(peer);
        judged
    }

    /// The peer knows our history up to what it states.
    fn known(
        &mut self,
        ctx: &mut Context<'_>,
        said: Statement,
        peer: PeerId,
        others: &[LinkId],
        progress: Progress,
    ) -> Judged {
        let LaneState { lane, hwm, chain } = said.state;
        let acked = self.lanes.get(&peer).map_or(0, Outbox::acked);
        // What it says of this lane later without a HELLO is judged by this.
        if let Some(flow) = self.links.get_mut(&said.link) {
            flow.lanes.retain(|known| known.lane != lane);
            flow.lanes.push(said.state);
        }
        for other in others {
            let Some(flow) = self.links.get_mut(other).filter(|flow| flow.next.is_some()) else { continue };
            // Digests that changed make what flies useless.
            flow.next = Some(if progress.rechained { 0 } else { flow.next.unwrap_or(0) }.max(acked + 1));
        }
        let Progress { delivered, taken_back, .. } = progress;
        let moved = !delivered.is_empty() || !taken_back.is_empty();
        if let Some(flow) = self.links.get_mut(&said.link) {
            if said.full {
                flow.next = Some(acked + 1);
            }
            if moved {
                flow.again = 0;
            }
        }
        if !moved {
            return Judged::Taken;
        }
        for pending in delivered.iter().chain(&taken_back) {
            if let Some(end) = pending.end_mono_ms {
                self.ends.remove(&(end, peer, pending.mid));
            }
        }
        let owed = delivered.iter().filter(|p| p.gone.is_none());
        self.bytes -= owed.map(|p| u64::from(p.bytes)).sum::<u64>();
        let late = delivered.iter().filter(|p| p.gone.is_some()).map(|p| p.mid).collect();
        ctx.write(Op::Chat(ChatOp::Delivered { peer, lane, upto: hwm, chain, late, at_ms: ctx.now.wall_ms }));
        ctx.act(Effect::Chat(ChatEffect::Delivered { peer, mids: delivered.iter().map(|p| p.mid).collect() }));
        Judged::Moved
    }

    /// Takes a message back that is not delivered, for a client.
    pub(crate) fn cancel(&mut self, ctx: &mut Context<'_>, peer: PeerId, mid: MessageId) -> Answer {
        match self.take_back(ctx, peer, &[mid], SkipReason::Withdrawn).as_slice() {
            [taken, ..] => Answer::TakenBack { certain: taken.certain },
            [] => Answer::Refused(Refused::NotPending),
        }
    }

    /// Takes everything back that waits for a peer.
    pub(crate) fn withdraw_all(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        let owed: Vec<_> = self.lanes.get(&peer).into_iter().flat_map(Outbox::owed).map(|p| p.mid).collect();
        self.take_back(ctx, peer, &owed, SkipReason::Withdrawn);
    }

    fn take_back(&mut self, ctx: &mut Context<'_>, peer: PeerId, mids: &[MessageId], why: SkipReason) -> Vec<Taken> {
        let Some(out) = self.lanes.get_mut(&peer) else { return Vec::new() };
        let taken = out.take_back(mids, why);
        if taken.is_empty() {
            return taken;
        }
        for (end, mid) in taken.iter().filter_map(|t| Some((t.end_mono_ms?, t.mid))) {
            self.ends.remove(&(end, peer, mid));
        }
        self.bytes -= taken.iter().map(|t| u64::from(t.bytes)).sum::<u64>();
        let at_ms = ctx.now.wall_ms;
        ctx.ops().extend(taken.iter().map(|t| Op::Chat(ChatOp::TakeBack { peer, mid: t.mid, seq: t.seq, why, at_ms })));
        ctx.act(Effect::Chat(ChatEffect::TakenBack { peer, mids: taken.iter().map(|t| t.mid).collect(), why }));
        self.to_pump.insert(peer);
        taken
    }

    /// The wall clock is not believed for a while.
    pub(crate) fn put_off_expiry(&mut self, until_mono_ms: u64) {
        self.expiry_due = until_mono_ms;
    }

    /// When the next message fails that has an end of its own.
    pub(crate) fn deadline(&self, writable: bool) -> Option<u64> {
        self.ends.first().filter(|_| writable).map(|end| end.0)
    }

    /// Gives up the messages whose own end has come.
    ///
    /// A message with an end of its own that was sent in this run ends by the monotonic clock, which nobody sets. After
    /// a restart only the wall clock knows its end.
    pub(crate) fn expire_ended(&mut self, ctx: &mut Context<'_>) {
        while ctx.conditions.writable
            && !ctx.conditions.stopping
            && let Some((end, peer, mid)) = self.ends.first().copied()
            && end <= ctx.now.mono_ms
        {
            self.ends.pop_first();
            self.take_back(ctx, peer, &[mid], SkipReason::Expired);
        }
    }

    /// Whether the ages are to be looked at now.
    pub(crate) fn is_expiry_due(&mut self, now: Now) -> bool {
        let due = now.mono_ms >= self.expiry_due;
        if due {
            self.expiry_due = now.mono_ms + EXPIRY_STEP_MS;
        }
        due
    }

    /// Gives up what waited too long. The wall clock alone would not do: one that is set a month ahead by mistake would
    /// fail everything. So it is believed only after it has stood still for a while on a machine that Tor lets in,
    /// which it does not with a wrong clock.
    pub(crate) fn expire_old(&mut self, ctx: &mut Context<'_>, believed: Believed) {
        let kept_ms = ctx.policy.expiry_ms;
        let born = believed.born_before(kept_ms).unwrap_or(i64::MIN);
        let is_old = |p: &&Pending| p.at_ms < born || p.until_ms.is_some_and(|until| believed.is_over(until, kept_ms));
        let old = |out: &Outbox| out.owed().filter(is_old).map(|p| p.mid).collect::<Vec<_>>();
        let old: Vec<_> = self.lanes.iter().map(|(peer, out)| (*peer, old(out))).collect();
        for (peer, mids) in old.into_iter().filter(|(_, mids)| !mids.is_empty()) {
            self.take_back(ctx, peer, &mids, SkipReason::Expired);
        }
        // A message of an earlier run may have its own end before the next look.
        let owed = self.lanes.values().flat_map(Outbox::owed);
        let ends = owed.filter(|p| p.end_mono_ms.is_none()).filter_map(|p| p.until_ms);
        if let Some(pause) = ends.map(|until| until.saturating_sub(ctx.now.wall_ms)).min() {
            let pause = u64::try_from(pause).unwrap_or(0).max(1_000);
            self.expiry_due = self.expiry_due.min(ctx.now.mono_ms + pause);
        }
    }

    /// Sends what the peers have room for. Each peer's messages go over one link, the newest of `open_links` that is ready.
    pub(crate) fn pump(
        &mut self,
        ctx: &mut Context<'_>,
        account: &mut Account,
        accepts: impl Fn(&PeerId) -> bool,
        open_links: impl Fn(&PeerId) -> Vec<LinkId>,
    ) {
        for peer in std::mem::take(&mut self.to_pump) {
            if !accepts(&peer) {
                continue;
            }
            let Some(out) = self.lanes.get_mut(&peer) else { continue };
            let ready = |id: &&LinkId| self.links.get(id).is_some_and(Flow::is_ready);
            let Some(id) = open_links(&peer).into_iter().rev().find(ready) else { continue };
            let Some(flow) = self.links.get_mut(&id) else { continue };
            let first = match flow.next {
                // A HELLO of one link may be older than an acknowledgement on another: what was acknowledged meanwhile is
                // not sent again (found by seed 2502002909, whose link stood still forever).
                Some(next) => next.max(out.acked() + 1),
                // The lane is younger than the peer's HELLO.
                None if out.acked() == 0 && !flow.lanes.iter().any(|s| s.lane == out.lane()) => 1,
                None => continue,
            };
            pump_lane(ctx, account, out, flow, Way { link: id, peer, first });
        }
    }

    /// Our lane to a peer.
    #[cfg(test)]
    pub(crate) fn outbox(&self, peer: &PeerId) -> Option<&Outbox> {
        self.lanes.get(peer)
    }

    /// How many messages have an end of their own in this run.
    #[cfg(test)]
    pub(crate) fn ends(&self) -> usize {
        self.ends.len()
    }
}

/// Where a lane goes on.
struct Way {
    link: LinkId,
    peer: PeerId,
    first: u64,
}

fn pump_lane(ctx: &mut Context<'_>, account: &mut Account, out: &mut Outbox, flow: &mut Flow, way: Way) {
    let Way { peer, first, .. } = way;
    let now_ms = ctx.now.mono_ms;
    let wanted = out.sendable(first, flow.inflight, flow.credit);
    // What was said before, in this run, is paid for by the peer that makes us say it again.
    let (count, resent) = out.affordable(first, wanted, account.left(now_ms, &peer, Kind::Resent));
    if resent > 0 {
        account.pay(now_ms, peer, Kind::Resent, resent);
    }
    if count < wanted {
        account.hold_up(now_ms, peer, Kind::Resent, out.cost_of(first + count));
    }
    flow.next = Some(first + count);
    if count == 0 {
        return;
    }
    out.sending(first + count - 1);
    if ctx.conditions.writable
        && let Some((first, count)) = out.tell_sent(first + count - 1)
    {
        ctx.write(Op::Chat(ChatOp::Sent { peer, lane: out.lane(), first, count }));
    }
    transmit(ctx, out, &way, count);
}

/// Runs of messages, and between them the numbers that never come.
fn transmit(ctx: &mut Context<'_>, out: &Outbox, way: &Way, count: u64) {
    let Way { link, peer, first } = *way;
    let lane = out.lane();
    let mut run: Option<(u64, Chain)> = None;
    let mut before = out.chain_before(first).unwrap_or(Chain::EMPTY);
    let flush = |run: &mut Option<(u64, Chain)>, end: u64, ctx: &mut Context<'_>| {
        if let Some((first, prev)) = run.take() {
            ctx.act(Effect::Link(LinkEffect::Transmit { link, peer, lane, first, prev, count: end - first }));
        }
    };
    for (seq, pending) in (first..first + count).zip(out.from(first)) {
        match pending.gone {
            None => {
                run.get_or_insert((seq, before));
            }
            Some(why) => {
                flush(&mut run, seq, ctx);
                ctx.say(link, PeerMessage::Skip(Skip { lane, to: seq, chain: pending.chain, why }));
            }
        }
        before = pending.chain;
    }
    flush(&mut run, first + count, ctx);
}
