//! What is written of rooms.

use crate::snapshot::rooms::{HandRow, InviteRow, Notify, PetitionRow, RoomKeys, RoomState, Tomb, Way};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::{Author, Identity, InviteId, LogId, MemberNo, RoomId, TextId};

/// A change of what is stored of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomOp {
    /// A room begins here: we make it, or want to get in. Whatever was stored of it before goes.
    Begin {
        /// The room.
        room: RoomId,
        /// Our keys in it.
        keys: RoomKeys,
        /// The replica's log.
        log: LogId,
        /// How we get in. `None`: we made it.
        way: Option<Way>,
    },
    /// A change of the replica.
    Replica {
        /// The room.
        room: RoomId,
        /// The change.
        op: torchat_room::outcome::Op,
    },
    /// The store goes on to bring rows of long chains to what they count as, see `Applied::behind`.
    Restand,
    /// How far we are in the room. Our keys go with a state in which we have nothing more to do.
    State {
        /// The room.
        room: RoomId,
        /// How far.
        state: RoomState,
    },
    /// Events of ours up to a number of a chain are durable at another member.
    Delivered {
        /// The room.
        room: RoomId,
        /// The chain.
        author: Author,
        /// The last number.
        upto: u64,
    },
    /// The key that a program gave a text of ours, which waits or became an event in this turn.
    Client {
        /// The room.
        room: RoomId,
        /// The text.
        text: TextId,
        /// The key.
        client: String,
    },
    /// A text of ours that waits is taken back at this moment, in milliseconds since 1970.
    Expires {
        /// The room.
        room: RoomId,
        /// The text.
        text: TextId,
        /// When.
        until_ms: i64,
    },
    /// A text of ours will never be said, because it has waited too long or we may not write: it is taken back in this turn.
    Failed {
        /// The room.
        room: RoomId,
        /// The text.
        text: TextId,
    },
    /// The key that a program gave its wish to make or join a room, which begins in this turn.
    AskedBy {
        /// The room.
        room: RoomId,
        /// The key.
        client: String,
    },
    /// What the user calls a room; `None`: as its owner does.
    Alias {
        /// The room.
        room: RoomId,
        /// The name.
        alias: Option<String>,
    },
    /// Of which texts of a room the user is told.
    Notify {
        /// The room.
        room: RoomId,
        /// Of which.
        notify: Notify,
    },
    /// Everything of a room goes, but this.
    Bury(Tomb),
    /// That goes, too.
    Unbury(RoomId),
    /// An invite was made.
    Invite {
        /// The room.
        room: RoomId,
        /// The invite.
        invite: InviteRow,
    },
    /// An invite is over.
    InviteGone {
        /// The room.
        room: RoomId,
        /// Which.
        id: InviteId,
    },
    /// Somebody asks to become a member. It replaces what the same identity said before.
    Petition {
        /// The room.
        room: RoomId,
        /// Who, and how.
        petition: PetitionRow,
    },
    /// A petition is settled or too old.
    PetitionGone {
        /// The room.
        room: RoomId,
        /// Whose.
        id: Identity,
    },
    /// Whether invites let somebody in.
    Ban {
        /// The room.
        room: RoomId,
        /// Who.
        id: Identity,
        /// They do not.
        banned: bool,
    },
    /// A member has said that it leaves, or is cut since.
    Leaver {
        /// The room.
        room: RoomId,
        /// Who.
        member: MemberNo,
        /// It is not cut yet.
        leaves: bool,
    },
    /// The last proposal to hand the room over; `None`: it is settled.
    Hand {
        /// The room.
        room: RoomId,
        /// The proposal.
        hand: Option<HandRow>,
    },
    /// The highest epoch of the certificates of a member.
    Epoch {
        /// The member's identity.
        peer: PeerId,
        /// The epoch.
        epoch: u32,
    },
}

impl RoomOp {
    /// The room that it changes. `None`: none, or one that is nobody's any more.
    #[must_use]
    pub fn room(&self) -> Option<RoomId> {
        match self {
            Self::Begin { room, .. }
            | Self::Replica { room, .. }
            | Self::State { room, .. }
            | Self::Delivered { room, .. }
            | Self::Client { room, .. }
            | Self::Alias { room, .. }
            | Self::Notify { room, .. }
            | Self::Expires { room, .. }
            | Self::Failed { room, .. }
            | Self::AskedBy { room, .. }
            | Self::Bury(Tomb { room, .. })
            | Self::Invite { room, .. }
            | Self::InviteGone { room, .. }
            | Self::Petition { room, .. }
            | Self::PetitionGone { room, .. }
            | Self::Ban { room, .. }
            | Self::Leaver { room, .. }
            | Self::Hand { room, .. } => Some(*room),
            Self::Unbury(_) | Self::Epoch { .. } | Self::Restand => None,
        }
    }
}
