//! Both clocks, as inputs.

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 by the wall clock: for what is stored or shown. It may jump.
    pub wall_ms: i64,
    /// Milliseconds of a clock that never goes back: for pings, dials and pauses.
    pub mono_ms: u64,
}

/// How long the wall clock must have stood still before it is believed.
pub(crate) const CALM_MS: u64 = 600_000;

/// A wall clock that may be believed for what cannot be undone, see `clock.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Believed {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// It leapt then, so what bears an earlier time counts from here on. [`i64::MIN`]: never.
    pub since_ms: i64,
}

impl Believed {
    /// What was noted before this moment is older than `kept_ms`. `None`: nothing is, as far as can be told.
    #[must_use]
    pub fn born_before(&self, kept_ms: i64) -> Option<i64> {
        let born = self.now_ms.saturating_sub(kept_ms);
        (born > self.since_ms).then_some(born)
    }

    /// Whether an end that was set once is over. One of before a leap may have been set by a wrong clock, so it gets
    /// `grace_ms` from the leap on.
    #[must_use]
    pub fn is_over(&self, until_ms: i64, grace_ms: i64) -> bool {
        until_ms <= self.now_ms && (until_ms > self.since_ms || self.born_before(grace_ms).is_some())
    }
}
