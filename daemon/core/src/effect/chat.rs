//! What those who wait for a message are told.

use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::message::SkipReason;

/// What became of messages that somebody may wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEffect {
    /// Messages were taken back before they were delivered.
    TakenBack {
        /// The peer.
        peer: PeerId,
        /// Which.
        mids: Vec<MessageId>,
        /// Why.
        why: SkipReason,
    },
    /// Messages are durable at the peer.
    Delivered {
        /// The peer.
        peer: PeerId,
        /// Which.
        mids: Vec<MessageId>,
    },
}
