//! What clients are shown of a room, beside its messages.

use super::links::Phase;
use super::{Room, Rooms, RoomsRefused};
use crate::snapshot::rooms::{HandRow, InviteRow, PetitionRow, RoomState};
use crate::time::Believed;
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::{Place, Role};
use torchat_protocol::room::{DenyCode, Identity, MemberNo, RoomId};
use torchat_room::roster::Roster;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

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
    /// Since when no other member is reached, in milliseconds of the clock that never goes back, and whether one was before, in
    /// this run of the daemon. `None`: one is, or there is no other.
    pub alone: Option<(u64, bool)>,
    /// Events of ours came, in this run of the daemon, that were not here.
    pub restored: bool,
    /// All our chains were forked: we can say nothing under our number.
    pub no_chain: bool,
    /// The owner has proposed to hand the room over, and it is not done.
    pub hand: Option<HandRow>,
    /// What keeps texts of ours from the others. Means nothing if none waits.
    pub obstacle: RoomObstacle,
}

/// What keeps texts of ours in a room from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomObstacle {
    /// We are no member yet.
    NotJoined,
    /// The room is open with nobody.
    Alone,
    /// All with whom the room is open deny them until a moment of the clock that never goes back, in milliseconds.
    Denied(DenyCode, u64),
    /// Nobody has confirmed them yet.
    Unconfirmed,
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
        let channels = self.channels.values().filter(|open| open.room == id && open.phase == Phase::Open);
        let open: Vec<_> =
            channels.clone().filter_map(|open| self.links.get(&open.link)).map(super::Link::peer).collect();
        let others = replica.roster().present().any(|(no, _)| Some(no) != replica.me());
        let alone = (open.is_empty() && others).then_some((room.alone.since_ms, room.alone.after_talk));
        let no_chain = replica.me().is_some_and(|me| {
            let chain = replica.own_chain();
            replica.keep(me).of(chain) >= replica.line(me.chain(chain))
        });
        // As long as one of them takes it, it gets out.
        let denied: Option<Vec<_>> = channels.map(|open| open.denied.values().max_by_key(|it| it.until_ms)).collect();
        let denied = denied.unwrap_or_default().into_iter().min_by_key(|it| it.until_ms);
        let obstacle = match denied {
            _ if replica.role().is_none() => RoomObstacle::NotJoined,
            _ if open.is_empty() => RoomObstacle::Alone,
            Some(denied) => RoomObstacle::Denied(denied.code, denied.until_ms),
            None => RoomObstacle::Unconfirmed,
        };
        Some(RoomStatus {
            state: room.state,
            me: replica.me().zip(replica.role()),
            members: replica.roster().present().count(),
            open,
            queued: replica.outbox().count(),
            frozen: replica.is_frozen(),
            waiting: room.waiting.len(),
            alone,
            restored: room.restored,
            no_chain,
            hand: room.hand,
            obstacle,
        })
    }

    /// Whether members of a room pass on more of others than is taken now.
    #[must_use]
    pub fn is_too_much(&self, room: RoomId) -> bool {
        self.channels.values().any(|open| open.room == room && open.asks_at.is_some())
    }

    /// Whether this is a room that we have or had, and not a peer.
    #[must_use]
    pub fn is_known(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room) || self.past.contains_key(&room) || self.tombs.contains_key(&room)
    }

    /// The rooms that are over for us.
    pub fn past(&self) -> impl Iterator<Item = (RoomId, RoomState)> {
        self.past.iter().map(|(room, state)| (*room, *state))
    }

    /// How many links for rooms there are, and how many rooms are open on them.
    #[must_use]
    pub fn links(&self) -> (usize, usize) {
        (self.links.len(), self.channels.values().filter(|open| open.phase == Phase::Open).count())
    }

    /// What was dropped in rooms since the start.
    #[must_use]
    pub fn refused(&self) -> RoomsRefused {
        self.refused
    }

    /// At how many of the other members an event of ours is known to be durable, in this run of the daemon, and how many there are.
    /// `None`: it is not ours, or we are no member.
    #[must_use]
    pub fn stored(&self, room: RoomId, place: Place) -> Option<(usize, usize)> {
        let room = self.rooms.get(&room)?;
        let me = room.replica.me()?;
        if place.author.member() != Some(me) {
            return None;
        }
        let others = || room.replica.roster().present().filter(|(no, _)| *no != me);
        let has = |id: Identity| room.stored_at.get(&id)?.get(&place.author).copied();
        let have = others().filter(|(_, member)| member.id.and_then(has).is_some_and(|upto| upto >= place.seq));
        Some((have.count(), others().count()))
    }

    /// Events of a room whose bodies are not here, and are asked for.
    #[must_use]
    pub fn missing(&self, room: RoomId) -> usize {
        self.rooms.get(&room).map_or(0, |room| room.replica.missing())
    }

    /// Whom no invite lets into a room of ours.
    #[must_use]
    pub fn is_banned(&self, room: RoomId, who: Identity) -> bool {
        self.rooms.get(&room).is_some_and(|room| room.bans.contains(&who))
    }

    /// Whether a member's identity was proven by a link to us, in any run of the daemon.
    #[must_use]
    pub fn is_proven(&self, peer: &PeerId) -> bool {
        self.epochs.contains_key(peer)
    }

    /// Whether what a member says is hidden from now on.
    #[must_use]
    pub fn is_muted(&self, room: RoomId, member: MemberNo) -> bool {
        self.rooms.get(&room).is_some_and(|room| !room.replica.mutes_of(member).is_empty())
    }

    /// Whom a link is wanted with for a room: its other members, or the doors while we are joining.
    pub fn others(&self, room: RoomId) -> impl Iterator<Item = PeerId> {
        let found = self.rooms.get(&room);
        let doors = found.and_then(|room| room.way.as_ref()).into_iter().flat_map(|way| way.doors.iter().copied());
        found.into_iter().flat_map(|room| room.peers.keys().copied()).chain(doors)
    }

    /// The rooms whose rules say for how long members keep what is said, as conversations, and before which moment a message is too
    /// old, in milliseconds since 1970. Of a room whose acts contradict each other nothing is too old: the rules may be none.
    pub fn retained(&self, believed: Believed) -> impl Iterator<Item = (PeerId, i64)> {
        self.rooms.iter().filter_map(move |(id, room)| {
            let days = i64::try_from(room.replica.roster().policy.keep_days).unwrap_or(i64::MAX);
            let keeps = days > 0 && !room.replica.is_frozen();
            let before_ms = believed.born_before(keeps.then(|| days.saturating_mul(DAY_MS))?)?;
            Some((id.conversation().as_peer()?, before_ms))
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
