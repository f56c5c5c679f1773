//! The engine's end of a link.

use super::rejected::Rejected;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use torchat_protocol::message::{ByeReason, PeerMessage};

/// What the engine says to a link.
#[derive(Debug)]
pub(crate) enum ToLink {
    Say(PeerMessage),
    /// End, after everything before was written, with last words if there are any.
    Close(Option<ByeReason>),
}

/// The engine's end of a link.
#[derive(Debug)]
pub(crate) struct LinkHandle {
    pub(super) queue: mpsc::Sender<ToLink>,
    /// Cancelled when the end is queued.
    pub(super) closing: CancellationToken,
    pub(super) cancel: CancellationToken,
    pub(super) rejected: Arc<Rejected>,
}

impl LinkHandle {
    /// Queues a message. A full queue ends the link: the peer reads nothing.
    pub(crate) fn tell(&self, message: ToLink) {
        if matches!(message, ToLink::Close(_)) {
            self.closing.cancel();
        }
        if let Err(error) = self.queue.try_send(message) {
            // Said in vain to a link that has ended, it is nobody's fault.
            let stalled = matches!(error, mpsc::error::TrySendError::Full(_)) && !self.cancel.is_cancelled();
            self.rejected.not_read.fetch_add(u64::from(stalled), Ordering::Relaxed);
            self.cancel.cancel();
        }
    }

    /// Ends the link at once.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }
}
