//! A simulated daemon's disk: a database in memory that outlives the daemon, can be copied, and is read by the checker.
//!
//! It is a named database of SQLite's `memdb` file system, so the daemon's connection and the checker's are two different
//! ones, as two processes would have. The checker reads with SQL of its own: what the engine's queries hide, it sees.
//! What a power cut leaves of a real file is not simulated here; a commit is whole or absent.

pub mod rooms;

use parking_lot::Mutex;
use rooms::RoomImage;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use torchat_engine::store::Store;

/// A lane's id.
pub type Lane = [u8; 8];

/// The id of a daemon's run.
pub type Run = [u8; 8];

/// What a text says of itself: its writer, its receiver, and its number, which is unique and grows over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text {
    /// The writer.
    pub from: usize,
    /// The receiver.
    pub to: usize,
    /// The number.
    pub no: u32,
}

impl Text {
    /// The text with `padding` further bytes.
    #[must_use]
    pub fn written(self, padding: usize) -> String {
        format!("{self} {}", "x".repeat(padding))
    }

    /// Reads what [`Text::written`] made.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (from, rest) = text.split(' ').next()?.split_once('>')?;
        let (to, no) = rest.split_once('#')?;
        Some(Self { from: from.parse().ok()?, to: to.parse().ok()?, no: no.parse().ok()? })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}#{}", self.from, self.to, self.no)
    }
}

/// A sent message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutRow {
    /// The receiver.
    pub peer: usize,
    /// The text.
    pub text: Text,
    /// The lane.
    pub lane: Lane,
    /// The number in the lane.
    pub seq: u64,
    /// 0 queued, 1 delivered, 2 taken back, 3 expired, 4 and 5 the same before the receiver has skipped the number.
    pub state: i64,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InRow {
    /// The sender.
    pub peer: usize,
    /// The text.
    pub text: Text,
    /// The lane.
    pub lane: Lane,
    /// The number in the lane.
    pub seq: u64,
    /// Whether a client has read it.
    pub read: bool,
}

/// A mark where messages are missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The sender.
    pub peer: usize,
    /// The lane.
    pub lane: Lane,
    /// The last number that is missing.
    pub to: u64,
    /// What the mark says.
    pub text: String,
}

impl Mark {
    /// How many messages it says are missing.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.text.split_whitespace().next()?.parse().ok()
    }
}

/// All that the checker must know of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Image {
    /// Sent messages, in the order of their acceptance.
    pub out: Vec<OutRow>,
    /// Received messages, in the order of their arrival.
    pub received: Vec<InRow>,
    /// Marks, in order.
    pub marks: Vec<Mark>,
    /// The lane to each peer that goes on.
    pub open: BTreeMap<usize, Lane>,
    /// How far each incoming lane is.
    pub lanes: BTreeMap<(usize, Lane), u64>,
    /// Contacts, and whether each is hidden from.
    pub contacts: BTreeMap<usize, bool>,
    /// The run of each contact that was met last.
    pub met: BTreeMap<usize, Run>,
    /// All runs of the daemon that this disk knows.
    pub runs: BTreeSet<Run>,
    /// The rooms, by their ids.
    pub rooms: BTreeMap<[u8; 32], RoomImage>,
}

/// See the module's description.
pub struct Disk {
    name: String,
    /// Reads, and keeps the database alive while no daemon runs on it.
    checker: Connection,
}

impl Disk {
    /// An empty disk.
    ///
    /// # Panics
    /// When SQLite refuses.
    #[must_use]
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // The slash makes the name known to all connections of this process.
        let name = format!("file:/torchat-{}?vfs=memdb", NUMBER.fetch_add(1, Ordering::Relaxed));
        let checker = Connection::open(&name).expect("a database in memory");
        checker.pragma_update(None, "cache_size", -256).expect("a small cache");
        Self { name, checker }
    }

    /// Opens the store, as a starting daemon does.
    ///
    /// # Panics
    /// When the store is damaged.
    #[must_use]
    pub fn open(&self) -> Arc<Mutex<Store>> {
        Arc::new(Mutex::new(Store::open(Path::new(&self.name)).expect("the store is whole")))
    }

    /// A copy of what is committed now: a backup.
    ///
    /// # Panics
    /// When SQLite refuses.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        self.checker.execute("VACUUM INTO ?1", [&copy.name]).expect("a copy in memory");
        copy
    }

    /// What is committed now. `ids` are the keys of all daemons, in the order of their numbers.
    ///
    /// # Panics
    /// When the store is damaged, or holds a text of a daemon that it cannot have brought. Other peers are passed over.
    #[must_use]
    pub fn image(&self, ids: &[[u8; 32]]) -> Image {
        self.read(ids).expect("the store is whole")
    }

    fn read(&self, ids: &[[u8; 32]]) -> rusqlite::Result<Image> {
        // A peer that is no daemon of the simulation is its hostile member: what that one brought is judged elsewhere.
        let peer = |row: &Row<'_>, column| -> rusqlite::Result<Option<usize>> {
            let key: [u8; 32] = row.get(column)?;
            Ok(ids.iter().position(|id| *id == key))
        };
        let text = |text: String| Text::read(&text).expect("a text of the simulation");
        let mut image = Image::default();
        let mut query = self.checker.prepare_cached("SELECT peer, hidden, met FROM peer WHERE contact = 1")?;
        for row in query.query_map([], |row| Ok((peer(row, 0)?, row.get(1)?, row.get::<_, Option<Run>>(2)?)))? {
            let (Some(peer), hidden, met) = row? else { continue };
            image.contacts.insert(peer, hidden);
            image.met.extend(met.map(|run| (peer, run)));
        }
        let mut query = self.checker.prepare_cached("SELECT run FROM run")?;
        for row in query.query_map([], |row| row.get(0))? {
            image.runs.insert(row?);
        }
        let mut query =
            self.checker.prepare_cached("SELECT p.peer, o.lane FROM out_lane o JOIN peer p ON p.num = o.peer")?;
        for row in query.query_map([], |row| Ok((peer(row, 0)?, row.get(1)?)))? {
            let (Some(peer), lane) = row? else { continue };
            image.open.insert(peer, lane);
        }
        let mut query =
            self.checker.prepare_cached("SELECT p.peer, i.lane, i.hwm FROM in_lane i JOIN peer p ON p.num = i.peer")?;
        for row in query.query_map([], |row| Ok(((peer(row, 0)?, row.get(1)?), number(row, 2)?)))? {
            let ((Some(peer), lane), hwm) = row? else { continue };
            image.lanes.insert((peer, lane), hwm);
        }
        let mut query = self.checker.prepare_cached(
            "SELECT p.peer, m.dir, m.state, l.lane, m.seq, m.text FROM message m LEFT JOIN peer p ON p.num = m.peer
                 LEFT JOIN lane l ON l.num = m.lane ORDER BY m.id",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (Some(peer), state): (_, i64) = (peer(row, 0)?, row.get(2)?) else { continue };
            let (lane, seq, words) = (row.get(3)?, number(row, 4)?, row.get(5)?);
            match row.get::<_, i64>(1)? {
                0 => image.received.push(InRow { peer, text: text(words), lane, seq, read: state != 0 }),
                1 => image.out.push(OutRow { peer, text: text(words), lane, seq, state }),
                _ => image.marks.push(Mark { peer, lane, to: seq, text: words }),
            }
        }
        image.rooms = rooms::read(&self.checker)?;
        Ok(image)
    }
}

/// What a disk holds of one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Rows of messages and marks that came of it.
    pub rows: u64,
    /// Marks among them.
    pub marks: u64,
    /// Events about it, or about what it said, after a number of the log.
    pub events: u64,
    /// The last event's number.
    pub last: u64,
}

impl Disk {
    /// What is committed now of a peer, with its events after number `after`.
    ///
    /// # Panics
    /// When the store is damaged.
    #[must_use]
    pub fn held(&self, peer: &[u8; 32], after: u64) -> Held {
        self.read_held(peer, after).expect("the store is whole")
    }

    fn read_held(&self, peer: &[u8; 32], after: u64) -> rusqlite::Result<Held> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let mut query = self.checker.prepare_cached(
            "SELECT count(*), coalesce(sum(dir = 2), 0) FROM message
             WHERE peer = (SELECT num FROM peer WHERE peer = ?1) AND dir <> 1",
        )?;
        let (rows, marks) = query.query_row([peer], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
        let mut query = self.checker.prepare_cached(
            "SELECT count(*) FROM event e LEFT JOIN message m ON m.id = e.message
             WHERE e.seq > ?2 AND (e.peer = ?1 OR m.peer = (SELECT num FROM peer WHERE peer = ?1))",
        )?;
        let events = query.query_row((peer, after), |row| number(row, 0))?;
        let mut query = self.checker.prepare_cached("SELECT coalesce(max(seq), 0) FROM event")?;
        let last = query.query_row([], |row| number(row, 0))?;
        Ok(Held { rows, marks, events, last })
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
