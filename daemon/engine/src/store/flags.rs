//! What is noted of a message of a room: `room_message.flags`.

use super::replica::role_number;
use torchat_room::standing::Standing;

/// It mentions us.
pub(super) const MENTION: i64 = 1;
/// It does not count.
pub(super) const VOID: i64 = 2;
/// A moderator hides its author.
pub(super) const HIDDEN: i64 = 4;
/// Its text was taken away.
pub(super) const REDACTED: i64 = 8;
/// Its author said it otherwise later.
pub(super) const EDITED: i64 = 16;
/// The daemon wrote it: about an act, or a topic.
pub(super) const SYSTEM: i64 = 32;
/// The user has blocked its author.
pub(super) const BLOCKED: i64 = 64;
/// Programs were told of it.
pub(super) const TOLD: i64 = 128;
/// From this bit on, in three bits: the role in which its author wrote it, as `standing` has it; 0: it is not known.
pub(super) const ROLE_BIT: u32 = 8;
pub(super) const ROLE: i64 = 7 << ROLE_BIT;

/// The role of what an event counts as.
pub(super) fn of_standing(standing: Standing) -> i64 {
    match standing {
        Standing::Void => 0,
        Standing::As(role) | Standing::Hidden(role) => role_number(role) << ROLE_BIT,
    }
}
