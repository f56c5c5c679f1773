//! The store: one SQLite file that is the truth about the daemon's mail.
//!
//! One connection writes; a turn of the engine is one transaction with `synchronous=FULL` in WAL mode, so a commit that
//! returned survives kill -9 and, as far as the disk honours fsync, a power cut. Reads have connections of their
//! own and never queue behind a commit. [`Store::commit`] is synchronous: the daemon runs it on a thread of its own
//! ([`Writer`]), because a thread that syncs and then waits again falls into the slow mode of some kernels; the
//! simulation runs it inline, because a store thread breaks paused time.

mod apply;
mod events;
mod marks;
mod messages;
mod query;
mod records;
mod rows;
mod search;
#[cfg(test)]
mod tests;
mod threads;
mod writer;

pub use apply::Applied;
pub use events::{LogEdges, Retention};
pub(crate) use events::{size, time};
pub use messages::{Glance, MessageRow, Most, Page};
pub use query::{Head, Outgoing, Reader, Unread};
pub use search::{QUERY_BYTES, QUERY_TERMS, query as search_query};
pub use writer::{Jobs, Wanted, Writer, WriterGone, Written};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use torchat_core::op::Op;
use torchat_protocol::id::PeerId;

/// Messages that are not indexed for the search, before the writer's thread indexes some while nothing else is written.
const INDEX_AT: i64 = 64;
/// And before a commit takes some of them with it, however busy the writer is: a search that finds so many waits for about
/// a second.
const INDEX_BEHIND: i64 = 32_768;
/// So many at once, so that the commit stays short.
const INDEX_STEP: u32 = 256;
/// New events before a commit removes old ones.
const TRIM_AT: u64 = 64;
/// Old events that such a commit removes at most, and twice what it adds: more than come, so the log gets to its limit.
const TRIM_STEP: u64 = 128;

/// The schema's version, in `PRAGMA user_version`.
const VERSION: i64 = 2;

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the configured size is full.
    #[error("the store is full: {0}")]
    Full(rusqlite::Error),
    /// Anything else that SQLite reports.
    #[error("the store failed: {0}")]
    Sqlite(rusqlite::Error),
    /// The disk failed while a commit was made durable. In this process it counts as not made; but its frames may stand in
    /// the log, and then the next start takes them for made (found by failing the n-th sync).
    #[error("the disk failed while it was written: {0}")]
    Unsure(String),
    /// A newer torchatd wrote the file.
    #[error("the store has version {found}, this torchatd knows versions up to {VERSION}: start the newer one")]
    Newer {
        /// The file's version.
        found: i64,
    },
    /// A row that this program cannot have written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// A received message that a commit stored, for the unread buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The sender.
    pub peer: PeerId,
    /// The message.
    pub head: Head,
}

/// The writing connection.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    log: LogEdges,
    retention: Retention,
    /// The last event when old ones were removed last.
    trimmed_at: u64,
    /// The last message.
    last_message: i64,
    /// Up to this message the texts are in the search's index.
    indexed: i64,
    known: apply::Known,
}

impl Store {
    /// Opens the store, and makes it if there is none.
    ///
    /// # Errors
    /// When the file cannot be opened, is no store, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::prepare(Connection::open(path)?)
    }

    /// A store in memory, for simulations: kept as long as the value lives.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(db: Connection) -> Result<Self, StoreError> {
        // WAL with FULL: one fsync for a commit, and nothing that was acknowledged is lost by a power cut. (fsync and not
        // fdatasync: libsqlite3-sys builds SQLite without HAVE_FDATASYNC. strace shows no other.)
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "secure_delete", "FAST")?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // 2 MiB of pages: the whole daemon without Tor is meant to stay below 15 MB.
        db.pragma_update(None, "cache_size", -2048)?;
        db.set_prepared_statement_cache_capacity(64);
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if !(0..=VERSION).contains(&found) {
            return Err(StoreError::Newer { found });
        }
        // One transaction from any version to this one: a crash in between leaves the old one.
        let steps = [include_str!("store/schema.sql"), include_str!("store/legacy.sql")];
        let missing: String = (0..).zip(steps).filter(|(before, _)| *before >= found).map(|(_, step)| step).collect();
        if !missing.is_empty() {
            let script = format!("BEGIN IMMEDIATE;\n{missing}\nPRAGMA user_version = {VERSION};\nCOMMIT;");
            db.execute_batch(&script)?;
        }
        marks::prepare(&db)?;
        let log = events::edges(&db)?;
        let (indexed, last_message) = search::state(&db)?;
        Ok(Self {
            db,
            log,
            retention: Retention::default(),
            trimmed_at: log.last,
            last_message,
            indexed,
            known: apply::Known::default(),
        })
    }

    /// Says how many events are kept, and for how long.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Where the event log begins and ends.
    #[must_use]
    pub fn log_edges(&self) -> LogEdges {
        self.log
    }

    /// Limits the size of the file. Beyond it, commits fail with [`StoreError::Full`] and reading goes on.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn set_max_bytes(&self, bytes: u64) -> Result<(), StoreError> {
        let page: i64 = self.db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        // SQLite answers with the limit in force; a smaller one than the file has is raised to the file's size.
        self.db.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
        Ok(())
    }

    /// Writes a turn as one durable transaction: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk or the limit is full, another one when SQLite fails. Nothing was written then,
    /// except that after [`StoreError::Unsure`] only the next start tells.
    ///
    /// `at_ms` is the turn's moment in milliseconds since 1970, which its events bear.
    pub fn commit(&mut self, at_ms: i64, ops: &[Op]) -> Result<Applied, StoreError> {
        let done = self.try_commit(at_ms, ops);
        if done.is_err() {
            self.known = apply::Known::default();
        }
        done
    }

    fn try_commit(&mut self, at_ms: i64, ops: &[Op]) -> Result<Applied, StoreError> {
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut applied = Applied::default();
        let mut changes = apply::Changes {
            db: &transaction,
            known: &mut self.known,
            at_ms,
            last_message: self.last_message,
            last_event: self.log.last,
            words: None,
            out: &mut applied,
        };
        for ops in ops.chunk_by(|op, next| matches!((op, next), (Op::Queue { .. }, Op::Queue { .. }))) {
            changes.apply_all(ops)?;
        }
        changes.write_events()?;
        let last_message = changes.last_message;
        drop(changes);
        let mut log = self.log;
        let mut trimmed_at = self.trimmed_at;
        let added = applied.events.len() as u64;
        log.last += added;
        if log.last - trimmed_at >= TRIM_AT {
            trimmed_at = log.last;
            events::trim(&transaction, &mut log, &self.retention, at_ms, TRIM_STEP.max(2 * added))?;
        }
        let mut indexed = self.indexed;
        if last_message - indexed >= INDEX_BEHIND {
            indexed = search::index(&transaction, indexed, last_message, INDEX_STEP)?;
        }
        transaction.commit().map_err(|error| StoreError::Unsure(error.to_string()))?;
        (self.log, self.trimmed_at, self.last_message, self.indexed) = (log, trimmed_at, last_message, indexed);
        applied.log = log;
        Ok(applied)
    }

    /// Removes old events in a transaction of its own, at most `step`. Returns whether more are to go, and where the log
    /// begins and ends then.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn trim(&mut self, now_ms: i64, step: u64) -> Result<(bool, LogEdges), StoreError> {
        let mut log = self.log;
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let more = events::trim(&transaction, &mut log, &self.retention, now_ms, step)?;
        if log != self.log {
            transaction.commit().map_err(|error| StoreError::Unsure(error.to_string()))?;
            self.log = log;
        }
        Ok((more, log))
    }

    /// Whether enough texts wait for the search's index to be worth a commit.
    fn index_due(&self) -> bool {
        self.last_message - self.indexed >= INDEX_AT
    }

    /// Puts messages into the search's index, at most `step`. Returns whether more are to be indexed.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn index(&mut self, step: u32) -> Result<bool, StoreError> {
        if self.indexed >= self.last_message {
            return Ok(false);
        }
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let indexed = search::index(&transaction, self.indexed, self.last_message, step)?;
        transaction.commit().map_err(|error| StoreError::Unsure(error.to_string()))?;
        self.indexed = indexed;
        Ok(indexed < self.last_message)
    }

    /// Whether a write would succeed, tried for real and rolled back.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn probe(&mut self) -> Result<(), StoreError> {
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // More than one page, so that the file must really grow.
        let filler = "x".repeat(64 * 1024);
        transaction.execute(
            "INSERT INTO message (id, peer, dir, state, mid, at_ms, text) VALUES (?1, 0, 2, 0, x'00', 0, ?2)",
            rusqlite::params![self.last_message + 1, filler],
        )?;
        transaction.execute("DELETE FROM message WHERE peer = 0 AND dir <> 1", [])?;
        transaction.commit()?;
        Ok(())
    }

    /// Writes the log back into the file, so that a backup of the file alone is whole. Called at a clean stop.
    ///
    /// # Errors
    /// When SQLite refuses; nothing is lost by it.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// The connection, for reads beside the writes (the simulation has only this one).
    pub(crate) fn connection(&self) -> &Connection {
        &self.db
    }
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &PathBuf) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "cache_size", -1024)?;
    Ok(db)
}
