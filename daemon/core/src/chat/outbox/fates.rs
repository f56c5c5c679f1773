//! Whether messages that were taken back had reached the peer before: the peer's digest tells.

use super::Outbox;
use crate::snapshot::Pending;
use torchat_protocol::id::{Chain, MessageId};
use torchat_protocol::message::LaneState;

/// Tombstones whose fates may be open in one statement of the peer. Each doubles the histories to compare; beyond it the
/// lane is given up for a new one, which loses nothing.
const OPEN_FATES: u32 = 10;
/// Digests that one statement makes us compute to find the fates, at most: about 3 ms, 8 ms without instructions for SHA-256.
/// Beyond it the lane is given up as well. Ten fates fit if they are not all among the first messages that fly.
const FATE_DIGESTS: u64 = 32_768;

impl Outbox {
    /// What [`Outbox::peer_has`] will have to compute for this statement, in digests: nothing if the peer has what we think.
    pub(crate) fn price(&self, state: LaneState) -> u64 {
        if state.hwm < self.acked {
            return 0;
        }
        let Some(count) = self.said_upto(state.hwm) else { return 0 };
        let ours = count.checked_sub(1).map_or(self.acked_chain, |last| self.pending[last].chain);
        if ours == state.chain {
            return 0;
        }
        // If the fates are found, what still waits gets other digests.
        self.fates(count).map_or(0, |digests| digests + 2 * (self.pending.len() - count) as u64)
    }

    /// How many digests it takes to find the fates of the tombstones among the first `count` pending messages. `None`: there are
    /// none, or it takes too many.
    fn fates(&self, count: usize) -> Option<u64> {
        let (mut histories, mut digests, mut open) = (1u64, 0u64, 0);
        for pending in self.pending.iter().take(count) {
            digests += histories;
            if pending.gone.is_some() {
                digests += histories;
                histories *= 2;
                open += 1;
            }
            if open > OPEN_FATES || digests > FATE_DIGESTS {
                return None;
            }
        }
        (open > 0).then_some(digests)
    }

    /// Which of the first `count` pending messages reached the peer although they were taken back: those that make its
    /// digest. `None`: no choice makes it. What two histories have in common is computed once.
    pub(super) fn taken_back_too_late(&self, count: usize, theirs: Chain) -> Option<Vec<MessageId>> {
        self.fates(count)?;
        // Each history: the digest so far, and which tombstones arrived in it, one bit each.
        let mut histories = vec![(self.acked_chain, 0u32)];
        let mut gone = Vec::new();
        for pending in self.pending.iter().take(count) {
            let arrived = Pending { gone: None, ..*pending };
            if pending.gone.is_none() {
                histories.iter_mut().for_each(|(chain, _)| *chain = arrived.digest(*chain));
                continue;
            }
            let bit = 1 << gone.len();
            gone.push(pending.mid);
            for n in 0..histories.len() {
                let (before, late) = histories[n];
                let after = arrived.digest(before);
                histories[n] = (after.next(pending.mid), late);
                histories.push((after, late | bit));
            }
        }
        let (_, late) = histories.into_iter().find(|(chain, _)| *chain == theirs)?;
        Some((0..).zip(gone).filter(|(n, _)| late >> n & 1 == 1).map(|(_, mid)| mid).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chat::outbox::Verdict;
    use crate::chat::outbox::tests::{mid, mids, outbox, state};
    use torchat_protocol::id::LaneId;
    use torchat_protocol::message::SkipReason;

    #[test]
    fn the_digest_tells_whether_a_message_was_taken_back_in_time() {
        // Every set of messages that is taken back, every subset of it that the peer had got before, every number at
        // which the peer says so.
        for set in 0u32..16 {
            for late in (0u32..16).filter(|late| late & !set == 0) {
                for hwm in 0..=4u64 {
                    let mut ours = outbox(4);
                    let mut theirs = outbox(4);
                    for n in (0..4u8).filter(|n| set >> n & 1 == 1) {
                        assert_eq!(ours.take_back(&[mid(n + 1)], SkipReason::Withdrawn).len(), 1);
                        if late >> n & 1 == 0 {
                            theirs.take_back(&[mid(n + 1)], SkipReason::Withdrawn);
                        }
                    }
                    let Verdict::Known(progress) = ours.peer_has(state(&theirs, hwm)) else {
                        panic!("{set:b} {late:b} {hwm}: not known");
                    };
                    let got = |n: u8| u64::from(n) < hwm && (set >> n & 1 == 0 || late >> n & 1 == 1);
                    let gone = |n: u8| u64::from(n) < hwm && set >> n & 1 == 1 && late >> n & 1 == 0;
                    let expected =
                        |f: &dyn Fn(u8) -> bool| (0..4).filter(|n| f(*n)).map(|n| mid(n + 1)).collect::<Vec<_>>();
                    assert_eq!(mids(&progress.delivered), expected(&got), "{set:b} {late:b} {hwm}");
                    assert_eq!(mids(&progress.taken_back), expected(&gone), "{set:b} {late:b} {hwm}");
                    // What is left goes on from the peer's digest.
                    assert_eq!(ours.chain_before(hwm + 1), Some(state(&theirs, hwm).chain));
                }
            }
        }
    }

    #[test]
    fn more_open_fates_than_can_be_told_apart_open_a_new_lane() {
        let mut ours = outbox(40);
        let theirs = outbox(40);
        assert_eq!(ours.take_back(&(1..=40).map(mid).collect::<Vec<_>>(), SkipReason::Expired).len(), 40);
        assert_eq!(ours.peer_has(state(&theirs, 40)), Verdict::Foreign);
        assert!(matches!(ours.peer_has(state(&ours.clone(), 40)), Verdict::Known(_)), "no question is open here");
    }

    #[test]
    fn the_digests_of_one_statement_are_bounded_and_counted_before() {
        // Ten tombstones among 64 that fly, in the worst order and in the best, and thousands that wait.
        for (first, found) in [(1u8, false), (54, true)] {
            let mut ours = Outbox::new(LaneId([1; 8]));
            for n in 0..10_000u32 {
                ours.push(MessageId(u128::from(n + 1).to_be_bytes()), 10, 0);
            }
            ours.sending(64);
            let theirs = ours.clone();
            let gone: Vec<_> = (first..first + 10).map(|n| MessageId(u128::from(n).to_be_bytes())).collect();
            ours.take_back(&gone, SkipReason::Withdrawn);
            let all_arrived = LaneState { lane: LaneId([1; 8]), hwm: 64, chain: theirs.chain_before(65).unwrap() };
            let price = ours.price(all_arrived);
            assert!(price <= FATE_DIGESTS + 20_000, "{price}");
            let verdict = ours.peer_has(all_arrived);
            assert_eq!(matches!(verdict, Verdict::Known(_)), found, "from {first}");
            assert_eq!(price > 0, found, "what is not searched costs nothing");
        }
    }
}
