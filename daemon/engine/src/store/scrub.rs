//! Traces of erased texts in the store's files, and how they go.
//!
//! An erasing writes over its texts in their places, in the transaction that removes them, and `secure_delete` over what becomes free
//! then or later. Two things are left: the log (`-wal`), until it is folded into the file, and gaps of pages. SQLite leaves old
//! bytes there when it moves a row between pages, which the index of the search does often; only a file that is written anew has
//! none. What is still to be done is noted in the transaction of the erasing, so a kill forgets nothing of it.

use super::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension as _};
use std::time::Duration;

/// A file that is written anew while the daemon runs, at most: commits wait meanwhile. Of a larger one, the next start does it.
const ANEW_BYTES: i64 = 4 << 20;
/// A file that a start writes anew to remove traces, at most: about a second.
const ANEW_AT_START_BYTES: i64 = 64 << 20;
/// How long the folding of the log waits for readers of an old state: commits wait meanwhile.
const FOLD_WAIT: Duration = Duration::from_millis(50);

/// The row of `meta`, and its numbers.
const NAME: &str = "traces";

/// Where traces may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Traces {
    /// Nowhere.
    None,
    /// In the file and its log.
    File,
    /// Only in the log: the file is written anew.
    Log,
    /// In gaps of a file that is too large to be written anew before the next start.
    Gaps,
}

impl Traces {
    /// As an earlier run left them.
    pub(super) fn read(db: &Connection) -> Result<Self, StoreError> {
        let value = db.query_row("SELECT value FROM meta WHERE name = ?1", [NAME], |row| row.get::<_, i64>(0));
        Ok(match value.optional()? {
            None | Some(0) => Self::None,
            Some(2) => Self::Gaps,
            Some(_) => Self::File,
        })
    }

    /// Notes them, in the transaction of an erasing.
    pub(super) fn leave(db: &Connection) -> Result<(), StoreError> {
        Self::File.note(db)
    }

    fn note(self, db: &Connection) -> Result<(), StoreError> {
        let value = match self {
            Self::None => 0,
            Self::File | Self::Log => 1,
            Self::Gaps => 2,
        };
        db.prepare_cached(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute(rusqlite::params![NAME, value])?;
        Ok(())
    }
}

impl Store {
    /// Removes the traces of what was erased, if there are any: else it costs nothing. `thorough`: a small file is written anew, too.
    /// Without it only the log is folded into the file, so that the texts are written over there.
    ///
    /// # Errors
    /// As [`Store::commit`]; [`StoreError::Read`] while another connection reads an old state, after at most 50 ms. What is erased stays
    /// so, and to call it again goes on.
    pub fn scrub(&mut self, thorough: bool) -> Result<(), StoreError> {
        if let Some(why) = &self.condemned {
            return Err(StoreError::Damaged(why.clone()));
        }
        if matches!(self.traces, Traces::None | Traces::Gaps) {
            return Ok(());
        }
        let small = self.bytes()? <= ANEW_BYTES;
        let anew = if thorough && small && self.traces == Traces::File { self.write_anew() } else { Ok(()) };
        // However the first one ended: the texts that stand in the log go.
        self.fold()?;
        anew?;
        if thorough {
            let left = if small { Traces::None } else { Traces::Gaps };
            if let Some(room) = &mut self.room {
                room.admit(&self.db, super::room::Rank::Decision)?;
            }
            left.note(&self.db)?;
            self.traces = left;
        }
        Ok(())
    }

    /// At a start, when nobody waits for a commit: what was left in gaps goes.
    pub(super) fn scrub_at_start(&mut self) {
        let wanted = self.traces != Traces::None && !self.unchecked;
        if !wanted || self.bytes().map_or(true, |bytes| bytes > ANEW_AT_START_BYTES) {
            return;
        }
        let done = self.write_anew().and_then(|()| self.fold()).and_then(|()| Traces::None.note(&self.db));
        match done {
            Ok(()) => self.traces = Traces::None,
            Err(error) => tracing::warn!(%error, "traces of erased messages may be left in torchat.db"),
        }
    }

    fn bytes(&self) -> Result<i64, StoreError> {
        let number = |name| self.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok(number("page_count")?.saturating_mul(number("page_size")?))
    }

    fn write_anew(&mut self) -> Result<(), StoreError> {
        self.db.execute_batch("VACUUM")?;
        self.traces = Traces::Log;
        Ok(())
    }

    /// Folds the log into the file, all of it, and empties it.
    fn fold(&self) -> Result<(), StoreError> {
        let waits: i64 = self.db.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
        self.db.busy_timeout(FOLD_WAIT)?;
        let busy = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.db.busy_timeout(Duration::from_millis(waits.unsigned_abs()))?;
        if busy? == 0 { Ok(()) } else { Err(StoreError::Read) }
    }
}
