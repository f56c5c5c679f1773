//! What clients want of peers.

use super::RequestId;
use crate::snapshot::Intro;
use torchat_protocol::id::PeerId;

/// A client's request about who may write to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactInput {
    /// A client changes what a peer is to us.
    Change {
        /// To be answered.
        request: RequestId,
        /// The peer.
        peer: PeerId,
        /// How.
        change: ContactChange,
    },
    /// A client wants an invite.
    Invite {
        /// To be answered.
        request: RequestId,
        /// How long it is good, in milliseconds.
        lifetime_ms: i64,
    },
}

/// How a peer's standing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChange {
    /// It becomes a contact, and is asked to accept us.
    Add(Intro),
    /// Its request is granted.
    Accept,
    /// Its request is refused. It does not learn so.
    Refuse,
    /// It is a stranger whatever it says. It does not learn so.
    Block,
    /// It is a stranger like others again.
    Unblock,
    /// The user gives it a name, which wins over its own; `None` takes the name away.
    Rename(Option<String>),
    /// It is no contact any more. What was said stays; what waits for it is taken back.
    Remove,
    /// It sees us only while there is something to deliver, or always.
    Appear {
        /// Only then.
        hidden: bool,
    },
    /// The user has compared its key, or takes that back.
    Verify {
        /// Compared.
        verified: bool,
    },
    /// Messages of its conversation that are older than this number of days are erased; `None`: none are.
    Retain(Option<u32>),
}
