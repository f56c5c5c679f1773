//! What only the event log is told, and the daemon's own numbers, as SQL.

use super::Changes;
use crate::store::StoreError;
use crate::store::contact_record;
use rusqlite::params;
use torchat_core::view::ContactView;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::reason;
use torchat_protocol::id::{PeerId, RunId};

/// A contact that was not met during this many runs of ours takes an older one for another copy: a false alarm after
/// years, against a table without end.
const RUNS_KEPT: i64 = 4096;

impl Changes<'_> {
    pub(super) fn run(&self, run: RunId, at_ms: i64) -> Result<(), StoreError> {
        self.db.prepare_cached("INSERT INTO run (run, at_ms) VALUES (?1, ?2)")?.execute(params![run.0, at_ms])?;
        self.db
            .prepare_cached("DELETE FROM run WHERE id <= ?1 - ?2")?
            .execute([self.db.last_insert_rowid(), RUNS_KEPT])?;
        Ok(())
    }

    pub(super) fn clock_set(&self, at_ms: i64) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('clock_set', ?1)")?
            .execute([at_ms])?;
        Ok(())
    }

    pub(super) fn link(&mut self, peer: &PeerId, up: bool) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE peer SET linked = ?2 WHERE peer = ?1")?.execute(params![peer.as_bytes(), up])?;
        self.tell(What::Link { peer: Onion(*peer), up });
        Ok(())
    }

    pub(super) fn changed(&mut self, contact: &ContactView) {
        self.tell(What::Contact { contact: contact_record(contact.clone()) });
    }

    pub(super) fn network(&mut self, usable: bool, sentence: &str, why: &reason::Network) {
        self.tell(What::Tor { usable, sentence: sentence.to_owned(), why: Some(why.clone()) });
    }

    pub(super) fn notice(&mut self, peer: Option<PeerId>, sentence: &str, why: Option<&reason::Notice>) {
        self.tell(What::Notice { peer: peer.map(Into::into), sentence: sentence.to_owned(), why: why.cloned() });
    }
}
