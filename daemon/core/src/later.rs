//! What one turn decides and a later one writes.
//!
//! What would tell a stranger that something was stored of it is written some random seconds later (see `contacts`), and
//! that a link came up in the next turn (see `presence`), so that its first words do not wait for the disk.

use crate::op::{ContactOp, Op};
use torchat_protocol::id::PeerId;

/// Operations that wait, in the order in which they were decided.
#[derive(Debug, Default)]
pub(crate) struct Later {
    /// Each with the moment from which on it is written, by the monotonic clock in milliseconds.
    waiting: Vec<(u64, Op)>,
}

impl Later {
    /// To be written at this moment of the monotonic clock, or at the stop.
    pub(crate) fn push(&mut self, at_ms: u64, op: Op) {
        self.waiting.push((at_ms, op));
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        self.waiting.iter().map(|(due, _)| *due).min()
    }

    /// Takes what is due; a daemon that stops has no later turn.
    pub(crate) fn due(&mut self, mono_ms: u64, stopping: bool) -> Vec<Op> {
        self.waiting.extract_if(.., |(due, _)| *due <= mono_ms || stopping).map(|(_, op)| op).collect()
    }

    /// A request waits for its writing no longer: something else became of it.
    pub(crate) fn forget_request(&mut self, peer: PeerId) {
        self.waiting
            .retain(|(_, op)| !matches!(op, Op::Contacts(ContactOp::Request { peer: asker, .. }) if *asker == peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::tests::peer;

    #[test]
    fn what_is_due_comes_in_its_order_and_all_of_it_at_the_stop() {
        let mut later = Later::default();
        let request = |n| Op::Contacts(ContactOp::Request { peer: peer(n), request: None });
        for (at, n) in [(30, 1), (10, 2), (20, 3), (30, 4)] {
            later.push(at, request(n));
        }
        assert_eq!(later.deadline(), Some(10));
        assert_eq!(later.due(20, false), [request(2), request(3)]);
        later.forget_request(peer(4));
        assert_eq!(later.due(20, true), [request(1)]);
    }
}
