//! The words that torchat daemons and their clients exchange: ids, frames, peer messages, control objects.
//!
//! Pure code: bytes in, values out. No clock, no entropy, no files, no sockets, so that the same types serve the
//! daemon, every client, the simulation and the fuzzers. The two planes share no type: what comes from an onion stream
//! can only ever become a [`message::PeerMessage`] or, if the user allows it, a [`legacy::OldMessage`]; what comes from a
//! local program only a [`control::Request`].

// What strangers send is read here: an index out of range would be a panic that they choose.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod braces;
pub mod cert;
pub mod control;
pub mod conversation;
pub mod frame;
pub mod hello;
pub mod home;
pub mod id;
pub mod invite;
pub mod json;
pub mod legacy;
pub mod limits;
pub mod message;
pub mod nick;
pub mod purpose;
pub mod room;
mod strict;
