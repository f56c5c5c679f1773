//! The desk as the store has it.

use super::petitions::Purses;
use super::quota::PassedOn;
use super::{Alone, Context, Entry, Room, Rooms, RoomsRefused, outbox};
use crate::snapshot::rooms::{RoomSnapshot, RoomsSnapshot};
use crate::time::Now;
use std::collections::{BTreeMap, VecDeque};
use torchat_protocol::id::PeerId;
use torchat_room::Replica;

impl Rooms {
    /// A desk that goes on where the store says that the last process stopped.
    #[must_use]
    pub fn restore(ctx: &Context<'_>, own: PeerId, snapshot: RoomsSnapshot) -> Self {
        let rooms = snapshot.rooms.into_iter().map(|row| (row.stored.room, Room::restore(row, own, ctx.now)));
        let mut restored = Self {
            own,
            rooms: rooms.collect(),
            past: snapshot.past.into_iter().collect(),
            tombs: snapshot.tombs.into_iter().map(|tomb| (tomb.room, tomb)).collect(),
            links: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            channels: BTreeMap::new(),
            next_channel: 1,
            wishes: BTreeMap::new(),
            found: Vec::new(),
            clients: snapshot.clients.into_iter().collect(),
            epochs: snapshot.epochs.into_iter().collect(),
            opens: BTreeMap::new(),
            refused: RoomsRefused::default(),
            stopping: false,
        };
        restored.find_wishes(ctx);
        restored
    }
}

impl Room {
    fn restore(row: RoomSnapshot, own: PeerId, now: Now) -> Self {
        let seed = row.stored.me.as_ref().map_or([0; 32], |me| me.seed);
        let mut room = Self {
            state: row.state,
            replica: Replica::load(row.stored),
            seed,
            sealing: row.sealing,
            way: row.way,
            entry: Entry::default(),
            peers: BTreeMap::new(),
            acts_changed: true,
            invites: row.invites.into_iter().map(|invite| (invite.id, invite)).collect(),
            petitions: row.petitions.into_iter().map(|petition| (petition.id, petition)).collect(),
            purses: Purses::default(),
            bans: row.bans.into_iter().collect(),
            leavers: row.leavers.into_iter().collect(),
            hand: row.hand,
            quotas: BTreeMap::new(),
            passed_on: PassedOn::default(),
            hears: None,
            waiting: VecDeque::new(),
            stored: BTreeMap::new(),
            stored_at: BTreeMap::new(),
            left_at: None,
            expiring: outbox::expiring(&row.expiring, now),
            alone: Alone::since(now),
            restored: false,
            pauses: BTreeMap::new(),
            begun_anew: BTreeMap::new(),
        };
        room.find_peers(own);
        room.entry.opens = room.entry.accepted;
        room
    }
}
