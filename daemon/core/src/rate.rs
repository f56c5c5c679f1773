//! One bucket of tokens, for everything that may happen so often and no oftener.
//!
//! A bucket is full at first. What happens takes tokens out; they come back evenly, and never more than the bucket holds. It
//! is kept as its debt, which is what is missing from a full bucket: so an unused bucket is all zeros, needs no clock, and
//! a bucket that owes nothing can be forgotten.

/// How much a bucket holds and how fast it fills. Tokens are counted in parts, so that slow and odd rates are whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: u64,
    parts: u64,
    parts_per_ms: u64,
}

/// The parts of a token, if its rate is told by the hour: as many as an hour has milliseconds.
const HOUR_MS: u64 = 3_600_000;

impl Rate {
    /// A bucket of `burst` tokens; `tokens` come back in an hour.
    #[must_use]
    pub const fn hourly(burst: u64, tokens: u64) -> Self {
        Self { burst, parts: HOUR_MS, parts_per_ms: tokens }
    }

    /// A bucket of `burst` tokens; one comes back each `token_ms` milliseconds.
    #[must_use]
    pub const fn every(burst: u64, token_ms: u64) -> Self {
        Self { burst, parts: token_ms, parts_per_ms: 1 }
    }

    /// The tokens of a full bucket.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }

    /// What can have been taken at most within `ms` milliseconds.
    #[must_use]
    pub const fn most(self, ms: u64) -> u64 {
        self.burst
            .saturating_add(ms.saturating_mul(self.parts_per_ms) / if self.parts == 0 { 1 } else { self.parts })
            .saturating_add(1)
    }
}

/// A bucket. All moments are milliseconds of one clock that does not go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// In parts of a token, at `at_ms`.
    debt: u64,
    at_ms: u64,
}

impl Bucket {
    fn debt(&self, rate: Rate, now_ms: u64) -> u64 {
        self.debt.saturating_sub(now_ms.saturating_sub(self.at_ms).saturating_mul(rate.parts_per_ms))
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_full(&self, rate: Rate, now_ms: u64) -> bool {
        self.debt(rate, now_ms) == 0
    }

    /// The whole tokens that are there.
    #[must_use]
    pub fn left(&self, rate: Rate, now_ms: u64) -> u64 {
        rate.burst.saturating_sub(self.debt(rate, now_ms).div_ceil(rate.parts.max(1)))
    }

    /// When this many tokens are there: now, or later. What costs more than the whole bucket needs the whole bucket; from a
    /// bucket that holds nothing there is never one.
    #[must_use]
    pub fn ready(&self, rate: Rate, amount: u64, now_ms: u64) -> u64 {
        if rate.burst == 0 && amount > 0 {
            return u64::MAX;
        }
        let room = rate.burst.saturating_sub(amount.min(rate.burst)).saturating_mul(rate.parts);
        now_ms.saturating_add(self.debt(rate, now_ms).saturating_sub(room).div_ceil(rate.parts_per_ms))
    }

    /// Takes this many tokens, at most the whole bucket. Nothing is taken, and it is said when they will be there, if they are
    /// not there now.
    ///
    /// # Errors
    /// The moment when they are there.
    pub fn take(&mut self, rate: Rate, amount: u64, now_ms: u64) -> Result<(), u64> {
        let ready = self.ready(rate, amount, now_ms);
        if ready > now_ms {
            return Err(ready);
        }
        let parts = amount.min(rate.burst).saturating_mul(rate.parts);
        *self = Self { debt: self.debt(rate, now_ms).saturating_add(parts), at_ms: now_ms };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_burst_at_once_and_then_one_at_a_time() {
        let rate = Rate::every(3, 20_000);
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, 1, NOW), Ok(()));
        }
        assert_eq!(bucket.take(rate, 1, NOW), Err(NOW + 20_000));
        assert_eq!(bucket.take(rate, 1, NOW + 19_999), Err(NOW + 20_000), "a refusal costs nothing");
        assert_eq!(bucket.take(rate, 1, NOW + 20_000), Ok(()));
        assert_eq!(bucket.take(rate, 1, NOW + 20_000), Err(NOW + 40_000));
        assert_eq!(bucket.left(rate, NOW + 3_600_000), 3, "never more than it holds");
    }

    #[test]
    fn both_ways_of_telling_a_rate_are_the_same() {
        let (hourly, every) = (Rate::hourly(5, 60), Rate::every(5, 60_000));
        let (mut one, mut other) = (Bucket::default(), Bucket::default());
        for step in 0..2_000u64 {
            let (now, amount) = (NOW + step * 7_919, step % 4);
            assert_eq!(one.take(hourly, amount, now), other.take(every, amount, now), "step {step}");
            assert_eq!(one.left(hourly, now), other.left(every, now), "step {step}");
            assert_eq!(one.is_full(hourly, now), other.is_full(every, now), "step {step}");
        }
        assert_eq!(hourly.most(60_000), every.most(60_000));
    }

    #[test]
    fn a_price_above_the_bucket_takes_all_of_it_and_an_empty_one_gives_nothing() {
        let rate = Rate::hourly(10, 10);
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(rate, 1_000, NOW), Ok(()));
        assert_eq!(bucket.left(rate, NOW), 0);
        assert_eq!(bucket.take(rate, 1_000, NOW), Err(NOW + 3_600_000));
        assert_eq!(Bucket::default().take(Rate::every(0, 1), 1, NOW), Err(u64::MAX));
    }
}
