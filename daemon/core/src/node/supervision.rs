//! Whether our own way into the network works, whether others reach us, and what is done when not.
//!
//! Only what was tried counts: a link, a failed dial, a dial of our own service. Tor's own words are shown, but they are
//! no evidence: arti's service calls itself unreachable while it is reached, and running while it is not.

use super::Node;
use crate::effect::{Effect, Notice, Turn};
use crate::entropy::{self, Entropy};
use crate::input::DialFailure;
use crate::policy::RepairPolicy;
use crate::time::Now;
use crate::view::Health;
use torchat_protocol::message::{Nonce, PeerMessage};

/// A service that was just launched is not dialled before it had time to publish itself.
const FIRST_CHECK_MS: u64 = 120_000;
/// For so long after a sleep one failed dial is reason enough for a new way into the network.
const AFTER_SLEEP_MS: u64 = 300_000;
/// So many renewals follow each other quickly; then the pause doubles.
const QUICK_RENEWALS: u32 = 20;

/// See the module's description. All times are of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Supervision {
    started: u64,
    /// The two clocks' difference at the last turn, and when that was.
    clock: Option<(i64, u64)>,
    woke: Option<u64>,
    /// No dial has got through since.
    trouble: Option<u64>,
    failures: u32,
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
    reason: Option<String>,
}

/// How far the wall clock is ahead of the monotonic one.
pub(super) fn offset(now: Now) -> i64 {
    now.wall_ms.saturating_sub(i64::try_from(now.mono_ms).unwrap_or(i64::MAX))
}

impl Supervision {
    /// The [`offset`] that the last turn saw.
    pub(super) fn seen_offset(&self) -> Option<i64> {
        self.clock.map(|(offset, _)| offset)
    }

    pub(super) fn new(now: Now) -> Self {
        Self { started: now.mono_ms, offline: Some(now.mono_ms), ..Self::default() }
    }

    pub(super) fn deadline(&self, policy: &crate::policy::Policy, usable: bool) -> Option<u64> {
        let tick = self.clock.map(|(_, at)| at + policy.liveness.tick_ms);
        let check = self.check.due.filter(|_| usable && !self.check.running);
        tick.into_iter().chain(check).min()
    }

    fn works(&mut self) {
        self.trouble = None;
        self.failures = 0;
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
        let long = self.failures >= policy.failures && now.mono_ms.saturating_sub(since) >= policy.trouble_ms;
        let doubled = policy.renew_ms.saturating_mul(1 << self.renewals.saturating_sub(QUICK_RENEWALS).min(10));
        let pause = doubled.min(policy.renew_cap_ms);
        (long || fresh_from_sleep)
            && self.failed_since
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
}

impl Node {
    /// Compares the clocks: a machine that slept has links that are dead and do not know it.
    pub(super) fn watch_clock(&mut self, now: Now, entropy: &mut dyn Entropy, turn: &mut Turn) {
        let life = &self.policy.liveness;
        let offset = offset(now);
        let before = self.supervision.clock.replace((offset, now.mono_ms));
        let Some((was, at)) = before else { return };
        // Linux's monotonic clock stands still in a sleep, and goes on while the process is stopped.
        let step = offset.saturating_sub(was);
        let stalled = now.mono_ms.saturating_sub(at).saturating_sub(life.tick_ms);
        let slept = u64::try_from(step).unwrap_or(0).max(stalled);
        if slept > life.sleep_ms {
            self.clock_moved(now, step);
            self.wake(now, entropy, slept, turn);
        } else if step.unsigned_abs() > life.sleep_ms {
            self.clock_moved(now, step);
            self.notice(Notice::ClockSet(step), turn);
        }
    }

    fn wake(&mut self, now: Now, entropy: &mut dyn Entropy, slept: u64, turn: &mut Turn) {
        self.notice(Notice::Woke(slept), turn);
        self.supervision.woke = Some(now.mono_ms);
        self.supervision.check.due = Some(now.mono_ms + self.check_pause(entropy));
        if self.dials > 0 {
            turn.effects.push(Effect::DropDials);
        }
        // Whoever answers is still there. The others are dialled when their link is given up, after its own pause.
        let until = now.mono_ms + self.policy.liveness.answer_ms;
        for (id, link) in self.links.iter_mut().filter(|(_, link)| !link.closing) {
            let n = link.ask(now, until);
            turn.effects.push(Effect::Say { link: *id, message: PeerMessage::Ping(Nonce { n }) });
        }
        // Pauses of before the sleep say nothing now. Spread like at the start: no storm.
        for row in self.peers.values_mut().filter(|row| row.links.is_empty()) {
            row.dialling.forgive();
        }
        self.spread_first_dials(now, entropy);
    }

    /// A link came up: the network carries us.
    pub(super) fn got_through(&mut self, now: Now, outgoing: bool) {
        self.supervision.works();
        if !outgoing {
            self.reached(now);
        }
    }

    fn reached(&mut self, now: Now) {
        let check = &mut self.supervision.check;
        check.reached = Some(now.mono_ms);
        check.failing = None;
        check.reason = None;
        check.due = Some(now.mono_ms + self.policy.repair.self_check_ms);
    }

    /// What a failed dial says of our own way into the network.
    pub(super) fn judge_dial(&mut self, now: Now, failure: DialFailure) {
        match failure {
            DialFailure::NoNetwork | DialFailure::Timeout => self.supervision.fails(now),
            // Somebody at the other end of the network said so.
            DialFailure::PeerDown | DialFailure::Handshake => self.supervision.works(),
            DialFailure::Permanent => {}
        }
    }

    pub(super) fn self_checked(&mut self, now: Now, entropy: &mut dyn Entropy, failure: Option<(DialFailure, String)>) {
        self.supervision.check.running = false;
        let Some((failure, reason)) = failure else {
            self.supervision.works();
            self.reached(now);
            return;
        };
        self.judge_dial(now, failure);
        let due = now.mono_ms + self.check_pause(entropy);
        let check = &mut self.supervision.check;
        if matches!(failure, DialFailure::PeerDown) {
            check.failing.get_or_insert(now.mono_ms);
        }
        check.reason = Some(reason);
        check.due = Some(due);
    }

    /// With jitter, so that the checks of many daemons behind one guard do not line up.
    fn check_pause(&self, entropy: &mut dyn Entropy) -> u64 {
        let pause = self.policy.repair.self_check_retry_ms;
        pause / 2 + entropy::up_to(entropy, pause / 2)
    }

    /// Tor says whether it works.
    pub(super) fn note_usable(&mut self, now: Now, entropy: &mut dyn Entropy, usable: bool) {
        let supervision = &mut self.supervision;
        if usable {
            supervision.offline = None;
            let first = now.mono_ms + FIRST_CHECK_MS + entropy::up_to(entropy, FIRST_CHECK_MS / 2);
            supervision.check.due.get_or_insert(first);
        } else {
            supervision.offline.get_or_insert(now.mono_ms);
        }
    }

    /// Does what is due.
    pub(super) fn supervise(&mut self, now: Now, turn: &mut Turn) {
        if self.stopping {
            return;
        }
        let (policy, usable) = (&self.policy.repair, self.network_usable);
        let supervision = &mut self.supervision;
        let due = supervision.check.due.is_some_and(|due| due <= now.mono_ms);
        if due && usable && !supervision.check.running && policy.self_check_ms > 0 {
            supervision.check.running = true;
            turn.effects.push(Effect::SelfCheck);
        }
        if supervision.wants_renewal(now, policy) {
            supervision.renewed = Some(now.mono_ms);
            supervision.renewals = supervision.renewals.saturating_add(1);
            supervision.failed_since = false;
            turn.effects.push(Effect::Renew);
        }
        if !supervision.replacing && supervision.wants_replacement(now, usable, policy) {
            // Whoever runs us may not be able to; then everything else goes on.
            supervision.replacing = true;
            turn.effects.push(Effect::Replace);
        }
    }

    /// The state of our way into the network, at the given time of the monotonic clock.
    pub(super) fn health(&self, mono_ms: u64) -> Health {
        let ago = |at: u64| mono_ms.saturating_sub(at);
        let supervision = &self.supervision;
        let check = &supervision.check;
        let long = |at: &u64| supervision.failures >= self.policy.repair.failures || ago(*at) > 60_000;
        Health {
            reached_ms_ago: check.reached.map(ago),
            unreachable_for_ms: check.failing.map(|at| (ago(at), check.reason.clone().unwrap_or_default())),
            trouble_for_ms: supervision.trouble.filter(long).map(ago),
            renewals: supervision.renewals,
        }
    }
}
