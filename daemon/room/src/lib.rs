//! One replica of a room: which events hold, what they mean, and what to say to other replicas.
//!
//! Pure code, like `torchat-core`: no clock, no entropy, no disk and no links. [`Replica`] takes what happens and returns
//! what is written and done; [`reading::answer`] tells others the stored log; [`counts`] says what a text became.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod branch;
mod chain;
pub mod counts;
pub mod key;
pub mod outcome;
pub mod reading;
pub mod replica;
pub mod roster;
pub mod signing;
pub mod standing;

pub use replica::Replica;
