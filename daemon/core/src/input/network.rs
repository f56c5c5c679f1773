//! What happens to our way into the network.

use torchat_protocol::id::PeerId;

/// What a dial or the network's state tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkInput {
    /// The dial of our own service ended.
    SelfChecked {
        /// Why it failed, in words.
        failure: Option<(DialFailure, String)>,
    },
    /// A dial ended without a link.
    DialFailed {
        /// Who was dialled.
        peer: PeerId,
        /// What it means.
        failure: DialFailure,
        /// In words, for STATUS.
        reason: String,
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
    /// Someone answered who is not the peer, or broke the handshake.
    Handshake,
    /// It can never work.
    Permanent,
}
