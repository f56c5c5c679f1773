//! Where randomness comes from: the operating system, or a simulation.

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;

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
            Source::Seeded(rng) => rng.lock().fill_bytes(out),
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
