//! What the control server, and any program that embeds the engine, may ask of a running engine.
//!
//! SEND and ADD go through the actor and are answered after the commit. Reads never queue behind a commit: HOST is a
//! constant, GET_PEERS and UPDATE look at the unread buffers, HISTORY and STATUS have connections and cells of their own.

use crate::clock::Clock;
use crate::engine::{Event, Mailbox, lock};
use crate::store::Reader;
use crate::transport::NetworkStatus;
use crate::unread::{self, UnreadBuffers};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use torchat_core::node::{Node, NodeStatus};
use torchat_protocol::id::{MessageId, PeerId};

/// How long UPDATE waits while another client holds the peer's oldest message.
const LEASE_WAIT: Duration = Duration::from_millis(200);

/// Why a request was refused. `code()` is stable; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A message or contact to oneself.
    #[error("this is your own onion: a message needs another peer")]
    ToSelf,
    /// The text is longer than 65,536 bytes.
    #[error("the text has {0} bytes, the limit is 65536: split it")]
    TextTooLong(usize),
    /// The outbox of this contact or of all contacts is full.
    #[error("the outbox is full ({0}): wait until messages are delivered")]
    OutboxFull(String),
    /// The store could not write: nothing was accepted.
    #[error("nothing was stored, because the disk does not take it: {0}")]
    Storage(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Refusal {
    /// The stable code of control replies.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ToSelf => "to-self",
            Self::TextTooLong(_) => "too-long",
            Self::OutboxFull(_) => "outbox-full",
            Self::Storage(_) => "storage",
            Self::Stopping => "stopping",
        }
    }
}

/// How the wait for a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryWait {
    /// Durable at the peer.
    Delivered,
    /// Not within the time. `reason` says what the message waits for; it stays queued.
    NotYet {
        /// One sentence.
        reason: String,
    },
}

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

/// One message of a conversation, as HISTORY shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryLine {
    /// Milliseconds since 1970: arrival of a received message, acceptance of a sent one.
    #[serde(skip)]
    pub at_ms: i64,
    /// `in` or `out`.
    pub dir: &'static str,
    /// The message's id.
    pub mid: MessageId,
    /// The text.
    pub text: String,
    /// `unread`, `read`, `queued`, `sent`, `delivered`, `waiting`.
    pub state: &'static str,
}

/// Asks a running engine. Cheap to clone; a clone does not keep the engine running.
#[derive(Clone)]
pub struct Handle {
    own: PeerId,
    mailbox: Mailbox,
    unread: Arc<UnreadBuffers>,
    reader: Reader,
    node: Arc<Mutex<Node>>,
    network: watch::Receiver<NetworkStatus>,
    clock: Clock,
    stop: CancellationToken,
    replace: Arc<AtomicBool>,
    refused_clients: Arc<AtomicU64>,
}

impl Handle {
    #[allow(clippy::too_many_arguments, reason = "called once, by the engine's start")]
    pub(crate) fn new(
        own: PeerId,
        mailbox: Mailbox,
        unread: Arc<UnreadBuffers>,
        reader: Reader,
        node: Arc<Mutex<Node>>,
        network: watch::Receiver<NetworkStatus>,
        clock: Clock,
        stop: CancellationToken,
        replace: Arc<AtomicBool>,
    ) -> Self {
        Self { own, mailbox, unread, reader, node, network, clock, stop, replace, refused_clients: Arc::default() }
    }

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
        let (reply, answer) = oneshot::channel();
        self.post(Event::Send { peer, text, reply }).await?;
        answer.await.map_err(|_| Refusal::Stopping)?
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
        let (reply, answer) = oneshot::channel();
        self.post(Event::Add { peer, reply }).await?;
        answer.await.map_err(|_| Refusal::Stopping)?
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
        let heads = blocking(move || reader.heads(&peer, after, UnreadBuffers::load_limit())).await;
        match heads {
            Some(Ok(heads)) => {
                self.unread.fill(&peer, after, heads);
                Some(())
            }
            Some(Err(error)) => {
                tracing::error!(%error, "unread mail cannot be read");
                None
            }
            None => None,
        }
    }

    /// A handed-out message was read. Returns when that is durable, or when it is noted in memory because the store
    /// takes no writes.
    pub async fn take(&self, lease: Lease) {
        if let Some(after) = self.unread.take(&lease.peer, lease.row) {
            let _ = self.load(lease.peer, after).await;
        }
        let (reply, answer) = oneshot::channel();
        let bytes = lease.text.len() as u64;
        if self.post(Event::Read { peer: lease.peer, row: lease.row, bytes, reply }).await.is_ok() {
            // An engine that stops before the commit repeats the message at the next start: at least once.
            let _ = answer.await;
        }
    }

    /// A handed-out message was not read: the next UPDATE gets it again.
    pub fn put_back(&self, lease: Lease) {
        self.unread.put_back(&lease.peer, lease.row);
    }

    /// The last `n` messages with a peer, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub async fn history(&self, peer: PeerId, n: u32) -> Result<Vec<HistoryLine>, Refusal> {
        let reader = self.reader.clone();
        let found = blocking(move || reader.history(&peer, n)).await.ok_or(Refusal::Stopping)?;
        let found = found.map_err(|error| Refusal::Storage(error.to_string()))?;
        let (sent_below, waiting) = {
            let node = lock(&self.node);
            (node.sent_below(&peer), node.is_waiting(&peer))
        };
        Ok(found
            .into_iter()
            .map(|row| {
                let mut line = row.line;
                if let Some((lane, seq)) = row.place {
                    if waiting {
                        line.state = "waiting";
                    } else if sent_below.is_some_and(|(sent, below)| sent == lane && seq < below) {
                        line.state = "sent";
                    }
                }
                line
            })
            .collect())
    }

    /// The state of the daemon, for STATUS. `sentence` says in words what matters most.
    #[must_use]
    pub fn status(&self) -> Value {
        let network = self.network.borrow().clone();
        let status = lock(&self.node).status(self.clock.now().mono_ms);
        let reasons: Vec<_> = status
            .waiting
            .iter()
            .map(|waiting| {
                json!({
                    "next_try_s": waiting.next_dial_in_ms.map(|ms| ms / 1000),
                    "peer": waiting.peer.onion(),
                    "queued": waiting.queued,
                    "reason": waiting.reason,
                })
            })
            .collect();
        json!({
            "contacts": status.contacts,
            "links": status.links,
            "onion": self.own.onion(),
            "queue": { "bytes": status.queued_bytes, "messages": status.queued },
            "reasons": reasons,
            "refused": {
                "clients": self.refused_clients.load(Ordering::Relaxed),
                "misbehaved": status.counters.misbehaved,
                "storage": status.counters.storage,
                "strangers": status.counters.strangers,
                "unread_full": status.counters.unread_full,
            },
            "sentence": sentence(&network, &status),
            "storage": if status.writable { "ok" } else { "full" },
            "tor": { "percent": network.percent, "sentence": network.sentence, "usable": network.usable },
            "unread_bytes": status.unread_bytes,
        })
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

    /// Counts a local program that was turned away.
    pub(crate) fn note_refused_client(&self) {
        self.refused_clients.fetch_add(1, Ordering::Relaxed);
    }

    async fn post(&self, event: Event) -> Result<(), Refusal> {
        self.mailbox.send(event).await.map_err(|_| Refusal::Stopping)
    }
}

fn sentence(network: &NetworkStatus, status: &NodeStatus) -> String {
    let mail = match status.queued {
        0 => "nothing waits to be delivered".to_owned(),
        1 => "1 message waits to be delivered".to_owned(),
        n => format!("{n} messages wait to be delivered"),
    };
    let storage = if status.writable { "" } else { "; the disk is full, so new mail is refused" };
    format!("{}; {} links; {mail}{storage}", network.sentence, status.links)
}

/// Runs a read of the store beside the runtime's threads.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(read).await.ok()
}
