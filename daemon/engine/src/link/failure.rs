//! Why a stream came to nothing, by whose fault.

use crate::codes;
use std::fmt;
use std::io;
use torchat_core::handshake::{HandshakeError, LinkError};
use torchat_core::input::{EndedBy, LinkEnd, PeerDid};
use torchat_protocol::message::MessageError;
use torchat_protocol::room::FrameError;

/// Why a stream came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// By the other end's fault.
    Peer(PeerFault),
    /// By the fault of what is between the ends.
    Network(io::Error),
    /// We ended it, or the daemon stops.
    Ours,
}

/// What the other end did.
#[derive(Debug)]
pub(crate) enum PeerFault {
    /// It did not prove who it is.
    Handshake(HandshakeError),
    /// It did not get on with the handshake.
    TooSlow,
    /// It left before it was proven.
    Left,
    /// It sent what are no records of this link.
    Records(LinkError),
    /// It said what means nothing.
    Message(MessageError),
    /// It said on a channel of a room what is no frame.
    Frame(FrameError),
    /// It did not read what was said to it.
    NotRead,
    /// It ended the link.
    Ended,
}

impl Failure {
    /// What the core is told.
    pub(crate) fn end(&self) -> LinkEnd {
        let (by, detail) = match self {
            Self::Peer(fault) => {
                let (did, detail) = fault.told();
                (EndedBy::Peer(did), detail)
            }
            Self::Network(error) => (EndedBy::Network, Some(error.to_string())),
            Self::Ours => (EndedBy::Us, None),
        };
        LinkEnd { by, detail }
    }
}

impl PeerFault {
    fn told(&self) -> (PeerDid, Option<String>) {
        match self {
            Self::Handshake(error) => (PeerDid::ProveNothing, Some(error.to_string())),
            Self::TooSlow => (PeerDid::TakeTooLong, None),
            Self::Left => (PeerDid::Leave, None),
            Self::Records(error) => (PeerDid::BreakProtocol, Some(error.to_string())),
            Self::Message(error) => (PeerDid::BreakProtocol, Some(error.to_string())),
            Self::Frame(error) => (PeerDid::BreakProtocol, Some(error.to_string())),
            Self::NotRead => (PeerDid::NotRead, None),
            Self::Ended => (PeerDid::End, None),
        }
    }
}

/// For the log. No onion address is in it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&codes::link_end(&self.end()))
    }
}

impl From<PeerFault> for Failure {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(fault)
    }
}

impl From<HandshakeError> for PeerFault {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<LinkError> for PeerFault {
    fn from(error: LinkError) -> Self {
        Self::Records(error)
    }
}

impl From<MessageError> for PeerFault {
    fn from(error: MessageError) -> Self {
        Self::Message(error)
    }
}

impl From<FrameError> for PeerFault {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}
