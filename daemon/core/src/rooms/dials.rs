//! With whom the rooms want a link, and from when on.
//!
//! Only with members of the rooms that we are in, and the doors of invites that the user gave us. In a mesh each pair of members
//! has one link: the smaller number dials at once, the other one after a while. Pauses after failures, prices and places are
//! those of all dials, and are decided elsewhere.

use super::{Context, Room, Rooms};
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;

/// A peer that a link is wanted with, and there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// From when on it is to be dialled, in milliseconds of the clock that never goes back.
    pub from_ms: u64,
    /// Since when a link is wanted and there is none, in milliseconds of that clock.
    pub since_ms: u64,
    /// The same by the wall clock, in milliseconds since 1970: before, there was a link, or nobody wanted one.
    pub since_wall_ms: i64,
}

/// What became of a link, for whoever dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkNews {
    /// A link came up.
    Up {
        /// With whom.
        peer: PeerId,
        /// We dialled.
        outgoing: bool,
    },
    /// The last link to a peer is gone.
    Lost {
        /// To whom.
        peer: PeerId,
        /// A room was open on it.
        served: bool,
    },
    /// The peer does not want us now.
    Unwanted(PeerId),
    /// The user has something to say to it.
    Hurry(PeerId),
}

impl Room {
    /// Whether its members are linked each with each.
    pub(super) fn is_mesh(&self) -> bool {
        self.replica.roster().hosts.is_empty()
    }
}

impl Rooms {
    /// The peers without a link that the rooms want one with, and from when on.
    #[must_use]
    pub fn wishes(&self) -> &BTreeMap<PeerId, Wish> {
        &self.wishes
    }

    /// Whether there is a link to a peer, or one that is being closed.
    #[must_use]
    pub fn is_linked(&self, peer: &PeerId) -> bool {
        self.by_peer.contains_key(peer)
    }

    /// Looks up with whom a link is wanted. While the store takes no writes no room is open, so nobody is wanted.
    pub(super) fn find_wishes(&mut self, ctx: &Context<'_>) {
        let mut wishes: BTreeMap<PeerId, Wish> = BTreeMap::new();
        let rooms = self.rooms.values().filter(|_| ctx.writable);
        for (peer, after, from) in rooms.flat_map(Room::wanted) {
            if from == u64::MAX || self.is_linked(&peer) {
                continue;
            }
            let (since_ms, since_wall_ms) = match self.wishes.get(&peer) {
                Some(before) => (before.since_ms, before.since_wall_ms),
                None => (ctx.now.mono_ms, ctx.now.wall_ms),
            };
            let from_ms = from.max(since_ms + after);
            let wish = wishes.entry(peer).or_insert(Wish { from_ms, since_ms, since_wall_ms });
            wish.from_ms = wish.from_ms.min(from_ms);
        }
        self.wishes = wishes;
    }

    /// The user has said something in a room: if it is open nowhere, those whom it is to reach are dialled soon.
    pub(super) fn hurry(&self, ctx: &mut Context<'_>, room: torchat_protocol::room::RoomId) {
        let Some(found) = self.rooms.get(&room).filter(|_| !self.is_open_anywhere(room)) else { return };
        for (peer, ..) in found.wanted() {
            ctx.tell_of_link(LinkNews::Hurry(peer));
        }
    }
}
