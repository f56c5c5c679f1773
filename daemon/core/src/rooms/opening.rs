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
use torchat_protocol::room::{Frame, MemberNo, Open, OpenAs, RoomId};
use torchat_room::outcome::ChannelId;

/// The greater number of two members dials when there was no link for so long.
const GREATER_MS: u64 = 30_000;
/// How long a newcomer waits for more on its only channel, before it tries another one.
pub(super) const STALLED_MS: u64 = 120_000;

/// A room that is to be opened on a link from a moment on.
pub(super) struct Opening {
    pub(super) from_ms: u64,
    pub(super) link: LinkId,
    peer: PeerId,
    room: RoomId,
}

impl Room {
    /// With whom it is to be open: all other members of a mesh, or, for a newcomer, one of the doors; or of the members, if it knows
    /// that it is one and was not told everything. The door may be gone by then.
    fn partners(&self) -> impl Iterator<Item = &PeerId> {
        let joining = self.state == RoomState::Joining;
        let doors = self.way.iter().filter(move |_| joining).flat_map(|way| &way.doors);
        let members = (self.is_mesh() && (!joining || self.entry.accepted)).then(|| self.peers.keys());
        doors.chain(members.into_iter().flatten().filter(|peer| !self.is_door(peer)))
    }

    /// Whether we ask there to be let in, while we do.
    pub(super) fn is_door(&self, peer: &PeerId) -> bool {
        self.state == RoomState::Joining && self.way.as_ref().is_some_and(|way| way.doors.contains(peer))
    }

    /// Before which moment the room is not opened with one of them; [`u64::MAX`]: not in this run.
    fn not_before(&self, peer: &PeerId) -> u64 {
        let until = self.pauses.get(peer).map_or(0, |pause| pause.until_ms);
        if self.is_door(peer) { until.max(self.entry.next_ms) } else { until }
    }

    /// As which number we open it there: ours, or, if the other side does not know us by that, the newest that it has of us.
    fn number_for(&self, peer: &PeerId) -> Option<MemberNo> {
        let known = self.pauses.get(peer).is_none_or(|pause| pause.strange == 0);
        self.replica.me().filter(|_| known)
    }

    /// Whom this room wants a link with, how long after the last one at the earliest, and from when on.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (PeerId, u64, u64)> {
        let me = self.replica.me();
        let at_once =
            move |peer| self.state == RoomState::Joining || self.peers.get(peer).is_some_and(|no| me < Some(*no));
        self.partners().map(move |peer| (*peer, if at_once(peer) { 0 } else { GREATER_MS }, self.not_before(peer)))
    }
}

impl Rooms {
    /// Opens the rooms that we share with whoever is at the other end of a link.
    pub(super) fn open_rooms(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        let mut due: Vec<_> = self.openings().filter(|one| one.from_ms <= now).collect();
        // Who has waited longest comes first: there may be more rooms than places.
        due.sort_by_key(|one| self.rooms.get(&one.room).map(|room| room.rank(one.from_ms)));
        for Opening { link, peer, room, .. } in due {
            let joining = self.rooms.get(&room).is_some_and(|found| found.state == RoomState::Joining);
            // Another one of these may have opened it.
            let open = if joining { self.is_open_anywhere(room) } else { self.is_open_at(room, peer) };
            if !open && self.has_or_makes_place(ctx, link) {
                self.open_room(ctx, link, peer, room);
            }
        }
    }

    /// When rooms are to be opened next.
    pub(super) fn opening_due(&self) -> impl Iterator<Item = u64> {
        self.times_of(self.openings())
    }

    fn openings(&self) -> impl Iterator<Item = Opening> {
        self.rooms.iter().flat_map(move |(id, room)| {
            let joining = room.state == RoomState::Joining;
            // A newcomer reads one log only.
            let wanted = !joining || !self.is_open_anywhere(*id);
            let partners = room.partners().filter(move |_| wanted);
            partners.filter(move |peer| !self.is_open_at(*id, **peer)).flat_map(move |peer| {
                let until = room.not_before(peer);
                let links = self.usable_links(*peer).filter(move |_| until < u64::MAX);
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
        if room.is_door(&peer) && !room.entry.opens {
            return self.ask_to_join(ctx, link, id);
        }
        if room.is_strange_to_its_owner(&peer) {
            self.ask_to_be_known(ctx, link, id);
        }
        let Some(number) = self.own_number(link) else { return };
        let Some(channel) = self.add_channel(ctx.mono_ms(), link, number, id, Phase::Opened, true) else { return };
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let (me, want) =
            if joining { (None, room.way.as_ref().and_then(|way| way.want)) } else { (room.number_for(&peer), None) };
        let open = Open { room: id, role: OpenAs::Member(me) };
        ctx.act(RoomEffect::Say { link, channel: number, frame: Frame::Open(open) });
        let member = room.peers.get(&peer).copied();
        ctx.with(|ctx| room.replica.open(ctx, channel, identity(&peer), member, want));
        if joining && let Some(open) = self.channels.get_mut(&channel) {
            open.ends_at = Some(ctx.mono_ms() + STALLED_MS);
        }
        self.settle(ctx, id);
    }

    /// Something came of what a newcomer waits for: its only channel lasts as long as that goes on. `channel`: there; else somewhere
    /// on the link, and it is not whole.
    pub(super) fn brings_something(&mut self, ctx: &Context<'_>, link: LinkId, channel: Option<ChannelId>) {
        let all = self.links.get(&link).into_iter().flat_map(|link| link.open.values().copied());
        for id in all.filter(|id| channel.is_none_or(|channel| channel == *id)) {
            let Some(open) = self.channels.get_mut(&id).filter(|open| open.ours && open.is_open() && !open.live) else {
                continue;
            };
            open.ends_at = open.ends_at.map(|_| ctx.now.mono_ms + STALLED_MS);
        }
    }
}
