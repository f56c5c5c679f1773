//! What a client shows of a room beside its messages: the room, who is in it, and how often the user was mentioned.

mod members;
mod naming;

pub use members::{Members, MembersRequest};
pub use naming::{completions, member_before, member_name, named_in};

use super::unread::Unread;
use torchat_protocol::control::api::record::{Role, Room, RoomState};

/// A room as a client knows it.
#[derive(Debug, Clone)]
pub struct RoomSide {
    room: Room,
    pub(super) mentions: Unread,
    /// Its members, as long as the room is open.
    pub members: Members,
}

impl RoomSide {
    /// A room of the list, with this many mentions among the unread messages up to `last`.
    pub(super) fn new(room: Room, mentions: u64, last: i64) -> Self {
        Self { room, mentions: Unread::new(mentions, last), members: Members::default() }
    }

    /// The room. What events lack is of the last list.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// The room as a list tells it, or as an event does, which lacks what changes all the time.
    pub(super) fn set(&mut self, mut room: Room, is_event: bool) {
        if is_event {
            room.linked = self.room.linked;
            room.problems = std::mem::take(&mut self.room.problems);
        }
        self.room = room;
    }

    /// Unread messages that mention the user.
    #[must_use]
    pub fn mentions(&self) -> u64 {
        self.mentions.count()
    }

    /// Our number; `None`: we are not a member.
    #[must_use]
    pub fn me(&self) -> Option<u32> {
        self.room.me.map(|me| me.member)
    }

    /// Whether our role is at least this one.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        role != Role::Unknown
            && self.is_in()
            && self.room.me.is_some_and(|me| me.role >= role && me.role != Role::Unknown)
    }

    /// We were a member, and are none any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        use RoomState::{Destroyed, Ended, Left, Removed};
        matches!(self.room.state, Left | Removed | Destroyed | Ended)
    }

    /// We are a member.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.room.state == RoomState::Member
    }
}
