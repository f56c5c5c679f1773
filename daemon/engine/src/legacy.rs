//! Old daemons' streams: one that brings one message, unproven, and gets no answer.
//!
//! Only reached when the user allowed it. The stream is closed as soon as its message is whole, before anything is
//! decided about it: whether it is kept, dropped or was never acceptable, its sender sees the same end.

mod bucket;

pub(crate) use bucket::Bucket;
pub use bucket::LegacyLease;

use crate::mailbox::{Event, Mailbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use torchat_core::input::{Input, LegacyInput};
use torchat_protocol::legacy::{LegacyError, OldMessage, Reader};
use torchat_transport::BoxStream;

/// The whole message must have come within this time after its stream was opened.
const OBJECT_TIME: Duration = Duration::from_secs(30);
/// Messages that wait for the engine. A few: the rate that the core lets in is far lower.
const WAITING: usize = 16;

/// How often something that came from an old daemon was dropped since the start, before the core saw it.
#[derive(Debug, Default)]
pub(crate) struct LegacyRejected {
    /// Commands that are not a peer's to give.
    pub(crate) commands: AtomicU64,
    /// Bytes that are no message.
    pub(crate) malformed: AtomicU64,
    /// Streams that ended, or were silent, before their message was whole.
    pub(crate) unfinished: AtomicU64,
    /// Messages that the engine had no time for.
    pub(crate) busy: AtomicU64,
}

impl LegacyRejected {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the acceptor does with old daemons' streams.
#[derive(Debug, Clone)]
pub(crate) struct LegacyAcceptor {
    rejected: Arc<LegacyRejected>,
    waiting: Arc<Semaphore>,
}

impl LegacyAcceptor {
    pub(crate) fn new(rejected: Arc<LegacyRejected>) -> Self {
        Self { rejected, waiting: Arc::new(Semaphore::new(WAITING)) }
    }

    /// Reads a stream's one message. `said` are the bytes that came already, `opened` is when the stream was.
    ///
    /// # Errors
    /// A sentence for the log, without anything that the stream said.
    pub(crate) async fn read(
        &self,
        stream: &mut BoxStream,
        said: &[u8],
        opened: Instant,
    ) -> Result<OldMessage, &'static str> {
        match tokio::time::timeout_at(opened + OBJECT_TIME, read(stream, said)).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(None)) | Err(_) => {
                LegacyRejected::count(&self.rejected.unfinished);
                Err("an old daemon did not finish its message")
            }
            Ok(Err(Some(LegacyError::Command))) => {
                LegacyRejected::count(&self.rejected.commands);
                Err("an old daemon sent a command that peers may not send")
            }
            Ok(Err(Some(_))) => {
                LegacyRejected::count(&self.rejected.malformed);
                Err("an old daemon's bytes are not a message")
            }
        }
    }

    /// Hands a message to the engine. Its stream must be closed already.
    pub(crate) async fn hand_in(&self, message: OldMessage, mailbox: &Mailbox) {
        let Ok(room) = self.waiting.clone().try_acquire_owned() else {
            LegacyRejected::count(&self.rejected.busy);
            return;
        };
        // The engine is gone only when the daemon stops.
        let _ = mailbox.send(Event::Core { input: Input::Legacy(LegacyInput::Came(message)), room: vec![room] }).await;
    }
}

/// The error is `None` when the stream ended.
async fn read(stream: &mut BoxStream, said: &[u8]) -> Result<OldMessage, Option<LegacyError>> {
    let mut reader = Reader::default();
    let mut found = reader.push(said)?;
    let mut buffer = [0; 2048];
    loop {
        if let Some(message) = found {
            return Ok(message);
        }
        found = match stream.read(&mut buffer).await {
            // Old daemons reset their streams at times: what is not whole is nothing.
            Ok(0) | Err(_) => return Err(None),
            Ok(n) => reader.push(buffer.get(..n).unwrap_or_default())?,
        };
    }
}
