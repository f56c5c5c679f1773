//! How large the file may become, and the reserve that mail cannot take: whatever floods the store, the user can still
//! block the flooder, remove it, and mark what is read.

use super::StoreError;
use rusqlite::Connection;
use torchat_core::op::{ChatOp, ContactOp, LegacyOp, LogOp, Op, RoomOp};

/// The reserve in bytes. A block takes some hundred bytes, its event included.
const RESERVE_BYTES: u64 = 1 << 20;
/// And its largest part of the whole limit: a sixteenth.
const RESERVE_PART: u64 = 16;

/// What a turn is, for the room that it may use. A larger one may use more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Mail, and whatever peers or the daemon itself write.
    Mail,
    /// Only what the user has read.
    Reading,
    /// Only what the user has decided of peers and of the own messages.
    Decision,
}

/// Of which rank a turn is: of its lowest operation's. What only tells of a change has none.
pub(super) fn rank(ops: &[Op]) -> Rank {
    let one = |op: &Op| match op {
        Op::Contacts(
            ContactOp::Remove { .. }
            | ContactOp::Block { .. }
            | ContactOp::Petname { .. }
            | ContactOp::Request { request: None, .. }
            | ContactOp::InviteGone { .. }
            | ContactOp::Hidden { .. }
            | ContactOp::Verified { .. }
            | ContactOp::Retain { .. },
        )
        | Op::Chat(ChatOp::TakeBack { .. } | ChatOp::Erase { .. }) => Some(Rank::Decision),
        Op::Room(op) if of_user(op) => Some(Rank::Decision),
        Op::Contacts(ContactOp::Request { request: Some(request), .. }) if request.refused => Some(Rank::Decision),
        Op::Chat(ChatOp::Read { .. } | ChatOp::ReadUpto { .. }) | Op::Legacy(LegacyOp::Taken { .. }) => {
            Some(Rank::Reading)
        }
        Op::Log(LogOp::Changed { .. } | LogOp::Link { .. }) => None,
        Op::Room(op) if **op == RoomOp::Restand => None,
        _ => Some(Rank::Mail),
    };
    ops.iter().filter_map(one).min().unwrap_or(Rank::Mail)
}

/// What the user decides of a room, or what only removes something.
fn of_user(op: &RoomOp) -> bool {
    match op {
        RoomOp::State { .. }
        | RoomOp::Alias { .. }
        | RoomOp::Notify { .. }
        | RoomOp::Bury(_)
        | RoomOp::Unbury(_)
        | RoomOp::InviteGone { .. }
        | RoomOp::PetitionGone { .. }
        | RoomOp::Ban { .. } => true,
        RoomOp::Petition { petition, .. } => petition.refused,
        _ => false,
    }
}

/// The limits in pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    mail: i64,
    reserve: i64,
    /// What is in force.
    set: i64,
}

impl Room {
    /// Divides the limit. A file that is larger than its part for mail keeps what it has, and the reserve comes on top: a
    /// limit that was set later must not make a block impossible.
    pub(super) fn new(db: &Connection, bytes: u64) -> Result<Self, StoreError> {
        let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let has: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let pages = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        let reserve = pages(RESERVE_BYTES.min(bytes / RESERVE_PART));
        let mut room = Self { mail: (pages(bytes) - reserve).max(has).max(1), reserve, set: 0 };
        room.admit(db, Rank::Mail)?;
        Ok(room)
    }

    /// Sets the limit for the next transaction.
    pub(super) fn admit(&mut self, db: &Connection, rank: Rank) -> Result<(), StoreError> {
        let more = match rank {
            Rank::Mail => 0,
            Rank::Reading => self.reserve / 2,
            Rank::Decision => self.reserve,
        };
        let pages = self.mail.saturating_add(more);
        if pages != self.set {
            // SQLite answers with the limit in force; a smaller one than the file has is raised to the file's size.
            db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            self.set = pages;
        }
        Ok(())
    }
}
