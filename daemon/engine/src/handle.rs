//! What the control server, and any program that embeds the engine, may ask of a running engine.
//!
//! SEND and ADD go through the actor and are answered after the commit. Reads never queue behind a commit: HOST is a
//! constant, GET_PEERS and UPDATE look at the unread buffers, HISTORY and STATUS have connections and cells of their own.

use serde::Serialize;

use torchat_protocol::id::{MessageId, PeerId};

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
    #[error("nothing was stored, because the disk does not take it: {0}")]
    Storage(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Refusal {
    /// The stable code of control replies.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ToSelf => "to-self",
            Self::TextTooLong(_) => "too-long",
            Self::OutboxFull(_) => "outbox-full",
            Self::Storage(_) => "storage",
            Self::Stopping => "stopping",
        }
    }
}

/// How the wait for a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryWait {
    /// Durable at the peer.
    Delivered,
    /// Not within the time. `reason` says what the message waits for; it stays queued.
    NotYet {
        /// One sentence.
        reason: String,
    },
}

/// The oldest unread message of a peer, handed out but not yet taken. See [`Handle::lease`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The sender.
    pub peer: PeerId,
    /// The row, for [`Handle::take`] and [`Handle::put_back`].
    pub row: i64,
    /// When it arrived: milliseconds since 1970.
    pub arrived_ms: i64,
    /// The text.
    pub text: String,
}

/// One message of a conversation, as HISTORY shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// Milliseconds since 1970: arrival of a received message, acceptance of a sent one.
    #[serde(skip)]
    pub at_ms: i64,
    /// `in` or `out`.
    pub dir: &'static str,
    /// The message's id.
    pub mid: MessageId,
    /// The text.
    pub text: String,
    /// `unread`, `read`, `queued`, `sent`, `delivered`, `waiting`.
    pub state: &'static str,
}
