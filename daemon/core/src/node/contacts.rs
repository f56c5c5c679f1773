//! Who may write to us: contacts, strangers that ask, invites, and those that are blocked.
//!
//! A stranger gets the same bytes at the same time whether its request waits, was refused, or it is blocked: after its
//! HELLO "pending", and after its request "pending" once more. What is stored of a request is therefore written some random
//! seconds later, not in the turn that answers: an answer that waits for a commit would tell that something was stored, and so
//! would the answer to the next PING if the commit came right behind.

use super::{Node, Peer};
use crate::account::Kind;
use crate::effect::{Effect, Turn};
use crate::entropy::{self, Entropy};
use crate::input::{Answer, ContactChange, LinkId, Refused, RequestId};
use crate::op::Op;
use crate::policy::Strangers;
use crate::snapshot::{ContactRequest, Intro, InviteRow};
use crate::time::{Believed, Now};
use crate::view::RequestView;
use sha2::{Digest as _, Sha256};
use torchat_protocol::id::{InviteSecret, PeerId};
use torchat_protocol::message::{ByeReason, ContactReq, PeerMessage, SkipReason};
use torchat_protocol::nick::Nick;

/// Until when an invite is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// In milliseconds since 1970.
    until_ms: i64,
    /// By the monotonic clock, of one that was made in this run.
    mono_ms: Option<u64>,
}

impl End {
    /// Of an invite of an earlier run.
    pub(super) fn of_before(until_ms: i64) -> Self {
        Self { until_ms, mono_ms: None }
    }

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

pub(super) fn hash(secret: InviteSecret) -> [u8; 32] {
    Sha256::new().chain_update(b"torchatd/1 invite\0").chain_update(secret.0).finalize().into()
}

impl Peer {
    /// The request that the user has not decided.
    pub(super) fn asks(&self) -> Option<&ContactRequest> {
        self.request.as_ref().filter(|request| !request.refused && !self.blocked && !self.contact)
    }
}

impl Node {
    /// A request waits for its writing no longer: something else became of it.
    fn forget_later(&mut self, peer: PeerId) {
        self.later.retain(|(_, op)| !matches!(op, Op::Request { peer: asker, .. } if *asker == peer));
    }

    /// Writes something of a stranger down in its time. What would tell that it happened now is not done now.
    fn write_some_time(&mut self, now: Now, entropy: &mut dyn Entropy, op: Op) {
        let policy = &self.policy.requests;
        let pause =
            policy.later_min_ms + entropy::up_to(entropy, policy.later_max_ms.saturating_sub(policy.later_min_ms));
        self.later.push((now.mono_ms + pause, op));
    }

    /// Whether messages of this peer are stored and acknowledged.
    pub(super) fn accepts(&self, peer: &PeerId) -> bool {
        let row = self.peers.get(peer);
        let blocked = row.is_some_and(|row| row.blocked);
        !blocked && (self.policy.strangers == Strangers::Open || row.is_some_and(|row| row.contact))
    }

    pub(super) fn change_contact(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        request: RequestId,
        peer: PeerId,
        change: ContactChange,
        turn: &mut Turn,
    ) {
        // The store has a reserve for what keeps a peer out: a peer that fills it cannot make that impossible.
        let reserved = matches!(change, ContactChange::Remove | ContactChange::Block | ContactChange::Refuse);
        let may = if reserved { self.may_decide(&peer) } else { self.may_change(&peer) };
        let result = may.and_then(|()| self.changed(now, entropy, peer, change, turn));
        let answer = result.map_or_else(Answer::Refused, |()| Answer::Done);
        turn.effects.push(Effect::Answer { request, answer });
        self.forget_stranger(peer);
    }

    fn changed(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        peer: PeerId,
        change: ContactChange,
        turn: &mut Turn,
    ) -> Result<(), Refused> {
        let row = self.peers.entry(peer).or_default();
        match change {
            ContactChange::Add(_) | ContactChange::Accept if row.blocked => return Err(Refused::Blocked),
            ContactChange::Accept | ContactChange::Refuse if row.asks().is_none() => return Err(Refused::NoRequest),
            ContactChange::Add(intro) => self.add(now, entropy, peer, intro, turn),
            ContactChange::Accept => self.accept(now, entropy, peer, turn),
            ContactChange::Refuse => {
                if let Some(request) = &mut row.request {
                    request.refused = true;
                    turn.ops.push(Op::Request { peer, request: Some(request.clone()) });
                    self.forget_later(peer);
                }
            }
            ContactChange::Block if row.blocked => {}
            ContactChange::Block => {
                row.blocked = true;
                turn.ops.push(Op::Block { peer, blocked: true });
                self.remove(now, peer, turn);
            }
            ContactChange::Unblock if !row.blocked => return Err(Refused::NotBlocked),
            ContactChange::Unblock => {
                row.blocked = false;
                turn.ops.push(Op::Block { peer, blocked: false });
                self.resume_lane(now, entropy, peer, turn);
            }
            ContactChange::Rename(_) if !row.contact && !row.blocked => return Err(Refused::NoContact),
            ContactChange::Rename(name) => {
                row.petname.clone_from(&name);
                turn.ops.push(Op::Petname { peer, name });
            }
            ContactChange::Remove | ContactChange::Appear { .. } if !row.contact => return Err(Refused::NoContact),
            ContactChange::Remove => self.remove(now, peer, turn),
            ContactChange::Appear { hidden } => self.appear(now, entropy, peer, hidden, turn),
        }
        Ok(())
    }

    fn add(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId, given: Intro, turn: &mut Turn) {
        let row = self.peers.entry(peer).or_default();
        // Asked again without words, or without an invite, those of before still hold: an invite that its maker has not
        // heard yet must not be lost by a word that follows it.
        let news = given != Intro::default();
        let intro = Intro {
            text: if given.text.is_empty() { row.intro.text.clone() } else { given.text },
            invite: given.invite.or(row.intro.invite),
        };
        if row.intro != intro {
            row.intro = intro.clone();
            turn.ops.push(Op::Intro { peer, intro });
        }
        let again = row.contact && (news || row.waiting);
        if again && self.ask(peer, turn) {
            // A restart asks, too, if nothing is heard of the peer after this moment.
            self.peers.entry(peer).or_default().added_ms = Some(now.wall_ms);
            turn.ops.push(Op::Contact { peer, at_ms: now.wall_ms });
        }
        self.accept(now, entropy, peer, turn);
    }

    /// A contact is to hear what the user says to be accepted: over the link that is up, else over the next, which is
    /// dialled for it. It may have accepted us once and removed us since, which we need not know; `false` if a link says
    /// that it has accepted us.
    fn ask(&mut self, peer: PeerId, turn: &mut Turn) -> bool {
        let Some(row) = self.peers.get_mut(&peer) else { return false };
        let live = |id: &LinkId| self.links.get(id).filter(|link| !link.closing);
        if row.links.iter().filter_map(live).any(|link| link.accepted) {
            return false;
        }
        row.asking = true;
        // The pauses of dials that nobody answered were for what was said before.
        row.dialling.forgive();
        // On a link whose state is not known yet it is said when that comes.
        let waits = |id: &LinkId| live(id).is_some_and(|link| link.asked);
        for id in row.links.iter().copied().filter(waits).collect::<Vec<_>>() {
            self.say_request(id, turn);
        }
        true
    }

    fn accept(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId, turn: &mut Turn) {
        if !self.peers.get(&peer).is_some_and(|row| row.contact) {
            self.make_contact(now, peer, turn);
            let row = self.peers.entry(peer).or_default();
            row.greet = row.links.is_empty();
            self.introduce_all(now, entropy, peer, turn);
            self.ask(peer, turn);
        }
        // Asked again, the user wants to be heard of now.
        self.hurry(now, entropy, peer);
    }

    pub(super) fn make_contact(&mut self, now: Now, peer: PeerId, turn: &mut Turn) {
        let row = self.peers.entry(peer).or_default();
        row.contact = true;
        self.to_show.insert(peer);
        row.added_ms = Some(now.wall_ms);
        turn.ops.push(Op::Contact { peer, at_ms: now.wall_ms });
        if let Some(request) = row.request.take() {
            self.later.retain(|(_, op)| !matches!(op, Op::Request { peer: asker, .. } if *asker == peer));
            turn.ops.push(Op::Request { peer, request: None });
            if !request.nick.is_empty() {
                turn.ops.push(Op::Nick { peer, nick: request.nick.clone() });
                row.nick = Some(request.nick);
            }
        }
    }

    /// A contact, or a stranger that asked, becomes a stranger that did not. Its links end as those of strangers do; nothing
    /// is said before. (To go on as a stranger's link was rejected: the "pending" in the middle of it would tell the
    /// moment. So an idle link ends like many others, and the next one is a stranger's from its first byte on.)
    fn remove(&mut self, now: Now, peer: PeerId, turn: &mut Turn) {
        let Some(row) = self.peers.get_mut(&peer) else { return };
        let owed: Vec<_> = row.out.iter().flat_map(|out| out.owed().map(|p| p.mid)).collect();
        let was_contact = std::mem::take(&mut row.contact);
        self.to_show.insert(peer);
        (row.waiting, row.waiting_stored, row.greet, row.asking, row.hidden) = (false, false, false, false, false);
        self.hidden.remove(&peer);
        row.intro = Intro::default();
        row.petname = None;
        let links = row.links.clone();
        if row.request.take().is_some() {
            turn.ops.push(Op::Request { peer, request: None });
            self.forget_later(peer);
        }
        if was_contact {
            turn.ops.push(Op::Remove { peer });
            for link in links {
                self.close(link, Some(ByeReason::Idle), turn);
            }
        }
        self.take_back(now, peer, &owed, SkipReason::Withdrawn, turn);
    }

    /// A peer asks to become a contact.
    pub(super) fn asked(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        id: LinkId,
        mut asked: ContactReq,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get(&id) else { return };
        // A name that breaks the rules is no name; it is no reason to refuse anything.
        if Nick::parse(&asked.nick).is_err() {
            asked.nick.clear();
        }
        let peer = link.peer;
        if self.policy.strangers != Strangers::Closed && self.is_invited(now, entropy, &peer, &asked, turn) {
            self.make_contact(now, peer, turn);
            let row = self.peers.entry(peer).or_default();
            if !asked.nick.is_empty() {
                turn.ops.push(Op::Nick { peer, nick: asked.nick.clone() });
                row.nick = Some(asked.nick);
            }
            self.introduce_all(now, entropy, peer, turn);
            return;
        }
        self.say_contact_state(id, turn);
        let row = self.peers.entry(peer).or_default();
        if row.contact {
            let new = !asked.nick.is_empty() && row.nick.as_ref() != Some(&asked.nick) && self.writable;
            // It says its name again on its next link.
            if new && self.pay(peer, Kind::States, 1) {
                self.peers.entry(peer).or_default().nick = Some(asked.nick.clone());
                turn.ops.push(Op::Nick { peer, nick: asked.nick });
            }
        } else if self.policy.strangers == Strangers::Request {
            self.keep_request(now, entropy, peer, asked);
        } else {
            self.counters.requests += 1;
        }
    }

    /// Uses the invite up, if it is a good one.
    fn is_invited(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        peer: &PeerId,
        asked: &ContactReq,
        turn: &mut Turn,
    ) -> bool {
        let Some(secret) = asked.invite.as_ref().and_then(|text| text.parse::<InviteSecret>().ok()) else {
            return false;
        };
        let row = self.peers.get(peer);
        if !self.writable || row.is_some_and(|row| row.blocked || row.contact) {
            return false;
        }
        // Looked up by its digest: how long the comparison takes says nothing of the secret.
        let Some(end) = self.invites.get(&hash(secret)) else { return false };
        let over = end.is_over(now, self.believed(now), self.policy.requests.kept_ms);
        // It looks too old to a clock that is not believed: answered like none, but it stays, and the peer asks again.
        let Some(over) = over else { return false };
        self.invites.remove(&hash(secret));
        let gone = Op::InviteGone { hash: hash(secret) };
        let good = !over;
        // One that is too old is answered like none, so its end is written later, too.
        if good {
            turn.ops.push(gone)
        } else {
            self.write_some_time(now, entropy, gone)
        }
        good
    }

    fn keep_request(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId, asked: ContactReq) {
        let waiting = self.peers.values().filter(|row| row.asks().is_some()).count();
        let policy = &self.policy.requests;
        let Some(row) = self.peers.get_mut(&peer) else { return };
        let ContactReq { nick, text, .. } = asked;
        match &row.request {
            // The user has decided, or it says nothing new.
            Some(old) if old.refused || (old.nick == nick && old.text == text) => return,
            _ if row.blocked => return,
            // A new request replaces the old one of the same onion, which takes no more room.
            None if waiting >= policy.waiting => {
                self.counters.requests += 1;
                return;
            }
            _ => {}
        }
        // An onion that waits already pays for its other words by itself, or it would take the places of all others.
        let again = row.request.is_some();
        let (burst, token_ms) = (policy.burst, policy.token_ms);
        let paid = self.writable
            && if again {
                self.account.pay_as_stranger(now.mono_ms, peer, Kind::Replaced, 1)
            } else {
                self.account.pay_onion(now.mono_ms, burst, token_ms)
            };
        let Some(row) = self.peers.get_mut(&peer).filter(|_| paid) else {
            self.counters.requests += 1;
            return;
        };
        let request = ContactRequest { nick, text, at_ms: now.wall_ms, refused: false };
        row.request = Some(request.clone());
        self.forget_later(peer);
        self.write_some_time(now, entropy, Op::Request { peer, request: Some(request) });
    }

    /// Writes down what earlier turns did not, for the reason in the module's description.
    pub(super) fn write_later(&mut self, now: Now, turn: &mut Turn) {
        let stopping = self.stopping;
        let due: Vec<_> =
            self.later.extract_if(.., |(due, _)| *due <= now.mono_ms || stopping).map(|(_, op)| op).collect();
        if self.writable {
            turn.ops.extend(due);
            return;
        }
        for op in due {
            match op {
                Op::Link { peer, up } => {
                    if let Some(row) = self.peers.get_mut(&peer) {
                        row.shown_up = !up;
                        self.to_show.insert(peer);
                    }
                }
                // The user sees it and the store has it not: as if it had not come. The peer asks again at its next link.
                Op::Request { peer, .. } => {
                    if let Some(row) = self.peers.get_mut(&peer) {
                        row.request = None;
                    }
                    self.forget_stranger(peer);
                }
                _ => {}
            }
        }
    }

    pub(super) fn invite(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        request: RequestId,
        lifetime_ms: i64,
        turn: &mut Turn,
    ) {
        self.forget_old_invites(now, turn);
        let answer = if !self.writable {
            Answer::Refused(Refused::Storage)
        } else if self.invites.len() >= self.policy.requests.invites {
            self.counters.invites += 1;
            Answer::Refused(Refused::TooManyInvites)
        } else {
            let secret = InviteSecret(entropy::bytes(entropy));
            let invite = InviteRow { hash: hash(secret), until_ms: now.wall_ms.saturating_add(lifetime_ms) };
            let lifetime = lifetime_ms.max(0).unsigned_abs();
            let end = End { until_ms: invite.until_ms, mono_ms: Some(now.mono_ms.saturating_add(lifetime)) };
            self.invites.insert(invite.hash, end);
            turn.ops.push(Op::Invite { invite });
            Answer::Invited(secret)
        };
        turn.effects.push(Effect::Answer { request, answer });
    }

    fn forget_old_invites(&mut self, now: Now, turn: &mut Turn) {
        let (believed, grace_ms) = (self.believed(now), self.policy.requests.kept_ms);
        let old = self.invites.extract_if(.., |_, end| end.is_over(now, believed, grace_ms) == Some(true));
        turn.ops.extend(old.map(|(hash, _)| Op::InviteGone { hash }));
    }

    /// Drops invites and requests, and refusals, that are too old.
    pub(super) fn forget_old_requests(&mut self, now: Now, believed: Believed, turn: &mut Turn) {
        self.forget_old_invites(now, turn);
        let Some(born) = believed.born_before(self.policy.requests.kept_ms) else { return };
        let old: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, p)| p.request.as_ref().is_some_and(|r| r.at_ms < born))
            .map(|(p, _)| *p)
            .collect();
        for peer in old {
            if let Some(row) = self.peers.get_mut(&peer) {
                row.request = None;
            }
            self.forget_later(peer);
            turn.ops.push(Op::Request { peer, request: None });
            self.forget_stranger(peer);
        }
    }

    /// The requests that the user has not decided, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let view = |(peer, row): (&PeerId, &Peer)| Some(RequestView { peer: *peer, request: row.asks()?.clone() });
        let mut requests: Vec<_> = self.peers.iter().filter_map(view).collect();
        requests.sort_by_key(|view| view.request.at_ms);
        requests
    }

    /// What we say to be accepted.
    pub(super) fn say_request(&mut self, id: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(row) = self.peers.get(&link.peer) else { return };
        link.unanswered += 1;
        // A link to a contact that must not see us lasts until the answer can have come.
        link.busy = self.now.mono_ms;
        let message = PeerMessage::ContactReq(ContactReq {
            nick: self.policy.nick.clone(),
            text: row.intro.text.clone(),
            invite: row.intro.invite.map(|secret| secret.to_string()),
        });
        turn.effects.push(Effect::Say { link: id, message });
    }

    pub(super) fn may_change(&self, peer: &PeerId) -> Result<(), Refused> {
        self.may_decide(peer)?;
        if self.writable { Ok(()) } else { Err(Refused::Storage) }
    }

    /// As [`Node::may_change`], for what has a reserve in the store: whether there is room, the commit tells.
    pub(super) fn may_decide(&self, peer: &PeerId) -> Result<(), Refused> {
        if *peer == self.own { Err(Refused::ToSelf) } else { Ok(()) }
    }
}
