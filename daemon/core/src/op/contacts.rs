//! What is written of peers: what they are to us, and what was seen of them.

use crate::snapshot::{ContactRequest, Intro, InviteRow};
use torchat_protocol::id::{PeerId, RunId};

/// A change of what a peer is to us, of an invite, or of what was seen of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactOp {
    /// The peer is a contact from now on; nothing happens if it was.
    Add {
        /// The peer.
        peer: PeerId,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The user made a contact a stranger again. What was said stays.
    Remove {
        /// The peer.
        peer: PeerId,
    },
    /// Whether the user blocks the peer.
    Block {
        /// The peer.
        peer: PeerId,
        /// Yes or no.
        blocked: bool,
    },
    /// What the user calls the peer.
    Petname {
        /// The peer.
        peer: PeerId,
        /// `None`: nothing.
        name: Option<String>,
    },
    /// What we say to this peer to be accepted.
    Intro {
        /// The peer.
        peer: PeerId,
        /// The words and the invite.
        intro: Intro,
    },
    /// A stranger asks to become a contact, or the user has refused it. It replaces what the same peer said before.
    Request {
        /// The peer.
        peer: PeerId,
        /// What it says; `None`: the request is settled or too old.
        request: Option<ContactRequest>,
    },
    /// What the peer calls itself.
    Nick {
        /// The peer.
        peer: PeerId,
        /// The name.
        nick: String,
    },
    /// An invite was made.
    Invite {
        /// What is kept of it.
        invite: InviteRow,
    },
    /// An invite was used or is too old.
    InviteGone {
        /// SHA-256 of its secret.
        hash: [u8; 32],
    },
    /// Whether the peer holds our messages back until its user accepts us.
    Waiting {
        /// The peer.
        peer: PeerId,
        /// Yes or no.
        waiting: bool,
    },
    /// What was learned of the contact's copies.
    Met {
        /// The peer.
        peer: PeerId,
        /// The highest epoch of its certificates.
        epoch: u32,
        /// Its run.
        run: Option<RunId>,
    },
    /// Whether the contact sees us only while there is something to deliver.
    Hidden {
        /// The peer.
        peer: PeerId,
        /// Yes or no.
        hidden: bool,
    },
    /// Whether the user has compared the contact's key.
    Verified {
        /// The peer.
        peer: PeerId,
        /// When it was marked, in milliseconds since 1970; `None`: the mark is taken away.
        at_ms: Option<i64>,
    },
    /// How long the messages of the conversation are kept.
    Retain {
        /// The peer.
        peer: PeerId,
        /// In days; `None`: forever.
        days: Option<u32>,
    },
    /// Something was heard of the contact.
    Seen {
        /// The peer.
        peer: PeerId,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// When the contact is to be dialled next.
    Retry {
        /// The peer.
        peer: PeerId,
        /// Failures in a row.
        attempts: u32,
        /// Not before, in milliseconds since 1970.
        next_ms: i64,
    },
}
