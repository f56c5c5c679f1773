//! The engine's end of a link.

use super::rejected::Rejected;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What the engine says to a link of whose purpose messages are `Said`.
#[derive(Debug)]
pub(crate) enum ToLink<Said> {
    Say(Said),
    /// End, after everything before was written, with last words if there are any.
    Close(Option<Said>),
}

/// The engine's end of a link.
#[derive(Debug)]
pub(crate) struct LinkHandle<Said> {
    pub(super) queue: mpsc::Sender<ToLink<Said>>,
    /// Cancelled when the end is queued.
    pub(super) closing: CancellationToken,
    pub(super) cancel: CancellationToken,
    pub(super) rejected: Arc<Rejected>,
}

impl<Said> LinkHandle<Said> {
    /// Queues a message. A full queue ends the link: the peer reads nothing.
    pub(crate) fn tell(&self, message: ToLink<Said>) {
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

    /// The peer does not read: the link ends at once.
    pub(super) fn stalled(&self) {
        self.rejected.not_read.fetch_add(u64::from(!self.cancel.is_cancelled()), Ordering::Relaxed);
        self.cancel.cancel();
    }

    /// Ends the link at once.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }
}
