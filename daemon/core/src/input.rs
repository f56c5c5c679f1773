//! What happens to a daemon.

use crate::snapshot::Intro;
use torchat_protocol::id::{InviteSecret, MessageId, PeerId};
use torchat_protocol::legacy::OldMessage;
use torchat_protocol::message::PeerMessage;

/// A link, numbered by the engine and never used twice in a process.
pub type LinkId = u64;

/// A client's request that waits for its answer, numbered by the engine.
pub type RequestId = u64;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A client sends a text.
    Send {
        /// To be answered.
        request: RequestId,
        /// The receiver.
        peer: PeerId,
        /// The text.
        text: String,
        /// The key that the client gave it. That it is new was checked before.
        client: Option<String>,
        /// It fails if it is not delivered within so many milliseconds; at most what the policy says.
        expire_ms: Option<i64>,
    },
    /// A client changes what a peer is to us.
    Contact {
        /// To be answered.
        request: RequestId,
        /// The peer.
        peer: PeerId,
        /// How.
        change: ContactChange,
    },
    /// A client wants an invite.
    Invite {
        /// To be answered.
        request: RequestId,
        /// How long it is good, in milliseconds.
        lifetime_ms: i64,
    },
    /// A client has taken a message.
    Read {
        /// To be answered.
        request: RequestId,
        /// The sender.
        peer: PeerId,
        /// The message's row.
        row: i64,
    },
    /// A client has seen messages.
    ReadUpto {
        /// To be answered.
        request: RequestId,
        /// The sender.
        peer: PeerId,
        /// The last row.
        upto: i64,
        /// So many at most.
        limit: u32,
    },
    /// A client takes a message back that is not delivered.
    Cancel {
        /// To be answered.
        request: RequestId,
        /// The receiver.
        peer: PeerId,
        /// The message.
        mid: MessageId,
    },
    /// An old daemon delivered a message. Nothing proves who it is.
    Legacy(OldMessage),
    /// A client has taken an old daemon's message.
    LegacyTaken {
        /// To be answered.
        request: RequestId,
        /// The message's row.
        row: i64,
        /// When it came, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The dial of our own service ended.
    SelfChecked {
        /// Why it failed, in words.
        failure: Option<(DialFailure, String)>,
    },
    /// A handshake ended well: the stream's other end is proven to be `peer`.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// Who it is.
        peer: PeerId,
        /// Whether we dialled.
        outgoing: bool,
        /// The handshake's hash, the same at both ends.
        binding: [u8; 32],
        /// The epoch of the peer's certificate.
        epoch: u32,
    },
    /// A message came over a link.
    Message {
        /// The link.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// Bytes came over a link in which no message became whole. Said at most once a second for each link.
    Heard {
        /// The link.
        link: LinkId,
        /// The peer is in the middle of something long.
        unfinished: bool,
    },
    /// A link ended.
    LinkDown {
        /// The link.
        link: LinkId,
        /// In words, for STATUS.
        reason: String,
    },
    /// A dial ended without a link.
    DialFailed {
        /// Who was dialled.
        peer: PeerId,
        /// What it means.
        failure: DialFailure,
        /// In words, for STATUS.
        reason: String,
    },
    /// Our way into the network works, or does not.
    Network {
        /// Whether dials make sense.
        usable: bool,
    },
    /// The store takes writes again, or does not.
    Storage {
        /// Whether mail can be accepted.
        writable: bool,
    },
    /// The daemon stops: say good-bye.
    Stop,
}

/// How a peer's standing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChange {
    /// It becomes a contact, and is asked to accept us.
    Add(Intro),
    /// Its request is granted.
    Accept,
    /// Its request is refused. It does not learn so.
    Refuse,
    /// It is a stranger whatever it says. It does not learn so.
    Block,
    /// It is a stranger like others again.
    Unblock,
    /// The user gives it a name, which wins over its own; `None` takes the name away.
    Rename(Option<String>),
    /// It is no contact any more. What was said stays; what waits for it is taken back.
    Remove,
    /// It sees us only while there is something to deliver, or always.
    Appear {
        /// Only then.
        hidden: bool,
    },
}

/// What a failed dial means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    /// The peer's service is not there.
    PeerDown,
    /// Our own way into the network does not work.
    NoNetwork,
    /// Nobody answered in time.
    Timeout,
    /// Someone answered who is not the peer, or broke the handshake.
    Handshake,
    /// It can never work.
    Permanent,
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
