//! Reads an input as a script: every byte string is one, and a short one simply ends early.

/// What is left of a script.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// The script that these bytes are.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next bytes, filled up with zeros at the end.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let bytes = self.take(N);
        out[..bytes.len()].copy_from_slice(bytes);
        out
    }

    /// The next bytes, fewer at the end.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// A number below `end` (0 if that is 0), of one byte if that suffices and of two otherwise.
    pub fn below(&mut self, end: usize) -> usize {
        let raw = if end > 256 { usize::from(u16::from_be_bytes(self.array())) } else { usize::from(self.byte()) };
        raw.checked_rem(end).unwrap_or(0)
    }

    /// A number of which small and extreme values are likelier than others.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=191 => u64::from(small % 64),
            n @ 192..=223 => (1 << 53) - 16 + u64::from(n % 32),
            224..=239 => u64::MAX,
            _ => u64::from_be_bytes(self.array()),
        }
    }

    /// A text: its length in one byte, then its bytes, with U+FFFD for what is no UTF-8.
    pub fn text(&mut self) -> String {
        let count = usize::from(self.byte());
        String::from_utf8_lossy(self.take(count)).into_owned()
    }
}

/// The bytes in pieces of 1 to 64 bytes, as a stream may deliver them; which ones, `seed` decides.
pub fn pieces(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut dice = crate::generate::Dice::new(u64::from(seed));
    let longest = [1, 7, 64][usize::from(seed) % 3];
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (piece, later) = rest.split_at(rest.len().min(1 + dice.below(longest)));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}
