//! What the control server, and any program that embeds the engine, may ask of a running engine.
//!
//! SEND and ADD go through the actor and are answered after the commit. Reads never queue behind a commit: HOST is a
//! constant, GET_PEERS and UPDATE look at the unread buffers, HISTORY and STATUS have connections and cells of their own.

use crate::clock::Clock;
use crate::engine::{Event, Mailbox, lock};
use crate::legacy::{Bucket, LegacyLease, LegacyLine, Refusals};
use crate::link::SentAway;
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
use torchat_core::input::ContactChange;
use torchat_core::node::{ContactView, LegacyStatus, Node, NodeStatus, RequestView};
use torchat_core::snapshot::Intro;
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::invite::Invite;

/// What HISTORY says of a message that was taken back after it may have left.
const FATE_OPEN: &str = "the peer is asked to skip it; it may have got it before";
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
    /// The disk failed in the middle: only the next start tells whether it was stored.
    #[error(
        "the disk failed while this was stored, so it may be stored or not: look at HISTORY before you repeat it: {0}"
    )]
    Unsure(String),
    /// No such message waits for its delivery.
    #[error("no message with this id waits for its delivery: it is delivered, was taken back, or was never sent here")]
    NotPending,
    /// The peer is no contact.
    #[error("this onion is no contact: ADD it first")]
    NoContact,
    /// The peer did not ask for anything.
    #[error("this onion has not asked to become a contact: ADD it if you want to ask it")]
    NoRequest,
    /// The user blocked the peer.
    #[error("this onion is blocked: UNBLOCK it first")]
    Blocked,
    /// The user did not block the peer.
    #[error("this onion is not blocked")]
    NotBlocked,
    /// Too many invites are outstanding.
    #[error("too many invites are outstanding: wait until some are used or too old")]
    TooManyInvites,
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
            Self::Unsure(_) => "storage-unsure",
            Self::NotPending => "not-pending",
            Self::NoContact => "no-contact",
            Self::NoRequest => "no-request",
            Self::Blocked => "blocked",
            Self::NotBlocked => "not-blocked",
            Self::TooManyInvites => "too-many-invites",
            Self::Stopping => "stopping",
        }
    }
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
    /// `unread`, `read`; `queued`, `sent`, `waiting`, `delivered`, `withdrawn`, `failed`; `lost` for a mark of ours.
    pub state: &'static str,
    /// Why it is not delivered, in words.
    pub reason: Option<String>,
    /// When the peer is dialled next: milliseconds since 1970.
    pub next_try_ms: Option<i64>,
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
    bucket: Arc<Bucket>,
    old_refusals: Arc<Refusals>,
    receives_old: bool,
    sent_away: Arc<SentAway>,
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
        old_refusals: Arc<Refusals>,
        receives_old: bool,
        sent_away: Arc<SentAway>,
    ) -> Self {
        Self {
            own,
            mailbox,
            unread,
            reader,
            node,
            network,
            clock,
            stop,
            replace,
            refused_clients: Arc::default(),
            bucket: Arc::default(),
            old_refusals,
            receives_old,
            sent_away,
        }
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

    /// Hands out the oldest message of an old daemon. While another client holds it, waits at most 200 ms. The lease is
    /// for [`Handle::take_legacy`]; dropped, the message is put back.
    pub async fn lease_legacy(&self) -> Option<LegacyLease> {
        let deadline = tokio::time::Instant::now() + LEASE_WAIT;
        loop {
            // Made before the look, so that a release between the look and the wait is not missed.
            let mut released = std::pin::pin!(self.bucket.released());
            released.as_mut().enable();
            if let Some(hold) = self.bucket.hold() {
                let (reader, after) = (self.reader.clone(), hold.after());
                return match blocking(move || reader.legacy_head(after)).await? {
                    Ok(line) => Some(LegacyLease { hold, line: line? }),
                    Err(error) => {
                        tracing::error!(%error, "messages of old daemons cannot be read");
                        None
                    }
                };
            }
            tokio::time::timeout_at(deadline, released).await.ok()?;
        }
    }

    /// A handed-out message of an old daemon was read. Returns as [`Handle::take`] does.
    pub async fn take_legacy(&self, lease: LegacyLease) {
        let LegacyLease { hold, line: LegacyLine { row, at_ms, .. } } = lease;
        hold.take(row);
        let (reply, answer) = oneshot::channel();
        if self.post(Event::LegacyTaken { row, at_ms, reply }).await.is_ok() {
            // An engine that stops before the commit repeats the message at the next start: at least once.
            let _ = answer.await;
        }
    }

    /// The last `n` messages of old daemons, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub async fn legacy(&self, n: u32) -> Result<Vec<LegacyLine>, Refusal> {
        let reader = self.reader.clone();
        let found = blocking(move || reader.legacy(n)).await.ok_or(Refusal::Stopping)?;
        found.map_err(|error| Refusal::Storage(error.to_string()))
    }

    /// The last `n` messages with a peer, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub async fn history(&self, peer: PeerId, n: u32) -> Result<Vec<HistoryLine>, Refusal> {
        let reader = self.reader.clone();
        let found = blocking(move || reader.history(&peer, n)).await.ok_or(Refusal::Stopping)?;
        let found = found.map_err(|error| Refusal::Storage(error.to_string()))?;
        let now = self.clock.now();
        let (sent_below, waiting, reason, next_dial) = {
            let node = lock(&self.node);
            let next_dial = node.next_dial_in_ms(&peer, now.mono_ms);
            (node.sent_below(&peer), node.is_waiting(&peer), node.reason(&peer), next_dial)
        };
        let next_try_ms = next_dial.map(|ms| now.wall_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
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
                    line.reason.clone_from(&reason);
                    line.next_try_ms = next_try_ms;
                } else if row.fate_open {
                    line.reason = Some(FATE_OPEN.to_owned());
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
        let notices: Vec<_> = status
            .notices
            .iter()
            .map(|n| {
                let peer = n.notice.peer().map(|peer| peer.onion());
                json!({ "at_ms": n.wall_ms, "peer": peer, "sentence": n.notice.sentence() })
            })
            .collect();
        json!({
            "contacts": status.contacts,
            "legacy": self.legacy_status(&status.legacy),
            "links": status.links,
            "notices": notices,
            "onion": self.own.onion(),
            "reachable": {
                "failing_s": status.health.unreachable_for_ms.as_ref().map(|(ms, _)| ms / 1000),
                "reached_s_ago": status.health.reached_ms_ago.map(|ms| ms / 1000),
                "sentence": status.health.sentence(),
            },
            "queue": { "bytes": status.queued_bytes, "messages": status.queued },
            "reasons": reasons,
            "refused": {
                "requests": status.counters.requests,
                "dials": status.counters.dials,
                "clients": self.refused_clients.load(Ordering::Relaxed),
                "handshakes": self.sent_away.handshakes.load(Ordering::Relaxed),
                "links": status.counters.links,
                "misbehaved": status.counters.misbehaved,
                "protocol": self.sent_away.protocol.load(Ordering::Relaxed),
                "storage": status.counters.storage,
                "strangers": status.counters.strangers,
                "streams": self.sent_away.streams.load(Ordering::Relaxed),
                "unread_full": status.counters.unread_full,
            },
            "requests": status.requests,
            "sentence": sentence(&network, &status),
            "storage": if status.writable { "ok" } else { "full" },
            "tor": { "percent": network.percent, "sentence": network.sentence, "usable": network.usable },
            "unread_bytes": status.unread_bytes,
        })
    }

    fn legacy_status(&self, status: &LegacyStatus) -> Value {
        let refusals = &self.old_refusals;
        json!({
            "receive": self.receives_old,
            "refused": {
                "busy": refusals.busy.load(Ordering::Relaxed),
                "commands": refusals.commands.load(Ordering::Relaxed),
                "expired": status.expired,
                "full": status.full,
                "malformed": refusals.malformed.load(Ordering::Relaxed),
                "rate": status.rate,
                "storage": status.storage,
                "unfinished": refusals.unfinished.load(Ordering::Relaxed),
            },
            "unread": status.unread,
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
    let requests = match status.requests {
        0 => String::new(),
        1 => "; 1 stranger asks to become a contact".to_owned(),
        n => format!("; {n} strangers ask to become contacts"),
    };
    let storage = if status.writable { "" } else { "; the disk is full, so new mail is refused" };
    let trouble =
        status.health.sentence().filter(|_| network.usable).map_or_else(String::new, |text| format!("; {text}"));
    let warning = status.notices.iter().rev().find(|n| n.notice.is_warning());
    let warning = warning.map_or_else(String::new, |n| format!("; {}", n.notice.sentence()));
    format!("{}; {} links; {mail}{requests}{storage}{trouble}{warning}", network.sentence, status.links)
}

/// Runs a read of the store beside the runtime's threads.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(read).await.ok()
}
