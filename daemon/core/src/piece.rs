//! A piece of a conversation that is to be erased, as it is asked for and as the store gets it.

use torchat_protocol::id::PeerId;

/// Some neighbouring messages of a conversation, of which some are to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// After this row.
    pub after: i64,
    /// Up to this row.
    pub upto: i64,
    /// Only what came, or was accepted, before this moment, in milliseconds since 1970; `None`: however new it is.
    pub before_ms: Option<i64>,
    /// Also what was received and nobody has read.
    pub unread: bool,
    /// How many messages it has at most, those that stay among them: a turn stays short.
    pub limit: u32,
}

/// A conversation that keeps its messages only for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// The conversation: a peer, or a room's id in the shape of one.
    pub peer: PeerId,
    /// What came, or was accepted, before this moment is too old, in milliseconds since 1970.
    pub before_ms: i64,
    /// Also what was received and nobody has read: the rules of a room say so, no user has.
    pub unread: bool,
}
