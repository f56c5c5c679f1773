//! Which rooms are opened on which links, and when.
//!
//! Each turn asks this of all rooms, so nothing here looks at more than the members of a room and the channels of their links.

use super::links::{Link, Phase};
use super::{Context, Room, Rooms, identity};
use crate::effect::RoomEffect;
use crate::input::LinkId;
use crate::snapshot::rooms::RoomState;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::ByeReason;
use torchat_protocol::room::{Frame, Open, OpenAs, RoomId};

/// A room that is to be opened on a link from a moment on.
struct Opening {
    from_ms: u64,
    link: LinkId,
    peer: PeerId,
    room: RoomId,
}

impl Room {
    /// With whom it is to be open: all other members of a mesh, or, for a newcomer, one of the doors.
    fn partners(&self) -> impl Iterator<Item = &PeerId> {
        let joining = self.state == RoomState::Joining;
        let doors = self.way.iter().filter(move |_| joining).flat_map(|way| &way.doors);
        let members = (!joining && self.is_mesh()).then(|| self.peers.keys());
        doors.chain(members.into_iter().flatten())
    }
}

impl Rooms {
    /// Opens the rooms that we share with whoever is at the other end of a link.
    pub(super) fn open_rooms(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        for Opening { link, peer, room, .. } in self.openings().filter(|one| one.from_ms <= now).collect::<Vec<_>>() {
            let joining = self.rooms.get(&room).is_some_and(|found| found.state == RoomState::Joining);
            // Another one of these may have opened it.
            let open = if joining { self.is_open_anywhere(room) } else { self.is_open_at(room, peer) };
            if !open {
                self.open_room(ctx, link, peer, room);
            }
        }
    }

    /// When rooms are to be opened next.
    pub(super) fn opening_due(&self) -> impl Iterator<Item = u64> {
        self.openings().map(|one| one.from_ms)
    }

    fn openings(&self) -> impl Iterator<Item = Opening> {
        self.rooms.iter().flat_map(move |(id, room)| {
            let joining = room.state == RoomState::Joining;
            // A newcomer reads one log only.
            let wanted = !joining || !self.is_open_anywhere(*id);
            let partners = room.partners().filter(move |_| wanted);
            partners.filter(move |peer| !self.is_open_at(*id, **peer)).flat_map(move |peer| {
                let until = room.pauses.get(peer).map_or(0, |pause| pause.until_ms);
                let until = if joining { until.max(room.entry.next_ms) } else { until };
                let links = self.usable_links(*peer).filter(move |(_, link)| until < u64::MAX && link.has_place());
                links.map(move |(link, at)| Opening { from_ms: until.max(at.opens_from), link, peer: *peer, room: *id })
            })
        })
    }

    pub(super) fn usable_links(&self, peer: PeerId) -> impl Iterator<Item = (LinkId, &Link)> {
        let links = self.by_peer.get(&peer).into_iter().flatten();
        links.filter_map(|id| Some((*id, self.links.get(id).filter(|link| link.is_usable())?)))
    }

    fn is_open_at(&self, room: RoomId, peer: PeerId) -> bool {
        let mut channels = self.usable_links(peer).flat_map(|(_, link)| link.open.values());
        channels.any(|id| self.channels.get(id).is_some_and(|open| open.room == room && open.serves()))
    }

    /// Whether a room is open with any of those with whom it is to be.
    pub(super) fn is_open_anywhere(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|found| found.partners().any(|peer| self.is_open_at(room, *peer)))
    }

    fn open_room(&mut self, ctx: &mut Context<'_>, link: LinkId, peer: PeerId, id: RoomId) {
        if self.links.get(&link).is_some_and(|link| link.next.is_none()) {
            // All its numbers are used up. A new one has more.
            return self.end_link(ctx, link, Some(ByeReason::Idle));
        }
        let Some(room) = self.rooms.get(&id) else { return };
        let joining = room.state == RoomState::Joining;
        if joining && !room.entry.opens {
            return self.ask_to_join(ctx, link, id);
        }
        let Some(number) = self.own_number(link) else { return };
        let Some(channel) = self.add_channel(link, number, id, Phase::Opened, true) else { return };
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let (me, want) =
            if joining { (None, room.way.as_ref().and_then(|way| way.want)) } else { (room.replica.me(), None) };
        let open = Open { room: id, role: OpenAs::Member(me) };
        ctx.act(RoomEffect::Say { link, channel: number, frame: Frame::Open(open) });
        let member = room.peers.get(&peer).copied();
        ctx.with(|ctx| room.replica.open(ctx, channel, identity(&peer), member, want));
        self.settle(ctx, id);
    }
}
