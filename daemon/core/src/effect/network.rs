//! What is done about our way into the network.

#[cfg(doc)]
use crate::input::{DialFailure, LinkInput, NetworkInput};
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

/// A dial, or a mending of what carries dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEffect {
    /// Dial a peer. Ends in [`LinkInput::Up`] or [`NetworkInput::DialFailed`], unless the daemon stops.
    Dial {
        /// The peer.
        peer: PeerId,
        /// What for.
        purpose: Purpose,
        /// Whether to use the circuits of the last dial for this purpose that worked, once, after the peer was "not found".
        last_circuits: bool,
    },
    /// Give up every dial that has proven no peer yet. Each ends in [`NetworkInput::DialFailed`] by [`DialFailure::GivenUp`].
    DropDials,
    /// Give later dials a way into the network of their own.
    Renew,
    /// Dial our own service as a stranger would. Ends in [`NetworkInput::SelfChecked`], unless the daemon
    /// stops.
    SelfCheck,
    /// Nothing less mends the daemon than a new process that goes on with the same store.
    Replace,
}
