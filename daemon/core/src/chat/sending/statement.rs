//! What a peer says of our lane: where it stands there, and what that means.

use super::Sending;
use crate::account::{Kind, Payer, RENUMBERED};
use crate::chat::outbox::{Outbox, Progress, Verdict};
use crate::effect::{ChatEffect, Effect};
use crate::input::LinkId;
use crate::op::{ChatOp, Op};
use crate::turn::Context;
use torchat_protocol::id::{Chain, LaneId, PeerId};
use torchat_protocol::message::{LaneState, PeerMessage, Skip, SkipReason};

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
}
