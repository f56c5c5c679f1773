//! Messages of old daemons, as SQL.

use super::Changes;
use crate::store::StoreError;
use rusqlite::params;
use torchat_core::snapshot::LegacyNum;
use torchat_protocol::control::api::event::What;
use torchat_protocol::legacy::OldMessage;

impl Changes<'_> {
    /// `keep`: how many stay; the oldest that were taken go.
    pub(super) fn legacy(&mut self, message: &OldMessage, at_ms: i64, keep: usize) -> Result<(), StoreError> {
        let claim = message.claim.as_str();
        self.db.prepare_cached("INSERT INTO legacy (claim, text, at_ms) VALUES (?1, ?2, ?3)")?.execute(params![
            claim,
            message.text,
            at_ms
        ])?;
        let id = self.db.last_insert_rowid();
        self.tell(What::Legacy { id, claims: claim.to_owned() });
        // What nobody has taken stays, whatever the number.
        self.db
            .prepare_cached(
                "DELETE FROM legacy WHERE id IN (SELECT id FROM legacy WHERE taken = 1 ORDER BY id
                 LIMIT max(0, (SELECT count(*) FROM legacy) - ?1))",
            )?
            .execute([i64::try_from(keep).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    pub(super) fn legacy_taken(&self, row: LegacyNum) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE legacy SET taken = 1 WHERE id = ?1")?.execute([row.0])?;
        Ok(())
    }

    pub(super) fn legacy_forget(&self, before_ms: i64) -> Result<(), StoreError> {
        self.db.prepare_cached("DELETE FROM legacy WHERE at_ms < ?1")?.execute([before_ms])?;
        Ok(())
    }
}
