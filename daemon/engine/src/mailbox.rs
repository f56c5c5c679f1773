//! What comes to the engine from links, dials and handles, and the way it comes.

use crate::link::handle::LinkHandle;
use crate::request::{Reply, Request};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use torchat_core::input::{Input, LinkId};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;

pub(crate) type Mailbox = mpsc::Sender<Event>;

/// What comes to the engine.
pub(crate) enum Event {
    /// Something for the core alone, with the room that its bytes take.
    Core { input: Input, room: Vec<OwnedSemaphorePermit> },
    LinkUp {
        link: LinkId,
        peer: PeerId,
        outgoing: bool,
        binding: [u8; 32],
        epoch: u32,
        handle: LinkHandle<PeerMessage>,
    },
    /// A client asks.
    Request { request: Request, reply: Reply },
    /// The store was looked through beside the start, and is damaged.
    Condemned(String),
}
