//! What is done about our way into the network.

use torchat_protocol::id::PeerId;

/// A dial, or a mending of what carries dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEffect {
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
}
