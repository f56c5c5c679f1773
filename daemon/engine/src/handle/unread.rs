//! Unread messages on their way to local programs.

use super::{Handle, read};
use crate::request::Request;
use crate::unread::{self, Place, UnreadBuffers};
use std::time::Duration;
use torchat_protocol::id::PeerId;

/// How long UPDATE waits while another client holds the peer's oldest message.
pub(super) const LEASE_WAIT: Duration = Duration::from_millis(200);

/// The oldest unread message of a peer, handed out but not yet taken. See [`Handle::lease`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The sender.
    pub peer: PeerId,
    /// The row, for [`Handle::take`] and [`Handle::put_back`].
    pub row: i64,
    /// When it arrived: milliseconds since 1970.
    pub arrived_ms: i64,
    /// The text.
    pub text: String,
}

impl Handle {
    /// The peers with unread mail, in the order of their first unread message.
    #[must_use]
    pub fn unread_peers(&self) -> Vec<PeerId> {
        self.unread.peers()
    }

    /// Hands out the oldest unread message of a peer. While another client holds it, waits at most 200 ms. The caller
    /// of a lease must [`Handle::take`] it or [`Handle::put_back`] it.
    pub async fn lease(&self, peer: PeerId) -> Option<Lease> {
        let deadline = tokio::time::Instant::now() + LEASE_WAIT;
        loop {
            // Made before the look, so that a release between the look and the wait is not missed.
            let mut released = std::pin::pin!(self.unread.released());
            released.as_mut().enable();
            match self.unread.try_lease(&peer) {
                unread::Lease::Nothing => return None,
                unread::Lease::Ready(head) => {
                    return Some(Lease { peer, row: head.row, arrived_ms: head.arrived_ms, text: head.text });
                }
                unread::Lease::Load(place) => self.load(peer, place).await?,
                unread::Lease::Busy => tokio::time::timeout_at(deadline, released).await.ok()?,
            }
        }
    }

    async fn load(&self, peer: PeerId, place: Place) -> Option<()> {
        let reader = self.reader.clone();
        match read(reader, move |reader| reader.heads(&peer, place.after, UnreadBuffers::load_limit())).await {
            Ok(heads) => {
                self.unread.fill(&peer, place, heads);
                Some(())
            }
            Err(error) => {
                tracing::error!(%error, "unread mail cannot be read");
                None
            }
        }
    }

    /// A handed-out message was read. Returns when that is durable, or when it is noted in memory because the store
    /// takes no writes.
    pub async fn take(&self, lease: Lease) {
        if let Some(place) = self.unread.take(&lease.peer, lease.row) {
            let _ = self.load(lease.peer, place).await;
        }
        // An engine that stops before the commit repeats the message at the next start: at least once.
        let _ = self.ask(Request::Read { peer: lease.peer, row: lease.row }).await;
    }

    /// A handed-out message was not read: the next UPDATE gets it again.
    pub fn put_back(&self, lease: Lease) {
        self.unread.put_back(&lease.peer, lease.row);
    }
}
