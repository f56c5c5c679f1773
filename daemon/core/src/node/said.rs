//! What peers say.

use super::Parts;
use crate::account::Kind;
use crate::chat::receiving::{Received, Speaker};
use crate::chat::sending::Judged;
use crate::contacts;
use crate::dialling::Target;
use crate::effect::Notice;
use crate::input::LinkId;
use crate::op::{ChatOp, Op};
use crate::turn::Context;
use torchat_protocol::id::{PeerId, RunId};
use torchat_protocol::message::{ByeReason, ContactReq, ContactState, Hello, PeerMessage};

impl Parts {
    pub(super) fn message(&mut self, ctx: &mut Context<'_>, id: LinkId, message: PeerMessage) {
        let Some(peer) = self.links.message(ctx.now, id, &message) else { return };
        let answered = matches!(message, PeerMessage::Ping(_) | PeerMessage::ContactReq(_));
        if !self.pay(ctx, peer, Kind::Work, 1) {
            self.misbehaved(ctx, id, ByeReason::Limit);
            return;
        }
        if answered && !self.pay(ctx, peer, Kind::Answers, 1) {
            return;
        }
        self.seen(ctx, peer);
        match message {
            PeerMessage::Hello(hello) => self.hello(ctx, id, peer, hello),
            PeerMessage::Recv(recv) => {
                let from = self.from(ctx, id, peer);
                let mut payer = self.account.payer(ctx.now, peer, from.contact);
                let received = self.chat.receiving.recv(ctx, &mut payer, from, recv);
                self.received(ctx, from, received);
            }
            PeerMessage::Skip(skip) => {
                let from = self.from(ctx, id, peer);
                let mut payer = self.account.payer(ctx.now, peer, from.contact);
                let received = self.chat.receiving.skip(ctx, &mut payer, from, skip);
                self.received(ctx, from, received);
            }
            PeerMessage::Ack(state) => {
                if !self.contacts.accepts(ctx.policy, &peer) {
                    return;
                }
                let mut payer = self.account.payer(ctx.now, peer, self.contacts.is_contact(&peer));
                let links = self.links.of(&peer);
                let judged = self.chat.sending.acknowledged(ctx, &mut payer, id, state, peer, links);
                self.judged(ctx, id, peer, judged);
            }
            PeerMessage::ContactReq(asked) => self.asked(ctx, id, peer, asked),
            PeerMessage::ContactRes(answer) => self.contact_state(ctx, id, peer, answer.st),
            PeerMessage::Ping(nonce) => ctx.say(id, PeerMessage::Pong(nonce)),
            PeerMessage::Pong(nonce) => self.pong(ctx, id, peer, nonce.n),
            PeerMessage::Bye(bye) => self.bye(ctx, id, peer, bye.why),
        }
    }

    fn from(&self, ctx: &Context<'_>, link: LinkId, peer: PeerId) -> Speaker {
        Speaker {
            link,
            peer,
            contact: self.contacts.is_contact(&peer),
            accepted: self.contacts.accepts(ctx.policy, &peer),
        }
    }

    fn received(&mut self, ctx: &mut Context<'_>, from: Speaker, received: Received) {
        match received {
            Received::Done => {}
            Received::Store(op) => {
                // A lane is kept of contacts only, so a peer whose first number is a skipped one becomes a contact as by a
                // message. Else a restart would forget the lane, and the number be marked as a lost message.
                if !from.contact {
                    self.make_contact(ctx, from.peer);
                }
                if matches!(op, Op::Chat(ChatOp::Receive { .. })) {
                    self.links.stored(ctx.now, from.link);
                }
                ctx.write(op);
            }
            Received::Wasted(bytes) => self.wasted(ctx, from.link, bytes),
            Received::Gap(bytes) => {
                self.introduce(ctx, from.link);
                self.wasted(ctx, from.link, bytes);
            }
            Received::NoStore => self.close(ctx, from.link, Some(ByeReason::Full)),
        }
    }

    /// Something arrived and is not acknowledged: more than the credit that we announced closes the link.
    fn wasted(&mut self, ctx: &mut Context<'_>, id: LinkId, bytes: u64) {
        if !self.chat.receiving.waste(id, bytes) {
            self.misbehaved(ctx, id, ByeReason::Limit);
        }
    }

    fn hello(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, hello: Hello) {
        if self.chat.sending.is_said_again(id, &peer) {
            self.misbehaved(ctx, id, ByeReason::Limit);
            return;
        }
        self.links.shows_life(id, hello.features.iter().any(|feature| feature == super::linked::LIFE));
        let (run, met) = (hello.run, hello.met);
        self.chat.sending.hello(id, hello);
        self.met(ctx, id, peer, run, met);
        if self.chat.sending.is_accepted(id) {
            self.start_lane(ctx, id, peer);
        }
        self.chat.sending.wants_pump(peer);
    }

    /// Notes which run of the contact this is, and judges which run of ours it has met.
    fn met(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, run: Option<RunId>, met: Option<RunId>) {
        if !self.contacts.is_contact(&peer) {
            return;
        }
        self.presence.says(id, run);
        self.tell_met(ctx, id, peer);
        if met.is_some_and(|met| !self.presence.is_ours(&met)) {
            self.claims(ctx, peer, |peer, say| Notice::OtherCopy { peer, say });
        }
    }

    /// A contact says something of us that we cannot check.
    pub(super) fn claims(&mut self, ctx: &mut Context<'_>, peer: PeerId, notice: impl Fn(PeerId, usize) -> Notice) {
        let mut payer = self.account.payer(ctx.now, peer, self.contacts.is_contact(&peer));
        self.notices.tell_claim(ctx, &mut payer, peer, notice);
    }

    fn contact_state(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, st: ContactState) {
        let accepted = st == ContactState::Accepted;
        // "pending" takes back what flies as a HELLO does.
        if !accepted && self.chat.sending.is_said_again(id, &peer) {
            self.misbehaved(ctx, id, ByeReason::Limit);
            return;
        }
        self.chat.sending.states(id, accepted);
        let stated = self.contacts.states(id, &peer, accepted);
        if stated.answered {
            self.dialling.answered(&Target::chat(peer));
        }
        let contact = self.contacts.is_contact(&peer);
        if contact {
            self.presence.changed(peer);
        }
        if accepted && self.chat.sending.may_start(id) {
            self.start_lane(ctx, id, peer);
        }
        if stated.ask && contact {
            self.say_request(ctx, id, peer);
        }
        self.chat.sending.wants_pump(peer);
    }

    /// Goes on with our lane on a link where the peer says that it stands. A former contact hears what every stranger hears:
    /// nothing of a lane. Its HELLO is judged if it is a contact again.
    fn start_lane(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId) {
        if !self.contacts.accepts(ctx.policy, &peer) {
            return;
        }
        let mut payer = self.account.payer(ctx.now, peer, self.contacts.is_contact(&peer));
        let judged = self.chat.sending.start(ctx, &mut payer, id, peer, self.links.of(&peer));
        self.judged(ctx, id, peer, judged);
    }

    /// A peer whose lane was left alone is accepted again: its links go on from what it has said.
    pub(super) fn resume_lane(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        let waiting = |id: &LinkId| self.links.is_open(*id) && self.chat.sending.may_start(*id);
        for id in self.links.of(&peer).iter().copied().filter(waiting).collect::<Vec<_>>() {
            self.start_lane(ctx, id, peer);
        }
        self.chat.sending.wants_pump(peer);
    }

    fn judged(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, judged: Judged) {
        match judged {
            Judged::Taken => {}
            Judged::Moved => {
                self.links.delivers(id);
                self.dialling.succeeded(&Target::chat(peer));
            }
            Judged::Limit => self.misbehaved(ctx, id, ByeReason::Limit),
        }
    }

    /// A peer asks to become a contact.
    fn asked(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, asked: ContactReq) {
        let asked = contacts::without_bad_name(asked);
        let believed = self.believed(ctx);
        if self.contacts.is_invited(ctx, &mut self.later, believed, &peer, &asked) {
            self.make_contact(ctx, peer);
            self.contacts.came_with_invite(ctx, peer, asked.nick);
            self.introduce_all(ctx, peer);
            return;
        }
        self.say_contact_state(ctx, id, peer);
        let mut payer = self.account.payer(ctx.now, peer, self.contacts.is_contact(&peer));
        self.contacts.asked(ctx, &mut self.later, &mut payer, peer, asked);
    }

    /// Says what the user has to say to be accepted.
    pub(super) fn say_request(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId) {
        self.links.note_busy(ctx.now, id);
        self.contacts.say_request(ctx, id, &peer);
    }

    fn pong(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, n: u64) {
        self.links.pong(id, n);
        if self.presence.answered(id, n) {
            self.has_heard(ctx, id, peer);
        }
    }

    fn bye(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: PeerId, why: ByeReason) {
        // The peer is alive but does not want us now: the next dial comes later than after a loss.
        let unwanted = matches!(why, ByeReason::Full | ByeReason::Limit | ByeReason::Superseded);
        if unwanted {
            self.dialling.unwanted(ctx.now, &ctx.policy.dial, Target::chat(peer));
        }
        // It does not want idle links, or it is gone and dials us when it is back.
        self.presence.ends(peer, why != ByeReason::Dup);
        if why == ByeReason::Superseded && self.contacts.is_contact(&peer) {
            self.claims(ctx, peer, |peer, say| Notice::Superseded { peer, say });
        }
        if let Some(peer) = self.links.bye(ctx, id, unwanted) {
            self.closing(id, peer);
        }
    }
}
