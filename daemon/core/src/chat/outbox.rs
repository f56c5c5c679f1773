//! Our lane to one peer: numbers, digests, and what is not acknowledged.
//!
//! A message that is taken back, by its sender or by its age, keeps its number and leaves a tombstone: the digest after
//! it is another one than the message itself would give. So the peer's digest tells for certain whether the message had
//! reached it before it was taken back. (To track what was ever transmitted was rejected: it would have to be durable
//! before every transmission, and would still not tell what arrived.)

mod fates;
mod window;

use crate::snapshot::{OutSnapshot, Pending};
use std::collections::{BTreeSet, VecDeque};
use torchat_protocol::id::{Chain, LaneId, MessageId};
use torchat_protocol::limits;
use torchat_protocol::message::{LaneState, SkipReason};

/// A lane of ours with its unacknowledged messages.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    lane: LaneId,
    acked: u64,
    acked_chain: Chain,
    pending: VecDeque<Pending>,
    /// How many of those are tombstones.
    gone: usize,
    /// Up to this number messages may have left this machine, in this lane or in one before.
    maybe_sent: u64,
    /// Up to this number they may have been said in this lane: nobody can have more.
    said: u64,
    /// Up to this number messages went out in this run: saying them once more is saying them again.
    flown: u64,
    /// Up to this number messages went out in this run, and the event log says so.
    told_sent: u64,
}

/// What a peer's statement about our lane means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It knows our history up to a number that it did not acknowledge before (or the same).
    Known(Progress),
    /// The peer has less than it once acknowledged: it was restored from a backup.
    Behind,
    /// The peer knows another history: ours was restored from a backup, or was copied.
    Foreign,
}

/// What is no longer pending.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Durable at the peer, in order. Some may have been taken back, too late.
    pub(crate) delivered: Vec<Pending>,
    /// Taken back in time: the peer never got them and never will.
    pub(crate) taken_back: Vec<Pending>,
    /// Messages were taken back too late, so the digests of what is still pending changed.
    pub(crate) rechained: bool,
}

/// A message that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) mid: MessageId,
    /// Its number.
    pub(crate) seq: u64,
    pub(crate) bytes: u32,
    /// When it would have ended, see [`Pending::end_mono_ms`].
    pub(crate) end_mono_ms: Option<u64>,
    /// It never left this machine.
    pub(crate) certain: bool,
}

impl Outbox {
    pub(crate) fn new(lane: LaneId) -> Self {
        Self {
            lane,
            acked: 0,
            acked_chain: Chain::EMPTY,
            pending: VecDeque::new(),
            gone: 0,
            maybe_sent: 0,
            said: 0,
            flown: 0,
            told_sent: 0,
        }
    }

    pub(crate) fn restore(snapshot: OutSnapshot) -> Self {
        Self {
            lane: snapshot.lane,
            acked: snapshot.acked,
            acked_chain: snapshot.acked_chain,
            // An earlier process may have sent everything.
            maybe_sent: snapshot.acked + snapshot.pending.len() as u64,
            // But it can only have said what may fly.
            said: snapshot.acked + snapshot.pending.len().min(limits::IN_FLIGHT_MESSAGES) as u64,
            flown: snapshot.acked,
            told_sent: snapshot.acked,
            gone: snapshot.pending.iter().filter(|p| p.gone.is_some()).count(),
            pending: snapshot.pending.into(),
        }
    }

    /// Messages up to this number leave this machine.
    pub(crate) fn sending(&mut self, upto: u64) {
        self.maybe_sent = self.maybe_sent.max(upto);
        self.said = self.said.max(upto);
        self.flown = self.flown.max(upto);
    }

    /// Messages up to this number go out: from which one on the event log does not know it yet, and how many.
    pub(crate) fn tell_sent(&mut self, upto: u64) -> Option<(u64, u64)> {
        let first = self.told_sent.max(self.acked) + 1;
        let count = (upto + 1).checked_sub(first).filter(|count| *count > 0)?;
        self.told_sent = upto;
        // Tombstones alone are nothing to tell.
        let skip = usize::try_from(first - self.acked - 1).unwrap_or(usize::MAX);
        let mut going = self.pending.iter().skip(skip).take(usize::try_from(count).unwrap_or(usize::MAX));
        going.any(|p| p.gone.is_none()).then_some((first, count))
    }

    pub(crate) fn lane(&self) -> LaneId {
        self.lane
    }

    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    pub(crate) fn acked_chain(&self) -> Chain {
        self.acked_chain
    }

    /// Everything that is not acknowledged, tombstones included.
    pub(crate) fn pending(&self) -> &VecDeque<Pending> {
        &self.pending
    }

    /// The messages that are to be delivered.
    pub(crate) fn owed(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(|p| p.gone.is_none())
    }

    /// How many those are.
    pub(crate) fn owed_count(&self) -> usize {
        self.pending.len() - self.gone
    }

    /// The bytes of their texts.
    pub(crate) fn bytes(&self) -> u64 {
        self.owed().map(|p| u64::from(p.bytes)).sum()
    }

    /// A message without an end of its own.
    #[cfg(test)]
    pub(crate) fn push(&mut self, mid: MessageId, bytes: u32, at_ms: i64) -> (u64, Chain) {
        let (gone, until_ms, end_mono_ms) = (None, None, None);
        self.push_pending(Pending { mid, chain: Chain::EMPTY, bytes, at_ms, gone, until_ms, end_mono_ms })
    }

    /// Gives the next number to a message, of which all is known but its digest; returns the number and the digest.
    pub(crate) fn push_pending(&mut self, mut pending: Pending) -> (u64, Chain) {
        pending.chain = pending.digest(self.head());
        self.gone += usize::from(pending.gone.is_some());
        self.pending.push_back(pending);
        (self.acked + self.pending.len() as u64, pending.chain)
    }

    /// The digest after the newest message.
    fn head(&self) -> Chain {
        self.pending.back().map_or(self.acked_chain, |p| p.chain)
    }

    /// The digest before number `seq`, which is not acknowledged yet (or is the next to be given).
    pub(crate) fn chain_before(&self, seq: u64) -> Option<Chain> {
        match seq.checked_sub(self.acked + 1)? {
            0 => Some(self.acked_chain),
            n => self.pending.get(usize::try_from(n - 1).ok()?).map(|p| p.chain),
        }
    }

    /// The pending messages from number `seq` on.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = &Pending> {
        let skip = seq.checked_sub(self.acked + 1).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        self.pending.iter().skip(skip)
    }

    /// Takes those messages back that are pending. The digests of what is pending change; the store need not be told, for
    /// they follow from what it has.
    pub(crate) fn take_back(&mut self, mids: &[MessageId], why: SkipReason) -> Vec<Taken> {
        let mids: BTreeSet<_> = mids.iter().collect();
        let mut taken = Vec::new();
        for (seq, pending) in (self.acked + 1..).zip(&mut self.pending) {
            if pending.gone.is_none() && mids.contains(&pending.mid) {
                pending.gone = Some(why);
                let Pending { mid, bytes, end_mono_ms, .. } = *pending;
                taken.push(Taken { mid, seq, bytes, end_mono_ms, certain: seq > self.maybe_sent });
            }
        }
        self.gone += taken.len();
        self.rechain();
        taken
    }

    fn rechain(&mut self) {
        let mut before = self.acked_chain;
        for pending in &mut self.pending {
            pending.chain = pending.digest(before);
            before = pending.chain;
        }
    }

    /// Takes what the peer says it has. Its digest must be one of ours at that number: the number alone would let a
    /// daemon restored from a backup take the acknowledgement of a message that it never sent.
    pub(crate) fn peer_has(&mut self, state: LaneState) -> Verdict {
        if state.hwm < self.acked {
            return Verdict::Behind;
        }
        let Some(count) = self.said_upto(state.hwm) else { return Verdict::Foreign };
        let ours = count.checked_sub(1).map_or(self.acked_chain, |last| self.pending[last].chain);
        let late = if ours == state.chain {
            Vec::new()
        } else {
            match self.taken_back_too_late(count, state.chain) {
                Some(late) => late,
                None => return Verdict::Foreign,
            }
        };
        let mut progress = Progress { rechained: !late.is_empty(), ..Progress::default() };
        for pending in self.pending.drain(..count) {
            self.gone -= usize::from(pending.gone.is_some());
            if pending.gone.is_none() || late.contains(&pending.mid) {
                progress.delivered.push(pending);
            } else {
                progress.taken_back.push(pending);
            }
        }
        self.acked = state.hwm;
        self.acked_chain = state.chain;
        if progress.rechained {
            self.rechain();
        }
        Verdict::Known(progress)
    }

    /// How many pending messages a statement is about. `None`: it names a number that was never said in this lane, so it is about
    /// another history, whatever its digest is.
    fn said_upto(&self, hwm: u64) -> Option<usize> {
        if hwm > self.said.max(self.acked) {
            return None;
        }
        usize::try_from(hwm - self.acked).ok().filter(|count| *count <= self.pending.len())
    }

    /// Numbers everything that is to be delivered anew, in a new lane. Tombstones end here: the peer's history is not
    /// ours, so it cannot tell their fate. Returns the new
    /// digests.
    pub(crate) fn move_to(&mut self, lane: LaneId) -> Vec<(MessageId, Chain)> {
        let old = std::mem::replace(self, Self::new(lane));
        for (seq, pending) in (old.acked + 1..).zip(old.pending).filter(|(_, p)| p.gone.is_none()) {
            self.told_sent += u64::from(seq <= old.told_sent);
            self.flown += u64::from(seq <= old.flown);
            self.push_pending(pending);
        }
        self.maybe_sent = self.pending.len() as u64;
        self.pending.iter().map(|p| (p.mid, p.chain)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(super) fn mid(n: u8) -> MessageId {
        MessageId([n; 16])
    }

    pub(super) fn outbox(count: u8) -> Outbox {
        let mut outbox = Outbox::new(LaneId([1; 8]));
        for n in 1..=count {
            assert_eq!(outbox.push(mid(n), 10, 0).0, u64::from(n));
        }
        outbox.said = u64::from(count);
        outbox
    }

    fn three() -> Outbox {
        outbox(3)
    }

    pub(super) fn state(outbox: &Outbox, hwm: u64) -> LaneState {
        LaneState { lane: outbox.lane, hwm, chain: outbox.chain_before(hwm + 1).expect("known number") }
    }

    pub(super) fn mids(list: &[Pending]) -> Vec<MessageId> {
        list.iter().map(|p| p.mid).collect()
    }

    #[test]
    fn acknowledgements_are_cumulative_and_repeatable() {
        let mut outbox = three();
        let at_two = state(&outbox, 2);
        let Verdict::Known(progress) = outbox.peer_has(at_two) else { panic!("refused") };
        assert_eq!(mids(&progress.delivered), [mid(1), mid(2)]);
        assert_eq!(outbox.peer_has(at_two), Verdict::Known(Progress::default()));
        assert_eq!(outbox.pending().len(), 1);
    }

    #[test]
    fn another_history_is_noticed_at_every_number() {
        for hwm in 0..=4 {
            let mut outbox = three();
            outbox.take_back(&[mid(2)], SkipReason::Withdrawn);
            let foreign = LaneState { lane: outbox.lane(), hwm, chain: Chain([9; 16]) };
            assert_eq!(outbox.peer_has(foreign), Verdict::Foreign, "hwm {hwm}");
            assert_eq!(outbox.pending().len(), 3, "nothing is taken as delivered");
        }
    }

    #[test]
    fn a_peer_that_forgot_is_behind() {
        let mut outbox = three();
        let one = state(&outbox, 1);
        let three = state(&outbox, 3);
        assert!(matches!(outbox.peer_has(three), Verdict::Known(_)));
        assert_eq!(outbox.peer_has(one), Verdict::Behind);
    }

    #[test]
    fn a_new_lane_keeps_the_order_and_changes_every_digest() {
        let mut outbox = three();
        let before: Vec<_> = outbox.pending().iter().map(|p| p.chain).collect();
        let one = state(&outbox, 1);
        outbox.peer_has(one);
        let moved = outbox.move_to(LaneId([2; 8]));
        assert_eq!(moved.iter().map(|m| m.0).collect::<Vec<_>>(), [mid(2), mid(3)]);
        assert_eq!(outbox.acked(), 0);
        assert!(moved.iter().all(|m| !before.contains(&m.1)));
    }

    #[test]
    fn a_number_that_was_never_said_is_another_history_without_a_search() {
        let mut ours = outbox(40);
        ours.said = 20;
        ours.take_back(&(1..=10).map(mid).collect::<Vec<_>>(), SkipReason::Withdrawn);
        let theirs = |hwm| LaneState { lane: LaneId([1; 8]), hwm, chain: Chain([9; 16]) };
        for hwm in 21..=50 {
            assert_eq!(ours.price(theirs(hwm)), 0, "no digest is computed for {hwm}");
            assert_eq!(ours.peer_has(theirs(hwm)), Verdict::Foreign);
        }
        assert!(ours.price(theirs(20)) > 0);
        // An earlier process can have said what may fly, and no more.
        let pending: Vec<_> = (0..1_000u32)
            .map(|n| Pending {
                mid: MessageId(u128::from(n).to_be_bytes()),
                chain: Chain::EMPTY,
                bytes: 1,
                at_ms: 0,
                gone: None,
                until_ms: None,
                end_mono_ms: None,
            })
            .collect();
        let snapshot = OutSnapshot { lane: LaneId([1; 8]), acked: 7, acked_chain: Chain::EMPTY, pending };
        assert_eq!(Outbox::restore(snapshot).said, 7 + 64);
    }

    #[test]
    fn a_message_is_taken_back_once() {
        let mut outbox = three();
        outbox.sending(1);
        let taken = outbox.take_back(&[mid(2)], SkipReason::Withdrawn);
        assert_eq!(
            taken,
            [Taken { mid: mid(2), seq: 2, bytes: 10, end_mono_ms: None, certain: true }],
            "it never left"
        );
        let taken = outbox.take_back(&[mid(2), mid(1), mid(9)], SkipReason::Withdrawn);
        assert_eq!(taken, [Taken { mid: mid(1), seq: 1, bytes: 10, end_mono_ms: None, certain: false }]);
        assert_eq!((outbox.owed().count(), outbox.owed_count()), (1, 1));
        assert_eq!(outbox.bytes(), 10);
    }
}
