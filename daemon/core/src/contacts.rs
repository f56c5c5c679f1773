//! Who may write to us: contacts, strangers that ask, invites, and those that are blocked.
//!
//! A stranger gets the same bytes at the same time whether its request waits, was refused, or it is blocked: after its
//! HELLO "pending", and after its request "pending" once more. What is stored of a request is therefore written some random
//! seconds later, not in the turn that answers: an answer that waits for a commit would tell that something was stored, and so
//! would the answer to the next PING if the commit came right behind.

mod invites;
mod requests;
mod settings;

pub(crate) use requests::without_bad_name;

use crate::account::{Account, Kind};
use crate::effect::{Effect, Notice};
use crate::input::LinkId;
use crate::later::Later;
use crate::op::{ContactOp, Op};
use crate::policy::{Policy, Strangers};
use crate::snapshot::{ContactRequest, Intro, InviteRow, PeerSnapshot};
use crate::turn::Context;
use crate::view::ContactView;
use invites::End;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ContactReq, PeerMessage};

/// What every peer is to us, and our invites.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    peers: BTreeMap<PeerId, Standing>,
    /// How many of them are contacts.
    contacts: usize,
    /// Those whose request the user has not decided. Kept beside, because STATUS and every other stranger's request ask for it.
    asking: BTreeSet<PeerId>,
    links: BTreeMap<LinkId, Asked>,
    /// Our invites: the digests of their secrets, and until when they are good.
    invites: BTreeMap<[u8; 32], End>,
    /// Requests of strangers that were not kept.
    requests_dropped: u64,
    /// Invites that were not made because too many are outstanding.
    invites_refused: u64,
}

/// What one peer is to us.
#[derive(Debug, Default)]
struct Standing {
    contact: bool,
    /// It told us that its user has not accepted us.
    waiting: bool,
    /// The same as it is stored.
    waiting_stored: bool,
    /// When it became a contact, or was asked last, in milliseconds since 1970.
    added_ms: Option<i64>,
    /// The user wants nothing of it.
    blocked: bool,
    /// What the user calls it.
    petname: Option<String>,
    /// What it calls itself.
    nick: Option<String>,
    /// What we say to be accepted.
    intro: Intro,
    /// What it said to be accepted.
    request: Option<ContactRequest>,
    /// When the user marked its key as compared, in milliseconds since 1970.
    verified_ms: Option<i64>,
    /// For how many days the messages of its conversation are kept.
    retain_days: Option<u32>,
}

/// What was asked on one link.
#[derive(Debug, Default)]
struct Asked {
    /// It said that it has not accepted us, and was asked to, if we want it as a contact.
    pending: bool,
    /// How many of our CONTACT_REQ it has not answered.
    unanswered: u32,
}

/// What a statement of the peer changes, whether it has accepted us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stated {
    /// It has answered what the user had to say to it.
    pub(crate) answered: bool,
    /// It is to be asked, if we want it as a contact.
    pub(crate) ask: bool,
}

impl Standing {
    /// The request that the user has not decided.
    fn asks(&self) -> Option<&ContactRequest> {
        self.request.as_ref().filter(|request| !request.refused && !self.blocked && !self.contact)
    }
}

impl Contacts {
    pub(crate) fn restore(peers: &[PeerSnapshot], invites: Vec<InviteRow>) -> Self {
        let standing = |row: &PeerSnapshot| Standing {
            contact: row.contact,
            waiting: row.waiting,
            waiting_stored: row.waiting,
            added_ms: row.added_ms,
            blocked: row.blocked,
            petname: row.petname.clone(),
            nick: row.nick.clone(),
            intro: row.intro.clone(),
            request: row.request.clone(),
            verified_ms: row.verified_ms,
            retain_days: row.retain_days,
        };
        let invite = |row: InviteRow| (row.hash, End::of_an_earlier_run(row.until_ms));
        let peers: BTreeMap<_, _> = peers.iter().map(|row| (row.peer, standing(row))).collect();
        Self {
            contacts: peers.values().filter(|row| row.contact).count(),
            asking: peers.iter().filter(|(_, row)| row.asks().is_some()).map(|(peer, _)| *peer).collect(),
            peers,
            invites: invites.into_iter().map(invite).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn is_contact(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.contact)
    }

    pub(crate) fn is_blocked(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.blocked)
    }

    /// It holds our messages back until its user accepts us.
    pub(crate) fn is_waiting(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.waiting)
    }

    /// The user has not decided its request.
    pub(crate) fn is_asking(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.asks().is_some())
    }

    /// When it became a contact, in milliseconds since 1970.
    pub(crate) fn added_ms(&self, peer: &PeerId) -> Option<i64> {
        self.peers.get(peer)?.added_ms
    }

    /// Whether messages of this peer are stored and acknowledged.
    pub(crate) fn accepts(&self, policy: &Policy, peer: &PeerId) -> bool {
        let row = self.peers.get(peer);
        let blocked = row.is_some_and(|row| row.blocked);
        !blocked && (policy.strangers == Strangers::Open || row.is_some_and(|row| row.contact))
    }

    /// Whether nothing of it is worth a place: so strangers cannot fill the memory.
    pub(crate) fn is_nobody(&self, peer: &PeerId) -> bool {
        self.peers
            .get(peer)
            .is_none_or(|row| !row.contact && !row.blocked && row.request.is_none() && row.retain_days.is_none())
    }

    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
        self.asking.remove(peer);
    }

    pub(crate) fn link_up(&mut self, id: LinkId) {
        self.links.insert(id, Asked::default());
    }

    pub(crate) fn link_down(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// What the user says to be accepted. Asked again without words, or without an invite, those of before still hold: an
    /// invite that its maker has not heard yet must not be lost by a word that follows it.
    pub(crate) fn introduce(&mut self, ctx: &mut Context<'_>, peer: PeerId, given: Intro) {
        let row = self.peers.entry(peer).or_default();
        let intro = Intro {
            text: if given.text.is_empty() { row.intro.text.clone() } else { given.text },
            invite: given.invite.or(row.intro.invite),
        };
        if row.intro != intro {
            row.intro = intro.clone();
            ctx.write(Op::Contacts(ContactOp::Intro { peer, intro }));
        }
    }

    /// A contact was asked again: a restart asks, too, if nothing is heard of it after this moment.
    pub(crate) fn asked_again(&mut self, ctx: &mut Context<'_>, peer: PeerId) {
        let at_ms = ctx.now.wall_ms;
        self.peers.entry(peer).or_default().added_ms = Some(at_ms);
        ctx.write(Op::Contacts(ContactOp::Add { peer, at_ms }));
    }

    pub(crate) fn make_contact(&mut self, ctx: &mut Context<'_>, later: &mut Later, peer: PeerId) {
        let at_ms = ctx.now.wall_ms;
        let row = self.peers.entry(peer).or_default();
        self.contacts += usize::from(!std::mem::replace(&mut row.contact, true));
        row.added_ms = Some(at_ms);
        ctx.write(Op::Contacts(ContactOp::Add { peer, at_ms }));
        if let Some(request) = row.request.take() {
            later.forget_request(peer);
            ctx.write(Op::Contacts(ContactOp::Request { peer, request: None }));
            if !request.nick.is_empty() {
                self.calls_itself(ctx, peer, request.nick);
            }
        }
        self.note_asking(peer);
    }

    fn calls_itself(&mut self, ctx: &mut Context<'_>, peer: PeerId, nick: String) {
        self.peers.entry(peer).or_default().nick = Some(nick.clone());
        ctx.write(Op::Contacts(ContactOp::Nick { peer, nick }));
    }

    pub(crate) fn block(&mut self, ctx: &mut Context<'_>, peer: PeerId, blocked: bool) {
        self.peers.entry(peer).or_default().blocked = blocked;
        self.note_asking(peer);
        ctx.write(Op::Contacts(ContactOp::Block { peer, blocked }));
    }

    pub(crate) fn rename(&mut self, ctx: &mut Context<'_>, peer: PeerId, name: Option<String>) {
        self.peers.entry(peer).or_default().petname.clone_from(&name);
        ctx.write(Op::Contacts(ContactOp::Petname { peer, name }));
    }

    /// A contact, or a stranger that asked, becomes a stranger that did not; whether it was a contact.
    pub(crate) fn remove(&mut self, ctx: &mut Context<'_>, later: &mut Later, peer: PeerId) -> bool {
        let Some(row) = self.peers.get_mut(&peer) else { return false };
        let was_contact = std::mem::take(&mut row.contact);
        self.contacts -= usize::from(was_contact);
        (row.waiting, row.waiting_stored) = (false, false);
        row.intro = Intro::default();
        row.petname = None;
        // Whoever is added again is compared again.
        row.verified_ms = None;
        if row.request.take().is_some() {
            ctx.write(Op::Contacts(ContactOp::Request { peer, request: None }));
            later.forget_request(peer);
        }
        self.note_asking(peer);
        if was_contact {
            ctx.write(Op::Contacts(ContactOp::Remove { peer }));
        }
        was_contact
    }

    /// The peer says whether it stores our messages.
    pub(crate) fn states(&mut self, id: LinkId, peer: &PeerId, accepted: bool) -> Stated {
        let Some(link) = self.links.get_mut(&id) else { return Stated { answered: false, ask: false } };
        // The first statement on a link answers nothing; then each request is answered by one.
        link.unanswered = if accepted { 0 } else { link.unanswered.saturating_sub(1) };
        let answered = accepted || (link.pending && link.unanswered == 0);
        let ask = !accepted && !link.pending;
        link.pending |= ask;
        // Only a contact is worth a write, and that one only as often as it can pay: see `show_waiting`.
        if let Some(row) = self.peers.get_mut(peer).filter(|row| row.contact) {
            row.waiting = !accepted;
        }
        Stated { answered, ask }
    }

    /// Whether the peer said on this link that it has not accepted us.
    pub(crate) fn is_pending(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.pending)
    }

    /// Whether a request of ours on this link is not answered.
    pub(crate) fn is_unanswered(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.unanswered > 0)
    }

    /// Says what is to be said to be accepted.
    pub(crate) fn say_request(&mut self, ctx: &mut Context<'_>, id: LinkId, peer: &PeerId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(row) = self.peers.get(peer) else { return };
        link.unanswered += 1;
        let message = PeerMessage::ContactReq(ContactReq {
            nick: ctx.policy.nick.clone(),
            text: row.intro.text.clone(),
            invite: row.intro.invite.map(|secret| secret.to_string()),
        });
        ctx.say(id, message);
    }

    /// Writes down whether a contact has accepted us, when that has changed and it can pay for it: the last word counts.
    pub(crate) fn show_waiting(&mut self, ctx: &mut Context<'_>, account: &mut Account, peer: PeerId) {
        let changed = |row: &&mut Standing| row.contact && row.waiting != row.waiting_stored;
        let Some(row) = self.peers.get_mut(&peer).filter(changed) else { return };
        if account.pay(ctx.now.mono_ms, peer, Kind::States, 1) {
            row.waiting_stored = row.waiting;
            ctx.write(Op::Contacts(ContactOp::Waiting { peer, waiting: row.waiting }));
        } else {
            account.wait(ctx.now.mono_ms, peer, Kind::States, 1);
        }
    }

    /// A peer that asks has an invite of ours, which made it a contact. It is called as it would like, and the user's programs are
    /// told why it is a contact: they cannot know it, because any of them may add somebody. It is told of each invite, and STATUS,
    /// which lists what is to be looked into, does not keep it.
    pub(crate) fn came_with_invite(&mut self, ctx: &mut Context<'_>, peer: PeerId, nick: String) {
        if !nick.is_empty() {
            self.calls_itself(ctx, peer, nick);
        }
        ctx.act(Effect::Notice(Notice::CameWithInvite(peer)));
    }

    /// How many contacts there are, and how many strangers wait for the user.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.contacts, self.asking.len())
    }

    /// Requests that were not kept, and invites that were not made.
    pub(crate) fn refused(&self) -> (u64, u64) {
        (self.requests_dropped, self.invites_refused)
    }

    /// The contacts and the blocked peers.
    pub(crate) fn listed(&self, after: Option<PeerId>) -> impl Iterator<Item = &PeerId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.peers.range((from, Bound::Unbounded)).filter(|(_, row)| row.contact || row.blocked).map(|(peer, _)| peer)
    }

    /// The part of a view that is known here; the rest says that there is nothing.
    pub(crate) fn view(&self, peer: PeerId) -> ContactView {
        let nobody = Standing::default();
        let row = self.peers.get(&peer).unwrap_or(&nobody);
        ContactView {
            peer,
            contact: row.contact,
            petname: row.petname.clone(),
            nick: row.nick.clone(),
            blocked: row.blocked,
            linked: false,
            heard_ms_ago: None,
            hidden: false,
            waiting: row.waiting,
            queued: 0,
            verified_ms: row.verified_ms,
            retain_days: row.retain_days,
        }
    }

    /// To be called when something changed that decides whether a peer asks.
    fn note_asking(&mut self, peer: PeerId) {
        if self.is_asking(&peer) {
            self.asking.insert(peer)
        } else {
            self.asking.remove(&peer)
        };
    }

    /// Whether what is counted beside the peers fits them.
    #[cfg(test)]
    pub(crate) fn is_counted_right(&self) -> bool {
        let asking = self.peers.iter().filter(|(_, row)| row.asks().is_some()).map(|(peer, _)| peer);
        asking.eq(&self.asking) && self.contacts == self.peers.values().filter(|row| row.contact).count()
    }

    #[cfg(test)]
    pub(crate) fn is_waiting_stored(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.waiting_stored)
    }

    /// How many peers something is remembered of.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::tests::{START, decide, peer};

    #[test]
    fn each_request_of_ours_is_answered_by_one_statement_and_the_first_one_answers_nothing() {
        let mut contacts = Contacts::restore(&[PeerSnapshot { contact: true, ..PeerSnapshot::new(peer(1)) }], vec![]);
        let id = LinkId(1);
        contacts.link_up(id);
        assert_eq!(contacts.states(id, &peer(1), false), Stated { answered: false, ask: true });
        assert!(contacts.is_waiting(&peer(1)) && !contacts.is_unanswered(id));
        decide(START, &Policy::default(), |ctx| contacts.say_request(ctx, id, &peer(1)));
        assert!(contacts.is_unanswered(id));
        assert_eq!(contacts.states(id, &peer(1), false), Stated { answered: true, ask: false });
        assert_eq!(contacts.states(id, &peer(1), true), Stated { answered: true, ask: false });
        assert!(!contacts.is_waiting(&peer(1)));
    }
}
