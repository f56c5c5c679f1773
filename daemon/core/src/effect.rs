//! What a turn wants done.

mod chat;
mod link;
mod network;
mod notice;
mod rooms;

pub use chat::ChatEffect;
pub use link::LinkEffect;
pub use network::NetworkEffect;
pub use notice::Notice;
pub use rooms::{RoomAnswer, RoomEffect, RoomNotice, RoomRefused};

use crate::input::{Answer, RequestId};

/// One thing to do after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Something to do on a link.
    Link(LinkEffect),
    /// A dial, or a mending of what carries dials.
    Network(NetworkEffect),
    /// What became of messages that somebody may wait for.
    Chat(ChatEffect),
    /// Answer a client.
    Answer {
        /// Its request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// Something that the user should know, once.
    Notice(Notice),
    /// Something to do for a room. Its dials are [`NetworkEffect::Dial`], as all are.
    Room(RoomEffect),
}
