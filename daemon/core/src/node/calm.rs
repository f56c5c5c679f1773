//! When the wall clock may be believed for what cannot be undone: one rule for everything that is removed, or refused for
//! good, because it is too old.
//!
//! A clock that was wrong for a moment, at a start or by a leap, must cost nothing. So nothing is too old before the clock
//! has stood still for ten minutes while Tor lets us in, which it does not with a wrong clock. And what was noted before a
//! leap of more than a week counts from the leap on: it may bear the time of a clock that was wrong (a machine without a
//! battery starts in 1970). Such a leap may have been a long sleep; then it is only kept longer.

use super::Node;
use crate::op::Op;
use crate::time::{Believed, Now};
use crate::{effect::Turn, node::supervision::offset};

/// How long the wall clock must have stood still before it is believed.
pub(super) const CALM_MS: u64 = 600_000;
/// A leap after which what was noted before counts from it on.
const LEAP_MS: u64 = 7 * 24 * 3_600_000;

/// What is known of the wall clock.
#[derive(Debug, Default)]
pub(super) struct Calm {
    /// Until then it is not believed, by the monotonic clock.
    until: u64,
    /// When it leapt last, in milliseconds since 1970 by what it said then.
    since_ms: Option<i64>,
    /// The store does not know of the leap.
    untold: bool,
}

impl Calm {
    pub(super) fn restore(now: Now, since_ms: Option<i64>) -> Self {
        Self { until: now.mono_ms + CALM_MS, since_ms, untold: false }
    }
}

impl Node {
    /// The wall clock, if what is too old by it may go. `None`: it was not calm for long enough.
    #[must_use]
    pub fn believed(&self, now: Now) -> Option<Believed> {
        // A leap that no turn has seen yet.
        let leapt = self
            .supervision
            .seen_offset()
            .is_some_and(|was| offset(now).saturating_sub(was).unsigned_abs() > self.policy.liveness.sleep_ms);
        let calm = now.mono_ms >= self.calm.until && self.network_usable && !leapt;
        calm.then_some(Believed { now_ms: now.wall_ms, since_ms: self.calm.since_ms.unwrap_or(i64::MIN) })
    }

    /// The wall clock was set, or the machine slept: it is not believed for a while.
    pub(super) fn clock_moved(&mut self, now: Now, step: i64) {
        self.put_off_expiry(now);
        self.calm.until = now.mono_ms + CALM_MS;
        // A time to come, of a clock that was ahead, would keep everything until then.
        if step.unsigned_abs() > LEAP_MS || self.calm.since_ms.is_some_and(|since| since > now.wall_ms) {
            self.calm.since_ms = Some(now.wall_ms);
            self.calm.untold = true;
        }
    }

    /// Writes down a leap.
    pub(super) fn tell_leap(&mut self, turn: &mut Turn) {
        if self.calm.untold
            && self.writable
            && let Some(at_ms) = self.calm.since_ms
        {
            self.calm.untold = false;
            turn.ops.push(Op::ClockSet { at_ms });
        }
    }
}
