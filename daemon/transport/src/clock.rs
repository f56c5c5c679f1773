//! Where time comes from: the operating system, or a simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use torchat_core::time::Now;

/// Both clocks.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    /// The wall clock at the start of a simulation, moved by every jump since; `None`: the system's.
    simulated_ms: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { start: Instant::now(), simulated_ms: None }
    }

    /// A wall clock that starts at `wall_ms` and moves with tokio's (maybe paused) time.
    #[must_use]
    pub fn simulated(wall_ms: i64) -> Self {
        Self { start: Instant::now(), simulated_ms: Some(Arc::new(AtomicI64::new(wall_ms))) }
    }

    /// Sets a simulated wall clock, of this value and of all its clones: by what a sleep of the machine takes, or as a
    /// user does. The system's clock is not touched.
    pub fn jump_wall(&self, ms: i64) {
        if let Some(start) = &self.simulated_ms {
            start.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Now {
        let passed = self.start.elapsed().as_millis();
        let wall_ms = match &self.simulated_ms {
            Some(start) => start.load(Ordering::Relaxed) + i64::try_from(passed).unwrap_or(i64::MAX),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        };
        Now { wall_ms, mono_ms: u64::try_from(passed).unwrap_or(u64::MAX) }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        (self.now().wall_ms / 1000).unsigned_abs()
    }

    /// The moment at which [`Now::mono_ms`] will be `mono_ms`.
    #[must_use]
    pub fn instant(&self, mono_ms: u64) -> Instant {
        self.start + Duration::from_millis(mono_ms)
    }
}
