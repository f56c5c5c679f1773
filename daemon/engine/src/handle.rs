//! What the control server, and any program that embeds the engine, may ask of a running engine.
//!
//! SEND and ADD go through the actor and are answered after the commit. Reads never queue behind a commit: HOST is a
//! constant, GET_PEERS and UPDATE look at the unread buffers, HISTORY and STATUS have connections and cells of their own.

mod consumers;
mod contacts;
mod conversation;
mod erasing;
mod legacy;
mod log;
mod rooms;
mod sending;
mod status;
mod tokens;
mod turned_away;
mod unread;

pub(crate) use consumers::Consumers;
pub(crate) use erasing::keep_to_age;
pub(crate) use log::LogWriter;
pub(crate) use turned_away::TurnedAway;

pub use crate::refusal::{NotStored, Refusal};
pub use crate::request::{Answer, Request};
pub use crate::store::{ListFrom, Page, TokenRow, Trouble, time};
pub use conversation::HistoryLine;
pub use erasing::{ErasableCount, EraseOptions, ErasedCount};
pub use log::{Batch, EventLog};
pub use sending::{Accepted, DeliveryWait, SendOptions, Sending};
pub use unread::Lease;

use crate::legacy::{Bucket, LegacyRejected};
use crate::link::dialer::{Checked, Checker};
use crate::link::rejected::Rejected;
use crate::mailbox::{Event, Mailbox};
use crate::refusal::{not_stored, not_written};
use crate::store::{Health, Jobs, Reader, Store, StoreError};
use crate::unread::UnreadBuffers;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use torchat_core::node::Node;
use torchat_protocol::id::PeerId;
use torchat_transport::clock::Clock;
use torchat_transport::{Callers, NetworkStatus};

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
    pub(crate) status_version: watch::Receiver<u64>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    pub(crate) replace: Arc<AtomicBool>,
    pub(crate) turned_away: Arc<TurnedAway>,
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
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
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

    /// Counts a local program for which there was no room.
    pub fn note_crowded_out(&self) {
        self.rejected.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a commit of its own beside those of the engine's turns.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.jobs.run(job).await.map_err(|_| Refusal::Stopping)?.map_err(|error| not_written(&error))
    }

    /// Asks the engine, and waits for the answer. A caller that gives up takes nothing back.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing changed then. [`Refusal::Unsure`] says where even that is not known.
    pub async fn ask(&self, request: Request) -> Result<Answer, Refusal> {
        self.begin(request).await?.await.map_err(|_| Refusal::Stopping)?
    }

    /// Gives a request to the engine, and returns when the engine has it.
    async fn begin(&self, request: Request) -> Result<oneshot::Receiver<Result<Answer, Refusal>>, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(Event::Request { request, reply }).await.map_err(|_| Refusal::Stopping)?;
        Ok(answer)
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
