//! What comes to the engine from links, dials and handles, and the way it comes.

use crate::link::handle::LinkHandle;
use crate::request::{Reply, Request};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use torchat_core::input::{Input, LinkId};
use torchat_core::node::Node;
use torchat_protocol::id::PeerId;

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
    /// A client asks.
    Request {
        request: Request,
        reply: Reply,
    },
    /// The store was looked through beside the start, and is damaged.
    Condemned(String),
}

/// A poisoned lock is a panic in the core; what it left is judged by the next turn, not trusted less.
pub(crate) fn lock(node: &Mutex<Node>) -> MutexGuard<'_, Node> {
    node.lock().unwrap_or_else(PoisonError::into_inner)
}
