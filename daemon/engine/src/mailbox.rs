//! What comes to the engine from links, dials and handles, and the way it comes.

use crate::client_ids::SendReply;
use crate::link::handle::LinkHandle;
use crate::refusal::Refusal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use torchat_core::input::{ContactChange, Input, LinkId};
use torchat_core::node::Node;
use torchat_protocol::id::{InviteSecret, MessageId, PeerId};

pub(crate) type Mailbox = mpsc::Sender<Event>;

/// What comes to the engine.
pub(crate) enum Event {
    /// Something for the core alone, with the room that its bytes take.
    Core {
        input: Input,
        room: Vec<OwnedSemaphorePermit>,
    },
    LinkUp {
        link: LinkId,
        peer: PeerId,
        outgoing: bool,
        binding: [u8; 32],
        epoch: u32,
        handle: LinkHandle,
    },
    Cancel {
        peer: PeerId,
        mid: MessageId,
        reply: oneshot::Sender<Result<bool, Refusal>>,
    },
    Send {
        peer: PeerId,
        text: String,
        /// The client's key, and how many keys were committed before it was looked up.
        client: Option<(String, u64)>,
        expire_ms: Option<i64>,
        reply: SendReply,
    },
    Contact {
        peer: PeerId,
        change: ContactChange,
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The store was looked through beside the start, and is damaged.
    Condemned(String),
    Invite {
        lifetime_ms: i64,
        reply: oneshot::Sender<Result<InviteSecret, Refusal>>,
    },
    Read {
        peer: PeerId,
        row: i64,
        reply: oneshot::Sender<()>,
    },
    Seen {
        peer: PeerId,
        upto: i64,
        limit: u32,
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    LegacyTaken {
        row: i64,
        at_ms: i64,
        reply: oneshot::Sender<()>,
    },
    Wait {
        peer: PeerId,
        mid: MessageId,
        reply: oneshot::Sender<DeliveryWait>,
    },
}

/// How the wait for a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryWait {
    /// Durable at the peer.
    Delivered,
    /// It never will be: it was taken back, or it waited too long.
    Failed {
        /// One sentence.
        reason: String,
    },
    /// Not within the time. `reason` says what the message waits for; it stays queued.
    NotYet {
        /// One sentence.
        reason: String,
    },
}

/// A poisoned lock is a panic in the core; what it left is judged by the next turn, not trusted less.
pub(crate) fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}
