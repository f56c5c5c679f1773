//! What each turn does before and after its inputs.

use super::Parts;
use super::linked;
use crate::clock::Moved;
use crate::dialling::Target;
use crate::effect::{Effect, NetworkEffect, Notice};
use crate::input::RoomInput;
use crate::op::{ContactOp, LogOp, Op};
use crate::time::CALM_MS;
use crate::turn::Context;
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

impl Parts {
    /// Writes down what earlier turns did not, see [`crate::later`].
    pub(super) fn write_later(&mut self, ctx: &mut Context<'_>) {
        let due = self.later.due(ctx.now.mono_ms, ctx.conditions.stopping);
        if ctx.conditions.writable {
            ctx.ops().extend(due);
            return;
        }
        for op in due {
            match op {
                Op::Log(LogOp::Link { peer, up }) => self.presence.show_again(peer, up),
                Op::Contacts(ContactOp::Request { peer, .. }) => {
                    self.contacts.request_lost(&peer);
                    self.forget_stranger(peer);
                }
                _ => {}
            }
        }
    }

    /// Goes on with the peers that could not pay and can now.
    pub(super) fn go_on(&mut self, ctx: &mut Context<'_>) {
        for peer in self.account.woken(ctx.now.mono_ms) {
            self.chat.sending.wants_pump(peer);
            self.presence.changed(peer);
            for id in self.links.of(&peer).to_vec() {
                if self.links.is_open(id) && self.chat.receiving.goes_on(id) {
                    self.introduce(ctx, id);
                }
            }
        }
    }

    /// Lets the peers whose messages had to wait send again: a HELLO tells them where to go on.
    pub(super) fn unchoke(&mut self, ctx: &mut Context<'_>) {
        let links = &self.links;
        for id in self.chat.receiving.unchoke(|id| links.is_open(id)) {
            self.introduce(ctx, id);
        }
    }

    /// Compares the clocks: a machine that slept has links that are dead and do not know it.
    pub(super) fn watch_clock(&mut self, ctx: &mut Context<'_>) {
        let moved = self.clock.look(ctx.now, &ctx.policy.liveness);
        if moved != Moved::Not {
            self.chat.sending.put_off_expiry(ctx.now.mono_ms + CALM_MS);
        }
        match moved {
            Moved::Not => {}
            Moved::Slept(ms) => self.wake(ctx, ms),
            Moved::Set(step) => self.notices.tell(ctx, Notice::ClockSet(step)),
        }
    }

    fn wake(&mut self, ctx: &mut Context<'_>, slept: u64) {
        self.notices.tell(ctx, Notice::Woke(slept));
        self.supervision.woke(ctx);
        if self.dialling.running() > 0 {
            ctx.act(Effect::Network(NetworkEffect::DropDials));
        }
        // Those that answer are still there. The others are dialled when their link is given up, after its own pause.
        self.links.ask_all(ctx);
        // Pauses of before the sleep say nothing now. Spread like at the start: no storm.
        self.rooms.take(RoomInput::Woke);
        let Self { links, rooms, dialling, .. } = self;
        dialling.forgive(|Target { peer, purpose }| match *purpose {
            Purpose::ROOM => !rooms.rooms().is_linked(peer),
            _ => links.is_unlinked(peer),
        });
        self.spread_dials(ctx);
    }

    pub(super) fn spread_dials(&mut self, ctx: &mut Context<'_>) {
        let wanted = self.wanted();
        self.dialling.spread(ctx, wanted);
    }

    /// Pings the silent, closes the dead and the strangers whose time is over.
    pub(super) fn watch_links(&mut self, ctx: &mut Context<'_>) {
        let Self { contacts, presence, links, chat, .. } = self;
        let sending = &chat.sending;
        if presence.hides_us() {
            links.note_idle(ctx.now, |peer| presence.is_hidden(peer).then(|| !sending.owes(peer)));
        }
        let closed = links.watch(
            ctx,
            |id, peer| linked::about(contacts, presence, sending, id, peer),
            |id, peer| sending.flying_bytes(id, peer),
        );
        for (id, peer) in closed {
            self.closing(id, peer);
        }
    }

    /// Gives up what waited too long, and forgets what is too old.
    pub(super) fn expire(&mut self, ctx: &mut Context<'_>) {
        self.chat.sending.expire_ended(ctx);
        if !self.chat.sending.is_expiry_due(ctx.now) {
            return;
        }
        let may = ctx.conditions.writable && !ctx.conditions.stopping;
        let Some(believed) = self.believed(ctx).filter(|_| may) else { return };
        for peer in self.contacts.forget_old(ctx, &mut self.later, believed) {
            self.forget_stranger(peer);
        }
        self.chat.legacy.forget_old(ctx, believed);
        self.chat.sending.expire_old(ctx, believed);
    }

    pub(super) fn acknowledge(&mut self, ctx: &mut Context<'_>) {
        let links = &self.links;
        self.chat.receiving.acknowledge(ctx, |id| links.peer(id));
    }

    pub(super) fn pump(&mut self, ctx: &mut Context<'_>) {
        let Self { contacts, links, chat, account, .. } = self;
        let policy = ctx.policy;
        chat.sending.pump(ctx, account, |peer| contacts.accepts(policy, peer), |peer| links.open_of(peer));
    }

    pub(super) fn dial_due(&mut self, ctx: &mut Context<'_>) {
        let Self { contacts, presence, links, chat, rooms, dialling, .. } = self;
        let sending = &chat.sending;
        dialling.dial_due(ctx, |target| linked::about_target(contacts, presence, links, sending, rooms, target));
    }

    /// Tells the event log of contacts whose links or standing have changed.
    pub(super) fn show_links(&mut self, ctx: &mut Context<'_>) {
        if !ctx.conditions.writable {
            // Looked at again when the store takes writes.
            return;
        }
        for peer in self.presence.take_changed() {
            self.contacts.show_waiting(ctx, &mut self.account, peer);
            let up = self.contacts.is_contact(&peer) && self.links.is_any_open(&peer);
            self.presence.show_link(ctx, &mut self.later, peer, up);
        }
    }

    /// Tells the event log of the peers that this turn has changed: each once, as it is after the turn, before anything
    /// that the turn says of it later.
    pub(super) fn tell_changes(&self, ctx: &mut Context<'_>) {
        let changed = |op: &Op| match op {
            Op::Contacts(
                ContactOp::Add { peer, .. }
                | ContactOp::Remove { peer }
                | ContactOp::Block { peer, .. }
                | ContactOp::Petname { peer, .. }
                | ContactOp::Nick { peer, .. }
                | ContactOp::Waiting { peer, .. }
                | ContactOp::Hidden { peer, .. }
                | ContactOp::Verified { peer, .. }
                | ContactOp::Retain { peer, .. },
            ) => Some(*peer),
            _ => None,
        };
        let last: BTreeMap<PeerId, usize> =
            ctx.ops().iter().enumerate().filter_map(|(n, op)| Some((changed(op)?, n))).collect();
        if last.is_empty() {
            return;
        }
        for (n, op) in std::mem::take(ctx.ops()).into_iter().enumerate() {
            let peer = changed(&op).filter(|peer| last.get(peer) == Some(&n));
            ctx.write(op);
            if let Some(peer) = peer {
                ctx.write(Op::Log(LogOp::Changed { contact: self.view(peer, ctx.now) }));
            }
        }
    }
}
