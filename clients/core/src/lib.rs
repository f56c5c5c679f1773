//! Talks to a torchatd over its control socket or loopback port.
//!
//! [`api`] is API 1: calls from several threads at once, events that are never lost, tokens. [`Client`] is the classic
//! JSON contract: one request, one reply. Both block and need no runtime, so that a program of a script's size stays small.
//! [`timeline`] keeps what a client shows, without doing anything; [`show`] makes texts harmless, [`names`] finds the peer that
//! a word means, [`reason`] the words for why mail waits, [`lookalike`] the names that read like others, and [`compare`] the words by
//! which two people compare their onions.

pub mod api;
mod classic;
pub mod compare;
pub mod invitation;
pub mod lookalike;
pub mod names;
pub mod reason;
pub mod show;
pub mod timeline;

pub use classic::{Client, ClientError, LegacyMessage, Line, Message};
