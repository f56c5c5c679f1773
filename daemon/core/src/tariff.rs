//! What each kind of cost has for every peer: a burst, and so much more in an hour.

use crate::rate::Rate;

/// Messages and skipped numbers that are stored: at once, and more in an hour (50 a second).
const ROWS: (u64, u64) = (20_000, 180_000);
/// Bytes of their texts: a full outbox at once, then some 73 KiB a second.
const BYTES: (u64, u64) = (64 << 20, 256 << 20);
/// Marks of lost messages, and runs and epochs that were met.
const NOTES: (u64, u64) = (64, 60);
/// Changes of what a contact says of itself or of us: its name, whether it accepts us.
const STATES: (u64, u64) = (4, 60);
/// Links that a contact opens. Each is two events and some small writes.
const LINKS: (u64, u64) = (120, 720);
/// Bytes that are said again although they were said before: eight full windows, then some 18 KiB a second.
const RESENT: (u64, u64) = (8 << 20, 64 << 20);
/// New lanes, which number everything that waits anew.
const LANES: (u64, u64) = (8, 60);
/// Inputs, digests that a statement makes us compute, and rows that it makes us write, see [`crate::account::RENUMBERED`].
const WORK: (u64, u64) = (1_000_000, 36_000_000);
/// PINGs and CONTACT_REQs that are answered: at once, then 50 a second.
const ANSWERS: (u64, u64) = (2_000, 180_000);
/// Requests of one stranger that replace one that waits.
const REPLACED: (u64, u64) = (1, 1);

/// A kind of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Messages and skipped numbers: a row, an event, the lane's state.
    Rows,
    /// Bytes of texts.
    Bytes,
    /// Marks of lost messages, runs and epochs that were met: a small write, perhaps an event.
    Notes,
    /// Changes of a contact's standing: a small write and an event.
    States,
    /// Links: their beginning and their end are written and are events.
    Links,
    /// Bytes that are read and sent again.
    Resent,
    /// Lanes of ours that a statement ends.
    Lanes,
    /// Processor time, in digests of a lane (about 0.1 to 0.3 us each).
    Work,
    /// Answers.
    Answers,
    /// Requests that replace one that waits.
    Replaced,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 10;

impl Kind {
    /// All of them.
    pub const ALL: [Self; KINDS] = [
        Self::Rows,
        Self::Bytes,
        Self::Notes,
        Self::States,
        Self::Links,
        Self::Resent,
        Self::Lanes,
        Self::Work,
        Self::Answers,
        Self::Replaced,
    ];

    /// The tokens of a full bucket, and those that come in an hour, as documented.
    #[must_use]
    pub const fn rate(self) -> (u64, u64) {
        match self {
            Self::Rows => ROWS,
            Self::Bytes => BYTES,
            Self::Notes => NOTES,
            Self::States => STATES,
            Self::Links => LINKS,
            Self::Resent => RESENT,
            Self::Lanes => LANES,
            Self::Work => WORK,
            Self::Answers => ANSWERS,
            Self::Replaced => REPLACED,
        }
    }

    /// As [`Tariff::most`], by the documented rates.
    #[must_use]
    pub fn most(self, ms: u64) -> u64 {
        Tariff::default().most(self, ms)
    }

    pub(crate) const fn place(self) -> usize {
        self as usize
    }
}

/// The rates of all kinds. `Default` holds the documented ones; simulations, which cannot say a million words, have others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff([(u64, u64); KINDS]);

impl Default for Tariff {
    fn default() -> Self {
        Self(Kind::ALL.map(Kind::rate))
    }
}

impl Tariff {
    /// The tokens of a full bucket, and those that come in an hour.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> (u64, u64) {
        self.0[kind.place()]
    }

    pub(crate) const fn rate(&self, kind: Kind) -> Rate {
        let (burst, hourly) = self.of(kind);
        Rate::hourly(burst, hourly)
    }

    /// Another rate for a kind; at least 1 for either number.
    #[must_use]
    pub fn with(mut self, kind: Kind, burst: u64, hourly: u64) -> Self {
        self.0[kind.place()] = (burst.max(1), hourly.max(1));
        self
    }

    /// What a peer can have paid at most within a time in milliseconds.
    #[must_use]
    pub const fn most(&self, kind: Kind, ms: u64) -> u64 {
        self.rate(kind).most(ms)
    }
}
