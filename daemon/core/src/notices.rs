//! What the user should know: kept for STATUS, each said once and not again for a while.

use crate::account::{Kind, Payer};
use crate::effect::{Effect, Notice};
use crate::turn::Context;
use crate::view::Noticed;
use std::collections::VecDeque;
use torchat_protocol::id::PeerId;

/// Notices that STATUS shows.
const NOTICES: usize = 16;
/// The same notice is not repeated within this time.
const REPEAT_MS: u64 = 600_000;

/// The last notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// With the moment of each by the monotonic clock.
    list: VecDeque<(Noticed, u64)>,
}

impl Notices {
    /// Oldest first.
    pub(crate) fn list(&self) -> Vec<Noticed> {
        self.list.iter().map(|(notice, _)| *notice).collect()
    }

    /// Tells something of our own machine.
    pub(crate) fn tell(&mut self, ctx: &mut Context<'_>, notice: Notice) {
        self.add(ctx, notice, || true);
    }

    /// Tells something of a peer, which pays for it.
    pub(crate) fn tell_of(&mut self, ctx: &mut Context<'_>, payer: &mut Payer<'_>, notice: Notice) {
        // Enough contacts together push each other's notices out and could repeat theirs without end.
        self.add(ctx, notice, || payer.pay(Kind::Notes, 1));
    }

    /// A contact says something of us that we cannot check: the user is told that it says so, and how many do.
    pub(crate) fn tell_claim(
        &mut self,
        ctx: &mut Context<'_>,
        payer: &mut Payer<'_>,
        peer: PeerId,
        notice: impl Fn(PeerId, usize) -> Notice,
    ) {
        // Each contact that said so has one notice of the kind here.
        let kind = std::mem::discriminant(&notice(peer, 1));
        let others = self.list.iter().map(|(old, _)| old.notice);
        let others = others.filter(|old| std::mem::discriminant(old) == kind && old.peer() != Some(peer)).count();
        self.tell_of(ctx, payer, notice(peer, others + 1));
    }

    fn add(&mut self, ctx: &mut Context<'_>, notice: Notice, pay: impl FnOnce() -> bool) {
        let now = ctx.now;
        let again =
            |(old, at): &(Noticed, u64)| old.notice.is_like(&notice) && now.mono_ms.saturating_sub(*at) < REPEAT_MS;
        if self.list.iter().any(again) || !pay() {
            return;
        }
        // A peer that says the same for days takes one place, or it would push out what others say.
        self.list.retain(|(old, _)| old.notice.peer().is_none() || !old.notice.is_like(&notice));
        if self.list.len() == NOTICES {
            self.list.pop_front();
        }
        self.list.push_back((Noticed { notice, wall_ms: now.wall_ms }, now.mono_ms));
        ctx.act(Effect::Notice(notice));
    }
}
