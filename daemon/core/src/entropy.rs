//! Randomness as an input: the daemon passes the operating system's, the simulation a seeded one.

/// A source of random bytes.
pub trait Entropy {
    /// Fills the buffer.
    fn fill(&mut self, out: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, out: &mut [u8]) {
        self(out);
    }
}

/// Random bytes of a fixed size.
pub(crate) fn bytes<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    entropy.fill(&mut out);
    out
}

/// A number in `0..=max`. The remainder's bias is below one part in 2^32 for the pauses that it is used for.
pub(crate) fn up_to(entropy: &mut dyn Entropy, max: u64) -> u64 {
    let raw = u64::from_le_bytes(bytes(entropy));
    raw.checked_rem(max.saturating_add(1)).unwrap_or(raw)
}
