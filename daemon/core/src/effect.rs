//! What a turn wants done.

use crate::input::{Answer, LinkId, RequestId};
use crate::op::Op;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::{ByeReason, PeerMessage};

/// The outcome of a turn: first everything of `ops` in one durable transaction, then the effects in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// The transaction. Empty: nothing needs to be committed.
    pub ops: Vec<Op>,
    /// What happens after it, and not at all if it failed.
    pub effects: Vec<Effect>,
}

/// One thing to do after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer a client.
    Answer {
        /// Its request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
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
        /// The first number and the digest before it.
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
    /// Dial a peer. Ends in `LinkUp` or `DialFailed`, always.
    Dial {
        /// The peer.
        peer: PeerId,
        /// Whether to use the circuits of the last dial that worked, once, after the peer was "not found".
        last_circuits: bool,
    },
    /// Messages are durable at the peer.
    Delivered {
        /// The peer.
        peer: PeerId,
        /// Which.
        mids: Vec<MessageId>,
    },
}
