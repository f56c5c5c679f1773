//! What goes out, as far as the peers have room and can pay for what is said again.

use super::{Flow, Sending};
use crate::account::{Account, Kind};
use crate::chat::outbox::Outbox;
use crate::effect::{Effect, LinkEffect};
use crate::input::LinkId;
use crate::op::{ChatOp, Op};
use crate::turn::Context;
use torchat_protocol::id::{Chain, PeerId};
use torchat_protocol::message::{PeerMessage, Skip};

impl Sending {
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
            let ready = |id: &LinkId| self.links.get(id).is_some_and(Flow::is_ready);
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
