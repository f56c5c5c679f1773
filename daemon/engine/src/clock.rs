//! Where time and randomness come from: the operating system, or a simulation.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Random bytes.
#[derive(Debug, Clone)]
pub struct Randomness(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Randomness {
    /// The thread's cryptographic generator, seeded by the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The same bytes for the same seed: only for simulations.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills the buffer.
    pub fn fill(&self, out: &mut [u8]) {
        match &self.0 {
            Source::System => rand::rng().fill_bytes(out),
            Source::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out),
        }
    }

    /// Random bytes of a fixed size.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A number below `limit` (0 when that is 0). Its bias does not matter for what it is used for.
    #[must_use]
    pub fn below(&self, limit: usize) -> usize {
        usize::from_le_bytes(self.bytes()).checked_rem(limit).unwrap_or(0)
    }
}
