//! What is said on a room link, and the engine's end of one.

use crate::link::handle::{LinkHandle, ToLink};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::room::{Frame, RoomId};

/// Bytes that wait to be written on one link, beyond which it ends: the peer reads nothing. The credit of 32 rooms that catch up at
/// the same time; what is read from the store waits long before, see [`READ_BELOW`].
const QUEUED_BYTES: usize = 8 << 20;
/// The store is read for a link while fewer bytes than this wait to be written there.
const READ_BELOW: usize = 256 << 10;

/// A frame as it is said, whatever the link and the channel.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(super) kind: u8,
    pub(super) bytes: Vec<u8>,
    /// It begins a channel, of this room.
    pub(super) begins: Option<RoomId>,
    /// Nothing more is said on its channel.
    pub(super) ends: bool,
}

impl From<&Frame> for Encoded {
    fn from(frame: &Frame) -> Self {
        let begins = match frame {
            Frame::Open(open) => Some(open.room),
            Frame::Join(join) => Some(join.room),
            _ => None,
        };
        Self { kind: frame.kind(), bytes: frame.encode(), begins, ends: matches!(frame, Frame::Close(_)) }
    }
}

/// What the engine says on a room link.
#[derive(Debug)]
pub(crate) enum RoomSaid {
    /// A frame on a channel. One that goes to several links is encoded once.
    Frame { channel: u16, frame: Arc<Encoded> },
    /// PING, PONG or BYE, on channel 0.
    Message(PeerMessage),
}

impl RoomSaid {
    /// The bytes that it takes while it waits to be written, at most.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Frame { frame, .. } => frame.bytes.len(),
            Self::Message(_) => 64,
        }
    }
}

/// How many bytes wait to be written on a link.
#[derive(Debug, Default)]
pub(super) struct Queued {
    bytes: AtomicUsize,
    less: Notify,
}

impl Queued {
    /// As many bytes wait no more.
    pub(super) fn written(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before >= READ_BELOW && before - bytes < READ_BELOW {
            self.less.notify_waiters();
        }
    }
}

/// The engine's end of a room link.
#[derive(Debug)]
pub(crate) struct RoomHandle {
    link: LinkHandle<RoomSaid>,
    queued: Arc<Queued>,
}

impl RoomHandle {
    pub(super) fn new(link: LinkHandle<RoomSaid>, queued: Arc<Queued>) -> Self {
        Self { link, queued }
    }

    /// Queues something. Too much of it ends the link: the peer reads nothing.
    pub(crate) fn tell(&self, message: ToLink<RoomSaid>) {
        let bytes = match &message {
            ToLink::Say(said) | ToLink::Close(Some(said)) => said.len(),
            ToLink::Close(None) => 0,
        };
        let before = self.queued.bytes.fetch_add(bytes, Ordering::AcqRel);
        if before + bytes > QUEUED_BYTES {
            self.link.stalled();
        } else {
            self.link.tell(message);
        }
    }

    /// Ends the link at once.
    pub(crate) fn cancel(&self) {
        self.link.cancel();
    }

    /// Waits for a moment in which little is to be written there.
    pub(crate) fn room(&self) -> LinkRoom {
        LinkRoom { queued: self.queued.clone(), ended: self.link.cancel.clone() }
    }
}

/// For whoever reads the store for a link.
#[derive(Debug, Clone)]
pub(crate) struct LinkRoom {
    queued: Arc<Queued>,
    ended: CancellationToken,
}

impl LinkRoom {
    /// Waits until little is to be written on the link. False: it has ended.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            let less = self.queued.less.notified();
            tokio::pin!(less);
            // Before the look, or a change between both would be missed.
            less.as_mut().enable();
            if self.ended.is_cancelled() {
                return false;
            }
            if self.queued.bytes.load(Ordering::Acquire) < READ_BELOW {
                return true;
            }
            tokio::select! {
                () = less => {}
                () = self.ended.cancelled() => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_reads_for_a_link_waits_until_little_is_to_be_written_there() {
        let (queued, ended) = (Arc::new(Queued::default()), CancellationToken::new());
        let room = LinkRoom { queued: queued.clone(), ended: ended.clone() };
        assert!(room.wait().await);
        queued.bytes.store(READ_BELOW + 10, Ordering::Release);
        let (mut waits, other) = (Box::pin(room.wait()), room.clone());
        assert!(futures::poll!(&mut waits).is_pending());
        queued.written(10);
        assert!(futures::poll!(&mut waits).is_pending(), "as much as that is no room");
        queued.written(1);
        assert!(waits.await);
        queued.bytes.store(READ_BELOW, Ordering::Release);
        let mut waits = Box::pin(other.wait());
        assert!(futures::poll!(&mut waits).is_pending());
        ended.cancel();
        assert!(!waits.await, "a link that has ended needs nothing");
    }
}
