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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Tariff};
    use crate::policy::Policy;
    use crate::turn::tests::{after, decide, peer};

    fn claim(notices: &mut Notices, account: &mut Account, ms: u64, n: u8) -> Vec<Effect> {
        let told = decide(after(ms), &Policy::default(), |ctx| {
            let mut payer = account.payer(ctx.now, peer(n), true);
            notices.tell_claim(ctx, &mut payer, peer(n), |peer, say| Notice::OtherCopy { peer, say });
        });
        told.1.effects
    }

    #[test]
    fn each_peer_that_claims_counts_once_and_is_not_repeated_for_a_while() {
        let (mut notices, mut account) = (Notices::default(), Account::new(Tariff::default()));
        for (n, say) in [(1, 1), (2, 2), (3, 3)] {
            let expected = Effect::Notice(Notice::OtherCopy { peer: peer(n), say });
            assert_eq!(claim(&mut notices, &mut account, 0, n), [expected]);
        }
        assert_eq!(claim(&mut notices, &mut account, REPEAT_MS - 1, 1), []);
        assert_eq!(claim(&mut notices, &mut account, REPEAT_MS, 1).len(), 1);
        assert_eq!(notices.list().len(), 3, "a peer that says it again takes one place");
    }

    #[test]
    fn the_oldest_go_and_a_peer_that_cannot_pay_is_not_heard() {
        let (mut notices, mut account) = (Notices::default(), Account::new(Tariff::default()));
        for n in 1..=20 {
            claim(&mut notices, &mut account, 0, n);
        }
        assert_eq!(notices.list().len(), NOTICES);
        let mut poor = Account::new(Tariff::default().with(Kind::Notes, 1, 1));
        assert!(poor.pay(after(0).mono_ms, peer(30), Kind::Notes, 1));
        assert_eq!(claim(&mut notices, &mut poor, 0, 30), []);
    }
}
