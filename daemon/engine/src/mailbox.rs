//! What comes to the engine from links, dials and handles, and the way it comes.

use crate::link::handle::LinkHandle;
use crate::link::room::said::RoomHandle;
use crate::request::{Reply, Request};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use torchat_core::input::{Input, LinkId};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::room::{Frame, RoomId};
use torchat_room::reading::{Read, Report};

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
    /// Something of rooms that is not for the core alone.
    Room(RoomEvent),
    /// A client asks.
    Request { request: Request, reply: Reply },
    /// The store was looked through beside the start, and is damaged.
    Condemned(String),
}

/// What comes of room links and of reading for them.
pub(crate) enum RoomEvent {
    /// A room link came up.
    Up { link: LinkId, peer: PeerId, outgoing: bool, binding: [u8; 32], epoch: u32, handle: RoomHandle },
    /// A room link ended.
    Down(LinkId),
    /// A look at a room's log is over.
    Looked(Looked),
    /// Rows of rooms' logs that are behind are brought further.
    Restand,
}

/// What came of a look at a room's log.
pub(crate) struct Looked {
    /// For which node: one that is rebuilt asks for other things by the same numbers.
    pub(crate) node: u64,
    /// The room.
    pub(crate) room: RoomId,
    /// On which channel of which link the frames are said.
    pub(crate) to: Option<(LinkId, u16)>,
    /// What was found, or what could not be looked up.
    pub(crate) found: Result<(Vec<Frame>, Report), Read>,
}
