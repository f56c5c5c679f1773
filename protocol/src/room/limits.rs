//! Sizes and numbers of rooms that all replicas must agree on. Beyond one of them a body means nothing, or a link ends.

/// Longest text of a member, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 16_384;
/// Longest body of an event, in bytes.
pub const BODY_BYTES: usize = 131_072;
/// Longest name of a room, in bytes of UTF-8.
pub const NAME_BYTES: usize = 64;
/// Longest topic, in bytes of UTF-8.
pub const TOPIC_BYTES: usize = 500;
/// Longest reason, in bytes of UTF-8.
pub const REASON_BYTES: usize = 200;
/// Longest reaction, in bytes of UTF-8.
pub const SIGN_BYTES: usize = 32;
/// Most members that a text mentions.
pub const MENTIONS: usize = 16;
/// Most entries of each list in a roster act.
pub const ROSTER_ENTRIES: usize = 256;
/// Most hosts of a room.
pub const HOSTS: usize = 8;
/// Longest pause between two texts of one member that a policy may ask for, in seconds.
pub const SLOW_S: u64 = 3_600;
/// Largest number of an event in its chain, and largest logical time: what every JSON reader keeps exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
/// Largest number of a member.
pub const MAX_MEMBER: u32 = (1 << 24) - 1;
/// Most bytes of several events in one EVENTS: the longest body of one frame of a record. One event alone may be longer.
pub const EVENTS_BYTES: usize = crate::frame::MAX_BODY;
/// Most heads of a frontier, so that it fits one message. Who has more chains leaves out those that are silent longest, which
/// costs repetitions only.
pub const HEADS: usize = 26_000;
/// Bytes of EVENTS that each side grants the other at first. Who has spent them waits; who spends them twice loses the link.
pub const CREDIT_BYTES: u32 = 262_144;
/// Bytes that were committed before they are granted again.
pub const CREDIT_STEP_BYTES: u32 = 65_536;
/// Most daemons that an invite names as doors.
pub const DOORS: usize = 3;
