//! Who may write to us: contacts, strangers that ask, invites, and those that are blocked.
//!
//! A stranger gets the same bytes at the same time whether its request waits, was refused, or it is blocked: after its
//! HELLO "pending", and after its request "pending" once more. What is stored of a request is therefore written some random
//! seconds later, not in the turn that answers: an answer that waits for a commit would tell that something was stored, and so
//! would the answer to the next PING if the commit came right behind.

use crate::account::{Account, Kind, Payer};
use crate::input::{Answer, LinkId, Refused, RequestId};
use crate::later::Later;
use crate::op::{ContactOp, Op};
use crate::policy::{Policy, Strangers};
use crate::snapshot::{ContactRequest, Intro, InviteRow, PeerSnapshot};
use crate::time::{Believed, Now};
use crate::turn::Context;
use crate::view::{ContactView, RequestView};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use torchat_protocol::id::{InviteSecret, PeerId};
use torchat_protocol::message::{ContactReq, PeerMessage};
use torchat_protocol::nick::Nick;

/// What every peer is to us, and our invites.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    peers: BTreeMap<PeerId, Standing>,
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

/// Until when an invite is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    /// In milliseconds since 1970.
    until_ms: i64,
    /// By the monotonic clock, of one that was made in this run.
    mono_ms: Option<u64>,
}

impl End {
    /// Whether it is over; `None`: only a wall clock that is believed could tell.
    fn is_over(self, now: Now, believed: Option<Believed>, grace_ms: i64) -> Option<bool> {
        if self.mono_ms.is_some_and(|end| end <= now.mono_ms) {
            return Some(true);
        }
        match (believed, self.mono_ms) {
            (Some(believed), _) => Some(believed.is_over(self.until_ms, grace_ms)),
            (None, Some(_)) => Some(false),
            // A clock that is behind lets it live until it is set right.
            (None, None) if now.wall_ms < self.until_ms => Some(false),
            (None, None) => None,
        }
    }
}

fn hash(secret: InviteSecret) -> [u8; 32] {
    Sha256::new().chain_update(b"torchatd/1 invite\0").chain_update(secret.0).finalize().into()
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
        };
        // Of an earlier run only the wall clock tells the end.
        let invite = |row: InviteRow| (row.hash, End { until_ms: row.until_ms, mono_ms: None });
        Self {
            peers: peers.iter().map(|row| (row.peer, standing(row))).collect(),
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
        self.peers.get(peer).is_none_or(|row| !row.contact && !row.blocked && row.request.is_none())
    }

    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
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
        row.contact = true;
        row.added_ms = Some(at_ms);
        ctx.write(Op::Contacts(ContactOp::Add { peer, at_ms }));
        if let Some(request) = row.request.take() {
            later.forget_request(peer);
            ctx.write(Op::Contacts(ContactOp::Request { peer, request: None }));
            if !request.nick.is_empty() {
                self.calls_itself(ctx, peer, request.nick);
            }
        }
    }

    fn calls_itself(&mut self, ctx: &mut Context<'_>, peer: PeerId, nick: String) {
        self.peers.entry(peer).or_default().nick = Some(nick.clone());
        ctx.write(Op::Contacts(ContactOp::Nick { peer, nick }));
    }

    /// The user refuses its request.
    pub(crate) fn refuse(&mut self, ctx: &mut Context<'_>, later: &mut Later, peer: PeerId) {
        if let Some(request) = self.peers.get_mut(&peer).and_then(|row| row.request.as_mut()) {
            request.refused = true;
            ctx.write(Op::Contacts(ContactOp::Request { peer, request: Some(request.clone()) }));
            later.forget_request(peer);
        }
    }

    pub(crate) fn block(&mut self, ctx: &mut Context<'_>, peer: PeerId, blocked: bool) {
        self.peers.entry(peer).or_default().blocked = blocked;
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
        (row.waiting, row.waiting_stored) = (false, false);
        row.intro = Intro::default();
        row.petname = None;
        if row.request.take().is_some() {
            ctx.write(Op::Contacts(ContactOp::Request { peer, request: None }));
            later.forget_request(peer);
        }
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

    /// A peer that asks has an invite of ours, which made it a contact. It is called as it would like.
    pub(crate) fn came_with_invite(&mut self, ctx: &mut Context<'_>, peer: PeerId, nick: String) {
        if !nick.is_empty() {
            self.calls_itself(ctx, peer, nick);
        }
    }

    /// A peer without an invite asks to become a contact, or a contact says its name.
    pub(crate) fn asked(
        &mut self,
        ctx: &mut Context<'_>,
        later: &mut Later,
        payer: &mut Payer<'_>,
        peer: PeerId,
        asked: ContactReq,
    ) {
        let row = self.peers.entry(peer).or_default();
        if row.contact {
            let new = !asked.nick.is_empty() && row.nick.as_ref() != Some(&asked.nick) && ctx.conditions.writable;
            // It says its name again on its next link.
            if new && payer.pay(Kind::States, 1) {
                self.calls_itself(ctx, peer, asked.nick);
            }
        } else if ctx.policy.strangers == Strangers::Request {
            self.keep_request(ctx, later, payer, peer, asked);
        } else {
            self.requests_dropped += 1;
        }
    }

    /// Uses the invite up that the peer brings, if it is a good one.
    pub(crate) fn is_invited(
        &mut self,
        ctx: &mut Context<'_>,
        later: &mut Later,
        believed: Option<Believed>,
        peer: &PeerId,
        asked: &ContactReq,
    ) -> bool {
        if ctx.policy.strangers == Strangers::Closed || !ctx.conditions.writable {
            return false;
        }
        let Some(secret) = asked.invite.as_ref().and_then(|text| text.parse::<InviteSecret>().ok()) else {
            return false;
        };
        if self.peers.get(peer).is_some_and(|row| row.blocked || row.contact) {
            return false;
        }
        // Looked up by its digest: how long the comparison takes says nothing of the secret.
        let hash = hash(secret);
        let Some(end) = self.invites.get(&hash) else { return false };
        // It looks too old to a clock that is not believed: answered like none, but it stays, and the peer asks again.
        let Some(over) = end.is_over(ctx.now, believed, ctx.policy.requests.kept_ms) else { return false };
        self.invites.remove(&hash);
        // One that is too old is answered like none, so its end is written later, too.
        if over {
            write_some_time(ctx, later, Op::Contacts(ContactOp::InviteGone { hash }))
        } else {
            ctx.write(Op::Contacts(ContactOp::InviteGone { hash }))
        }
        !over
    }

    fn keep_request(
        &mut self,
        ctx: &mut Context<'_>,
        later: &mut Later,
        payer: &mut Payer<'_>,
        peer: PeerId,
        asked: ContactReq,
    ) {
        let waiting = self.peers.values().filter(|row| row.asks().is_some()).count();
        let policy = &ctx.policy.requests;
        let row = self.peers.entry(peer).or_default();
        let ContactReq { nick, text, .. } = asked;
        match &row.request {
            // The user has decided, or it says nothing new.
            Some(old) if old.refused || (old.nick == nick && old.text == text) => return,
            _ if row.blocked => return,
            // A new request replaces the old one of the same onion, which takes no more room.
            None if waiting >= policy.waiting => {
                self.requests_dropped += 1;
                return;
            }
            _ => {}
        }
        // An onion that waits already pays for its other words by itself, or it would take the places of all others.
        let again = row.request.is_some();
        let paid = ctx.conditions.writable
            && if again { payer.pay_as_stranger(Kind::Replaced, 1) } else { payer.pay_onion(policy) };
        if !paid {
            self.requests_dropped += 1;
            return;
        }
        let request = ContactRequest { nick, text, at_ms: ctx.now.wall_ms, refused: false };
        row.request = Some(request.clone());
        later.forget_request(peer);
        write_some_time(ctx, later, Op::Contacts(ContactOp::Request { peer, request: Some(request) }));
    }

    /// The user sees it and the store has it not: as if it had not come. The peer asks again at its next link.
    pub(crate) fn request_lost(&mut self, peer: &PeerId) {
        if let Some(row) = self.peers.get_mut(peer) {
            row.request = None;
        }
    }

    /// Makes an invite.
    pub(crate) fn invite(
        &mut self,
        ctx: &mut Context<'_>,
        believed: Option<Believed>,
        request: RequestId,
        lifetime_ms: i64,
    ) {
        self.forget_old_invites(ctx, believed);
        let now = ctx.now;
        let answer = if !ctx.conditions.writable {
            Answer::Refused(Refused::Storage)
        } else if self.invites.len() >= ctx.policy.requests.invites {
            self.invites_refused += 1;
            Answer::Refused(Refused::TooManyInvites)
        } else {
            let secret = InviteSecret(ctx.random());
            let invite = InviteRow { hash: hash(secret), until_ms: now.wall_ms.saturating_add(lifetime_ms) };
            let lifetime = lifetime_ms.max(0).unsigned_abs();
            let end = End { until_ms: invite.until_ms, mono_ms: Some(now.mono_ms.saturating_add(lifetime)) };
            self.invites.insert(invite.hash, end);
            ctx.write(Op::Contacts(ContactOp::Invite { invite }));
            Answer::Invited(secret)
        };
        ctx.answer(request, answer);
    }

    fn forget_old_invites(&mut self, ctx: &mut Context<'_>, believed: Option<Believed>) {
        let (now, grace_ms) = (ctx.now, ctx.policy.requests.kept_ms);
        let old = self.invites.extract_if(.., |_, end| end.is_over(now, believed, grace_ms) == Some(true));
        ctx.ops().extend(old.map(|(hash, _)| Op::Contacts(ContactOp::InviteGone { hash })));
    }

    /// Drops invites and requests, and refusals, that are too old. Returns the peers whose requests went.
    pub(crate) fn forget_old(&mut self, ctx: &mut Context<'_>, later: &mut Later, believed: Believed) -> Vec<PeerId> {
        self.forget_old_invites(ctx, Some(believed));
        let Some(born) = believed.born_before(ctx.policy.requests.kept_ms) else { return Vec::new() };
        let mut old = Vec::new();
        for (peer, row) in &mut self.peers {
            if row.request.as_ref().is_some_and(|request| request.at_ms < born) {
                row.request = None;
                later.forget_request(*peer);
                ctx.write(Op::Contacts(ContactOp::Request { peer: *peer, request: None }));
                old.push(*peer);
            }
        }
        old
    }

    /// How many contacts there are, and how many strangers wait for the user.
    pub(crate) fn count(&self) -> (usize, usize) {
        let contacts = self.peers.values().filter(|row| row.contact).count();
        (contacts, self.peers.values().filter(|row| row.asks().is_some()).count())
    }

    /// Requests that were not kept, and invites that were not made.
    pub(crate) fn refused(&self) -> (u64, u64) {
        (self.requests_dropped, self.invites_refused)
    }

    /// The requests that the user has not decided, oldest first.
    pub(crate) fn requests(&self) -> Vec<RequestView> {
        let view = |(peer, row): (&PeerId, &Standing)| Some(RequestView { peer: *peer, request: row.asks()?.clone() });
        let mut requests: Vec<_> = self.peers.iter().filter_map(view).collect();
        requests.sort_by_key(|view| view.request.at_ms);
        requests
    }

    /// The contacts and the blocked peers.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.iter().filter(|(_, row)| row.contact || row.blocked).map(|(peer, _)| peer)
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
        }
    }

    /// As if an earlier run had made the invite.
    #[cfg(test)]
    pub(crate) fn restore_invite(&mut self, secret: InviteSecret, until_ms: i64) {
        self.invites.insert(hash(secret), End { until_ms, mono_ms: None });
    }

    #[cfg(test)]
    pub(crate) fn invites(&self) -> usize {
        self.invites.len()
    }

    #[cfg(test)]
    pub(crate) fn has_request(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.request.is_some())
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

/// A name that breaks the rules is no name; it is no reason to refuse anything.
pub(crate) fn without_bad_name(mut asked: ContactReq) -> ContactReq {
    if Nick::parse(&asked.nick).is_err() {
        asked.nick.clear();
    }
    asked
}

/// Writes something of a stranger down in its time. What would tell that it happened now is not done now.
fn write_some_time(ctx: &mut Context<'_>, later: &mut Later, op: Op) {
    let policy = &ctx.policy.requests;
    let pause = ctx.between(policy.later_min_ms, policy.later_max_ms);
    later.push(ctx.now.mono_ms + pause, op);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Tariff;
    use crate::turn::tests::{START, after, decide, peer};

    fn ask(contacts: &mut Contacts, account: &mut Account, ms: u64, n: u8, text: &str) -> Later {
        let mut later = Later::default();
        decide(after(ms), &Policy::default(), |ctx| {
            let mut payer = account.payer(ctx.now, peer(n), false);
            let asked = ContactReq { nick: String::new(), text: text.to_owned(), invite: None };
            contacts.asked(ctx, &mut later, &mut payer, peer(n), asked);
        });
        later
    }

    #[test]
    fn a_request_is_seen_at_once_and_written_some_seconds_later() {
        let (mut contacts, mut account) = (Contacts::default(), Account::new(Tariff::default()));
        let later = ask(&mut contacts, &mut account, 0, 1, "please");
        assert!(contacts.is_asking(&peer(1)));
        let policy = Policy::default().requests;
        let due = later.deadline().unwrap_or_default() - START.mono_ms;
        assert!((policy.later_min_ms..=policy.later_max_ms).contains(&due), "{due}");
        let again = ask(&mut contacts, &mut account, 1, 1, "please");
        assert_eq!(again.deadline(), None, "it says nothing new");
    }

    #[test]
    fn onions_pay_together_and_one_that_waits_pays_by_itself_for_more_words() {
        let (mut contacts, mut account) = (Contacts::default(), Account::new(Tariff::default()));
        let burst = u8::try_from(Policy::default().requests.burst).unwrap_or(u8::MAX);
        for n in 0..=burst {
            ask(&mut contacts, &mut account, 0, n, "please");
        }
        assert!(contacts.is_asking(&peer(burst - 1)) && !contacts.is_asking(&peer(burst)));
        assert_eq!(contacts.refused().0, 1);
        assert!(ask(&mut contacts, &mut account, 0, 1, "once more").deadline().is_some());
        assert_eq!(ask(&mut contacts, &mut account, 0, 1, "and again").deadline(), None, "one an hour");
    }

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
