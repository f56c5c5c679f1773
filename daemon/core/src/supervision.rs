//! Whether our own way into the network works, whether others reach us, and what is done when not.
//!
//! Only what was tried counts: a link, a failed dial, a dial of our own service, and a circuit that the transport tried to
//! build when it had heard nothing for a while (without it a daemon whom nobody dials would not notice a dead network). Tor's own words are shown, but they are
//! no evidence: arti's service calls itself unreachable while it is reached, and running while it is not.

use crate::effect::{Effect, NetworkEffect};
use crate::input::{DialEnd, DialFailure};
use crate::policy::RepairPolicy;
use crate::time::Now;
use crate::turn::Context;
use crate::view::Health;

/// A service that was just launched is not dialled before it had time to publish itself.
const FIRST_CHECK_MS: u64 = 120_000;
/// For so long after a sleep one failed dial is reason enough for a new way into the network.
const AFTER_SLEEP_MS: u64 = 300_000;
/// How many renewals follow each other quickly; then the pause doubles.
const QUICK_RENEWALS: u32 = 20;

/// See the module's description. All times are of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Supervision {
    started: u64,
    woke: Option<u64>,
    /// No dial has got through since.
    trouble: Option<u64>,
    failures: u32,
    /// The transport's own look says that the network carries nothing.
    dead: bool,
    renewals: u32,
    renewed: Option<u64>,
    /// A dial has failed since: without that, another renewal would be made for nothing.
    failed_since: bool,
    /// Tor has said that it does not work since.
    offline: Option<u64>,
    check: SelfCheck,
    replacing: bool,
}

/// The dials of our own service.
#[derive(Debug, Default)]
struct SelfCheck {
    due: Option<u64>,
    running: bool,
    /// Somebody, or we, reached our service last.
    reached: Option<u64>,
    failing: Option<u64>,
    /// How the last one ended, if it failed.
    end: Option<DialEnd>,
}

impl Supervision {
    pub(crate) fn new(now: Now) -> Self {
        Self { started: now.mono_ms, offline: Some(now.mono_ms), ..Self::default() }
    }

    /// The trouble of the supervision before a rebuild. Its dials and repairs are not kept: those that the failed turn had
    /// decided were never begun.
    pub(crate) fn keep_trouble(&mut self, before: &Self) {
        (self.trouble, self.dead) = (before.trouble, before.dead);
    }

    /// When our own service is to be dialled.
    pub(crate) fn deadline(&self, usable: bool) -> Option<u64> {
        self.check.due.filter(|_| usable && !self.check.running)
    }

    fn works(&mut self) {
        self.trouble = None;
        self.failures = 0;
        self.dead = false;
        self.renewals = 0;
    }

    fn fails(&mut self, now: Now) {
        self.trouble.get_or_insert(now.mono_ms);
        self.failures = self.failures.saturating_add(1);
        self.failed_since = true;
    }

    fn wants_renewal(&self, now: Now, policy: &RepairPolicy) -> bool {
        let Some(since) = self.trouble else { return false };
        let fresh_from_sleep = self.woke.is_some_and(|at| now.mono_ms.saturating_sub(at) < AFTER_SLEEP_MS);
        let tried = self.dead || self.failures >= policy.failures;
        let long = tried && now.mono_ms.saturating_sub(since) >= policy.trouble_ms;
        let doubled = policy.renew_ms.saturating_mul(1 << self.renewals.saturating_sub(QUICK_RENEWALS).min(10));
        let pause = doubled.min(policy.renew_cap_ms);
        (long || fresh_from_sleep)
            && (self.failed_since || self.dead)
            && self.renewed.is_none_or(|at| now.mono_ms.saturating_sub(at) >= pause)
    }

    fn wants_replacement(&self, now: Now, usable: bool, policy: &RepairPolicy) -> bool {
        let longer = |since: Option<u64>, than| since.is_some_and(|at| now.mono_ms.saturating_sub(at) >= than);
        let broken = if usable {
            self.renewals > 1 && longer(self.trouble, policy.replace_ms)
                || longer(self.check.failing, policy.replace_ms)
        } else {
            longer(self.offline, policy.replace_offline_ms)
        };
        broken && longer(Some(self.started), policy.replace_uptime_ms)
    }

    /// The machine slept.
    pub(crate) fn woke(&mut self, ctx: &mut Context<'_>) {
        self.woke = Some(ctx.now.mono_ms);
        self.check.due = Some(ctx.now.mono_ms + check_pause(ctx));
    }

    /// A link came up: the network carries us.
    pub(crate) fn got_through(&mut self, ctx: &Context<'_>, outgoing: bool) {
        self.works();
        if !outgoing {
            self.reached(ctx);
        }
    }

    fn reached(&mut self, ctx: &Context<'_>) {
        let check = &mut self.check;
        check.reached = Some(ctx.now.mono_ms);
        check.failing = None;
        check.end = None;
        check.due = Some(ctx.now.mono_ms + ctx.policy.repair.self_check_ms);
    }

    /// What a failed dial says of our own way into the network.
    pub(crate) fn judge_dial(&mut self, now: Now, failure: DialFailure) {
        match failure {
            DialFailure::NoNetwork | DialFailure::Timeout | DialFailure::GivenUp => self.fails(now),
            // Somebody at the other end of the network said so.
            DialFailure::PeerDown | DialFailure::Handshake(_) | DialFailure::NoRoom => self.works(),
            DialFailure::Permanent => {}
        }
    }

    /// The transport's own look at the network. That it carries us says nothing of dials that time out.
    pub(crate) fn note_carries(&mut self, now: Now, carries: bool) {
        self.dead = !carries;
        if !carries {
            self.trouble.get_or_insert(now.mono_ms);
        } else if self.failures == 0 {
            self.works();
        }
    }

    /// The dial of our own service ended.
    pub(crate) fn checked(&mut self, ctx: &mut Context<'_>, failure: Option<DialEnd>) {
        self.check.running = false;
        let Some(end) = failure else {
            self.works();
            self.reached(ctx);
            return;
        };
        self.judge_dial(ctx.now, end.failure);
        let due = ctx.now.mono_ms + check_pause(ctx);
        let check = &mut self.check;
        if end.failure == DialFailure::PeerDown {
            check.failing.get_or_insert(ctx.now.mono_ms);
        }
        check.end = Some(end);
        check.due = Some(due);
    }

    /// Tor says whether it works.
    pub(crate) fn note_usable(&mut self, ctx: &mut Context<'_>, usable: bool) {
        let now = ctx.now.mono_ms;
        if usable {
            self.offline = None;
            let first = now + FIRST_CHECK_MS + ctx.up_to(FIRST_CHECK_MS / 2);
            self.check.due.get_or_insert(first);
        } else {
            self.offline.get_or_insert(now);
        }
    }

    /// Does what is due.
    pub(crate) fn supervise(&mut self, ctx: &mut Context<'_>) {
        if ctx.conditions.stopping {
            return;
        }
        let (now, policy, usable) = (ctx.now, &ctx.policy.repair, ctx.conditions.network_usable);
        let due = self.check.due.is_some_and(|due| due <= now.mono_ms);
        if due && usable && !self.check.running && policy.self_check_ms > 0 {
            self.check.running = true;
            ctx.act(Effect::Network(NetworkEffect::SelfCheck));
        }
        if self.wants_renewal(now, policy) {
            self.renewed = Some(now.mono_ms);
            self.renewals = self.renewals.saturating_add(1);
            self.failed_since = false;
            ctx.act(Effect::Network(NetworkEffect::Renew));
        }
        if !self.replacing && self.wants_replacement(now, usable, policy) {
            // The program around us may not be able to; then everything else goes on.
            self.replacing = true;
            ctx.act(Effect::Network(NetworkEffect::Replace));
        }
    }

    /// The state of our way into the network, at the given time of the monotonic clock.
    pub(crate) fn health(&self, policy: &RepairPolicy, mono_ms: u64) -> Health {
        let ago = |at: u64| mono_ms.saturating_sub(at);
        let long = |at: &u64| self.dead || self.failures >= policy.failures || ago(*at) > 60_000;
        Health {
            reached_ms_ago: self.check.reached.map(ago),
            unreachable_for_ms: self.check.failing.map(ago).zip(self.check.end.clone()),
            trouble_for_ms: self.trouble.filter(long).map(ago),
            renewals: self.renewals,
        }
    }
}

/// With jitter, so that the checks of many daemons behind one guard do not line up.
fn check_pause(ctx: &mut Context<'_>) -> u64 {
    let pause = ctx.policy.repair.self_check_retry_ms;
    pause / 2 + ctx.up_to(pause / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::EndedBy;

    const START: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };

    fn at(ms: u64) -> Now {
        Now { wall_ms: START.wall_ms, mono_ms: START.mono_ms + ms }
    }

    #[test]
    fn only_failures_of_our_own_side_ask_for_a_new_way_into_the_network() {
        let policy = RepairPolicy::default();
        let mut supervision = Supervision::new(START);
        for _ in 0..policy.failures {
            supervision.judge_dial(START, DialFailure::NoNetwork);
        }
        assert!(!supervision.wants_renewal(at(policy.trouble_ms - 1), &policy), "not so soon");
        assert!(supervision.wants_renewal(at(policy.trouble_ms), &policy));
        supervision.judge_dial(at(1), DialFailure::PeerDown);
        assert!(!supervision.wants_renewal(at(policy.trouble_ms), &policy), "somebody answered");
    }

    #[test]
    fn whoever_answers_shows_that_the_network_carries_us_whatever_became_of_it() {
        let policy = RepairPolicy::default();
        let in_trouble = |last: DialFailure| {
            let mut supervision = Supervision::new(START);
            for _ in 0..policy.failures {
                supervision.judge_dial(START, DialFailure::GivenUp);
            }
            supervision.judge_dial(START, last);
            supervision.wants_renewal(at(policy.trouble_ms), &policy)
        };
        for ours in [DialFailure::Timeout, DialFailure::GivenUp, DialFailure::NoNetwork, DialFailure::Permanent] {
            assert!(in_trouble(ours), "{ours:?}");
        }
        for answered in [DialFailure::PeerDown, DialFailure::NoRoom, DialFailure::Handshake(EndedBy::Network)] {
            assert!(!in_trouble(answered), "{answered:?}");
        }
    }

    #[test]
    fn a_network_that_carries_nothing_is_trouble_though_nobody_is_dialled() {
        let policy = RepairPolicy::default();
        let mut supervision = Supervision::new(START);
        supervision.note_carries(START, false);
        assert_eq!(supervision.health(&policy, at(5_000).mono_ms).trouble_for_ms, Some(5_000), "told at once");
        assert!(!supervision.wants_renewal(at(policy.trouble_ms - 1), &policy), "it may come back by itself");
        assert!(supervision.wants_renewal(at(policy.trouble_ms), &policy));
        supervision.note_carries(at(policy.trouble_ms), true);
        assert!(!supervision.wants_renewal(at(policy.trouble_ms), &policy));
        assert_eq!(supervision.health(&policy, at(policy.trouble_ms).mono_ms).trouble_for_ms, None);
        // A store that fails meanwhile makes no difference.
        supervision.note_carries(START, false);
        let mut rebuilt = Supervision::new(at(1));
        rebuilt.keep_trouble(&supervision);
        assert_eq!(rebuilt.health(&policy, at(5_000).mono_ms).trouble_for_ms, Some(5_000));
        assert!(rebuilt.wants_renewal(at(policy.trouble_ms), &policy));
        rebuilt.note_carries(at(policy.trouble_ms), true);
        assert_eq!(rebuilt.health(&policy, at(policy.trouble_ms).mono_ms).trouble_for_ms, None);
        supervision.note_carries(START, true);
        // Dials that time out are another matter: the first relay may answer, and nothing behind it.
        for _ in 0..policy.failures {
            supervision.judge_dial(START, DialFailure::Timeout);
        }
        supervision.note_carries(START, false);
        supervision.note_carries(at(1), true);
        assert!(supervision.wants_renewal(at(policy.trouble_ms), &policy));
    }

    #[test]
    fn after_a_sleep_one_failed_dial_is_enough_and_without_one_nothing_is_done() {
        let policy = RepairPolicy::default();
        let mut supervision = Supervision { woke: Some(START.mono_ms), ..Supervision::new(START) };
        assert!(!supervision.wants_renewal(at(1), &policy));
        supervision.judge_dial(at(1), DialFailure::Timeout);
        assert!(supervision.wants_renewal(at(1), &policy));
    }
}
