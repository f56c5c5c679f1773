//! What is done on links.

use crate::input::LinkId;
use torchat_protocol::id::{Chain, LaneId, PeerId};
use torchat_protocol::message::{ByeReason, PeerMessage};

/// Something to do on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEffect {
    /// Say something over a link.
    Say {
        /// The link.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// Send stored messages over a link, in order.
    Transmit {
        /// The link.
        link: LinkId,
        /// The receiver.
        peer: PeerId,
        /// The lane.
        lane: LaneId,
        /// The first number.
        first: u64,
        /// The digest before the first.
        prev: Chain,
        /// How many.
        count: u64,
    },
    /// End a link, after what was said before.
    Close {
        /// The link.
        link: LinkId,
        /// Last words, if any.
        bye: Option<ByeReason>,
    },
}
