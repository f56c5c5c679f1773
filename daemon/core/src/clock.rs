//! When the wall clock may be believed for what cannot be undone: one rule for everything that is removed, or refused for
//! good, because it is too old.
//!
//! A clock that was wrong for a moment, at a start or by a leap, must cost nothing. So nothing is too old before the clock
//! has stood still for ten minutes while Tor lets us in, which it does not with a wrong clock. And what was noted before a
//! leap of more than a week counts from the leap on: it may bear the time of a clock that was wrong (a machine without a
//! battery starts in 1970). Such a leap may have been a long sleep; then it is only kept longer.

use crate::op::{LogOp, Op};
use crate::policy::Liveness;
use crate::time::{Believed, CALM_MS, Now};
use crate::turn::Context;

/// A leap after which what was noted before counts from it on.
const LEAP_MS: u64 = 7 * 24 * 3_600_000;

/// What is known of the two clocks.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How far the wall clock was ahead of the monotonic one at the last turn, and when that was.
    seen: Option<(i64, u64)>,
    /// Until then the wall clock is not believed, by the monotonic clock.
    until: u64,
    /// When it leapt last, in milliseconds since 1970 by what it said then.
    since_ms: Option<i64>,
    /// The store does not know of the leap.
    untold: bool,
}

/// What two looks at the clocks tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// They go on together.
    Not,
    /// How many milliseconds the process did not run: the machine slept, or it was stopped.
    Slept(u64),
    /// By how many milliseconds the wall clock was set.
    Set(i64),
}

/// How far the wall clock is ahead of the monotonic one.
fn offset(now: Now) -> i64 {
    now.wall_ms.saturating_sub(i64::try_from(now.mono_ms).unwrap_or(i64::MAX))
}

impl Clock {
    pub(crate) fn restore(now: Now, since_ms: Option<i64>) -> Self {
        Self { seen: None, until: now.mono_ms + CALM_MS, since_ms, untold: false }
    }

    /// When the clocks are to be compared next.
    pub(crate) fn deadline(&self, life: &Liveness) -> Option<u64> {
        self.seen.map(|(_, at)| at + life.tick_ms)
    }

    /// Compares the clocks with the last turn's.
    pub(crate) fn look(&mut self, now: Now, life: &Liveness) -> Moved {
        let offset = offset(now);
        let Some((was, at)) = self.seen.replace((offset, now.mono_ms)) else { return Moved::Not };
        // Linux's monotonic clock stands still in a sleep, and goes on while the process is stopped.
        let step = offset.saturating_sub(was);
        let stalled = now.mono_ms.saturating_sub(at).saturating_sub(life.tick_ms);
        let slept = u64::try_from(step).unwrap_or(0).max(stalled);
        if slept > life.sleep_ms {
            self.moved(now, step);
            Moved::Slept(slept)
        } else if step.unsigned_abs() > life.sleep_ms {
            self.moved(now, step);
            Moved::Set(step)
        } else {
            Moved::Not
        }
    }

    /// It is not believed for a while.
    fn moved(&mut self, now: Now, step: i64) {
        self.until = now.mono_ms + CALM_MS;
        // A time to come, of a clock that was ahead, would keep everything until then.
        if step.unsigned_abs() > LEAP_MS || self.since_ms.is_some_and(|since| since > now.wall_ms) {
            self.since_ms = Some(now.wall_ms);
            self.untold = true;
        }
    }

    /// The wall clock, if what is too old by it may go. `None`: it was not calm for long enough.
    pub(crate) fn believed(&self, now: Now, life: &Liveness, network_usable: bool) -> Option<Believed> {
        // A leap that no turn has seen yet.
        let leapt = self.seen.is_some_and(|(was, _)| offset(now).saturating_sub(was).unsigned_abs() > life.sleep_ms);
        let calm = now.mono_ms >= self.until && network_usable && !leapt;
        calm.then_some(Believed { now_ms: now.wall_ms, since_ms: self.since_ms.unwrap_or(i64::MIN) })
    }

    /// Writes down a leap.
    pub(crate) fn tell_leap(&mut self, ctx: &mut Context<'_>) {
        if self.untold
            && ctx.conditions.writable
            && let Some(at_ms) = self.since_ms
        {
            self.untold = false;
            ctx.write(Op::Log(LogOp::ClockSet { at_ms }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };

    fn after(mono_ms: u64, wall_ms: i64) -> Now {
        Now { wall_ms: START.wall_ms + wall_ms, mono_ms: START.mono_ms + mono_ms }
    }

    #[test]
    fn a_sleep_a_stop_and_a_set_clock_are_told_apart() {
        let life = Liveness::default();
        let look = |now| {
            let mut clock = Clock::restore(START, None);
            assert_eq!(clock.look(START, &life), Moved::Not, "there is nothing to compare with");
            clock.look(now, &life)
        };
        assert_eq!(look(after(1_000, 1_000)), Moved::Not);
        assert_eq!(look(after(1_000, 61_000)), Moved::Slept(60_000), "the monotonic clock stands still in a sleep");
        assert_eq!(look(after(75_000, 75_000)), Moved::Slept(60_000), "and goes on while the process is stopped");
        assert_eq!(look(after(1_000, -60_000)), Moved::Set(-61_000));
        assert_eq!(look(after(1_000, -20_000)), Moved::Not, "a small correction is none");
    }

    #[test]
    fn it_is_believed_after_ten_calm_minutes_on_a_network_that_works() {
        let life = Liveness::default();
        let mut clock = Clock::restore(START, None);
        clock.look(START, &life);
        let calm = after(CALM_MS, 600_000);
        assert_eq!(clock.believed(after(CALM_MS - 1, 599_999), &life, true), None);
        assert_eq!(clock.believed(calm, &life, false), None);
        assert_eq!(clock.believed(calm, &life, true), Some(Believed { now_ms: calm.wall_ms, since_ms: i64::MIN }));
        assert_eq!(clock.believed(after(CALM_MS, 700_000), &life, true), None, "a leap that no turn has seen");
    }
}
