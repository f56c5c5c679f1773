//! What a peer's frames cost us, whatever they say, and how fast it may go on.
//!
//! Each frame has a price in units of about a quarter of a microsecond, and each peer one bucket of them for all its room links. A
//! peer that has spent them is read no faster than they come back: nothing of it is lost, and the network's own back-pressure
//! slows it. (A BYE as on chat links was rejected: a member that comes back after a week says much at once and does no wrong.)

use parking_lot::Mutex;
use std::collections::HashMap;
use torchat_core::rate::{Bucket, Rate};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::room::Frame;

/// What a peer may cost: some 30,000 events at once, and then 150 a second, or 150 KiB.
const COSTS: Rate = Rate::hourly(4_000_000, 72_000_000);
/// Bytes of our logs that a peer is told: as much as a long history at once, and then some 150 KiB a second. Whoever says again and
/// again that it has nothing is told everything again and again.
const TOLD: Rate = Rate::hourly(64 << 20, 512 << 20);
/// Peers that have not paid everything back. Beyond it all begin anew.
const PURSES: usize = 4_096;

/// A link that comes up.
pub(super) const LINK: u64 = 20_000;
/// Every frame, what is skipped, too.
pub(super) const FRAME: u64 = 10;
/// An event: its signature, and its row.
const EVENT: u64 = 100;
/// Bytes for a unit.
const BYTES: u64 = 8;
/// What makes us read the store, answer, or write.
const QUESTION: u64 = 200;
/// What makes us look for a member, or begin a channel.
const OPENING: u64 = 1_000;

/// What a frame costs.
pub(super) fn price(frame: &Frame, bytes: usize) -> u64 {
    let count = |list: usize| u64::try_from(list).unwrap_or(u64::MAX);
    FRAME
        + count(bytes) / BYTES
        + match frame {
            Frame::Events(events) | Frame::Base(events) => EVENT * count(events.len()),
            Frame::Fork(_) => 2 * EVENT + QUESTION,
            Frame::Open(_) | Frame::Join(_) | Frame::Petition(_) => OPENING,
            Frame::Hello(_) | Frame::Reset | Frame::Have(_) | Frame::Need(..) | Frame::At(_) | Frame::Mark(_) => {
                QUESTION
            }
            Frame::Body(places) => EVENT * count(places.len()),
            Frame::Stored(chains) => count(chains.len()),
            Frame::Close(_) | Frame::Deny(_) | Frame::Told(_) | Frame::Credit(_) => 0,
        }
}

/// What a message on channel 0 costs. Every PING is answered.
pub(super) fn price_of_message(message: &PeerMessage) -> u64 {
    FRAME + if matches!(message, PeerMessage::Ping(_)) { QUESTION } else { 0 }
}

/// The buckets of all peers, of one kind.
#[derive(Debug)]
pub(crate) struct Purses {
    rate: Rate,
    of: Mutex<HashMap<PeerId, Bucket>>,
}

impl Purses {
    /// For what peers say to us.
    pub(super) fn for_what_comes() -> Self {
        Self { rate: COSTS, of: Mutex::default() }
    }

    /// For what they are told of our logs.
    pub(crate) fn for_what_is_told() -> Self {
        Self { rate: TOLD, of: Mutex::default() }
    }

    /// Takes a price, at most the whole bucket. By the clock that does not go back.
    ///
    /// # Errors
    /// The moment when it can be taken.
    pub(crate) fn pay(&self, peer: PeerId, amount: u64, now_ms: u64) -> Result<(), u64> {
        let mut of = self.of.lock();
        if of.len() >= PURSES && !of.contains_key(&peer) {
            of.retain(|_, bucket| !bucket.is_full(self.rate, now_ms));
            if of.len() >= PURSES {
                of.clear();
            }
        }
        of.entry(peer).or_default().take(self.rate, amount, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::room::Author;

    fn peer(n: u8) -> PeerId {
        let identity = torchat_core::handshake::LocalIdentity::from_seeds(&[n; 32], &[9; 32], 1_790_000_000);
        identity.expect("an identity").peer_id()
    }

    #[test]
    fn a_flood_of_one_peer_is_paced_and_costs_nobody_else() {
        let purses = Purses::for_what_comes();
        let orphan = price(&Frame::Need(Author::ACTS, 1), 12);
        let mut taken = 0;
        while purses.pay(peer(1), orphan, 0).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, COSTS.burst() / orphan);
        let soon = purses.pay(peer(1), orphan, 0).expect_err("it is spent");
        assert!(soon <= 20, "the next one waits {soon} ms");
        assert!(purses.pay(peer(1), orphan, soon).is_ok());
        assert!(purses.pay(peer(2), orphan, 0).is_ok());
    }

    #[test]
    fn a_member_that_comes_back_says_ten_thousand_texts_without_a_pause() {
        let (purses, item) = (Purses::for_what_comes(), 226_u64);
        let texts = 35;
        let packed = FRAME + texts * (EVENT + item / BYTES + 1);
        for _ in 0..10_000 / texts {
            assert_eq!(purses.pay(peer(1), packed, 0), Ok(()));
        }
    }
}
