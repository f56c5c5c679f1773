//! Old daemons' messages, which stand apart from every conversation.

use super::unread::LEASE_WAIT;
use super::{Handle, Refusal, read};
use crate::legacy::LegacyLease;
use crate::request::Request;
use crate::store::LegacyLine;
use torchat_core::snapshot::LegacyNum;

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
                return match read(reader, move |reader| reader.legacy_head(after)).await {
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
        if !hold.take(row) {
            return;
        }
        // An engine that stops before the commit repeats the message at the next start: at least once.
        let _ = self.ask(Request::LegacyTaken { row, at_ms }).await;
    }

    /// Messages of old daemons after a row, oldest first, without taking them. The store learns later than clients what is
    /// taken, so what it says is corrected here.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn legacy_after(&self, after: LegacyNum, untaken: bool, limit: u32) -> Result<Vec<LegacyLine>, Refusal> {
        let (reader, taken) = (self.reader.clone(), self.bucket.taken());
        let after = if untaken { after.max(taken) } else { after };
        let mut lines = read(reader, move |reader| reader.legacy_after(after, untaken, limit)).await?;
        lines.iter_mut().for_each(|line| line.taken |= line.row <= taken);
        Ok(lines)
    }

    /// Takes every message of an old daemon up to a row. Returns, when that is durable, how many were not taken before.
    /// A message that [`Handle::lease_legacy`] has handed out is taken too: its holder's word changes nothing then.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn take_legacy_upto(&self, upto: LegacyNum) -> Result<u64, Refusal> {
        let after = self.bucket.taken();
        let mut lines = read(self.reader.clone(), move |reader| reader.legacy_after(after, true, u32::MAX)).await?;
        lines.retain(|line| line.row <= upto);
        // Not `upto` itself: a number that is not given yet must not be taken.
        let Some(last) = lines.last() else { return Ok(0) };
        let before = self.bucket.take_upto(last.row);
        lines.retain(|line| line.row > before);
        let mut answers = Vec::with_capacity(lines.len());
        for LegacyLine { row, at_ms, .. } in &lines {
            answers.push(self.begin(Request::LegacyTaken { row: *row, at_ms: *at_ms }).await?);
        }
        // Most share one commit. An engine that stops before it repeats the messages at the next start: at least once.
        for answer in answers {
            let _ = answer.await;
        }
        Ok(lines.len() as u64)
    }

    /// The last `n` messages of old daemons, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`].
    pub async fn legacy(&self, n: u32) -> Result<Vec<LegacyLine>, Refusal> {
        let reader = self.reader.clone();
        read(reader, move |reader| reader.legacy(n)).await
    }
}
