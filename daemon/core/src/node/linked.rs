//! Links that come and go, and what is said on a new one.

use super::Parts;
use super::rooms::Desk;
use crate::account::Kind;
use crate::chat::sending::Sending;
use crate::contacts::Contacts;
use crate::dialling::{self, Target};
use crate::effect::Notice;
use crate::input::{DialEnd, LinkEnd, LinkId, LinkInput, NetworkInput, RoomInput};
use crate::links::{self, Links, NewLink};
use crate::presence::{CopyAge, Presence, Telling};
use crate::turn::Context;
use std::collections::BTreeSet;
use torchat_protocol::id::PeerId;
use torchat_protocol::limits;
use torchat_protocol::message::{ByeReason, ContactRes, ContactState, Hello, Limits, PeerMessage};
use torchat_protocol::purpose::Purpose;

/// The program's name in HELLO.
const APP: &str = "torchatd";

/// The feature in HELLO of daemons that take every byte as a sign of life, and show one while they take something long.
pub(super) const LIFE: &str = "life";

/// What the others know of a link.
pub(super) fn about(
    contacts: &Contacts,
    presence: &Presence,
    sending: &Sending,
    id: LinkId,
    peer: &PeerId,
) -> links::About {
    let hidden = presence.is_hidden(peer);
    links::About {
        stranger: !contacts.is_contact(peer),
        hidden,
        owes: hidden && sending.owes(peer),
        said_hello: hidden && sending.said_hello(id),
        waits_for_answer: contacts.is_unanswered(id) || sending.is_flying(id, peer),
    }
}

/// What the others know of a peer that may be dialled for a purpose.
pub(super) fn about_target(
    contacts: &Contacts,
    presence: &Presence,
    links: &Links,
    sending: &Sending,
    rooms: &Desk,
    target: &Target,
) -> dialling::About {
    let peer = &target.peer;
    if target.purpose == Purpose::ROOM {
        return rooms.about(peer);
    }
    #[cfg(test)]
    crate::turn::tests::LOOKS.set(crate::turn::tests::LOOKS.get() + 1);
    dialling::About {
        linked: !links.is_unlinked(peer),
        owes: sending.owes(peer),
        waiting: contacts.is_waiting(peer),
        seen_ms: presence.seen_ms(peer),
        added_ms: contacts.added_ms(peer),
    }
}

impl Parts {
    fn about_target(&self, target: &Target) -> dialling::About {
        about_target(&self.contacts, &self.presence, &self.links, &self.chat.sending, &self.rooms, target)
    }

    pub(super) fn of_link(&mut self, ctx: &mut Context<'_>, input: LinkInput) {
        match input {
            LinkInput::Up { link, peer, outgoing, binding, epoch } => {
                self.link_up(ctx, NewLink { id: link, peer, outgoing, binding }, epoch);
            }
            LinkInput::Message { link, message } => self.message(ctx, link, message),
            LinkInput::Heard { link, unfinished } => self.bytes_came(ctx, link, unfinished),
            LinkInput::Down { link, end } => self.link_down(ctx, link, end),
        }
    }

    pub(super) fn of_network(&mut self, ctx: &mut Context<'_>, input: NetworkInput) {
        match input {
            NetworkInput::State { usable } => self.network(ctx, usable),
            NetworkInput::Carries { carries } => self.supervision.note_carries(ctx.now, carries),
            NetworkInput::DialFailed { peer, purpose, end } => self.dial_failed(ctx, Target { peer, purpose }, end),
            NetworkInput::SelfChecked { failure } => self.supervision.checked(ctx, failure),
        }
    }

    fn link_up(&mut self, ctx: &mut Context<'_>, new: NewLink, epoch: u32) {
        let NewLink { id, peer, outgoing, .. } = new;
        self.supervision.got_through(ctx, outgoing);
        self.links.up(ctx, &new);
        self.contacts.link_up(id);
        self.presence.link_up(id, peer);
        self.chat.sending.link_up(id);
        self.chat.receiving.link_up(id);
        self.dialling.reached(&Target::chat(peer), outgoing);
        if self.contacts.is_contact(&peer) {
            // A link that we dialled was paid for as a dial. Strangers' links are not written down.
            if !outgoing && !self.pay(ctx, peer, Kind::Links, 1) {
                self.links.refuse(id);
                self.misbehaved(ctx, id, ByeReason::Limit);
                return;
            }
            let mut payer = self.account.payer(ctx.now, peer, true);
            if self.presence.pin_epoch(ctx, &mut payer, peer, epoch) == CopyAge::Old {
                self.notices.tell_of(ctx, &mut payer, Notice::OldCopyOfPeer(peer));
                self.misbehaved(ctx, id, ByeReason::Superseded);
                return;
            }
        }
        self.seen(ctx, peer);
        self.introduce(ctx, id);
        for double in self.links.doubles(id) {
            self.close(ctx, double, Some(ByeReason::Dup));
        }
        for stranger in self.links.too_many_strangers(ctx, |peer| !self.contacts.is_contact(peer)) {
            self.close(ctx, stranger, Some(ByeReason::Limit));
        }
    }

    /// Says who we are, where the peer's lanes stand and whether we take its messages. A stranger learns nothing of us but
    /// that we are there.
    pub(super) fn introduce(&mut self, ctx: &mut Context<'_>, id: LinkId) {
        let Some(peer) = self.links.peer(id).filter(|_| self.links.is_open(id)) else { return };
        let accepted = self.contacts.accepts(ctx.policy, &peer);
        let met = self.presence.met(&peer).filter(|_| accepted);
        let hello = Hello {
            app: APP.to_owned(),
            v: 1,
            features: vec![LIFE.to_owned()],
            lanes: if accepted { self.chat.receiving.lanes(&peer).to_vec() } else { Vec::new() },
            limits: Limits {
                msg: limits::TEXT_BYTES as u64,
                inflight: limits::IN_FLIGHT_MESSAGES as u64,
                credit: limits::RECEIVE_CREDIT_BYTES,
            },
            run: self.presence.run().filter(|_| accepted && self.contacts.is_contact(&peer)),
            met,
        };
        ctx.say(id, PeerMessage::Hello(hello));
        self.presence.told(id, met);
        self.tell_met(ctx, id, peer);
        self.say_contact_state(ctx, id, peer);
    }

    /// The peer is a contact now: its links hear what contacts hear, and go on with our lane, if it has one from before.
    pub(super) fn introduce_all(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        for link in self.links.of(&peer).to_vec() {
            self.introduce(ctx, link);
        }
        self.resume_lane(ctx, peer);
    }

    pub(super) fn say_contact_state(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId) {
        if self.links.is_open(id) {
            let accepted = self.contacts.accepts(ctx.policy, &peer);
            let st = if accepted { ContactState::Accepted } else { ContactState::Pending };
            ctx.say(id, PeerMessage::ContactRes(ContactRes { st }));
        }
    }

    /// A new run of a contact is told which one was met before.
    pub(super) fn tell_met(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId) {
        if !self.links.is_open(id) || !self.contacts.is_contact(&peer) {
            return;
        }
        match self.presence.telling(id, &peer) {
            Telling::Nothing => {}
            Telling::Heard => self.has_heard(ctx, id, peer),
            Telling::Ping => {
                if let Some(n) = self.links.ask(ctx, id) {
                    self.presence.pinged(id, n);
                }
            }
        }
    }

    pub(super) fn has_heard(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId) {
        if self.contacts.is_contact(&peer) {
            let mut payer = self.account.payer(ctx.now, peer, true);
            self.presence.has_heard(ctx, &mut payer, id, peer);
        }
    }

    /// A peer shows that it is there. Only of contacts it is written down.
    pub(super) fn seen(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        if self.contacts.is_contact(&peer) {
            self.presence.seen(ctx, peer);
        }
    }

    /// Bytes came over a link in which no message became whole.
    fn bytes_came(&mut self, ctx: &mut Context<'_>, id: LinkId, unfinished: bool) {
        if let Some(peer) = self.links.talking(id)
            && self.pay(ctx, peer, Kind::Work, 1)
        {
            self.links.bytes_came(ctx, id, unfinished);
        }
    }

    pub(super) fn close(&mut self, ctx: &mut Context<'_>, id: LinkId, bye: Option<ByeReason>) {
        if let Some(peer) = self.links.close(ctx, id, bye) {
            self.closing(id, peer);
        }
    }

    /// What follows when a link is being closed.
    pub(super) fn closing(&mut self, id: LinkId, peer: PeerId) {
        self.chat.sending.closing(id, peer);
        self.presence.changed(peer);
    }

    /// Counts and closes a link whose peer broke a limit.
    pub(super) fn misbehaved(&mut self, ctx: &mut Context<'_>, id: LinkId, why: ByeReason) {
        if self.links.misbehaves(id) {
            self.close(ctx, id, Some(why));
        }
    }

    fn link_down(&mut self, ctx: &mut Context<'_>, id: LinkId, end: LinkEnd) {
        let Some(gone) = self.links.down(ctx.now, id) else { return };
        let peer = gone.peer;
        self.contacts.link_down(id);
        self.presence.link_down(id);
        self.chat.sending.link_down(id);
        self.chat.receiving.link_down(id);
        self.presence.changed(peer);
        let target = Target::chat(peer);
        self.dialling.link_down(target, end);
        if gone.refused {
            let about = self.about_target(&target);
            self.dialling.again(ctx, target, about);
        } else if gone.last {
            if self.contacts.is_contact(&peer) {
                self.presence.heard_last(ctx, peer, gone.last_heard);
            }
            self.wish_presence(ctx, peer);
            let about = self.about_target(&target);
            self.dialling.lost(ctx, target, gone.worth, about);
        } else {
            self.chat.sending.wants_pump(peer);
        }
        self.forget_stranger(peer);
    }

    /// Whether a link to a contact is wanted although nothing is owed.
    pub(super) fn wish_presence(&mut self, ctx: &Context<'_>, peer: PeerId) {
        if self.contacts.is_contact(&peer) {
            self.dialling.wish_presence(Target::chat(peer), self.presence.is_wished(ctx, &peer));
        }
    }

    /// A client wants this peer now.
    pub(super) fn hurry(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        let target = Target::chat(peer);
        let about = self.about_target(&target);
        self.dialling.hurry(ctx, target, about);
    }

    fn dial_failed(&mut self, ctx: &mut Context<'_>, target: Target, end: DialEnd) {
        self.supervision.judge_dial(ctx.now, end.failure);
        let about = self.about_target(&target);
        self.dialling.failed(ctx, target, end, about);
        match target.purpose {
            Purpose::ROOM => self.plan_for_rooms(),
            _ => self.forget_stranger(target.peer),
        }
    }

    /// Whom a link is wanted to.
    pub(super) fn wanted(&self) -> BTreeSet<Target> {
        let owed = self.chat.sending.owed().copied().map(Target::chat);
        self.dialling.wished().copied().chain(owed).chain(self.rooms.wanted()).collect()
    }

    /// Our way into the network came or went.
    fn network(&mut self, ctx: &mut Context<'_>, usable: bool) {
        if usable && !ctx.conditions.network_usable {
            let wanted = self.wanted().into_iter().map(|target| (target, self.about_target(&target))).collect();
            self.dialling.network_is_back(ctx, wanted);
        }
        ctx.conditions.network_usable = usable;
        self.supervision.note_usable(ctx, usable);
    }

    /// The store takes writes again, or does not.
    pub(super) fn storage(&mut self, ctx: &mut Context<'_>, writable: bool) {
        if writable && !ctx.conditions.writable {
            // What peers said meanwhile was not taken down. New links state everything anew; this is rare enough.
            for id in self.links.ids() {
                self.close(ctx, id, Some(ByeReason::Idle));
            }
        }
        ctx.conditions.writable = writable;
    }

    pub(super) fn stop(&mut self, ctx: &mut Context<'_>) {
        ctx.conditions.stopping = true;
        // There is no later turn.
        self.write_later(ctx);
        for id in self.links.ids() {
            self.close(ctx, id, Some(ByeReason::Shutdown));
        }
        self.rooms.take(RoomInput::Stop);
    }
}
