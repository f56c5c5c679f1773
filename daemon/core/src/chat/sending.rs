//! Our messages: accepted, numbered, transmitted, acknowledged.

mod expiry;
mod pump;
mod statement;

pub(crate) use statement::Judged;

use super::outbox::{Outbox, Taken};
use crate::effect::{ChatEffect, Effect};
use crate::input::{Answer, LinkId, Refused, RequestId};
use crate::op::{ChatOp, Op};
use crate::policy::Policy;
use crate::snapshot::{OutSnapshot, Pending};
use crate::turn::Context;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::limits;
use torchat_protocol::message::{Hello, LaneState, SkipReason};

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

impl Sending {
    pub(crate) fn restore(lanes: impl Iterator<Item = (PeerId, OutSnapshot)>) -> Self {
        let lanes: BTreeMap<_, _> = lanes.map(|(peer, out)| (peer, Outbox::restore(out))).collect();
        Self { bytes: lanes.values().map(Outbox::bytes).sum(), lanes, ..Self::default() }
    }

    /// Whether messages wait for the peer.
    pub(crate) fn owes(&self, peer: &PeerId) -> bool {
        self.lanes.get(peer).is_some_and(|out| out.owed_count() > 0)
    }

    /// The peers that messages wait for.
    pub(crate) fn owed(&self) -> impl Iterator<Item = &PeerId> {
        self.lanes.iter().filter(|(_, out)| out.owed_count() > 0).map(|(peer, _)| peer)
    }

    /// How many messages wait for the peer.
    pub(crate) fn queued(&self, peer: &PeerId) -> usize {
        self.lanes.get(peer).map_or(0, Outbox::owed_count)
    }

    /// How many messages wait in all, and the bytes of their texts.
    pub(crate) fn total(&self) -> (usize, u64) {
        (self.lanes.values().map(Outbox::owed_count).sum(), self.bytes)
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

    /// Our lane to a peer.
    #[cfg(test)]
    pub(crate) fn outbox(&self, peer: &PeerId) -> Option<&Outbox> {
        self.lanes.get(peer)
    }
}
