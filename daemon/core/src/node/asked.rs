//! What local programs ask.

use super::Parts;
use crate::chat::sending::Text;
use crate::dialling::Target;
use crate::input::{Answer, ChatInput, ContactChange, ContactInput, Refused, RequestId};
use crate::op::{ChatOp, Op};
use crate::snapshot::Intro;
use crate::turn::Context;
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::message::ByeReason;

impl Parts {
    pub(super) fn asked_of_messages(&mut self, ctx: &mut Context<'_>, input: ChatInput) {
        match input {
            ChatInput::Send { request, peer, text, client, expire_ms } => {
                self.send(ctx, request, Text { peer, text, client, expire_ms });
            }
            ChatInput::Cancel { request, peer, mid } => self.cancel(ctx, request, peer, mid),
            // There is a reserve for both in the store: whether there is room, the commit tells.
            ChatInput::Read { request, peer, row } => {
                ctx.write(Op::Chat(ChatOp::Read { peer, row }));
                ctx.answer(request, Answer::Done);
            }
            ChatInput::ReadUpto { request, peer, upto, limit } => {
                ctx.write(Op::Chat(ChatOp::ReadUpto { peer, upto, limit }));
                ctx.answer(request, Answer::Done);
            }
            // What waits for delivery is in no piece, so nothing that is known here changes.
            ChatInput::Erase { request, peer, piece } => {
                ctx.write(Op::Chat(ChatOp::Erase { peer, piece }));
                ctx.answer(request, Answer::Done);
            }
        }
    }

    pub(super) fn asked_of_peers(&mut self, ctx: &mut Context<'_>, input: ContactInput) {
        match input {
            ContactInput::Change { request, peer, change } => self.change_contact(ctx, request, peer, change),
            ContactInput::Invite { request, lifetime_ms } => {
                let believed = self.believed(ctx);
                self.contacts.invite(ctx, believed, request, lifetime_ms);
            }
        }
    }

    fn send(&mut self, ctx: &mut Context<'_>, request: RequestId, text: Text) {
        let peer = text.peer;
        if let Err(refused) = self.may_send(ctx, &text) {
            ctx.answer(request, Answer::Refused(refused));
            return;
        }
        if !self.contacts.is_contact(&peer) {
            // The receiver of a message may answer.
            self.make_contact(ctx, peer);
            self.introduce_all(ctx, peer);
        }
        self.chat.sending.take(ctx, request, text);
        self.hurry(ctx, peer);
    }

    fn may_send(&mut self, ctx: &Context<'_>, text: &Text) -> Result<(), Refused> {
        self.may_change(ctx, &text.peer)?;
        if self.contacts.is_blocked(&text.peer) {
            return Err(Refused::Blocked);
        }
        self.chat.sending.may_take(ctx.policy, &text.peer, &text.text)
    }

    /// Whether something of a peer may be changed.
    fn may_change(&self, ctx: &Context<'_>, peer: &PeerId) -> Result<(), Refused> {
        self.may_decide(peer)?;
        if ctx.conditions.writable { Ok(()) } else { Err(Refused::Storage) }
    }

    /// As [`Parts::may_change`], for what has a reserve in the store: whether there is room, the commit tells.
    fn may_decide(&self, peer: &PeerId) -> Result<(), Refused> {
        if *peer == self.own { Err(Refused::ToSelf) } else { Ok(()) }
    }

    /// Takes a message back.
    fn cancel(&mut self, ctx: &mut Context<'_>, request: RequestId, peer: PeerId, mid: MessageId) {
        let answer = match self.may_decide(&peer) {
            Err(refused) => Answer::Refused(refused),
            Ok(()) => self.chat.sending.cancel(ctx, peer, mid),
        };
        ctx.answer(request, answer);
    }

    fn change_contact(&mut self, ctx: &mut Context<'_>, request: RequestId, peer: PeerId, change: ContactChange) {
        // The store has a reserve for what keeps a peer out: a peer that fills it cannot make that impossible.
        let reserved = matches!(change, ContactChange::Remove | ContactChange::Block | ContactChange::Refuse);
        let may = if reserved { self.may_decide(&peer) } else { self.may_change(ctx, &peer) };
        let result = may.and_then(|()| self.changed(ctx, peer, change));
        ctx.answer(request, result.map_or_else(Answer::Refused, |()| Answer::Done));
        self.forget_stranger(peer);
    }

    fn changed(&mut self, ctx: &mut Context<'_>, peer: PeerId, change: ContactChange) -> Result<(), Refused> {
        let (contact, blocked) = (self.contacts.is_contact(&peer), self.contacts.is_blocked(&peer));
        match change {
            ContactChange::Add(_) | ContactChange::Accept if blocked => return Err(Refused::Blocked),
            ContactChange::Accept | ContactChange::Refuse if !self.contacts.is_asking(&peer) => {
                return Err(Refused::NoRequest);
            }
            ContactChange::Add(intro) => self.add(ctx, peer, intro),
            ContactChange::Accept => self.accept(ctx, peer),
            ContactChange::Refuse => self.contacts.refuse(ctx, &mut self.later, peer),
            ContactChange::Block if blocked => {}
            ContactChange::Block => {
                self.contacts.block(ctx, peer, true);
                self.remove(ctx, peer);
            }
            ContactChange::Unblock if !blocked => return Err(Refused::NotBlocked),
            ContactChange::Unblock => {
                self.contacts.block(ctx, peer, false);
                self.resume_lane(ctx, peer);
            }
            ContactChange::Rename(_) if !contact && !blocked => return Err(Refused::NoContact),
            ContactChange::Rename(name) => self.contacts.rename(ctx, peer, name),
            ContactChange::Remove | ContactChange::Appear { .. } | ContactChange::Verify { .. } if !contact => {
                return Err(Refused::NoContact);
            }
            ContactChange::Remove => self.remove(ctx, peer),
            ContactChange::Appear { hidden } => self.appear(ctx, peer, hidden),
            ContactChange::Verify { verified } => self.contacts.verify(ctx, peer, verified),
            ContactChange::Retain(days) => self.contacts.retain(ctx, peer, days),
        }
        Ok(())
    }

    fn add(&mut self, ctx: &mut Context<'_>, peer: PeerId, given: Intro) {
        let news = given != Intro::default();
        self.contacts.introduce(ctx, peer, given);
        let again = self.contacts.is_contact(&peer) && (news || self.contacts.is_waiting(&peer));
        if again && self.ask(ctx, peer) {
            self.contacts.asked_again(ctx, peer);
        }
        self.accept(ctx, peer);
    }

    /// A contact is to hear what the user says to be accepted: over the link that is up, else over the next, which is
    /// dialled for it. It may have accepted us once and removed us since, which we need not know; `false` if a link says
    /// that it has accepted us.
    fn ask(&mut self, ctx: &mut Context<'_>, peer: PeerId) -> bool {
        let open: Vec<_> = self.links.of(&peer).iter().copied().filter(|id| self.links.is_open(*id)).collect();
        if open.iter().any(|id| self.chat.sending.is_accepted(*id)) {
            return false;
        }
        self.dialling.ask(Target::chat(peer));
        // On a link whose state is not known yet it is said when that comes.
        for id in open.into_iter().filter(|id| self.contacts.is_pending(*id)).collect::<Vec<_>>() {
            self.say_request(ctx, id, peer);
        }
        true
    }

    fn accept(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        if !self.contacts.is_contact(&peer) {
            self.make_contact(ctx, peer);
            self.introduce_all(ctx, peer);
            self.ask(ctx, peer);
        }
        // Asked again, the user wants to be heard of now.
        self.hurry(ctx, peer);
    }

    pub(super) fn make_contact(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        self.contacts.make_contact(ctx, &mut self.later, peer);
        self.presence.changed(peer);
    }

    /// A contact, or a stranger that asked, becomes a stranger that did not. Its links end as those of strangers do; nothing
    /// is said before. (To go on as a stranger's link was rejected: the "pending" in the middle of it would tell the
    /// moment. So an idle link ends like many others, and the next one is a stranger's from its first byte on.)
    fn remove(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        let was_contact = self.contacts.remove(ctx, &mut self.later, peer);
        self.presence.removed(peer);
        self.dialling.removed(&Target::chat(peer));
        if was_contact {
            for link in self.links.of(&peer).to_vec() {
                self.close(ctx, link, Some(ByeReason::Idle));
            }
        }
        self.chat.sending.withdraw_all(ctx, peer);
    }

    /// Whether a contact sees us while there is nothing to deliver.
    fn appear(&mut self, ctx: &mut Context<'_>, peer: PeerId, hidden: bool) {
        self.presence.appear(ctx, peer, hidden);
        if hidden {
            self.dialling.wish_presence(Target::chat(peer), false);
            return;
        }
        self.links.unhide(&peer);
        if self.links.is_unlinked(&peer) {
            self.wish_presence(ctx, peer);
            self.hurry(ctx, peer);
        }
    }
}
