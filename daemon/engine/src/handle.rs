//! What the control server, and any program that embeds the engine, may ask of a running engine.
//!
//! SEND and ADD go through the actor and are answered after the commit. Reads never queue behind a commit: HOST is a
//! constant, GET_PEERS and UPDATE look at the unread buffers, HISTORY and STATUS have connections and cells of their own.

mod consumers;
mod conversation;
mod legacy;
mod log;
mod status;
mod tokens;

pub(crate) use consumers::Consumers;
pub(crate) use log::LogWriter;

pub use crate::mailbox::DeliveryWait;
pub use crate::refusal::{NotStored, Refusal};
pub use crate::store::{Page, TokenRow};
pub use conversation::{Accepted, HistoryLine, SendOptions, Sending};
pub use log::{Batch, EventLog};

use crate::legacy::{Bucket, LegacyRejected};
use crate::link::dialer::{Checked, Checker};
use crate::link::rejected::Rejected;
use crate::mailbox::{Event, Mailbox, lock};
use crate::refusal::{not_stored, not_written};
use crate::store::{Health, Jobs, Reader, Store, StoreError};
use crate::unread::{self, UnreadBuffers};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use torchat_core::input::ContactChange;
use torchat_core::node::Node;
use torchat_core::snapshot::Intro;
use torchat_core::view::{ContactView, RequestView};
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::invite::Invite;
use torchat_transport::clock::Clock;
use torchat_transport::{Callers, NetworkStatus};

/// How long UPDATE waits while another client holds the peer's oldest message.
const LEASE_WAIT: Duration = Duration::from_millis(200);

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

/// Asks a running engine. Cheap to clone; a clone does not keep the engine running.
#[derive(Clone)]
pub struct Handle {
    pub(crate) own: PeerId,
    pub(crate) mailbox: Mailbox,
    pub(crate) unread: Arc<UnreadBuffers>,
    pub(crate) reader: Reader,
    pub(crate) jobs: Jobs,
    pub(crate) node: Arc<Mutex<Node>>,
    pub(crate) network: watch::Receiver<NetworkStatus>,
    /// Counts changes of what STATUS says in words.
    pub(crate) outlook: watch::Receiver<u64>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    pub(crate) replace: Arc<AtomicBool>,
    pub(crate) refused_clients: Arc<AtomicU64>,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) legacy_rejected: Arc<LegacyRejected>,
    pub(crate) receives_old: bool,
    pub(crate) rejected: Arc<Rejected>,
    pub(crate) callers: Callers,
    pub(crate) log: EventLog,
    pub(crate) consumers: Arc<Consumers>,
    /// How many clients' keys were committed, see [`crate::client_ids`].
    pub(crate) client_commits: Arc<AtomicU64>,
    pub(crate) checker: Arc<Checker>,
    /// How the process is confined.
    pub(crate) sandbox: Arc<str>,
    /// How the store is.
    pub(crate) store: Health,
    /// When the engine started, in milliseconds since 1970.
    pub(crate) started_ms: i64,
}

impl Handle {
    /// Our identity.
    #[must_use]
    pub fn own(&self) -> PeerId {
        self.own
    }

    /// Accepts a text for a peer, which becomes a contact. Returns when the message is durable here.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing was accepted then.
    pub async fn send(&self, peer: PeerId, text: String) -> Result<MessageId, Refusal> {
        Ok(self.send_with(peer, text, SendOptions::default()).await?.mid)
    }

    /// Waits until the peer has a message durably, at most for `timeout`.
    pub async fn wait_delivered(&self, peer: PeerId, mid: MessageId, timeout: Duration) -> DeliveryWait {
        let (reply, answer) = oneshot::channel();
        let wait = async {
            self.post(Event::Wait { peer, mid, reply }).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(timeout, wait).await {
            Ok(Some(end)) => end,
            Ok(None) => DeliveryWait::NotYet { reason: Refusal::Stopping.to_string() },
            Err(_) => {
                let reason = lock(&self.node).reason(&peer);
                DeliveryWait::NotYet { reason: reason.unwrap_or_else(|| "it is being confirmed".to_owned()) }
            }
        }
    }

    /// Makes a peer a contact. Returns when that is durable.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn add(&self, peer: PeerId) -> Result<(), Refusal> {
        self.change(peer, ContactChange::Add(Intro::default())).await
    }

    /// Changes what a peer is to us. Returns when that is durable.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then.
    pub async fn change(&self, peer: PeerId, change: ContactChange) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.post(Event::Contact { peer, change, reply }).await?;
        answer.await.map_err(|_| Refusal::Stopping)?
    }

    /// A new invite, good for one request within `lifetime_ms`. It is shown here and stored nowhere.
    ///
    /// # Errors
    /// [`Refusal::TooManyInvites`], [`Refusal::Storage`].
    pub async fn invite(&self, lifetime_ms: i64) -> Result<Invite, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.post(Event::Invite { lifetime_ms, reply }).await?;
        let secret = answer.await.map_err(|_| Refusal::Stopping)??;
        Ok(Invite { peer: self.own, secret })
    }

    /// The strangers that wait for the user's decision, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        lock(&self.node).requests()
    }

    /// Takes a message back that is not delivered. `true`: it never left this machine. `false`: it may have, and HISTORY
    /// shows how it ended as soon as the peer has said so.
    ///
    /// # Errors
    /// [`Refusal::NotPending`] when it is delivered, or no such message was sent; [`Refusal::Storage`].
    pub async fn cancel(&self, peer: PeerId, mid: MessageId) -> Result<bool, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.post(Event::Cancel { peer, mid, reply }).await?;
        answer.await.map_err(|_| Refusal::Stopping)?
    }

    /// Says whether a contact sees us while there is nothing to deliver. Returns when that is durable.
    ///
    /// # Errors
    /// [`Refusal::NoContact`], [`Refusal::Storage`].
    pub async fn appear(&self, peer: PeerId, hidden: bool) -> Result<(), Refusal> {
        self.change(peer, ContactChange::Appear { hidden }).await
    }

    /// The contacts and when they were last heard of.
    #[must_use]
    pub fn contacts(&self) -> Vec<ContactView> {
        lock(&self.node).contacts(self.clock.now())
    }

    /// The peers with unread mail, in the order of their first unread message.
    #[must_use]
    pub fn unread_peers(&self) -> Vec<PeerId> {
        self.unread.peers()
    }

    /// Hands out the oldest unread message of a peer. While another client holds it, waits at most 200 ms. Whoever
    /// gets a lease must [`Handle::take`] it or [`Handle::put_back`] it.
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
                unread::Lease::Load(after) => self.load(peer, after).await?,
                unread::Lease::Busy => tokio::time::timeout_at(deadline, released).await.ok()?,
            }
        }
    }

    async fn load(&self, peer: PeerId, after: i64) -> Option<()> {
        let reader = self.reader.clone();
        match read(reader, move |reader| reader.heads(&peer, after, UnreadBuffers::load_limit())).await {
            Ok(heads) => {
                self.unread.fill(&peer, after, heads);
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
        if let Some(after) = self.unread.take(&lease.peer, lease.row) {
            let _ = self.load(lease.peer, after).await;
        }
        let (reply, answer) = oneshot::channel();
        if self.post(Event::Read { peer: lease.peer, row: lease.row, reply }).await.is_ok() {
            // An engine that stops before the commit repeats the message at the next start: at least once.
            let _ = answer.await;
        }
    }

    /// A handed-out message was not read: the next UPDATE gets it again.
    pub fn put_back(&self, lease: Lease) {
        self.unread.put_back(&lease.peer, lease.row);
    }

    /// Begins the clean stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Begins the clean stop that ends with [`Ended::Replace`](crate::Ended::Replace): the process is to be replaced.
    pub fn replace(&self) {
        self.replace.store(true, Ordering::Release);
        self.stop.cancel();
    }

    /// The wall clock: milliseconds since 1970.
    pub(crate) fn wall_ms(&self) -> i64 {
        self.clock.now().wall_ms
    }

    /// Dials our own service as a stranger would, now; or tells how that ended if it was less than a minute ago. Takes at
    /// most two times the time of a dial.
    ///
    /// # Errors
    /// [`Refusal::Stopping`].
    pub async fn check(&self) -> Result<Checked, Refusal> {
        self.checker.check().await.ok_or(Refusal::Stopping)
    }

    /// Counts a local program that was turned away.
    pub(crate) fn note_refused_client(&self) {
        self.refused_clients.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a local program for which there was no room.
    pub(crate) fn note_crowded_out(&self) {
        self.rejected.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a commit of its own beside those of the engine's turns.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.jobs.run(job).await.map_err(|_| Refusal::Stopping)?.map_err(|error| not_written(&error))
    }

    async fn post(&self, event: Event) -> Result<(), Refusal> {
        self.mailbox.send(event).await.map_err(|_| Refusal::Stopping)
    }
}

/// Runs a read of the store beside the runtime's threads.
async fn read<T: Send + 'static>(
    reader: Reader,
    read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let found = reader.run(read).await.ok_or(Refusal::Stopping)?;
    found.map_err(|error| Refusal::Unreadable(not_stored(&error)))
}
