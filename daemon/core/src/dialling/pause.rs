//! How long a peer is left alone after a dial that failed.

use super::{About, Circuits, Dials, Wish};
use crate::input::DialFailure;
use crate::policy::DialPolicy;
use crate::time::Now;
use crate::turn::Context;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Timeouts say nothing about the peer; after this many in a row they are treated as if they did.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// Longest pause while our own way into the network does not work.
const OUTAGE_CAP_MS: u64 = 30_000;

impl Dials {
    /// The pause after a failed dial.
    pub(super) fn pause_after(&mut self, ctx: &mut Context<'_>, failure: DialFailure, about: About) -> u64 {
        let policy = &ctx.policy.dial;
        match failure {
            // Our side of the network: without blaming the peer, and soon, because the next dial is what notices that
            // it is back. Not at once forever: one dead introduction point looks the same to Tor.
            DialFailure::NoNetwork => {
                let doubled = policy.backoff_ms.saturating_mul(1 << self.outages.min(20));
                self.outages = self.outages.saturating_add(1);
                doubled.min(OUTAGE_CAP_MS) + ctx.up_to(policy.backoff_ms)
            }
            DialFailure::Timeout | DialFailure::GivenUp if self.timeouts < TIMEOUTS_IN_A_ROW => {
                self.timeouts += 1;
                ctx.between(policy.loss_min_ms, policy.loss_max_ms)
            }
            // The descriptor cached with the last circuits may outlive a fetch that finds none.
            DialFailure::PeerDown if self.circuits == Circuits::Usable => {
                self.circuits = Circuits::Next;
                policy.loss_min_ms
            }
            DialFailure::Permanent => policy.cap_ms,
            DialFailure::PeerDown
            | DialFailure::Handshake(_)
            | DialFailure::NoRoom
            | DialFailure::Timeout
            | DialFailure::GivenUp => {
                self.circuits.unused();
                self.attempts = self.attempts.saturating_add(1);
                self.backoff(ctx, about)
            }
        }
    }

    /// The pause after `attempts` failures: doubling, with a quarter of jitter, below the cap for how long ago the
    /// peer was heard of.
    pub(super) fn backoff(&self, ctx: &mut Context<'_>, about: About) -> u64 {
        let asking = self.wish == Wish::Answer;
        let policy = &ctx.policy.dial;
        // A peer that has not accepted us is met and yet gains nothing by another dial: it dials us when it does. Unless it
        // has not heard yet what the user says to be accepted.
        let (base, cap) = if about.waiting && !asking {
            (policy.backoff_waiting_ms, policy.cap_ms)
        } else {
            let cap = cap(policy, ctx.now, about);
            (policy.backoff_ms, if about.owes || asking { cap } else { cap.max(policy.cap_presence_ms) })
        };
        let pause = base.saturating_mul(1 << self.attempts.saturating_sub(1).min(20)).min(cap);
        pause - pause / 4 + ctx.up_to(pause / 4)
    }
}

/// The longest pause for how long ago the peer was heard of.
fn cap(policy: &DialPolicy, now: Now, about: About) -> u64 {
    let met = about.seen_ms.max(about.added_ms).map_or(i64::MAX, |at| now.wall_ms.saturating_sub(at));
    if met < HOUR_MS {
        policy.cap_hour_ms
    } else if met < DAY_MS {
        policy.cap_day_ms
    } else {
        policy.cap_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialling::tests::{NOW, USABLE, about};
    use crate::policy::Policy;

    #[test]
    fn pauses_double_up_to_the_cap_for_the_age() {
        const MINUTE: u64 = 60_000;
        for (ago, attempts, waiting, least, most) in [
            (0, 1, false, 1_500, 2_000),
            (0, 2, false, 3_000, 4_000),
            (0, 5, false, 24_000, 32_000),
            (0, 50, false, 67_500, 90_000),
            (2 * HOUR_MS, 50, false, 6 * MINUTE, 8 * MINUTE),
            (2 * DAY_MS, 50, false, 180 * MINUTE, 240 * MINUTE),
            (0, 1, true, 45_000, MINUTE),
            (0, 50, true, 180 * MINUTE, 240 * MINUTE),
        ] {
            let (policy, mut entropy) = (Policy::default(), |out: &mut [u8]| out.fill(0x5a));
            let mut ctx = Context::new(NOW, &policy, USABLE, &mut entropy);
            let pause = Dials { attempts, ..Dials::default() }.backoff(&mut ctx, about(ago, waiting));
            assert!((least..=most).contains(&pause), "{ago} {attempts} {waiting}: {pause}");
        }
    }
}
