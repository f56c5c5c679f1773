//! Both clocks, as inputs.

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 by the wall clock: for what is stored or shown. It may jump.
    pub wall_ms: i64,
    /// Milliseconds of a clock that never goes back: for pings, dials and pauses.
    pub mono_ms: u64,
}
