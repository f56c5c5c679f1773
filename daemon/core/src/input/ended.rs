//! Why a link ended or a dial failed, by whose doing: codes. The words are made where they are shown.

use super::DialFailure;

/// By whose doing a stream came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The peer.
    Peer(PeerDid),
    /// What is between the ends.
    Network,
    /// Us: we closed it, or the daemon stops.
    Us,
}

/// What the peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerDid {
    /// It ended the link.
    End,
    /// It sent what is no message of this link.
    BreakProtocol,
    /// It did not read what was said to it.
    NotRead,
    /// It did not prove who it is.
    ProveNothing,
    /// It did not finish the handshake in time.
    TakeTooLong,
    /// It left before it was proven.
    Leave,
}

/// How a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEnd {
    /// By whose doing.
    pub by: EndedBy,
    /// The words of what carries our bytes, or the rule that the peer broke. They are shown, and nothing is decided by them.
    pub detail: Option<String>,
}

/// How a dial ended that became no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialEnd {
    /// What it means.
    pub failure: DialFailure,
    /// As [`LinkEnd::detail`].
    pub detail: Option<String>,
}

/// Why there is no link to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoLink {
    /// The last dial failed.
    Dial(DialEnd),
    /// The last link ended.
    Link(LinkEnd),
}

impl From<EndedBy> for LinkEnd {
    fn from(by: EndedBy) -> Self {
        Self { by, detail: None }
    }
}

impl From<DialFailure> for DialEnd {
    fn from(failure: DialFailure) -> Self {
        Self { failure, detail: None }
    }
}
