//! Old daemons' messages, which stand apart from every conversation.

use super::{Handle, LEASE_WAIT, Refusal, read};
use crate::engine::Event;
use crate::legacy::{LegacyLease, LegacyLine};
use tokio::sync::oneshot;

impl Handle {
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
                return match read(move || reader.legacy_head(after)).await {
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
    /// [`Refusal::Unreadable`].
    pub async fn legacy(&self, n: u32) -> Result<Vec<LegacyLine>, Refusal> {
        let reader = self.reader.clone();
        read(move || reader.legacy(n)).await
    }
}
