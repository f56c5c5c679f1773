//! Why a request was refused.

mod rooms;

use crate::store::{StoreError, Trouble};
use torchat_core::effect::RoomRefused;
use torchat_protocol::control::api::Params;
use torchat_protocol::control::code::Code;
use torchat_protocol::limits;

/// Why the store took nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStored {
    /// The kind.
    pub trouble: Trouble,
    /// In words.
    pub why: String,
}

impl NotStored {
    pub(crate) fn of(trouble: Trouble) -> Self {
        Self { trouble, why: trouble.sentence().to_owned() }
    }
}

impl std::fmt::Display for NotStored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// Why a request was refused. `code()` is stable; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A message or contact to oneself.
    #[error("this is your own onion: a message needs another peer")]
    ToSelf,
    /// The text is longer than 65,536 bytes.
    #[error("the text has {0} bytes, the limit is 65536: split it")]
    TextTooLong(usize),
    /// The outbox of this contact or of all contacts is full.
    #[error("the outbox is full ({0}): wait until messages are delivered")]
    OutboxFull(String),
    /// The store could not write: nothing was accepted.
    #[error("nothing was stored: {0}")]
    Storage(NotStored),
    /// The disk failed in the middle: only the next start tells whether it was stored.
    #[error(
        "the disk failed while storing this, so it may or may not be stored: look at HISTORY before you repeat it: {0}"
    )]
    Unsure(String),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Unreadable(NotStored),
    /// Messages are erased, but traces of them may be left in the store's files.
    #[error(
        "the messages are erased, but traces of them may be left in torchat.db and its log: {0}; repeat it in some seconds"
    )]
    Traces(String),
    /// The search's index is damaged, and made anew.
    #[error("the search index is damaged; the daemon rebuilds it from the messages, which are complete")]
    SearchDamaged,
    /// No such message waits for its delivery.
    #[error("no message with this id is waiting: it was delivered, taken back, or never sent here")]
    NotPending,
    /// The peer is no contact.
    #[error("this onion is not a contact: ADD it first")]
    NoContact,
    /// The peer did not ask for anything.
    #[error("this onion has not asked to become a contact: ADD it if you want to ask them")]
    NoRequest,
    /// The user blocked the peer.
    #[error("this onion is blocked: UNBLOCK it first")]
    Blocked,
    /// The user did not block the peer.
    #[error("this onion is not blocked")]
    NotBlocked,
    /// Too many invites are outstanding.
    #[error("too many invites are outstanding: wait until some are used or have expired")]
    TooManyInvites,
    /// A parameter means nothing.
    #[error("{0}")]
    BadValue(String),
    /// A `client_id` came again with another text or for another peer.
    #[error("this client_id was used for another message: use a new one for a new message")]
    ClientIdReused,
    /// As many consumers have a cursor as may have one.
    #[error("there are {0} consumers with a cursor, which is the limit: forget one that you no longer use")]
    TooManyConsumers(usize),
    /// What is named is a room, and the wish is for persons.
    #[error("this is a room, and not a person")]
    IsRoom,
    /// A text is longer than a room takes.
    #[error("the text has {0} bytes, the limit in a room is 16384: split it")]
    RoomTextTooLong(usize),
    /// The room has no such message, or it is none of a member that is published.
    #[error("the room has no such message of a member, or it is not published yet")]
    NoMessage,
    /// The decision of an owner waits until another member is reached.
    #[error(
        "no other member was reached within {0} s: the decision waits in the daemon, which goes on trying until it ends"
    )]
    DecisionWaits(u64),
    /// The desk of rooms, or the room's replica, does not do it.
    #[error("{}", rooms::sentence(*.0))]
    Room(RoomRefused),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Refusal {
    /// The stable code of control replies.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::ToSelf => Code::ToSelf,
            Self::TextTooLong(_) => Code::TooLong,
            Self::OutboxFull(_) => Code::OutboxFull,
            Self::Storage(not) | Self::Unreadable(not) => not.trouble.code(),
            Self::SearchDamaged => Code::SearchDamaged,
            Self::Traces(_) => Code::TracesLeft,
            Self::Unsure(_) => Code::StorageUnsure,
            Self::NotPending => Code::NotPending,
            Self::NoContact => Code::NoContact,
            Self::NoRequest => Code::NoRequest,
            Self::Blocked => Code::Blocked,
            Self::NotBlocked => Code::NotBlocked,
            Self::TooManyInvites => Code::TooManyInvites,
            Self::BadValue(_) => Code::BadValue,
            Self::ClientIdReused => Code::ClientIdReused,
            Self::TooManyConsumers(_) => Code::TooManyConsumers,
            Self::IsRoom => Code::IsRoom,
            Self::RoomTextTooLong(_) => Code::TooLong,
            Self::DecisionWaits(_) => Code::DecisionWaits,
            Self::NoMessage => Code::NoMessage,
            Self::Room(refused) => rooms::code(*refused),
            Self::Stopping => Code::Stopping,
        }
    }

    /// The parameters of its code.
    #[must_use]
    pub fn params(&self) -> Params {
        let pairs: &[(&str, usize)] = match self {
            Self::TextTooLong(bytes) => &[("bytes", *bytes), ("limit", limits::TEXT_BYTES)],
            Self::RoomTextTooLong(bytes) => &[("bytes", *bytes), ("limit", torchat_protocol::room::limits::TEXT_BYTES)],
            Self::TooManyConsumers(limit) => &[("limit", *limit)],
            Self::DecisionWaits(seconds) => &[("seconds", usize::try_from(*seconds).unwrap_or(usize::MAX))],
            Self::Room(refused) => rooms::params(*refused),
            _ => &[],
        };
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    }
}

/// What a client is told of a commit that failed.
pub(crate) fn not_written(error: &StoreError) -> Refusal {
    match error {
        StoreError::Unsure { why, .. } => Refusal::Unsure(why.clone()),
        error => Refusal::Storage(not_stored(error)),
    }
}

pub(crate) fn not_stored(error: &StoreError) -> NotStored {
    let trouble = error.trouble();
    NotStored { trouble, why: format!("{trouble}: {error}") }
}
