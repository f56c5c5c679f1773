//! Erasing: of a conversation, when a client asks for it, and of what is older than the user wants to keep.

use super::{Handle, Refusal, read};
use crate::request::{Answer, Request};
use crate::store::{Erased, StoreError};
use std::time::Duration;
use torchat_core::piece::{Piece, Retained};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::PeerId;

/// Messages that one turn looks at to erase them: a commit stays short, and others are served between two of them.
const ERASE_STEP: u32 = 64;
/// How often it is looked for messages that are too old.
const LOOK_PAUSE: Duration = Duration::from_secs(600);

/// Of how many looks one removes all traces of what was too old, and not only those in the store's log: one a day.
const LOOKS_A_DAY: u64 = 144;
/// How often the removal of traces is tried again while the store is read.
const SCRUB_TRIES: u32 = 100;
/// The pause between two tries.
const SCRUB_PAUSE: Duration = Duration::from_millis(100);

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

/// What [`Handle::erase`] would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErasableCount {
    /// Messages and marks that it would erase.
    pub erasable: u64,
    /// Messages that would stay.
    pub kept: u64,
    /// The last row that there was: what comes later is not counted.
    pub upto: i64,
}

impl Handle {
    /// Erases messages of a conversation here, read or not. What comes meanwhile stays. Returns when it is durable and the texts are
    /// written over in the file, its log and the search's index. Of a file of more than 4 MiB, copies of words that SQLite made when
    /// it moved rows may be left in gaps of pages until the next start.
    ///
    /// # Errors
    /// [`Refusal::Storage`], [`Refusal::Unsure`], [`Refusal::Unreadable`]: some may be erased then, and not all. [`Refusal::Traces`]: all
    /// are erased, and traces may be left. After each of them a repeat does the rest.
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
        // Also if there was nothing to erase: an earlier ERASE, or RETAIN, may have left traces.
        self.scrub(true).await?;
        Ok(count)
    }

    /// Counts what [`Self::erase`] would erase now. Reads the rows of the conversation, in a thread for reading.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`], [`Refusal::Stopping`].
    pub async fn erasable(
        &self,
        conversation: impl Into<ConversationId>,
        options: EraseOptions,
    ) -> Result<ErasableCount, Refusal> {
        let Some(peer) = conversation.into().as_peer() else { return Ok(ErasableCount::default()) };
        read(self.reader.clone(), move |reader| {
            let upto = options.upto.unwrap_or(i64::MAX).min(reader.last_message()?);
            let (erasable, kept) = reader.erasable(&peer, upto, options.before_ms)?;
            Ok(ErasableCount { erasable, kept, upto })
        })
        .await
    }

    /// As [`Store::scrub`](crate::store::Store::scrub). A read that is under way delays it.
    async fn scrub(&self, thorough: bool) -> Result<(), Refusal> {
        let mut tries = 0;
        loop {
            let done = self.jobs.run(move |store| store.scrub(thorough)).await.map_err(|_| Refusal::Stopping)?;
            match done {
                Ok(()) => return Ok(()),
                Err(StoreError::Read) if tries < SCRUB_TRIES => tries += 1,
                Err(error) => return Err(Refusal::Traces(error.to_string())),
            }
            // Others' commits are made meanwhile.
            tokio::time::sleep(SCRUB_PAUSE).await;
        }
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

/// Erases what is older than the user, or a room, wants to keep it, as long as the engine runs: never what waits, what nobody has read
/// only in rooms whose rules say so, and only while the clock is believed. And removes the traces of all that was erased or taken away.
pub(crate) async fn keep_to_age(handle: Handle, ended: tokio_util::sync::CancellationToken) {
    let (mut looks, mut due) = (0, 0);
    loop {
        tokio::select! {
            biased;
            () = ended.cancelled() => return,
            () = tokio::time::sleep(LOOK_PAUSE) => {}
        }
        let retained = handle.node.lock().retained(handle.clock.now());
        for Retained { peer, before_ms, unread } in retained {
            let piece = Piece { after: 0, upto: i64::MAX, before_ms: Some(before_ms), unread, limit: ERASE_STEP };
            match handle.erase_pieces(peer, piece, true).await {
                Ok(_) => {}
                Err(Refusal::Stopping) => return,
                Err(error) => tracing::debug!(%error, "what is too old is not erased; it is tried again"),
            }
        }
        // Of what went here, what an earlier run has left, and of texts that were taken away in rooms. It costs nothing if there are
        // none. Every few minutes the whole file is not written anew.
        let thorough = looks >= due;
        match handle.scrub(thorough).await {
            Ok(()) if thorough => due = looks + LOOKS_A_DAY,
            Ok(()) => {}
            Err(Refusal::Stopping) => return,
            Err(error) => tracing::debug!(%error, "traces of what was too old are left; it is tried again"),
        }
        looks += 1;
    }
}
