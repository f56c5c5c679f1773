//! The rooms: their desk is given what concerns it, once in a turn, and what it decides is a part of the turn.

use super::Parts;
use crate::effect::{Effect, NetworkEffect, RoomEffect};
use crate::entropy::Entropy;
use crate::input::{DialEnd, RoomInput};
use crate::op::Op;
use crate::policy::Policy;
use crate::rooms::{Context as RoomContext, Rooms};
use crate::snapshot::rooms::RoomsSnapshot;
use crate::time::Now;
use crate::turn::Context;
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

/// The desk of rooms, and what it is to be given in this turn.
pub(super) struct Desk {
    rooms: Rooms,
    inputs: Vec<RoomInput>,
    /// What held when the desk had its last turn: whether dials make sense.
    usable: bool,
    /// When it must have another one although nothing happened.
    due_ms: Option<u64>,
}

impl Desk {
    pub(super) fn restore(
        own: PeerId,
        snapshot: RoomsSnapshot,
        now: Now,
        policy: &Policy,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let rooms = Rooms::restore(&mut RoomContext::new(now, policy, false, entropy), own, snapshot);
        Self { rooms, inputs: Vec::new(), usable: false, due_ms: Some(now.mono_ms) }
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
}

impl Parts {
    /// A dial for rooms ended without a link.
    pub(super) fn room_dial_failed(&mut self, ctx: &Context<'_>, peer: PeerId, end: DialEnd) {
        self.supervision.judge_dial(ctx.now, end.failure);
        self.rooms.take(RoomInput::DialFailed { peer, end });
    }

    /// The turn of the rooms, if anything has happened to them or is due.
    pub(super) fn turn_of_rooms(&mut self, ctx: &mut Context<'_>) {
        let desk = &mut self.rooms;
        let usable = ctx.conditions.network_usable;
        let due = desk.due_ms.is_some_and(|at| at <= ctx.now.mono_ms);
        if desk.inputs.is_empty() && !due && usable == desk.usable {
            return;
        }
        desk.usable = usable;
        let inputs = std::mem::take(&mut desk.inputs);
        for input in &inputs {
            if let RoomInput::LinkUp { outgoing, .. } = input {
                self.supervision.got_through(ctx, *outgoing);
            }
        }
        let mut rooms = RoomContext::new(ctx.now, ctx.policy, usable, ctx.entropy());
        desk.rooms.turn(&mut rooms, inputs);
        desk.due_ms = desk.rooms.deadline(usable);
        let turn = rooms.finish();
        ctx.ops().extend(turn.ops.into_iter().map(Op::from));
        for effect in turn.effects {
            ctx.act(match effect {
                RoomEffect::Dial(peer) => {
                    Effect::Network(NetworkEffect::Dial { peer, purpose: Purpose::ROOM, last_circuits: false })
                }
                other => Effect::Room(other),
            });
        }
    }
}
