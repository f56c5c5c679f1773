//! What is read from the store, beside the writes.

mod desk;
pub(super) mod erasable;
pub(super) mod messages;
mod replica;
pub(super) mod rooms;
mod snapshot;
mod threads;

use super::order::{ListFrom, Order};
use super::{LegacyLine, LogEdges, Store, StoreError, TokenRow, events, open_reader, records, search};
use messages::{MessageRow, Page, PageLimit, Preview, blob, peer_id};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
pub(super) use snapshot::snapshot;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use threads::{THREADS, Threads};
use tokio::sync::oneshot;
use torchat_core::snapshot::{LegacyNum, Snapshot};
use torchat_core::time::Believed;
use torchat_protocol::control::api::event::Event;
use torchat_protocol::control::api::record::MessageState;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{LaneId, MessageId, PeerId};

/// An unread message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its row.
    pub row: i64,
    /// Arrival in milliseconds since 1970.
    pub arrived_ms: i64,
    /// The text.
    pub text: String,
}

/// That classic UPDATE has not handed out all of a peer's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The sender.
    pub peer: PeerId,
    /// The row of the oldest message that it has not.
    pub first: i64,
}

/// A stored message that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub mid: MessageId,
    /// When it was accepted, in milliseconds since 1970.
    pub at_ms: i64,
    /// The text.
    pub text: String,
}

/// Reads beside the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader(Source);

#[derive(Debug, Clone)]
enum Source {
    /// Connections of its own; one is opened when all others are in use.
    File { path: PathBuf, idle: Arc<Mutex<Vec<Connection>>>, threads: Arc<OnceLock<Threads>>, order: Order },
    /// The writer's connection.
    Shared(Arc<Mutex<Store>>),
}

/// The first unread message of each peer that has one.
const UNREAD: &str =
    "SELECT peer, (SELECT id FROM message WHERE message.peer = peer.num AND dir = 0 AND state = 0 ORDER BY id LIMIT 1)
     FROM peer WHERE untaken IS NOT NULL AND unread > 0";

/// The query of [`Reader::heads`], also for a test that looks at its plan.
pub(super) const HEADS: &str =
    "SELECT id, at_ms, text FROM message WHERE peer = (SELECT num FROM peer WHERE peer = ?1) AND id > ?2 AND dir = 0 AND state = 0
     ORDER BY id LIMIT ?3";

/// Idle reading connections that are kept. To open one costs more than a page, and SQLite keeps the descriptors of those that
/// are closed.
const IDLE_READERS: usize = THREADS;

impl Reader {
    /// Reads a store's file.
    #[must_use]
    pub fn of_file(path: PathBuf) -> Self {
        Self(Source::File { path, idle: Arc::default(), threads: Arc::default(), order: Order::default() })
    }

    /// Reads a store's file beside its writer, which knows the order of the conversations. Any other reader makes that anew for each
    /// part of their list.
    #[must_use]
    pub fn beside(path: PathBuf, store: &Store) -> Self {
        Self(Source::File { path, idle: Arc::default(), threads: Arc::default(), order: store.order() })
    }

    /// Reads through the writer's connection.
    #[must_use]
    pub fn shared(store: Arc<Mutex<Store>>) -> Self {
        Self(Source::Shared(store))
    }

    /// Reads in a thread for reading, and returns when it is done; `None`: it panicked. A simulation's store is read at once:
    /// a thread takes real time, and a seed would not tell the same story twice.
    pub(crate) async fn run<T: Send + 'static>(&self, read: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let Source::File { threads, .. } = &self.0 else { return Some(read(self)) };
        let (done, result) = oneshot::channel();
        let reader = self.clone();
        threads.get_or_init(Threads::start).run(move || drop(done.send(read(&reader))));
        result.await.ok()
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match &self.0 {
            Source::Shared(store) => read(store.lock().connection()),
            Source::File { path, idle, .. } => {
                let taken = idle.lock().pop();
                let db = taken.map_or_else(|| open_reader(path), Ok)?;
                let result = read(&db);
                let mut idle = idle.lock();
                if idle.len() < IDLE_READERS {
                    idle.push(db);
                }
                result
            }
        }
    }

    /// Looks through the tables, which takes seconds for a large file.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what was found first; what SQLite says.
    pub fn check(&self) -> Result<(), StoreError> {
        self.with(|db| super::whole::check(db, false))
    }

    /// All that the core must know at the start.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.with(|db| snapshot(&*db.unchecked_transaction()?))
    }

    /// Whose messages nobody has read, and the first of each. Before version 0.2 UPDATE had a place of its own, so `untaken` of
    /// an older store may be a message that was read since.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn untaken(&self) -> Result<Vec<Unread>, StoreError> {
        self.with(|db| {
            let mut query = db.prepare_cached(UNREAD)?;
            let rows = query.query_map([], |row| Ok((blob::<32>(row, 0)?, row.get(1)?)))?;
            rows.map(|row| {
                let (peer, first) = row?;
                Ok(Unread { peer: peer_id(peer)?, first })
            })
            .collect()
        })
    }

    /// The oldest unread messages of a peer after a row, at most `limit`.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn heads(&self, peer: &PeerId, after: i64, limit: usize) -> Result<Vec<Head>, StoreError> {
        self.with(|db| {
            let mut query = db.prepare_cached(HEADS)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map(params![peer.as_bytes(), after, limit], |row| {
                Ok(Head { row: row.get(0)?, arrived_ms: row.get(1)?, text: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The queued messages of our lane to a peer, from a number on.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn outgoing(&self, peer: &PeerId, lane: LaneId, first: u64, count: u64) -> Result<Vec<Outgoing>, StoreError> {
        self.with(|db| outgoing(db, peer, lane, first, count))
    }

    /// A page of a conversation, oldest first, and whether there is more in the direction that was asked for.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn page(
        &self,
        conversation: ConversationId,
        page: Page,
        most: PageLimit,
    ) -> Result<(Vec<MessageRow>, bool), StoreError> {
        self.page_with(conversation, page, most, false)
    }

    /// As [`Reader::page`]; `hidden`: with what is hidden in a room.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn page_with(
        &self,
        conversation: ConversationId,
        page: Page,
        most: PageLimit,
        hidden: bool,
    ) -> Result<(Vec<MessageRow>, bool), StoreError> {
        self.with(|db| messages::page(db, conversation, page, most, hidden))
    }

    /// A message by its row.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn message(&self, id: i64) -> Result<Option<MessageRow>, StoreError> {
        self.with(|db| Ok(db.prepare_cached(messages::BY_ID)?.query_row([id], messages::row).optional()?))
    }

    /// How many messages of a conversation an erasing would erase, and how many would stay: see [`erasable`].
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn erasable(&self, peer: &PeerId, upto: i64, before_ms: Option<i64>) -> Result<(u64, u64), StoreError> {
        self.with(|db| erasable::count(db, peer, upto, before_ms))
    }

    /// The last message that ever was.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn last_message(&self) -> Result<i64, StoreError> {
        self.with(|db| search::state(db).map(|(_, last)| last))
    }

    /// How far a message of ours to a peer is. Looked for from the newest on, because no index has the ids of what was
    /// sent: for one that was accepted lately.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn sent(&self, peer: &PeerId, mid: MessageId) -> Result<Option<MessageState>, StoreError> {
        self.with(|db| messages::sent(db, peer, mid))
    }

    /// The message that was accepted under a client's key, if that is not too long ago for a clock that is believed.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn by_client_id(&self, client: &str, believed: Option<Believed>) -> Result<Option<MessageRow>, StoreError> {
        self.with(|db| records::by_client_id(db, client, believed))
    }

    /// The conversations of contacts and blocked peers, and of all others that there are messages of: the one with the newest message
    /// first, those without any last. In steps of `step`, until `take` wants no more; only those of `among`, if it is given.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn conversations(
        &self,
        from: ListFrom,
        among: Option<&BTreeSet<ConversationId>>,
        step: usize,
        take: impl FnMut(Vec<Preview>) -> bool,
    ) -> Result<(), StoreError> {
        let order = match &self.0 {
            Source::Shared(store) => store.lock().order(),
            Source::File { order, .. } => order.clone(),
        };
        self.with(|db| order.list(db, from, among, step, take))
    }

    /// Whether all messages are in the search's index.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn is_indexed(&self) -> Result<bool, StoreError> {
        self.with(|db| search::state(db).map(|(indexed, last)| indexed >= last))
    }

    /// Messages that a [`search_query`](super::search_query) finds before a row, newest first, and whether there are older
    /// ones. `among`: the same conversations as were given to the query.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn search(
        &self,
        query: &str,
        among: Option<&[ConversationId]>,
        before: i64,
        most: PageLimit,
    ) -> Result<(Vec<MessageRow>, bool), StoreError> {
        self.with(|db| search::find(db, query, among, before, most))
    }

    /// The events after a number and up to another one, in order: at most `limit`, and no more when they have `bytes`.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn events(&self, after: u64, upto: u64, limit: usize, bytes: usize) -> Result<Vec<Event>, StoreError> {
        self.with(|db| events::read(db, after, upto, limit, bytes))
    }

    /// Where the event log begins and ends.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn log_edges(&self) -> Result<LogEdges, StoreError> {
        self.with(events::edges)
    }

    /// All consumers and their places.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn cursors(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.with(records::cursors)
    }

    /// All tokens by name.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.with(records::tokens)
    }

    /// The oldest message of an old daemon after a row that no client has taken.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn legacy_head(&self, after: LegacyNum) -> Result<Option<LegacyLine>, StoreError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, at_ms, claim, text, taken FROM legacy WHERE id > ?1 AND taken = 0 ORDER BY id LIMIT 1",
            )?;
            Ok(query.query_row([after.0], legacy_line).optional()?)
        })
    }

    /// Messages of old daemons after a row, oldest first; `untaken`: only those that no client has taken.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn legacy_after(&self, after: LegacyNum, untaken: bool, limit: u32) -> Result<Vec<LegacyLine>, StoreError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                "SELECT id, at_ms, claim, text, taken FROM legacy WHERE id > ?1 AND (taken = 0 OR NOT ?2)
                 ORDER BY id LIMIT ?3",
            )?;
            let lines = query.query_map(rusqlite::params![after.0, untaken, limit], legacy_line)?;
            Ok(lines.collect::<Result<Vec<_>, _>>()?)
        })
    }

    /// The last messages of old daemons, oldest first, taken or not.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn legacy(&self, limit: u32) -> Result<Vec<LegacyLine>, StoreError> {
        self.with(|db| {
            let mut query =
                db.prepare_cached("SELECT id, at_ms, claim, text, taken FROM legacy ORDER BY id DESC LIMIT ?1")?;
            let mut lines = query.query_map([limit], legacy_line)?.collect::<Result<Vec<_>, _>>()?;
            lines.reverse();
            Ok(lines)
        })
    }
}

fn legacy_line(row: &Row<'_>) -> rusqlite::Result<LegacyLine> {
    let num = LegacyNum(row.get(0)?);
    Ok(LegacyLine { row: num, at_ms: row.get(1)?, claim: row.get(2)?, text: row.get(3)?, taken: row.get(4)? })
}

pub(super) fn outgoing(
    db: &Connection,
    peer: &PeerId,
    lane: LaneId,
    first: u64,
    count: u64,
) -> Result<Vec<Outgoing>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT m.mid, m.at_ms, m.text FROM peer p CROSS JOIN out_lane o ON o.peer = p.num CROSS JOIN message m ON m.peer = p.num
         WHERE p.peer = ?1 AND o.lane = ?3 AND m.dir = 1 AND m.state IN (0, 4, 5) AND m.state = 0 AND m.seq >= ?2
         ORDER BY m.seq LIMIT ?4",
    )?;
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = query.query_map(params![peer.as_bytes(), first, lane.0, count], |row| {
        Ok(Outgoing { mid: MessageId(blob(row, 0)?), at_ms: row.get(1)?, text: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
