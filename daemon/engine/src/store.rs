//! The store: one SQLite file that is the truth about the daemon's mail.
//!
//! One connection writes; a turn of the engine is one transaction with `synchronous=FULL` in WAL mode, so a commit that
//! returned survives kill -9 and, as far as the disk honours fsync, a power cut. Reads have connections of their
//! own and never queue behind a commit. [`Store::commit`] is synchronous: the daemon runs it on a thread of its own
//! ([`Writer`]), because a thread that syncs and then waits again falls into the slow mode of some kernels; the
//! simulation runs it inline, because a store thread breaks paused time.

mod apply;
mod contact;
mod events;
mod flags;
mod force;
mod legacy;
mod marks;
mod numbers;
mod order;
mod people;
mod query;
mod records;
mod replica;
mod room;
mod rows;
mod schema;
mod scrub;
mod search;
mod share;
#[cfg(test)]
mod tests;
mod tokens;
mod trouble;
mod whole;
mod writer;

pub use apply::{Applied, Erased};
pub(crate) use contact::contact_record;
pub(crate) use events::size;
pub use events::time;
pub use events::{LogEdges, Retention};
pub use legacy::LegacyLine;
pub use order::ListFrom;
pub use query::messages::{MessageRow, Page, PageLimit, Preview};
pub(crate) use query::rooms::role_word;
pub use query::rooms::{RoomPart, RoomTarget};
pub use query::{Head, Outgoing, Reader, Unread};
pub use search::{QUERY_BYTES, QUERY_TERMS, query as search_query};
pub use tokens::TokenRow;
pub use trouble::{Health, SearchHealth, StoreError, Trouble};
pub use writer::{Jobs, Wanted, Writer, WriterGone, Written};

use order::Order;
use parking_lot::Mutex;
use query::messages;
use room::Room;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use scrub::Traces;
use share::Shares;
use std::collections::BTreeMap;
use std::path::Path;
use torchat_core::op::{ChatOp, Op};
use torchat_core::time::Believed;
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::room::{RoomId, TextId};

/// Messages that are not indexed for the search, before the writer's thread indexes some while nothing else is written.
const INDEX_AT: i64 = 64;
/// And before a commit takes some of them with it, however busy the writer is: a search that finds this many waits for about
/// a second.
const INDEX_BEHIND: i64 = 32_768;
/// How many at once, so that the commit stays short.
const INDEX_STEP: u32 = 256;
/// New events before a commit removes old ones.
const TRIM_AT: u64 = 64;
/// Old events that such a commit removes at most, and twice what it adds: more than come, so the log gets to its limit.
const TRIM_STEP: u64 = 128;

/// A received message that a commit stored, for the unread buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The sender.
    pub peer: PeerId,
    /// The message.
    pub head: Head,
}

/// A text of ours that was accepted for a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomText {
    /// The room.
    pub room: RoomId,
    /// What its author calls it: ours.
    pub text: TextId,
    /// Its row.
    pub row: i64,
    /// Its id in this daemon. That of a newcomer changes when it becomes a member.
    pub mid: MessageId,
}

/// Up to where a peer's messages were read by a commit, for the unread buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadMark {
    /// The sender.
    pub peer: PeerId,
    /// The last row of which nothing of the peer's before is unread.
    pub upto: i64,
    /// The first unread message, if there is one.
    pub first: Option<i64>,
}

/// The moment of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// In milliseconds since 1970: what its events bear.
    pub at_ms: i64,
    /// The clock, if what is too old by it may go.
    pub believed: Option<Believed>,
}

impl Moment {
    /// By a clock that was never wrong.
    #[must_use]
    pub fn calm(at_ms: i64) -> Self {
        Self { at_ms, believed: Some(Believed { now_ms: at_ms, since_ms: i64::MIN }) }
    }
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
    index: Index,
    known: apply::Known,
    /// The order in which conversations are listed.
    order: Order,
    /// Whose events the log holds; `None`: to be counted anew.
    shares: Option<Shares>,
    /// How large the file may become, if that is limited.
    room: Option<Room>,
    health: Health,
    /// Where traces of erased texts may be.
    traces: Traces,
    /// Why nothing is written any more.
    condemned: Option<String>,
    /// The file is too large to be looked through before the start, and the last end was no clean stop.
    unchecked: bool,
}

/// How far the search's index can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    Whole,
    /// To be made anew.
    Damaged,
    /// Made anew in this run, which is not done twice.
    Anew,
    /// Left alone until the next start.
    Off,
}

impl Store {
    /// Opens the store, and makes it if there is none.
    ///
    /// # Errors
    /// When the file cannot be opened, is no store, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // A simulation's disk is in memory, under a name that SQLite takes for a URI: there are no files beside it.
        if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
            let db = Connection::open(path)?;
            let version = schema::examine(&db, None)?;
            return Self::prepare(db, version, None);
        }
        let begun = whole::undo_first_write(path)?;
        let found = whole::look(path)?;
        let refused = |error| whole::refused(path, &found, error);
        let version = if found.there { Self::examine(path, &found).map_err(refused)? } else { 0 };
        let prepare = |db| Self::prepare(db, version, Some(path));
        let mut store = Connection::open(path).map_err(StoreError::from).and_then(prepare).map_err(refused)?;
        store.unchecked = found.unclean && !found.is_small();
        // On a full disk the mark of before stays, which is less than a start is worth.
        if let Err(error) = whole::mark(&store.db, path) {
            tracing::warn!(%error, "the store's mark is not renewed");
        }
        if found.empty && !begun {
            let remark = "torchat.db was empty, so there are no contacts and no messages. If there were some, stop the \
                          daemon and restore torchat.db from a copy";
            store.health.remark(remark.to_owned());
        }
        schema::drop_old_copies(path);
        store.scrub_at_start();
        Ok(store)
    }

    /// Looks at the tables, and says which version they are, by connections that change nothing, not even at their end.
    fn examine(path: &Path, found: &whole::Found) -> Result<i64, StoreError> {
        if !found.unclean {
            return schema::examine(&whole::alone(path)?, Some(path));
        }
        let db = open_reader(path)?;
        if found.is_small() {
            whole::check(&db, true)?;
        }
        schema::examine(&db, Some(path))
    }

    /// A store in memory, for simulations: kept as long as the value lives.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?, 0, None)
    }

    /// `version`: what is in the file. `path`: where it is, if it is on a disk.
    fn prepare(mut db: Connection, version: i64, path: Option<&Path>) -> Result<Self, StoreError> {
        // WAL with FULL: one fsync for a commit, and nothing that was acknowledged is lost by a power cut. (fsync and not
        // fdatasync: libsqlite3-sys builds SQLite without HAVE_FDATASYNC. strace shows no other.)
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        // What becomes free is written over, whole pages too: the index of the search gives back pages full of words, long before
        // somebody erases what they are of.
        db.pragma_update(None, "secure_delete", "ON")?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        // 2 MiB of pages: the whole daemon without Tor is meant to stay below 15 MB.
        db.pragma_update(None, "cache_size", -2048)?;
        db.set_prepared_statement_cache_capacity(64);
        keep_plans(&db)?;
        schema::migrate(&mut db, version, path)?;
        apply::write_messages(&mut db)?;
        let log = events::edges(&db)?;
        let shares = Shares::read(&db, log)?;
        let (indexed, last_message) = search::state(&db)?;
        let traces = Traces::read(&db)?;
        let order = Order::read(&db)?;
        Ok(Self {
            db,
            log,
            retention: Retention::default(),
            trimmed_at: log.last,
            last_message,
            indexed,
            index: Index::Whole,
            known: apply::Known::default(),
            order,
            shares: Some(shares),
            room: None,
            health: Health::default(),
            traces,
            condemned: None,
            unchecked: false,
        })
    }

    /// How it is, to tell the user. The value stays the store's.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Whether it is still to be looked through: its last end was no clean stop, and it is too large to be looked through
    /// before the start.
    #[must_use]
    pub fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    /// Takes no more writes in this run: it was found to be damaged, and each write would make that worse.
    pub fn condemn(&mut self, why: &str) {
        self.condemned = Some(why.to_owned());
    }

    /// Says how many events are kept, and for how long.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
    }

    /// Takes a store that may have been another engine's before: what that one found does not count. Reads and writes nothing.
    pub(crate) fn adopt(shared: &Mutex<Self>, retention: Retention) -> Health {
        let mut adopted = shared.lock();
        adopted.set_retention(retention);
        adopted.health.set_trouble(None);
        adopted.health()
    }

    /// Where the event log begins and ends.
    #[must_use]
    pub fn log_edges(&self) -> LogEdges {
        self.log
    }

    /// Limits the size of the file. Beyond it, commits fail with [`StoreError::Full`] and reading goes on. Of the last
    /// sixteenth, or MiB, mail gets nothing: it is for what the user decides and marks as read.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn set_max_bytes(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.room = Some(Room::new(&self.db, bytes)?);
        Ok(())
    }

    /// As [`Store::commit_at`] at a moment of a clock that was never wrong.
    ///
    /// # Errors
    /// As [`Store::commit_at`].
    pub fn commit(&mut self, at_ms: i64, ops: &[Op]) -> Result<Applied, StoreError> {
        self.commit_at(Moment::calm(at_ms), ops)
    }

    /// Writes a turn as one durable transaction: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk or the limit is full, another one when SQLite fails. Nothing was written then,
    /// except that after [`StoreError::Unsure`] only the next start tells.
    pub fn commit_at(&mut self, moment: Moment, ops: &[Op]) -> Result<Applied, StoreError> {
        if let Some(why) = &self.condemned {
            return Err(StoreError::Damaged(why.clone()));
        }
        if let Some(room) = &mut self.room {
            room.admit(&self.db, room::rank(ops))?;
        }
        let index =
            matches!(self.index, Index::Whole | Index::Anew) && self.last_message - self.indexed >= INDEX_BEHIND;
        let mut done = self.try_commit(moment, ops, index);
        if let Err(error) = &done
            && index
            && (error.trouble() == Trouble::Damaged || !matches!(error, StoreError::Unsure { .. }))
        {
            // The index can be made anew, so it stops no commit. It writes what it has when the commit begins, before anything
            // goes to the disk, so damage that is found there leaves nothing behind.
            let damaged = error.trouble() == Trouble::Damaged;
            self.forget();
            done = self.try_commit(moment, ops, false);
            if damaged && done.is_ok() {
                self.distrust_search();
            }
        }
        if let Err(error) = &done {
            self.forget();
            if matches!(error, StoreError::Unsure { .. }) {
                self.order.distrust();
            }
        }
        done
    }

    /// What was learned in a transaction that failed counts no more.
    fn forget(&mut self) {
        self.known = apply::Known::default();
        self.shares = None;
    }

    fn try_commit(&mut self, moment: Moment, ops: &[Op], index: bool) -> Result<Applied, StoreError> {
        let mut shares = match self.shares.take() {
            Some(shares) => shares,
            None => Shares::read(&self.db, self.log)?,
        };
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut applied = Applied::default();
        let mut changes = apply::Changes {
            db: &transaction,
            known: &mut self.known,
            moment,
            last_message: self.last_message,
            // A damaged index is made anew from what is there then.
            indexed: if matches!(self.index, Index::Whole | Index::Anew) { self.indexed } else { 0 },
            last_event: self.log.last,
            words: None,
            rooms: BTreeMap::new(),
            touched: BTreeMap::new(),
            out: &mut applied,
        };
        for alike in ops
            .chunk_by(|op, next| matches!((op, next), (Op::Chat(ChatOp::Queue { .. }), Op::Chat(ChatOp::Queue { .. }))))
        {
            changes.apply_all(alike)?;
        }
        changes.finish_rooms()?;
        changes.write_events()?;
        let last_message = changes.last_message;
        drop(changes);
        let mut log = self.log;
        let mut trimmed_at = self.trimmed_at;
        let added = applied.events.len() as u64;
        log.last += added;
        shares.add(&transaction, &applied.events)?;
        if log.last - trimmed_at >= TRIM_AT {
            trimmed_at = log.last;
            let step = TRIM_STEP.max(2 * added);
            events::trim(&transaction, &mut log, &mut shares, &self.retention, moment.believed, step)?;
        }
        let mut indexed = self.indexed;
        if index {
            indexed = search::index(&transaction, indexed, last_message, INDEX_STEP)?;
        }
        transaction.commit().map_err(StoreError::unsure)?;
        self.order.follow(&self.db, ops, &applied.events, log.last);
        (self.log, self.trimmed_at, self.last_message, self.indexed) = (log, trimmed_at, last_message, indexed);
        self.shares = Some(shares);
        applied.log = log;
        if applied.wiped || applied.erased.iter().any(|erased| !erased.rows.is_empty()) {
            self.traces = Traces::File;
        }
        if applied.index_damaged {
            self.distrust_search();
        }
        Ok(applied)
    }

    /// Removes old events in a transaction of its own, at most `step`. `believed`: the clock, if what is too old by it may
    /// go. Returns whether more are to go, and where the log begins and ends then.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn trim(&mut self, believed: Option<Believed>, step: u64) -> Result<(bool, LogEdges), StoreError> {
        let mut log = self.log;
        let mut shares = match self.shares.take() {
            Some(shares) => shares,
            None => Shares::read(&self.db, self.log)?,
        };
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let more = events::trim(&transaction, &mut log, &mut shares, &self.retention, believed, step)?;
        transaction.commit().map_err(StoreError::unsure)?;
        (self.log, self.shares) = (log, Some(shares));
        Ok((more, log))
    }

    /// Whether there is something to do for the search's index that is worth a commit.
    fn index_due(&self) -> bool {
        match self.index {
            Index::Damaged => true,
            Index::Off => false,
            Index::Whole | Index::Anew => self.last_message - self.indexed >= INDEX_AT,
        }
    }

    /// Puts messages into the search's index, at most `step`; one that is damaged is made anew first. Returns whether more
    /// are to be indexed.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn index(&mut self, step: u32) -> Result<bool, StoreError> {
        match self.index {
            Index::Off => return Ok(false),
            Index::Damaged => {
                let mended = search::make_anew(&mut self.db);
                self.index = if mended.is_ok() { Index::Anew } else { Index::Off };
                self.health.set_search(if mended.is_ok() { SearchHealth::Rebuilding } else { SearchHealth::Damaged });
                mended?;
                self.indexed = 0;
                tracing::warn!("the search index was damaged; rebuilding it");
            }
            Index::Whole | Index::Anew => {}
        }
        if self.indexed >= self.last_message {
            self.health.set_search(SearchHealth::Ok);
            return Ok(false);
        }
        match self.try_index(step) {
            Err(error) if error.trouble() == Trouble::Damaged => {
                self.distrust_search();
                if self.index == Index::Damaged { Ok(true) } else { Err(error) }
            }
            done => done,
        }
    }

    fn try_index(&mut self, step: u32) -> Result<bool, StoreError> {
        let transaction = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let indexed = search::index(&transaction, self.indexed, self.last_message, step)?;
        transaction.commit().map_err(StoreError::unsure)?;
        self.indexed = indexed;
        let more = indexed < self.last_message;
        if !more {
            self.health.set_search(SearchHealth::Ok);
        }
        Ok(more)
    }

    /// The search's index was found to be damaged: it is made anew when there is time, once in a run.
    pub fn distrust_search(&mut self) {
        let again = self.index != Index::Whole;
        self.index = if again && self.index != Index::Damaged { Index::Off } else { Index::Damaged };
        let health = if self.index == Index::Off { SearchHealth::Damaged } else { SearchHealth::Rebuilding };
        self.health.set_search(health);
    }

    /// Whether a write would succeed, tried for real and rolled back.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn probe(&mut self) -> Result<(), StoreError> {
        if let Some(why) = &self.condemned {
            return Err(StoreError::Damaged(why.clone()));
        }
        if let Some(room) = &mut self.room {
            room.admit(&self.db, room::Rank::Mail)?;
        }
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
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "cache_size", -1024)?;
    keep_plans(&db)?;
    Ok(db)
}

/// A statement keeps its plan whatever is bound to it. Without this, SQLite parses and plans a statement with a range
/// (`id < ?`) again for each new bound, in case its statistics tell another plan; there are none here. It was a tenth of a page
/// of HISTORY.
fn keep_plans(db: &Connection) -> Result<(), StoreError> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}
