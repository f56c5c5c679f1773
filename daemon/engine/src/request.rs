//! What clients ask of the engine, and what they are answered.
//!
//! One road for all of it: a [`Request`] goes to the actor with the place for its [`Answer`], becomes an input of the core, and
//! is answered after the commit. A new request is a variant here and a function of the [`Handle`](crate::handle::Handle).

use crate::refusal::Refusal;
use crate::store::Erased;
use tokio::sync::oneshot;
use torchat_core::effect::RoomAnswer;
use torchat_core::input::{
    ChatInput, ContactChange, ContactInput, Input, LegacyInput, RequestId, RoomCommand, RoomInput, RoomWish,
};
use torchat_core::piece::Piece;
use torchat_core::snapshot::LegacyNum;
use torchat_protocol::control::reason::Reason;
use torchat_protocol::id::{InviteSecret, MessageId, PeerId};
use torchat_protocol::room::body::{BoundedText, Ref};
use torchat_protocol::room::limits::TEXT_BYTES;
use torchat_protocol::room::{MemberNo, RoomId};

/// What a client asks. Everything that it changes is durable before it is answered, if nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Accepts a text for a peer, which becomes a contact. [`Answer::Accepted`], or [`Answer::LookAgain`].
    Send {
        /// The receiver.
        peer: PeerId,
        /// The text.
        text: String,
        /// The client's key, and how many keys were committed before it was looked up in the store.
        client: Option<(String, u64)>,
        /// It fails if it is not delivered within this time in milliseconds; at most what the policy says, which is the default.
        expire_ms: Option<i64>,
    },
    /// Takes a message back that is not delivered. [`Answer::TakenBack`].
    Cancel {
        /// The receiver.
        peer: PeerId,
        /// The message.
        mid: MessageId,
    },
    /// Waits for the end of a message that is queued. [`Answer::Delivered`] or [`Answer::Failed`];
    /// [`Refusal::NotPending`] if it is not queued: what became of it, the store tells.
    Wait {
        /// The receiver.
        peer: PeerId,
        /// The message.
        mid: MessageId,
    },
    /// Changes what a peer is to us. [`Answer::Done`].
    Contact {
        /// The peer.
        peer: PeerId,
        /// How.
        change: ContactChange,
    },
    /// Makes an invite. [`Answer::Invited`].
    Invite {
        /// How long it is good, in milliseconds.
        lifetime_ms: i64,
    },
    /// A handed-out message was read. [`Answer::Done`], also when it is noted in memory only, because the store takes no writes.
    Read {
        /// The sender.
        peer: PeerId,
        /// The message's row.
        row: i64,
    },
    /// Received messages were seen. [`Answer::Seen`].
    Seen {
        /// The sender.
        peer: PeerId,
        /// The last row.
        upto: i64,
        /// How many at most.
        limit: u32,
    },
    /// A piece of a conversation is erased. [`Answer::Erased`].
    Erase {
        /// The other side.
        peer: PeerId,
        /// Which piece.
        piece: Piece,
    },
    /// A handed-out message of an old daemon was read. As [`Request::Read`].
    LegacyTaken {
        /// The message's row.
        row: LegacyNum,
        /// When it came, in milliseconds since 1970.
        at_ms: i64,
    },
    /// Accepts a text for a room. [`Answer::Accepted`], or [`Answer::LookAgain`].
    Say {
        /// The room.
        room: RoomId,
        /// The text.
        text: BoundedText<TEXT_BYTES>,
        /// The text that it answers.
        re: Option<Ref>,
        /// Whom it mentions.
        to: Vec<MemberNo>,
        /// As for [`Request::Send`].
        client: Option<(String, u64)>,
        /// It is taken back if it is not published within this time in milliseconds.
        expire_ms: Option<i64>,
    },
    /// Something about rooms. [`Answer::Room`]. An owner's decision that waits until another member is reached is answered then.
    Room(RoomCommand),
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// The message is durable here.
    Accepted {
        /// Its id at both ends.
        mid: MessageId,
        /// Its row.
        row: i64,
        /// It was accepted before, under the same key.
        duplicate: bool,
    },
    /// The look for the client's key in the store is too long ago: look again.
    LookAgain,
    /// The message is taken back.
    TakenBack {
        /// It cannot have reached the peer. Else the peer's next statement tells.
        certain: bool,
    },
    /// The message is durable at the peer.
    Delivered,
    /// The message will never be delivered.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// The invite's secret.
    Invited(InviteSecret),
    /// How many messages were unread.
    Seen(u64),
    /// What was erased, and what was not.
    Erased(Erased),
    /// What came of a wish about rooms; that it was refused, too.
    Room(RoomAnswer),
}

/// Where an answer goes. A client that left does not need it.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Refusal>>;

impl Request {
    /// What the core hears of it. `None`: nothing, it is answered without the core.
    pub(crate) fn input(self, request: RequestId) -> Option<Input> {
        Some(match self {
            Self::Send { peer, text, client, expire_ms } => Input::Chat(ChatInput::Send {
                request,
                peer,
                text,
                client: client.map(|(client, _)| client),
                expire_ms,
            }),
            Self::Cancel { peer, mid } => Input::Chat(ChatInput::Cancel { request, peer, mid }),
            Self::Wait { .. } => return None,
            Self::Contact { peer, change } => Input::Contacts(ContactInput::Change { request, peer, change }),
            Self::Invite { lifetime_ms } => Input::Contacts(ContactInput::Invite { request, lifetime_ms }),
            Self::Read { peer, row } => Input::Chat(ChatInput::Read { request, peer, row }),
            Self::Seen { peer, upto, limit } => Input::Chat(ChatInput::ReadUpto { request, peer, upto, limit }),
            Self::Erase { peer, piece } => Input::Chat(ChatInput::Erase { request, peer, piece }),
            Self::LegacyTaken { row, at_ms } => Input::Legacy(LegacyInput::Taken { request, row, at_ms }),
            Self::Say { room, text, re, to, client, expire_ms } => {
                let client = client.map(|(client, _)| client);
                let wish = RoomWish::Say { text, re, to, client, expire_ms };
                Input::Room(RoomInput::Do { request, command: RoomCommand::In { room, wish } })
            }
            Self::Room(command) => Input::Room(RoomInput::Do { request, command }),
        })
    }
}
