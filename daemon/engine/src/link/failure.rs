//! Why a stream came to nothing, by whose fault. The sentences are for people and name no onion address.

use std::io;
use torchat_core::handshake::{HandshakeError, LinkError};
use torchat_protocol::message::MessageError;

/// Why a stream came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// By the other end's fault.
    #[error(transparent)]
    Peer(#[from] PeerFault),
    /// By the fault of what is between the ends.
    #[error("{what} broke: {error}")]
    Network {
        /// What broke.
        what: &'static str,
        /// Why.
        error: io::Error,
    },
    /// We ended it, or the daemon stops.
    #[error("closed here")]
    Ours,
}

/// What the other end did.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerFault {
    /// It did not prove who it is.
    #[error("handshake: {0}")]
    Handshake(#[from] HandshakeError),
    /// It did not get on with the handshake.
    #[error("the handshake took too long")]
    TooSlow,
    /// It left before it was proven.
    #[error("the stream ended in the handshake")]
    Left,
    /// It sent what are no records of this link.
    #[error("the peer broke the protocol: {0}")]
    Records(#[from] LinkError),
    /// It said what means nothing.
    #[error("the peer broke the protocol: {0}")]
    Message(#[from] MessageError),
    /// It did not read what was said to it.
    #[error("the peer does not read")]
    NotRead,
    /// It ended the link.
    #[error("the peer ended the link")]
    Ended,
}
