//! How much may fly: what the peer takes unacknowledged, and what it can pay for to hear again.

use super::Outbox;
use crate::snapshot::Pending;
use torchat_protocol::limits;

impl Outbox {
    /// How many of the `count` messages from number `first` on can be said if those among them that went out before in this run
    /// may take `budget` bytes, and how many bytes these take. One always can with the whole budget, however long.
    pub(crate) fn affordable(&self, first: u64, count: u64, budget: u64) -> (u64, u64) {
        let mut resent = 0u64;
        for (n, (seq, pending)) in (0..count).zip((first..).zip(self.from(first))) {
            if seq > self.flown {
                break;
            }
            let more = resent + cost(pending);
            if more > budget {
                return (n, resent);
            }
            resent = more;
        }
        (count, resent)
    }

    /// What a message takes of the peer's credit; 0: there is none with this number.
    pub(crate) fn cost_of(&self, seq: u64) -> u64 {
        self.from(seq).next().map_or(0, cost)
    }

    /// How many messages from number `next` on fit into what the peer takes unacknowledged.
    pub(crate) fn sendable(&self, next: u64, inflight: usize, credit: u64) -> u64 {
        let Some(flying) = next.checked_sub(self.acked + 1).and_then(|n| usize::try_from(n).ok()) else { return 0 };
        let mut bytes: u64 = self.pending.iter().take(flying).map(cost).sum();
        let mut count = 0;
        for pending in self.pending.iter().take(inflight.max(1)).skip(flying) {
            bytes += cost(pending);
            // One message always fits, or a peer that announces a tiny credit, or none at all, would stop its lane forever.
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
    let text = if pending.gone.is_some() { 0 } else { u64::from(pending.bytes).min(limits::TEXT_BYTES as u64) };
    text + 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::outbox::tests::mid;
    use torchat_protocol::id::LaneId;

    #[test]
    fn the_window_is_bounded_and_never_shut() {
        let mut outbox = Outbox::new(LaneId([1; 8]));
        for n in 0..100u8 {
            outbox.push(mid(n), 1000, 0);
        }
        assert_eq!(outbox.sendable(1, 64, u64::MAX), 64);
        assert_eq!(outbox.sendable(60, 64, u64::MAX), 5);
        assert_eq!(outbox.sendable(65, 64, u64::MAX), 0);
        assert_eq!(outbox.sendable(1, 64, 1), 1, "one message always fits");
        assert_eq!(outbox.sendable(2, 64, 1), 0);
        assert_eq!(outbox.sendable(1, 64, 3 * 1256), 3);
    }
}
