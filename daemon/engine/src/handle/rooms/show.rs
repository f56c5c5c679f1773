//! Rooms as records show them: what the store says of them, and what only the running desk knows.

use crate::codes;
use crate::handle::{Handle, Refusal, read};
use crate::store::{MessageRow, Reader, role_word, time};
use std::collections::{BTreeMap, BTreeSet};
use torchat_core::effect::RoomRefused;
use torchat_core::node::Node;
use torchat_core::rooms::{RoomObstacle, RoomStatus};
use torchat_core::snapshot::rooms::{InviteRow, PetitionRow, RoomState};
use torchat_core::time::Now;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::record::{
    Contact, ContactState, Direction, Member, MemberState, MessageState, OutstandingInvite, Petition, Proof, Room,
    RoomProblem, Stored,
};
use torchat_protocol::control::reason::{Denial, Reason, RoomTrouble};
use torchat_protocol::control::status::{RoomsPart, RoomsRefused, WaitingPart};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::PeerId;
use torchat_protocol::room::{DenyCode, Identity, MemberNo, RoomId};

/// Nobody else was reached for so long: then the user is told. People switch their computers off at night.
const LONG_MS: u64 = 24 * 3_600_000;

impl Handle {
    /// A room, as it is now.
    ///
    /// # Errors
    /// [`Refusal::Room`] if there is none; [`Refusal::Unreadable`].
    pub async fn room(&self, room: RoomId) -> Result<Room, Refusal> {
        let found = read(self.reader.clone(), move |reader| reader.room(room)).await?;
        let found = found.ok_or(Refusal::Room(RoomRefused::NoRoom))?;
        Ok(live_room(&self.node.lock(), found, self.clock.now()))
    }

    /// As [`Handle::room`], with how much of the disk its log takes: all of it is looked at for that.
    ///
    /// # Errors
    /// As [`Handle::room`].
    pub async fn measured_room(&self, room: RoomId) -> Result<Room, Refusal> {
        let bytes = read(self.reader.clone(), move |reader| reader.room_bytes(room)).await?;
        Ok(Room { bytes, ..self.room(room).await? })
    }

    /// All rooms that we are in, want to be in, or were in; of those of `among`, if it is given.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn list_rooms(&self, among: Option<&BTreeSet<ConversationId>>) -> Result<Vec<Room>, Refusal> {
        let mut found = read(self.reader.clone(), Reader::room_records).await?;
        found.retain(|room| among.is_none_or(|among| among.contains(&room.peer)));
        let (node, now) = (self.node.lock(), self.clock.now());
        Ok(found.into_iter().map(|room| live_room(&node, room, now)).collect())
    }

    /// Members of a room behind a number, those who are in no more included, at most `limit`; and whether there are more.
    ///
    /// # Errors
    /// [`Refusal::Room`] if there is no such room; [`Refusal::Unreadable`].
    pub async fn room_members(
        &self,
        room: RoomId,
        after: Option<u32>,
        limit: usize,
    ) -> Result<(Vec<Member>, bool), Refusal> {
        // Nobody has a number that is none.
        let after = after.map(|after| MemberNo::new(after).unwrap_or(MemberNo::MAKER)).filter(|_| after != Some(0));
        let found = read(self.reader.clone(), move |reader| reader.room_members(room, after, limit)).await?;
        let (mut members, more) = found.ok_or(Refusal::Room(RoomRefused::NoRoom))?;
        let node = self.node.lock();
        let rooms = node.rooms();
        let status = rooms.status(room);
        let open: BTreeSet<PeerId> = status.iter().flat_map(|status| status.open.iter().copied()).collect();
        for member in &mut members {
            let Some(Onion(peer)) = member.onion else { continue };
            let is_in = matches!(member.state, MemberState::In | MemberState::Muted);
            member.link = is_in && open.contains(&peer);
            member.banned = rooms.is_banned(room, Identity(*peer.as_bytes()));
            if member.me || member.link || rooms.is_proven(&peer) {
                member.proven = Proof::Link;
            }
        }
        Ok((members, more))
    }

    /// Who asks to become a member of rooms of ours: of one, or of all. Oldest first.
    #[must_use]
    pub fn room_petitions(&self, room: Option<RoomId>) -> Vec<Petition> {
        let node = self.node.lock();
        let rooms = node.rooms();
        let wanted: Vec<_> = room.map_or_else(|| rooms.ids().collect(), |room| vec![room]);
        let of = |room| rooms.petitions(room).map(move |row| (room, row));
        let mut found: Vec<_> = wanted.into_iter().flat_map(of).collect();
        found.sort_by_key(|(_, row)| row.at_ms);
        found.into_iter().filter_map(|(room, row)| petition(room, row)).collect()
    }

    /// Our invites to a room that are good now. The one that ends first comes first.
    #[must_use]
    pub fn room_invites(&self, room: RoomId) -> Vec<OutstandingInvite> {
        let now = self.clock.now();
        let node = self.node.lock();
        let is_good = |(row, used): &(&InviteRow, usize)| {
            row.until_ms > now.wall_ms && row.uses.is_none_or(|uses| *used < uses as usize)
        };
        let mut found: Vec<_> = node.rooms().invites(room).filter(is_good).collect();
        found.sort_by_key(|(row, _)| row.until_ms);
        found.into_iter().map(|(row, used)| invite(row, used)).collect()
    }

    /// Whether a room is called so, for a question before it is ended.
    ///
    /// # Errors
    /// As [`Handle::room`].
    pub async fn is_room_called(&self, room: RoomId, name: &str) -> Result<bool, Refusal> {
        let found = self.room(room).await?;
        Ok(found.name == name || found.alias.as_deref() == Some(name))
    }

    /// Why texts of ours in a room wait.
    pub(in crate::handle) fn why_in_room(&self, room: RoomId) -> Reason {
        let now = self.clock.now();
        let node = self.node.lock();
        node.rooms().status(room).map_or(Reason::Ending, |status| why(&node, room, &status, now))
    }

    /// How many messages of ours are not published, of each room in which there are some.
    pub(in crate::handle) fn unpublished_in_rooms(&self) -> BTreeMap<RoomId, u64> {
        let node = self.node.lock();
        let rooms = node.rooms();
        let queued = |room: RoomId| rooms.status(room).map_or(0, |status| status.queued as u64);
        rooms.ids().map(|room| (room, queued(room))).filter(|(_, queued)| *queued > 0).collect()
    }

    /// How many messages of ours no other member has, of each room in which there are some. If the store cannot be read, those that
    /// are not published.
    pub(in crate::handle) async fn queued_in_rooms(&self) -> BTreeMap<RoomId, u64> {
        // Most daemons have no room, and ask nothing.
        if self.node.lock().rooms().ids().next().is_none() {
            return BTreeMap::new();
        }
        let found = read(self.reader.clone(), Reader::queued_in_rooms).await;
        found.unwrap_or_else(|_| self.unpublished_in_rooms())
    }

    /// The rooms in STATUS. `queued`: as [`Handle::queued_in_rooms`] has them.
    pub(in crate::handle) fn rooms_status(&self, queued: &BTreeMap<RoomId, u64>) -> RoomsPart {
        let node = self.node.lock();
        let rooms = node.rooms();
        let (links, channels) = rooms.links();
        let of_all: Vec<_> = rooms.ids().collect();
        let petitions = of_all.iter().map(|room| rooms.petitions(*room).count()).sum::<usize>();
        let refused = rooms.refused();
        RoomsPart {
            channels: channels as u64,
            joined: of_all.len() as u64,
            links: links as u64,
            petitions: petitions as u64,
            queued: of_all.iter().filter_map(|room| queued.get(room)).sum(),
            refused: RoomsRefused {
                channels: refused.channels,
                joins: refused.joins,
                misbehaved: refused.misbehaved,
                opens: refused.opens,
                outbox_full: refused.outbox,
                petitions: refused.petitions,
                quota: refused.quota,
                signatures: refused.signatures,
                waiting: refused.waiting,
            },
        }
    }

    /// The rooms in which texts of ours wait, for STATUS.
    pub(in crate::handle) fn rooms_waiting(&self, queued: &BTreeMap<RoomId, u64>) -> Vec<WaitingPart> {
        let now = self.clock.now();
        let node = self.node.lock();
        let waiting = queued.iter().filter_map(|(room, queued)| {
            let why = why(&node, *room, &node.rooms().status(*room)?, now);
            Some(WaitingPart {
                next_try_s: node.next_room_dial_in_ms(*room, now.mono_ms).map(|ms| ms / 1000),
                peer: room.conversation(),
                queued: *queued,
                reason: why.about("the room"),
                why: Some(why),
            })
        });
        waiting.collect()
    }
}

/// How many of the other members have a message, if it is one of ours in a room.
pub(in crate::handle) fn stored(node: &Node, row: &MessageRow) -> Option<Stored> {
    if row.dir != Direction::Out {
        return None;
    }
    let place = row.room.as_ref()?.place?;
    let (members, of) = node.rooms().stored(row.conversation.into(), place)?;
    // Who said so before the daemon started is not known any more.
    let least = usize::from(row.state == MessageState::Delivered);
    Some(Stored { members: members.max(least) as u64, of: of as u64 })
}

/// Why texts of ours in a room wait, and when somebody is dialled for it next, in milliseconds since 1970.
pub(in crate::handle) fn waiting(node: &Node, room: RoomId, now: Now) -> (Option<Reason>, Option<i64>) {
    let reason = node.rooms().status(room).map(|status| why(node, room, &status, now));
    let next = node.next_room_dial_in_ms(room, now.mono_ms);
    let at = next.map(|ms| now.wall_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
    (reason, at)
}

/// A room's conversation has this in the place of a contact.
pub(in crate::handle) fn room_contact(room: &Room, peer: PeerId) -> Contact {
    Contact {
        peer: Onion(peer),
        state: ContactState::Room,
        name: room.alias.clone(),
        nick: Some(room.name.clone()).filter(|name| !name.is_empty()),
        link: room.linked.is_some_and(|linked| linked > 0),
        heard_s: None,
        hidden: false,
        queued: room.queued,
        verified: None,
        retain_days: None,
    }
}

/// What the store says of a room, with what only the desk knows.
pub(in crate::handle) fn live_room(node: &Node, mut room: Room, now: Now) -> Room {
    let id = RoomId::from(room.peer);
    let Some(status) = node.rooms().status(id) else { return room };
    room.linked = Some(status.open.len() as u64);
    room.missing = node.rooms().missing(id) as u64;
    room.problems = troubles(node, id, &status, now).into_iter().map(RoomProblem::from).collect();
    room
}

fn troubles(node: &Node, id: RoomId, status: &RoomStatus, now: Now) -> Vec<RoomTrouble> {
    let roster = node.rooms().roster(id);
    let me = status.me.map(|(member, _)| member);
    let is_owner = |roster: &torchat_room::roster::Roster| Some(roster.owner) == me;
    let mut troubles = Vec::new();
    if status.state == RoomState::Joining {
        troubles.push(RoomTrouble::Pending);
    }
    if status.frozen {
        troubles.push(RoomTrouble::Frozen { ours: roster.is_some_and(is_owner) });
    }
    if status.waiting > 0 {
        troubles.push(RoomTrouble::ActsWait { decisions: status.waiting as u64 });
    }
    if let Some((since_ms, after_talk)) = status.alone {
        let ms = now.mono_ms.saturating_sub(since_ms);
        if ms >= LONG_MS {
            troubles.push(RoomTrouble::NobodyReached { ms: after_talk.then_some(ms) });
        }
    }
    if status.restored {
        troubles.push(RoomTrouble::Restored { ours: roster.is_some_and(is_owner) });
    }
    if node.rooms().is_too_much(id) {
        troubles.push(RoomTrouble::TooMuch);
    }
    if status.no_chain {
        troubles.push(RoomTrouble::NoChain);
    }
    if status.hand.is_some_and(|hand| Some(hand.to) == me && hand.accept.is_none()) {
        troubles.push(RoomTrouble::Offered);
    }
    if roster.is_some_and(|roster| !roster.hosts.is_empty()) {
        troubles.push(RoomTrouble::NeedsNewer);
    }
    troubles
}

/// Why texts of ours in a room wait.
fn why(node: &Node, room: RoomId, status: &RoomStatus, now: Now) -> Reason {
    match status.obstacle {
        RoomObstacle::NotJoined => Reason::Joining,
        RoomObstacle::Unconfirmed => Reason::Unconfirmed,
        RoomObstacle::Denied(code, until_ms) => {
            Reason::Denied { denial: denial(code), seconds: Some(until_ms.saturating_sub(now.mono_ms).div_ceil(1_000)) }
        }
        RoomObstacle::Alone => node.room_obstacle(room).map_or(Reason::NobodyReached, codes::reason),
    }
}

fn denial(code: DenyCode) -> Denial {
    match code {
        DenyCode::Quota | DenyCode::Slow => Denial::Quota,
        DenyCode::Size => Denial::Size,
        DenyCode::Disk => Denial::Disk,
        DenyCode::Epoch | DenyCode::Other(_) => Denial::Unknown,
    }
}

fn petition(room: RoomId, row: &PetitionRow) -> Option<Petition> {
    // A link has proven it, so it is somebody's.
    let onion = Onion(PeerId::from_key(row.id.0).ok()?);
    Some(Petition {
        peer: room.conversation(),
        onion,
        name: row.nick.as_ref().map(|nick| nick.as_str().to_owned()).unwrap_or_default(),
        text: row.text.as_str().to_owned(),
        invite: row.via,
        at: time(row.at_ms),
    })
}

fn invite(row: &InviteRow, used: usize) -> OutstandingInvite {
    OutstandingInvite {
        id: row.id,
        role: role_word(row.role),
        uses: row.uses,
        used: used as u64,
        until: time(row.until_ms),
        whom: row.whom.and_then(|id| PeerId::from_key(id.0).ok()).map(Onion),
        note: row.note.clone(),
    }
}
