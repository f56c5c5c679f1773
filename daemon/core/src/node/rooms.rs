//! The rooms: their desk is given what concerns it, once in a turn, and what it decides is a part of the turn.
//!
//! The desk says with whom it wants a link, and what became of its links. When whom is dialled is decided with all other dials.

use super::Parts;
use crate::dialling::{self, Target};
use crate::effect::Effect;
use crate::entropy::Entropy;
use crate::input::RoomInput;
use crate::op::Op;
use crate::policy::Policy;
use crate::rooms::{Context as RoomContext, LinkNews, Rooms};
use crate::snapshot::rooms::RoomsSnapshot;
use crate::time::Now;
use crate::turn::Context;
use std::collections::BTreeSet;
use torchat_protocol::id::PeerId;

/// The desk of rooms, and what it is to be given in this turn.
pub(super) struct Desk {
    rooms: Rooms,
    inputs: Vec<RoomInput>,
    /// Whether the store took writes when the desk had its last turn.
    writable: bool,
    /// When it must have another one although nothing happened.
    due_ms: Option<u64>,
    /// Of whom dials for rooms are remembered.
    dialled: BTreeSet<PeerId>,
}

impl Desk {
    pub(super) fn restore(
        own: PeerId,
        snapshot: RoomsSnapshot,
        now: Now,
        policy: &Policy,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let rooms = Rooms::restore(&RoomContext::new(now, policy, true, entropy), own, snapshot);
        Self { rooms, inputs: Vec::new(), writable: true, due_ms: Some(now.mono_ms), dialled: BTreeSet::new() }
    }

    pub(super) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    pub(super) fn take(&mut self, input: RoomInput) {
        self.inputs.push(input);
    }

    /// The desk looks at every room in a turn of its own, so most turns of the node pass without one.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.due_ms
    }

    pub(super) fn keep_unstored(&mut self, before: &mut Self) {
        self.rooms.keep_unstored(&mut before.rooms);
    }

    /// What the desk knows of a peer that may be dialled for rooms.
    pub(super) fn about(&self, peer: &PeerId) -> dialling::About {
        let wish = self.rooms.wishes().get(peer);
        dialling::About {
            linked: self.rooms.is_linked(peer),
            owes: wish.is_some(),
            seen_ms: wish.map(|wish| wish.since_wall_ms),
            ..dialling::About::default()
        }
    }

    /// Whom a link is wanted with, now or in a while.
    pub(super) fn wanted(&self) -> impl Iterator<Item = Target> {
        self.rooms.wishes().keys().copied().map(Target::room)
    }
}

impl Parts {
    /// The turn of the rooms, if anything has happened to them or is due.
    pub(super) fn turn_of_rooms(&mut self, ctx: &mut Context<'_>) {
        let believed = self.believed(ctx);
        let Self { rooms: desk, contacts, .. } = &mut *self;
        let writable = ctx.conditions.writable;
        let due = desk.due_ms.is_some_and(|at| at <= ctx.now.mono_ms);
        if desk.inputs.is_empty() && !due && writable == desk.writable {
            return;
        }
        desk.writable = writable;
        let inputs = std::mem::take(&mut desk.inputs);
        let blocked = |peer: &PeerId| contacts.is_blocked(peer);
        let rooms = RoomContext::new(ctx.now, ctx.policy, writable, ctx.entropy());
        let mut rooms = rooms.believing(believed).without(&blocked);
        desk.rooms.turn(&mut rooms, inputs);
        desk.due_ms = desk.rooms.deadline(writable);
        let turn = rooms.finish();
        ctx.ops().extend(turn.ops.into_iter().map(Op::from));
        turn.effects.into_iter().for_each(|effect| ctx.act(Effect::Room(effect)));
        for news in turn.links {
            self.of_room_link(ctx, news);
        }
        self.plan_for_rooms();
    }

    fn of_room_link(&mut self, ctx: &mut Context<'_>, news: LinkNews) {
        match news {
            LinkNews::Up { peer, outgoing } => {
                self.supervision.got_through(ctx, outgoing);
                self.rooms.dialled.insert(peer);
                self.dialling.reached(&Target::room(peer), outgoing);
            }
            LinkNews::Lost { peer, served } => {
                let target = Target::room(peer);
                // One that served is worth its circuits, and what failed before it says nothing now.
                if served {
                    self.dialling.succeeded(&target);
                }
                self.dialling.lost(ctx, target, served, self.rooms.about(&peer));
            }
            LinkNews::Unwanted(peer) => self.dialling.unwanted(ctx.now, &ctx.policy.dial, Target::room(peer)),
            LinkNews::Hurry(peer) => self.dialling.hurry(ctx, Target::room(peer), self.rooms.about(&peer)),
        }
    }

    /// Plans the dials that the desk wants now, and forgets those whom it wants no more.
    pub(super) fn plan_for_rooms(&mut self) {
        let Self { rooms: desk, dialling, .. } = self;
        for (peer, wish) in desk.rooms.wishes() {
            desk.dialled.insert(*peer);
            dialling.want(Target::room(*peer), wish.from_ms);
        }
        let rooms = &desk.rooms;
        desk.dialled.retain(|peer| {
            let target = Target::room(*peer);
            let known = rooms.wishes().contains_key(peer) || rooms.is_linked(peer) || dialling.is_running(&target);
            if !known {
                dialling.forget(&target);
            }
            known
        });
    }
}
