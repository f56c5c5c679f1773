//! What a torchat daemon decides, as pure code: `Node::turn(now, entropy, inputs) -> Turn { ops, effects }`.
//!
//! The order of a turn is the order of safety: what happened is judged, what must be remembered is committed in one
//! transaction, and only then anything is said to a peer or a client. No clock, no entropy, no files and no sockets
//! here: all of them are inputs.

pub mod account;
mod chat;
mod clock;
mod contacts;
mod dialling;
pub mod effect;
pub mod entropy;
pub mod handshake;
pub mod input;
mod later;
mod links;
pub mod node;
mod notices;
pub mod op;
pub mod piece;
pub mod policy;
mod presence;
pub mod rate;
pub mod rooms;
pub mod snapshot;
mod supervision;
mod tariff;
pub mod time;
pub mod turn;
pub mod view;
