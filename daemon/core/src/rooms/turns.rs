//! More rooms than channels: each room that two daemons share has its turn on their link.
//!
//! Each side has places of its own, so that two openings that cross never meet a full link. A side whose places are taken closes a
//! channel that it has opened itself, for a room that waits: one that is caught up and quiet, else one that has had its time. Who has
//! waited longest comes first. ROOM-PROTOCOL.md, "Turns".

use super::links::{Channel, Link, Phase, close_until};
use super::opening::Opening;
use super::{Context, Room, Rooms};
use crate::input::LinkId;
use crate::snapshot::rooms::RoomState;
use std::collections::BTreeMap;
use torchat_protocol::room::CloseCode;
use torchat_room::outcome::ChannelId;

/// Channels of a link that the side opens that dialled it.
const DIALLED: usize = 48;
/// Channels that the other side opens.
const ACCEPTED: usize = super::links::CHANNELS - DIALLED;
/// A channel that is caught up gives its place away when nothing was said on it for so long.
const QUIET_MS: u64 = 30_000;
/// Any channel does after so long.
const TURN_MS: u64 = 600_000;
/// Pause between two channels of a link that give their places away: a peer that opens more often is taken for a flood.
const CHANGE_MS: u64 = 10_000;
/// How long a room whose channel gave its place away is not opened again.
const REST_MS: u64 = 30_000;
/// A room in which something of ours waits is treated as if it waited so much longer.
const HASTE_MS: u64 = 300_000;

/// How long a channel has its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Since when it is there.
    pub(super) since_ms: u64,
    /// When somebody said something on it last.
    pub(super) used_ms: u64,
}

impl Link {
    /// Whether we may open one more channel.
    pub(super) fn has_own_place(&self) -> bool {
        let ours = self.open.keys().filter(|number| (**number % 2 == 1) == self.outgoing).count();
        self.has_place() && ours < if self.outgoing { DIALLED } else { ACCEPTED }
    }
}

impl Room {
    /// How long it counts as having waited, if it is to be opened since a moment: a smaller number comes first.
    pub(super) fn rank(&self, from_ms: u64) -> u64 {
        let hurries = self.replica.outbox().next().is_some() || !self.waiting.is_empty();
        if hurries { from_ms.saturating_sub(HASTE_MS) } else { from_ms }
    }
}

impl Rooms {
    /// When a channel gives its place away at the earliest, if another room wants it. A newcomer's does not: it would begin anew.
    fn is_ripe_at(&self, id: ChannelId, open: &Channel) -> Option<u64> {
        let room = self.rooms.get(&open.room).filter(|_| open.ours && open.is_open())?;
        if room.state == RoomState::Joining {
            return None;
        }
        let turn = open.turn.since_ms + TURN_MS;
        let quiet = open.phase == Phase::Open && open.unstored.is_empty() && room.replica.is_quiet(id);
        Some(if quiet { turn.min(open.turn.used_ms + QUIET_MS) } else { turn })
    }

    /// The channel of a link that gives its place away first, and when.
    fn next_to_go(&self, id: LinkId) -> Option<(u64, ChannelId)> {
        let link = self.links.get(&id).filter(|link| link.is_usable())?;
        let ripe = link.open.values().filter_map(|id| Some((self.is_ripe_at(*id, self.channels.get(id)?)?, *id)));
        let (at, channel) = ripe.min()?;
        Some((at.max(link.changed_ms.map_or(0, |before| before + CHANGE_MS)), channel))
    }

    /// Whether we may open one more channel on a link. If not, one gives its place away, if one may.
    pub(super) fn has_or_makes_place(&mut self, ctx: &mut Context<'_>, id: LinkId) -> bool {
        let now = ctx.mono_ms();
        if self.links.get(&id).is_some_and(Link::has_own_place) {
            return true;
        }
        let Some((_, channel)) = self.next_to_go(id).filter(|(at, _)| *at <= now) else { return false };
        let (Some(link), Some(open)) = (self.links.get_mut(&id), self.channels.get(&channel)) else { return false };
        link.changed_ms = Some(now);
        if let Some(room) = self.rooms.get_mut(&open.room) {
            let pause = room.pauses.entry(link.peer()).or_default();
            pause.until_ms = pause.until_ms.max(now + REST_MS);
        }
        let retry_s = u32::try_from(REST_MS / 1_000).unwrap_or(0);
        self.say(ctx, channel, close_until(CloseCode::Done, retry_s));
        self.drop_channel(ctx, channel);
        self.links.get(&id).is_some_and(Link::has_own_place)
    }

    /// When each of these can be done: at its time, or when a place is free then.
    pub(super) fn times_of(&self, openings: impl Iterator<Item = Opening>) -> impl Iterator<Item = u64> {
        let mut places: BTreeMap<LinkId, Option<u64>> = BTreeMap::new();
        openings.filter_map(move |one| {
            let free = || {
                let has = self.links.get(&one.link).is_some_and(Link::has_own_place);
                if has { Some(0) } else { self.next_to_go(one.link).map(|(at, _)| at) }
            };
            Some(one.from_ms.max((*places.entry(one.link).or_insert_with(free))?))
        })
    }
}
