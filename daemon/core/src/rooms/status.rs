//! What clients are shown of a room, beside its messages.

use super::links::Phase;
use super::{Room, Rooms};
use crate::snapshot::rooms::{InviteRow, PetitionRow, RoomState};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::Role;
use torchat_protocol::room::{MemberNo, RoomId};
use torchat_room::roster::Roster;

/// A room, as far as the desk knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomStatus {
    /// How far we are in it.
    pub state: RoomState,
    /// Our number and role, if we are in.
    pub me: Option<(MemberNo, Role)>,
    /// Members that are in.
    pub members: usize,
    /// The members with whom the room is open, proven by their links.
    pub open: Vec<PeerId>,
    /// Texts of ours that wait to become events.
    pub queued: usize,
    /// Two acts of the owner contradict each other.
    pub frozen: bool,
    /// Decisions of ours that wait until another member is reached.
    pub waiting: usize,
}

impl Rooms {
    /// The rooms in which we have something to do.
    pub fn ids(&self) -> impl Iterator<Item = RoomId> {
        self.rooms.keys().copied()
    }

    /// How it ended with a room. `None`: it has not, or we have no such room.
    #[must_use]
    pub fn ended(&self, room: RoomId) -> Option<RoomState> {
        self.past.get(&room).copied()
    }

    /// A room in which we have something to do.
    #[must_use]
    pub fn status(&self, id: RoomId) -> Option<RoomStatus> {
        let room = self.rooms.get(&id)?;
        let replica = &room.replica;
        let open = self.channels.values().filter(|open| open.room == id && open.phase == Phase::Open);
        let open = open.filter_map(|open| self.links.get(&open.link)).map(super::Link::peer);
        Some(RoomStatus {
            state: room.state,
            me: replica.me().zip(replica.role()),
            members: replica.roster().present().count(),
            open: open.collect(),
            queued: replica.outbox().count(),
            frozen: replica.is_frozen(),
            waiting: room.waiting.len(),
        })
    }

    /// What the acts of a room say.
    #[must_use]
    pub fn roster(&self, room: RoomId) -> Option<&Roster> {
        self.rooms.get(&room).map(|room| room.replica.roster())
    }

    /// Invites of ours to a room, with how often each was used.
    pub fn invites(&self, room: RoomId) -> impl Iterator<Item = (&InviteRow, usize)> {
        self.rooms
            .get(&room)
            .into_iter()
            .flat_map(|room| room.invites.values().map(|invite| (invite, room.uses_of(invite))))
    }

    /// Who asks to become a member of a room.
    pub fn petitions(&self, room: RoomId) -> impl Iterator<Item = &PetitionRow> {
        self.rooms.get(&room).into_iter().flat_map(|room| room.petitions.values().filter(|row| !row.refused))
    }
}

impl Room {
    /// How often an invite was used, by the acts.
    pub(super) fn uses_of(&self, invite: &InviteRow) -> usize {
        self.replica.roster().members.values().filter(|member| member.via == Some(invite.id)).count()
    }
}
