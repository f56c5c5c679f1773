//! Our lane to one peer: numbers, digests, and what is not acknowledged.

use crate::snapshot::{OutSnapshot, Pending};
use std::collections::VecDeque;
use torchat_protocol::id::{Chain, LaneId, MessageId};
use torchat_protocol::limits;
use torchat_protocol::message::LaneState;

/// A lane of ours with its unacknowledged messages.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    lane: LaneId,
    acked: u64,
    acked_chain: Chain,
    pending: VecDeque<Pending>,
}

/// What a peer's statement about our lane means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// These are delivered now (maybe none).
    Delivered(Vec<Pending>),
    /// The peer has less than it once acknowledged: it was restored from a backup.
    Behind,
    /// The peer knows another history: ours was restored from a backup, or was copied.
    Foreign,
}

impl Outbox {
    pub(crate) fn new(lane: LaneId) -> Self {
        Self { lane, acked: 0, acked_chain: Chain::EMPTY, pending: VecDeque::new() }
    }

    pub(crate) fn restore(snapshot: OutSnapshot) -> Self {
        Self {
            lane: snapshot.lane,
            acked: snapshot.acked,
            acked_chain: snapshot.acked_chain,
            pending: snapshot.pending.into(),
        }
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

    pub(crate) fn pending(&self) -> &VecDeque<Pending> {
        &self.pending
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.pending.iter().map(|p| u64::from(p.bytes)).sum()
    }

    /// Gives the next number to a message; returns the number and the digest after it.
    pub(crate) fn push(&mut self, mid: MessageId, bytes: u32) -> (u64, Chain) {
        let chain = self.head().next(mid);
        self.pending.push_back(Pending { mid, chain, bytes });
        (self.acked + self.pending.len() as u64, chain)
    }

    /// The digest after the newest message.
    fn head(&self) -> Chain {
        self.pending.back().map_or(self.acked_chain, |p| p.chain)
    }

    /// The digest before number `seq`, which is not acknowledged yet.
    pub(crate) fn chain_before(&self, seq: u64) -> Option<Chain> {
        match seq.checked_sub(self.acked + 1)? {
            0 => Some(self.acked_chain),
            n => self.pending.get(usize::try_from(n - 1).ok()?).map(|p| p.chain),
        }
    }

    /// Takes what the peer says it has. Its digest must be ours at that number: the number alone would let a daemon
    /// restored from a backup take the acknowledgement of a message that it never sent.
    pub(crate) fn peer_has(&mut self, state: LaneState) -> Verdict {
        if state.hwm < self.acked {
            return Verdict::Behind;
        }
        let Ok(count) = usize::try_from(state.hwm - self.acked) else { return Verdict::Foreign };
        let ours = match count.checked_sub(1) {
            None => Some(self.acked_chain),
            Some(last) => self.pending.get(last).map(|p| p.chain),
        };
        if ours != Some(state.chain) {
            return Verdict::Foreign;
        }
        let delivered: Vec<_> = self.pending.drain(..count).collect();
        self.acked = state.hwm;
        self.acked_chain = state.chain;
        Verdict::Delivered(delivered)
    }

    /// Numbers everything that is not acknowledged anew, in a new lane.
    pub(crate) fn move_to(&mut self, lane: LaneId) -> Vec<(MessageId, Chain)> {
        let old = std::mem::replace(self, Self::new(lane));
        for pending in old.pending {
            self.push(pending.mid, pending.bytes);
        }
        self.pending.iter().map(|p| (p.mid, p.chain)).collect()
    }

    /// How many messages from number `next` on fit into what the peer takes unacknowledged.
    pub(crate) fn sendable(&self, next: u64, inflight: usize, credit: u64) -> u64 {
        let Some(flying) = next.checked_sub(self.acked + 1).and_then(|n| usize::try_from(n).ok()) else { return 0 };
        let mut bytes: u64 = self.pending.iter().take(flying).map(cost).sum();
        let mut count = 0;
        for pending in self.pending.iter().take(inflight).skip(flying) {
            bytes += cost(pending);
            // One message always fits, or a peer that announces a tiny credit would stop its lane for ever.
            if bytes > credit && flying as u64 + count > 0 {
                break;
            }
            count += 1;
        }
        count
    }
}

/// What a message takes of the receiver's credit: at worst its text grows sixfold by JSON escapes, but a sender that
/// reckons so could not fly two long texts; the receiver bounds what it reads by itself. The fixed part is the envelope.
fn cost(pending: &Pending) -> u64 {
    u64::from(pending.bytes).min(limits::TEXT_BYTES as u64) + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mid(n: u8) -> MessageId {
        MessageId([n; 16])
    }

    fn three() -> Outbox {
        let mut outbox = Outbox::new(LaneId([1; 8]));
        for n in 1..=3 {
            assert_eq!(outbox.push(mid(n), 10).0, u64::from(n));
        }
        outbox
    }

    fn state(outbox: &Outbox, hwm: u64) -> LaneState {
        LaneState { lane: outbox.lane, hwm, chain: outbox.chain_before(hwm + 1).expect("known number") }
    }

    #[test]
    fn acknowledgements_are_cumulative_and_repeatable() {
        let mut outbox = three();
        let at_two = state(&outbox, 2);
        let Verdict::Delivered(done) = outbox.peer_has(at_two) else { panic!("refused") };
        assert_eq!(done.iter().map(|p| p.mid).collect::<Vec<_>>(), [mid(1), mid(2)]);
        assert_eq!(outbox.peer_has(at_two), Verdict::Delivered(vec![]));
        assert_eq!(outbox.pending().len(), 1);
    }

    #[test]
    fn another_history_is_noticed_at_every_number() {
        for hwm in 0..=4 {
            let mut outbox = three();
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
        assert!(matches!(outbox.peer_has(three), Verdict::Delivered(_)));
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
    fn the_window_is_bounded_and_never_shut() {
        let mut outbox = Outbox::new(LaneId([1; 8]));
        for n in 0..100u8 {
            outbox.push(mid(n), 1000);
        }
        assert_eq!(outbox.sendable(1, 64, u64::MAX), 64);
        assert_eq!(outbox.sendable(60, 64, u64::MAX), 5);
        assert_eq!(outbox.sendable(65, 64, u64::MAX), 0);
        assert_eq!(outbox.sendable(1, 64, 1), 1, "one message always fits");
        assert_eq!(outbox.sendable(2, 64, 1), 0);
        assert_eq!(outbox.sendable(1, 64, 3 * 1256), 3);
    }
}
