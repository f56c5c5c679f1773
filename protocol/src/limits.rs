//! Sizes that both ends of a link, or both ends of a control connection, must agree on.

/// Longest text of one message, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 65_536;

/// Longest peer message (one JSON object after reassembly), in bytes. A text may grow sixfold by JSON escapes.
pub const PEER_OBJECT_BYTES: usize = 512 * 1024;

/// Longest control object on a plain connection, in bytes.
pub const CONTROL_OBJECT_BYTES: usize = 1024 * 1024;

/// Longest control object on a connection framed by four digits, in bytes.
pub const FRAMED_OBJECT_BYTES: usize = 9_999;

/// Deepest nesting of a JSON object from a peer or a client.
pub const JSON_DEPTH: usize = 8;

/// Bytes of messages that a sender may have unacknowledged on one link before the receiver closes it.
pub const RECEIVE_CREDIT_BYTES: u64 = 1024 * 1024;

/// Messages that a sender may have unacknowledged on one link.
pub const IN_FLIGHT_MESSAGES: usize = 64;

/// Longest text of a contact request, in bytes.
pub const REQUEST_TEXT_BYTES: usize = 500;

/// Longest nickname, in bytes.
pub const NICK_BYTES: usize = 32;

/// Most lanes that one peer may keep with us (one for each backup that it restored).
pub const LANES_PER_PEER: usize = 32;
