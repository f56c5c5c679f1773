//! What happens to our way into the network.

use super::{DialEnd, EndedBy};
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

/// What a dial or the network's state tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkInput {
    /// The dial of our own service ended.
    SelfChecked {
        /// Why it failed. `None`: it got through.
        failure: Option<DialEnd>,
    },
    /// A dial ended without a link.
    DialFailed {
        /// Who was dialled.
        peer: PeerId,
        /// What for.
        purpose: Purpose,
        /// How.
        end: DialEnd,
    },
    /// The network has ceased to carry us, or does so again, as the transport's own look at it says.
    Carries {
        /// Whether it does.
        carries: bool,
    },
    /// Our way into the network works, or does not.
    State {
        /// Whether dials make sense.
        usable: bool,
    },
}

/// What a failed dial means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialFailure {
    /// The peer's service is not there.
    PeerDown,
    /// Our own way into the network does not work.
    NoNetwork,
    /// Nobody answered in time.
    Timeout,
    /// We gave it up: the machine slept meanwhile.
    GivenUp,
    /// A stream opened, so the network works, and it ended before the peer was proven.
    Handshake(EndedBy),
    /// The peer was proven, and there was no room for another link here.
    NoRoom,
    /// It can never work.
    Permanent,
}

impl DialFailure {
    /// The dial took as long as it was given, which says nothing about the peer.
    pub(crate) fn is_timeout(self) -> bool {
        matches!(self, Self::Timeout | Self::GivenUp)
    }
}
