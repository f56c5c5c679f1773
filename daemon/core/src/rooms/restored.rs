//! The desk as the store has it.

use super::{Context, Entry, Room, Rooms};
use crate::op::RoomOp;
use crate::rate::Bucket;
use crate::snapshot::rooms::{RoomSnapshot, RoomState, RoomsSnapshot};
use std::collections::{BTreeMap, VecDeque};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::{LogId, RoomId};
use torchat_room::Replica;
use torchat_room::replica::{Me, Stored};

impl Rooms {
    /// A desk that goes on where the store says that the last process stopped.
    #[must_use]
    pub fn restore(ctx: &mut Context<'_>, own: PeerId, snapshot: RoomsSnapshot) -> Self {
        let rooms = snapshot.rooms.into_iter().map(|row| (row.stored.room, Room::restore(row, own)));
        let mut restored = Self {
            own,
            rooms: rooms.collect(),
            past: snapshot.past.into_iter().collect(),
            tombs: snapshot.tombs.into_iter().map(|tomb| (tomb.room, tomb)).collect(),
            links: BTreeMap::new(),
            channels: BTreeMap::new(),
            next_channel: 1,
            dials: super::Dials::default(),
            epochs: snapshot.epochs.into_iter().collect(),
            opens: BTreeMap::new(),
            stopping: false,
        };
        let peers = restored.rooms.values().flat_map(|room| room.peers.keys().copied());
        let peers: std::collections::BTreeSet<_> = peers.collect();
        restored.dials.spread(ctx, peers);
        restored
    }

    /// A newcomer whose channel, or process, has ended before it had everything begins anew.
    pub(super) fn restart_newcomers(&mut self, ctx: &mut Context<'_>) {
        let begun = |(id, room): &(&RoomId, &Room)| {
            room.state == RoomState::Joining && room.replica.next() > 1 && !self.is_open_anywhere(**id)
        };
        for id in self.rooms.iter().filter(begun).map(|(id, _)| *id).collect::<Vec<_>>() {
            self.begin_anew(ctx, id);
        }
    }

    /// A newcomer drops what it has got: its floors would not fit another log.
    pub(super) fn begin_anew(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        self.settle(ctx, id);
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.replica.next() > 1) else { return };
        let log = LogId(ctx.random());
        let outbox = room.replica.outbox().cloned().collect();
        let me = Me { seed: room.seed, chain: 0 };
        room.replica = Replica::load(Stored { outbox, ..Stored::new(id, log, Some(me)) });
        room.acts_changed = true;
        room.hand = None;
        for member in std::mem::take(&mut room.leavers) {
            ctx.write(RoomOp::Leaver { room: id, member, leaves: false });
        }
        ctx.write(RoomOp::Hand { room: id, hand: None });
        ctx.write(RoomOp::Anew { room: id, log });
    }
}

impl Room {
    fn restore(row: RoomSnapshot, own: PeerId) -> Self {
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
            petition_flow: Bucket::default(),
            bans: row.bans.into_iter().collect(),
            leavers: row.leavers.into_iter().collect(),
            hand: row.hand,
            quotas: BTreeMap::new(),
            waiting: VecDeque::new(),
            left_at: None,
            pauses: BTreeMap::new(),
        };
        room.find_peers(own);
        room
    }
}
