//! What must hold for any bytes: functions from `&[u8]` that panic when a promise is broken.
//!
//! The same functions are run four ways: over the files of `corpus/` and over proptest's inputs by `cargo test`, for
//! millions of mutated inputs by the program `fuzz-long` (`cargo xtask long`), and under libFuzzer by `cargo-fuzz/`
//! where a nightly toolchain exists. They are pure: no clock, no entropy, no files; the same bytes always do the same.
//!
//! A target asserts more than the absence of panics: what is accepted has one spelling, what was written is read back,
//! a stream cut anywhere gives what the whole gives, nobody is let in by changed bytes, no message is lost, repeated
//! or reordered. A failing input belongs into `corpus/`, so that the tests keep it.

pub mod corpus;
pub mod generate;
pub mod long;
pub mod script;
pub mod targets;

/// What a target made of an input. Only a measure: a run in which every input is [`Seen::Refused`] tests little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The input, or what was made of it, was accepted.
    Taken,
    /// It was refused, as it must be.
    Refused,
}

impl Seen {
    /// [`Seen::Taken`] if one of the two is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Taken { self } else { other }
    }
}

/// Which long run a target belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Bytes from a stream, a file or a person.
    Parser,
    /// Two daemons and a hostile third, or two replicas of a room, for a while.
    Stateful,
    /// A handshake that somebody tampers with.
    Handshake,
}

/// How a panic begins that means: somebody was let in who must not be.
pub const ACCEPTED: &str = "ACCEPTED: ";

/// A target: a function for any bytes, and what helps to find interesting ones.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Which long run it belongs to.
    pub class: Class,
    /// The function. It panics when a promise is broken.
    pub run: fn(&[u8]) -> Seen,
    /// Pieces that its inputs are made of, for the mutations.
    pub words: &'static [&'static str],
    /// Longest input that the mutations make, in bytes.
    pub longest: usize,
}

/// Every target.
pub const TARGETS: &[Target] = targets::ALL;
