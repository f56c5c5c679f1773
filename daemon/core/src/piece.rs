//! A piece of a conversation that is to be erased, as it is asked for and as the store gets it.

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
