//! What a turn wants done.

use crate::input::{Answer, LinkId, RequestId};
use crate::op::Op;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::{ByeReason, PeerMessage, SkipReason};

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
    /// Give up every dial that runs. Each ends in `DialFailed` as if it had timed out.
    DropDials,
    /// Give later dials a way into the network of their own.
    Renew,
    /// Dial our own service as a stranger would. Ends in `SelfChecked`, always.
    SelfCheck,
    /// Nothing less mends the daemon than a new process that goes on with the same store.
    Replace,
    /// Something that the user should know, once.
    Notice(Notice),
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

/// What the user should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A peer has met a run of our identity that our store does not know.
    OtherCopy(PeerId),
    /// A peer has met a newer copy of our identity and talks to us no more.
    Superseded(PeerId),
    /// A peer that we know by a newer copy came with an older one.
    OldCopyOfPeer(PeerId),
    /// The process did not run for this many milliseconds: the machine slept, or it was stopped.
    Woke(u64),
    /// The wall clock was set by this many milliseconds.
    ClockSet(i64),
}

impl Notice {
    /// Whom it concerns.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::OtherCopy(peer) | Self::Superseded(peer) | Self::OldCopyOfPeer(peer) => Some(*peer),
            Self::Woke(_) | Self::ClockSet(_) => None,
        }
    }

    /// The user has to do something about it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.peer().is_some()
    }

    /// One sentence for people, without onion addresses.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::OtherCopy(_) => {
                "a contact has met another daemon with your identity: either this data directory was \
                 restored from a backup, or a second copy of it is in use. Two running copies split your mail: stop one"
                    .to_owned()
            }
            Self::Superseded(_) => "a contact knows a newer copy of your identity and talks to this one no more: the \
                 identity was imported elsewhere, stop this daemon"
                .to_owned(),
            Self::OldCopyOfPeer(_) => {
                "a contact came with an older copy of its identity than the one you know: it was turned away".to_owned()
            }
            Self::Woke(ms) => format!("the daemon did not run for {} s: every link is tried", ms / 1000),
            Self::ClockSet(ms) => format!("the computer's clock was set by {} s", ms / 1000),
        }
    }
}
