//! What happens to a daemon.

mod chat;
mod contacts;
mod ended;
mod legacy;
mod link;
mod network;
mod rooms;

pub use chat::ChatInput;
pub use contacts::{ContactChange, ContactInput};
pub use ended::{DialEnd, EndedBy, LinkEnd, NoLink, PeerDid};
pub use legacy::LegacyInput;
pub use link::LinkInput;
pub use network::{DialFailure, NetworkInput};
pub use rooms::{NewInvite, NewRoom, RoomAct, RoomCommand, RoomInput, RoomWish};

use torchat_protocol::id::{InviteSecret, MessageId};

/// A link, numbered by the engine and never used twice in a process. A type of its own, because numbers of requests, of pings
/// and of lanes stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A client's request that waits for its answer, numbered by the engine.
pub type RequestId = u64;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A client's request about messages.
    Chat(ChatInput),
    /// A client's request about who may write to us.
    Contacts(ContactInput),
    /// An old daemon's message, or what becomes of it.
    Legacy(LegacyInput),
    /// What a dial or the network's state tells.
    Network(NetworkInput),
    /// Something that happened to a link, or came over it.
    Link(LinkInput),
    /// Something of rooms: on a room link, of the disk, or that a client wants.
    Room(RoomInput),
    /// The store takes writes again, or does not.
    Storage {
        /// Whether mail can be accepted.
        writable: bool,
    },
    /// The daemon stops: say good-bye.
    Stop,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The message is durable here.
    Queued(MessageId),
    /// Done.
    Done,
    /// The message is taken back. `certain`: it was never on its way. Else the peer's next statement tells.
    TakenBack {
        /// It cannot have reached the peer.
        certain: bool,
    },
    /// The invite's secret.
    Invited(InviteSecret),
    /// Refused.
    Refused(Refused),
}

/// Why the core refuses a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// To oneself.
    ToSelf,
    /// The text has this many bytes, which is too many.
    TextTooLong(usize),
    /// Too many messages wait for this contact.
    OutboxFullForContact,
    /// Too many bytes wait for all contacts.
    OutboxFull,
    /// The store takes no writes now.
    Storage,
    /// There is no such message that waits for its delivery: it is delivered, taken back, or was never sent.
    NotPending,
    /// The peer is no contact.
    NoContact,
    /// The peer did not ask for anything.
    NoRequest,
    /// The user blocked the peer.
    Blocked,
    /// The user did not block the peer.
    NotBlocked,
    /// Too many invites are outstanding.
    TooManyInvites,
}
