//! The account of each peer: what its inputs may cost, whatever it says.
//!
//! # Design
//!
//! Every input of a peer has a price, in units of what it costs us: rows and events that are stored, bytes of text, marks and
//! other small writes, changes of its standing, links, bytes that are sent again, new lanes, digests that are computed, and
//! answers that have to be said. Each [`Kind`] of cost has one bucket of tokens for each peer: a burst, and a number of tokens more in
//! an hour. The node asks [`Payer::pay`] before it does what the input wants. If the bucket is empty the input is *not taken*:
//! nothing is stored, nothing is acknowledged, [`Refused`] counts it, and what follows depends on the kind alone:
//!
//! | kind | without tokens |
//! |---|---|
//! | rows, bytes, notes | the peer's mail is dropped until there are tokens; then HELLO tells it where to go on |
//! | states | the change holds in memory; it is written, and told, when it is paid |
//! | resent | the lane rests until there are tokens |
//! | links, lanes, work | BYE `limit` |
//! | answers | not answered |
//! | replaced requests | dropped |
//!
//! So the account never loses anything: whatever it holds up is paced, not refused. The bursts are chosen so that an honest peer
//! never sees an empty bucket but by a fault: a whole outbox of 10,000 messages arrives at once, and so does its repetition.
//!
//! Strangers have accounts too, but an onion costs nothing. So what is stored for them, and the work that they cause, is paid
//! from one common purse as well.
//!
//! A purse is full again some time after the peer was heard last, and is forgotten then. Nothing is stored: a restart fills every
//! purse, which no peer can cause. (A purse on disk was rejected: it would cost a write for each input.)

pub use crate::tariff::{Kind, Tariff};

use crate::policy::RequestPolicy;
use crate::rate::{Bucket, Rate};
use crate::tariff::KINDS;
use crate::time::Now;
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::PeerId;

/// What a message, a mark or an event takes in the quota of what is unread, beside its text: the row, its places in the
/// indices, its event. About 330 bytes were measured for an empty text.
pub const ROW_BYTES: u64 = 512;

/// The work of a row that gets a new number, in digests.
pub(crate) const RENUMBERED: u64 = 8;
/// Purses of strangers that are not full. Beyond it all of them are forgotten, and the common purse alone counts.
const PURSES: usize = 4_096;

/// Tokens that a flow which stopped waits for, so that it does not stop again after each message.
const RESUME_ROWS: u64 = 256;
/// The same in bytes.
const RESUME_BYTES: u64 = 1 << 20;

/// How often something was not taken because its peer could not pay, by kind, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused([u64; KINDS]);

impl Refused {
    /// Of one kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> u64 {
        self.0[kind.place()]
    }
}

/// One peer's buckets.
#[derive(Debug, Clone, Default)]
struct Purse {
    buckets: [Bucket; KINDS],
    /// What was paid in all.
    spent: [u64; KINDS],
    /// When what waits for tokens is looked at again.
    wake: Option<u64>,
}

impl Purse {
    fn pay(&mut self, tariff: &Tariff, kind: Kind, amount: u64, now_ms: u64) -> bool {
        if self.buckets[kind.place()].take(tariff.rate(kind), amount, now_ms).is_err() {
            return false;
        }
        self.spent[kind.place()] = self.spent[kind.place()].saturating_add(amount);
        true
    }

    fn is_full(&self, tariff: &Tariff, now_ms: u64) -> bool {
        Kind::ALL.iter().all(|kind| self.buckets[kind.place()].is_full(tariff.rate(*kind), now_ms))
    }
}

/// A peer that is to pay for what it says, from the purse that it has: a contact's or a stranger's.
pub(crate) struct Payer<'a> {
    account: &'a mut Account,
    now_ms: u64,
    peer: PeerId,
    contact: bool,
}

impl Payer<'_> {
    /// Takes a price. `false`: what it is for is not to be done.
    pub(crate) fn pay(&mut self, kind: Kind, amount: u64) -> bool {
        if self.contact { self.pay_as_contact(kind, amount) } else { self.pay_as_stranger(kind, amount) }
    }

    pub(crate) fn pay_as_contact(&mut self, kind: Kind, amount: u64) -> bool {
        self.account.pay(self.now_ms, self.peer, kind, amount)
    }

    pub(crate) fn pay_as_stranger(&mut self, kind: Kind, amount: u64) -> bool {
        self.account.pay_as_stranger(self.now_ms, self.peer, kind, amount)
    }

    /// Takes a price of a contact, or has it looked at again when it can pay.
    pub(crate) fn pay_or_wait(&mut self, kind: Kind, amount: u64) -> bool {
        let paid = self.pay_as_contact(kind, amount);
        if !paid {
            self.account.wait(self.now_ms, self.peer, kind, amount);
        }
        paid
    }

    /// Takes a place for an onion that was not known before.
    pub(crate) fn pay_onion(&mut self, policy: &RequestPolicy) -> bool {
        self.account.pay_onion(self.now_ms, policy.burst, policy.token_ms)
    }
}

/// The accounts of all peers. See the module's description.
#[derive(Debug, Default)]
pub struct Account {
    tariff: Tariff,
    /// Of contacts, which only the user makes more of.
    contacts: BTreeMap<PeerId, Purse>,
    /// Of strangers, at most [`PURSES`].
    strangers: BTreeMap<PeerId, Purse>,
    /// What all strangers together may cost.
    common: Purse,
    /// The new onions that are let in.
    onions: Bucket,
    /// Who is to be looked at again, and when.
    wakes: BTreeSet<(u64, PeerId)>,
    refused: Refused,
}

impl Account {
    /// Full purses for everybody, by these rates.
    #[must_use]
    pub fn new(tariff: Tariff) -> Self {
        Self { tariff, ..Self::default() }
    }

    /// A peer that is to pay something now.
    pub(crate) fn payer(&mut self, now: Now, peer: PeerId, contact: bool) -> Payer<'_> {
        Payer { account: self, now_ms: now.mono_ms, peer, contact }
    }

    /// Takes a price out of a contact's purse, or nothing, and counts that.
    pub fn pay(&mut self, now_ms: u64, peer: PeerId, kind: Kind, amount: u64) -> bool {
        let paid = self.contacts.entry(peer).or_default().pay(&self.tariff, kind, amount, now_ms);
        self.refused.0[kind.place()] += u64::from(!paid);
        paid
    }

    /// The same for a stranger. Its work is paid from the common purse as well; its answers are not, or one of them could
    /// silence us for all others, those with an invite among them.
    pub(crate) fn pay_as_stranger(&mut self, now_ms: u64, peer: PeerId, kind: Kind, amount: u64) -> bool {
        if !self.strangers.contains_key(&peer) && self.strangers.len() >= PURSES {
            self.forget(now_ms);
        }
        let paid = self.strangers.entry(peer).or_default().pay(&self.tariff, kind, amount, now_ms)
            && (kind != Kind::Work || self.common.pay(&self.tariff, kind, amount, now_ms));
        self.refused.0[kind.place()] += u64::from(!paid);
        paid
    }

    /// Takes a place for an onion that was not known before: `burst` at once, then one each `token_ms`.
    pub(crate) fn pay_onion(&mut self, now_ms: u64, burst: u64, token_ms: u64) -> bool {
        self.onions.take(Rate::every(burst, token_ms), 1, now_ms).is_ok()
    }

    /// What a contact could pay now.
    pub(crate) fn left(&self, now_ms: u64, peer: &PeerId, kind: Kind) -> u64 {
        let rate = self.tariff.rate(kind);
        self.contacts.get(peer).map_or(rate.burst(), |purse| purse.buckets[kind.place()].left(rate, now_ms))
    }

    /// Something waits for tokens: the contact is looked at again when there are this many.
    pub(crate) fn wait(&mut self, now_ms: u64, peer: PeerId, kind: Kind, amount: u64) {
        let amount = match kind {
            Kind::Rows => amount.max(RESUME_ROWS),
            Kind::Bytes => amount.max(RESUME_BYTES),
            _ => amount,
        };
        let purse = self.contacts.entry(peer).or_default();
        let at =
            purse.buckets[kind.place()].ready(self.tariff.rate(kind), amount, now_ms).max(now_ms.saturating_add(1));
        // The earliest is enough: what cannot be paid then waits again.
        if purse.wake.is_none_or(|old| at < old) {
            if let Some(old) = purse.wake.replace(at) {
                self.wakes.remove(&(old, peer));
            }
            self.wakes.insert((at, peer));
        }
    }

    /// Counts something that rests without having been refused, and waits for its tokens.
    pub(crate) fn hold_up(&mut self, now_ms: u64, peer: PeerId, kind: Kind, amount: u64) {
        self.refused.0[kind.place()] += 1;
        self.wait(now_ms, peer, kind, amount);
    }

    /// When [`Account::woken`] has somebody.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.wakes.first().map(|wake| wake.0)
    }

    /// The peers that may have tokens again for what waits.
    pub(crate) fn woken(&mut self, now_ms: u64) -> Vec<PeerId> {
        let mut woken = Vec::new();
        while let Some((at, peer)) = self.wakes.first().copied().filter(|wake| wake.0 <= now_ms) {
            self.wakes.remove(&(at, peer));
            if let Some(purse) = self.contacts.get_mut(&peer) {
                purse.wake = None;
            }
            woken.push(peer);
        }
        woken
    }

    /// How often something was not taken.
    pub(crate) fn refused(&self) -> Refused {
        self.refused
    }

    /// What a peer has paid of a kind, as a contact or as a stranger that is remembered.
    pub(crate) fn spent(&self, peer: &PeerId, kind: Kind) -> u64 {
        [&self.contacts, &self.strangers]
            .iter()
            .filter_map(|purses| purses.get(peer))
            .map(|p| p.spent[kind.place()])
            .sum()
    }

    /// Bounds the memory: full purses say nothing. If that is not enough the others go, too: somebody with so great a number of onions would
    /// take another one anyway.
    fn forget(&mut self, now_ms: u64) {
        self.strangers.retain(|_, purse| !purse.is_full(&self.tariff, now_ms));
        if self.strangers.len() >= PURSES {
            self.strangers.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: u64 = 1_000_000;

    fn peer(n: u8) -> PeerId {
        let key =
            curve25519_dalek::constants::ED25519_BASEPOINT_POINT * curve25519_dalek::Scalar::from(u64::from(n) + 2);
        PeerId::from_key(key.compress().0).unwrap()
    }

    #[test]
    fn nobody_pays_more_than_the_burst_and_the_hours_since() {
        for kind in Kind::ALL {
            let (burst, hourly) = kind.rate();
            let mut account = Account::default();
            let mut paid = 0;
            let step = (burst / 7).max(1);
            // Half an hour of asking without end, in steps that are no part of anything.
            for ms in (0..1_800_000).step_by(1_237) {
                while account.pay(NOW + ms, peer(1), kind, step) {
                    paid += step;
                }
                assert!(paid <= kind.most(ms), "{kind:?} after {ms} ms: {paid}");
            }
            assert!(paid + step >= burst + hourly / 2 - hourly / 1_000, "{kind:?}: what is due is given, {paid}");
            assert_eq!(account.spent(&peer(1), kind), paid);
            assert!(account.refused().of(kind) > 0);
            assert!(account.pay(NOW, peer(2), kind, step), "another peer pays from its own");
        }
    }

    #[test]
    fn who_waits_is_woken_when_there_are_tokens() {
        for kind in Kind::ALL {
            let mut account = Account::default();
            while account.pay(NOW, peer(1), kind, kind.rate().0) {}
            account.wait(NOW, peer(1), kind, 1);
            let at = account.deadline().unwrap();
            assert!(account.woken(at - 1).is_empty());
            assert_eq!(account.woken(at), [peer(1)]);
            assert!(account.pay(at, peer(1), kind, 1), "{kind:?}");
            assert_eq!(account.deadline(), None);
        }
    }

    #[test]
    fn a_price_above_the_bucket_takes_all_of_it() {
        let mut account = Account::default();
        assert!(account.pay(NOW, peer(1), Kind::Lanes, 1_000));
        assert!(!account.pay(NOW, peer(1), Kind::Lanes, 1));
    }

    #[test]
    fn strangers_share_the_purse_of_their_work_and_nothing_else() {
        let mut account = Account::default();
        for kind in Kind::ALL {
            let (burst, _) = kind.rate();
            assert!(account.pay_as_stranger(NOW, peer(1), kind, burst));
            assert!(!account.pay_as_stranger(NOW, peer(1), kind, 1), "{kind:?}: it has its own");
            assert_eq!(account.pay_as_stranger(NOW, peer(2), kind, burst), kind != Kind::Work, "{kind:?}");
            assert!(account.pay(NOW, peer(3), kind, burst), "a contact has its own");
        }
    }
}
