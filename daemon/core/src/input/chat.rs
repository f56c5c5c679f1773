//! What clients want of messages.

use super::RequestId;
use crate::piece::Piece;
use torchat_protocol::id::{MessageId, PeerId};

/// A client's request about messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatInput {
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
        /// It fails if it is not delivered within this time in milliseconds; at most what the policy says.
        expire_ms: Option<i64>,
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
        /// How many at most.
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
    /// A client, or the age of its messages, wants a piece of a conversation erased.
    Erase {
        /// To be answered.
        request: RequestId,
        /// The other side.
        peer: PeerId,
        /// Which piece.
        piece: Piece,
    },
}
