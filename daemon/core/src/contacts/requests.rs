//! What strangers ask: kept apart from mail until the user decides.

use super::Contacts;
use crate::account::{Kind, Payer};
use crate::later::Later;
use crate::op::{ContactOp, Op};
use crate::policy::Strangers;
use crate::snapshot::ContactRequest;
use crate::time::Believed;
use crate::turn::Context;
use crate::view::RequestView;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::ContactReq;
use torchat_protocol::nick::Nick;

impl Contacts {
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

    fn keep_request(
        &mut self,
        ctx: &mut Context<'_>,
        later: &mut Later,
        payer: &mut Payer<'_>,
        peer: PeerId,
        asked: ContactReq,
    ) {
        let waiting = self.asking.len();
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
        self.note_asking(peer);
        later.forget_request(peer);
        write_some_time(ctx, later, Op::Contacts(ContactOp::Request { peer, request: Some(request) }));
    }

    /// The user sees it and the store has it not: as if it had not come. The peer asks again at its next link.
    pub(crate) fn request_lost(&mut self, peer: &PeerId) {
        if let Some(row) = self.peers.get_mut(peer) {
            row.request = None;
        }
        self.note_asking(*peer);
    }

    /// The user refuses its request.
    pub(crate) fn refuse(&mut self, ctx: &mut Context<'_>, later: &mut Later, peer: PeerId) {
        if let Some(request) = self.peers.get_mut(&peer).and_then(|row| row.request.as_mut()) {
            request.refused = true;
            ctx.write(Op::Contacts(ContactOp::Request { peer, request: Some(request.clone()) }));
            later.forget_request(peer);
        }
        self.note_asking(peer);
    }

    /// The requests that the user has not decided, oldest first.
    pub(crate) fn requests(&self) -> Vec<RequestView> {
        let view = |peer: &PeerId| Some(RequestView { peer: *peer, request: self.peers.get(peer)?.asks()?.clone() });
        let mut requests: Vec<_> = self.asking.iter().filter_map(view).collect();
        requests.sort_by_key(|view| view.request.at_ms);
        requests
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
        old.iter().for_each(|peer| self.note_asking(*peer));
        old
    }

    #[cfg(test)]
    pub(crate) fn has_request(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|row| row.request.is_some())
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
pub(super) fn write_some_time(ctx: &mut Context<'_>, later: &mut Later, op: Op) {
    let policy = &ctx.policy.requests;
    let pause = ctx.between(policy.later_min_ms, policy.later_max_ms);
    later.push(ctx.now.mono_ms + pause, op);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Account, Tariff};
    use crate::policy::Policy;
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
}
