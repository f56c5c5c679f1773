//! What everything that serves a stream needs of the engine.

use super::rejected::Rejected;
use crate::mailbox::Mailbox;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::LocalIdentity;
use torchat_transport::clock::Clock;
use torchat_transport::randomness::Randomness;

/// What a link needs of the engine.
#[derive(Clone)]
pub(crate) struct LinkContext {
    pub(crate) identity: Arc<LocalIdentity>,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) mailbox: Mailbox,
    pub(crate) next_link: Arc<AtomicU64>,
    /// Bytes of received messages that wait for the engine, of all chat links, in KiB.
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) rejected: Arc<Rejected>,
    pub(crate) stop: CancellationToken,
}
