//! Erasing: of a conversation, when a client asks for it, and of what is older than the user wants to keep.

use super::{Handle, Refusal, read};
use crate::request::{Answer, Request};
use crate::store::Erased;
use std::time::Duration;
use torchat_core::piece::Piece;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::PeerId;

/// Messages that one turn looks at to erase them: a commit stays short, and others are served between two of them.
const ERASE_STEP: u32 = 256;
/// How often it is looked for messages that are too old.
const LOOK_PAUSE: Duration = Duration::from_secs(600);

/// Which messages of a conversation are to be erased; by default all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EraseOptions {
    /// Up to this row.
    pub upto: Option<i64>,
    /// What came, or was accepted, before this moment, in milliseconds since 1970.
    pub before_ms: Option<i64>,
}

/// What was erased, and what stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErasedCount {
    /// Messages and marks that are erased.
    pub erased: u64,
    /// Messages that stay because they wait for delivery, or for the peer's word on what became of them.
    pub kept: u64,
}

impl Handle {
    /// Erases messages of a conversation here, read or not. What comes meanwhile stays. Returns when it is durable and the file and its
    /// log hold no trace of the texts; of a file of more than 64 MiB, parts may be left in gaps of its pages.
    ///
    /// # Errors
    /// [`Refusal::Storage`], [`Refusal::Unreadable`]; some may be erased then. To repeat it finishes it.
    pub async fn erase(
        &self,
        conversation: impl Into<ConversationId>,
        options: EraseOptions,
    ) -> Result<ErasedCount, Refusal> {
        let Some(peer) = conversation.into().as_peer() else { return Ok(ErasedCount::default()) };
        let last = read(self.reader.clone(), |reader| reader.last_message()).await?;
        let upto = options.upto.unwrap_or(i64::MAX).min(last);
        let piece = Piece { after: 0, upto, before_ms: options.before_ms, unread: true, limit: ERASE_STEP };
        let count = self.erase_pieces(peer, piece, false).await?;
        // The messages are gone for everybody who asks the daemon, whatever becomes of their traces.
        if count.erased > 0
            && let Err(error) = self.scrub(true).await
        {
            tracing::warn!(%error, "messages are erased, and traces of them may be left in the store's file");
        }
        Ok(count)
    }

    /// `anew`: as [`Store::scrub`](crate::store::Store::scrub).
    async fn scrub(&self, anew: bool) -> Result<(), Refusal> {
        self.write(move |store| store.scrub(anew)).await
    }

    /// `aged`: the oldest messages are first, so a piece without one that is old enough is the last.
    async fn erase_pieces(&self, peer: PeerId, first: Piece, aged: bool) -> Result<ErasedCount, Refusal> {
        let (mut count, mut piece) = (ErasedCount::default(), first);
        loop {
            let Answer::Erased(done) = self.ask(Request::Erase { peer, piece }).await? else {
                return Err(Refusal::Stopping);
            };
            let Erased { rows, waiting, next, aged: found, .. } = done;
            count.erased += rows.len() as u64;
            count.kept += waiting;
            match next {
                Some(after) if found || !aged => piece.after = after,
                Some(_) | None => return Ok(count),
            }
        }
    }
}

/// Erases what is older than the user wants to keep it, as long as the engine runs: never what nobody has read, never what waits,
/// and only while the clock is believed.
pub(crate) async fn keep_to_age(handle: Handle, ended: tokio_util::sync::CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
        let retained = handle.node.lock().retained(handle.clock.now());
        let mut erased = 0;
        for (peer, before_ms) in retained {
            let piece =
                Piece { after: 0, upto: i64::MAX, before_ms: Some(before_ms), unread: false, limit: ERASE_STEP };
            match handle.erase_pieces(peer, piece, true).await {
                Ok(count) => erased += count.erased,
                Err(Refusal::Stopping) => return,
                Err(error) => tracing::debug!(%error, "what is too old is not erased; it is tried again"),
            }
        }
        // Every few minutes the whole file is not written anew: gaps may hold parts of texts until the next ERASE.
        if erased > 0
            && let Err(error) = handle.scrub(false).await
        {
            tracing::debug!(%error, "the store's log is not folded into its file");
        }
    }
}
