//! What a turn writes. All operations of a turn are one durable transaction; nothing of the turn reaches a peer or a
//! client before it is committed.

mod chat;
mod contacts;
mod legacy;
mod log;
mod rooms;

pub use chat::ChatOp;
pub use contacts::ContactOp;
pub use legacy::LegacyOp;
pub use log::LogOp;
pub use rooms::RoomOp;

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A change of what a peer is to us, of an invite, or of what was seen of a peer.
    Contacts(ContactOp),
    /// A change of a lane or of its messages.
    Chat(ChatOp),
    /// A change of the messages of old daemons.
    Legacy(LegacyOp),
    /// Something that the daemon notes of itself, or an event that is nothing else.
    Log(LogOp),
    /// A change of a room.
    Room(Box<RoomOp>),
}

impl From<RoomOp> for Op {
    fn from(op: RoomOp) -> Self {
        Self::Room(Box::new(op))
    }
}
