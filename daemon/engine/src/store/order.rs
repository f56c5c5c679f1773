//! Which conversation had a message last: the order in which they are listed, in memory, so that a page of the list costs what is on
//! it and not what all conversations cost.
//!
//! The store makes it at its opening and keeps it up with each commit. A column of `peer` with an index was rejected: every message
//! that is sent would write two more pages. The store is the truth: what a page shows is read from it in one transaction, and the
//! order only says where to look. So the order may be a commit ahead of that transaction (whose messages are newer than all that the
//! transaction sees, so these conversations are looked at as well), but never behind it: a reader waits for the order, which
//! follows each commit at once. If it does not, after a commit of which nobody knows how it ended, the reader makes one for itself.

use super::messages::{self, Preview};
use super::{Store, StoreError, events, search};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;
use torchat_core::op::{ChatOp, ContactOp, Op};
use torchat_protocol::control::api::event::{Event, What};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::room::RoomId;

/// How long a reader waits for the order to follow a commit that it sees. It takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a page of the list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFrom {
    /// At the conversation with the newest message.
    Newest,
    /// Behind the conversation whose last message has this row: those with an older one, then those without any.
    Before(i64),
    /// Behind this one among those without a message, which are in the order of their ids.
    After(ConversationId),
}

impl ListFrom {
    fn has(self, preview: &Preview) -> bool {
        match (self, &preview.last) {
            (Self::Newest, _) | (Self::Before(_), None) => true,
            (Self::Before(id), Some(last)) => last.id < id,
            (Self::After(id), last) => last.is_none() && preview.peer > id,
        }
    }
}

/// See the module's description. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Order(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lists: Mutex<Lists>,
    followed: Condvar,
}

#[derive(Debug, Default)]
struct Lists {
    /// The last event of the commit that it has followed; `None`: it is to be made anew.
    upto: Option<u64>,
    known: HashMap<ConversationId, Place>,
    /// Those with a message, by the row of the last one.
    newest: BTreeMap<i64, ConversationId>,
    /// Those without.
    silent: BTreeSet<ConversationId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// The last message.
    last: Option<i64>,
    /// A contact or a blocked peer, which is listed also without a message.
    listed: bool,
}

/// A conversation, whether it is listed without a message, and its last message; of a room only what a page shows.
macro_rules! place {
    ($rest:literal) => {
        concat!(
            "SELECT peer, contact OR blocked OR EXISTS (SELECT 1 FROM room WHERE num = p.room AND state < 3),
             CASE WHEN p.room IS NULL THEN
             (SELECT max(id) FROM (SELECT * FROM (SELECT id FROM message WHERE peer = p.num AND dir <> 1
             ORDER BY id DESC LIMIT 1) UNION ALL SELECT * FROM (SELECT id FROM message WHERE peer = p.num AND dir = 1
             ORDER BY id DESC LIMIT 1)))
             ELSE
             (SELECT max(id) FROM (SELECT * FROM (SELECT m.id FROM message m JOIN room_message r ON r.message = m.id
             WHERE m.peer = p.num AND m.dir <> 1 AND r.flags & 68 = 0 AND r.flags & 34 <> 34 ORDER BY m.id DESC LIMIT 1)
             UNION ALL SELECT * FROM (SELECT id FROM message WHERE peer = p.num AND dir = 1 ORDER BY id DESC LIMIT 1)))
             END FROM peer p",
            $rest
        )
    };
}

/// Every conversation.
pub(super) const PLACES: &str = place!("");
/// One of them.
pub(super) const PLACE: &str = place!(" WHERE peer = ?1");

impl Lists {
    fn read(db: &Connection) -> Result<Self, StoreError> {
        let mut lists = Self { upto: Some(events::edges(db)?.last), ..Self::default() };
        let mut query = db.prepare_cached(PLACES)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let id = ConversationId::from_bytes(messages::blob(row, 0)?);
            lists.put(id, Place { listed: row.get(1)?, last: row.get(2)? });
        }
        Ok(lists)
    }

    fn put(&mut self, id: ConversationId, place: Place) {
        let before = if place == Place::default() { self.known.remove(&id) } else { self.known.insert(id, place) };
        if before == Some(place) {
            return;
        }
        match before {
            Some(Place { last: Some(last), .. }) => drop(self.newest.remove(&last)),
            Some(Place { listed: true, .. }) => drop(self.silent.remove(&id)),
            _ => {}
        }
        match place {
            Place { last: Some(last), .. } => drop(self.newest.insert(last, id)),
            Place { listed: true, .. } => drop(self.silent.insert(id)),
            Place { .. } => {}
        }
    }

    /// The next conversations of the list from a place on, at most `count`, for somebody who sees the messages up to `newest`; and
    /// those that have a newer message, because to that reader they are elsewhere. With the place behind, if there may be more.
    fn next(&self, from: ListFrom, count: usize, newest: i64) -> (Vec<ConversationId>, Option<ListFrom>) {
        let unseen = newest.saturating_add(1);
        let (end, after) = match from {
            ListFrom::Newest => (unseen, Bound::Unbounded),
            ListFrom::Before(id) => (id.min(unseen), Bound::Unbounded),
            ListFrom::After(id) => (i64::MIN, Bound::Excluded(id)),
        };
        let spoken = self.newest.range(..end).rev().map(|(last, id)| (*id, ListFrom::Before(*last)));
        let silent = self.silent.range((after, Bound::Unbounded)).map(|id| (*id, ListFrom::After(*id)));
        let (mut found, places): (Vec<_>, Vec<_>) = spoken.chain(silent).take(count).unzip();
        let behind = if found.len() == count { places.last().copied() } else { None };
        found.extend(self.newest.range(unseen..).map(|(_, id)| *id));
        (found, behind)
    }
}

impl Order {
    /// The order of a store.
    ///
    /// # Errors
    /// When SQLite fails.
    pub(super) fn read(db: &Connection) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Shared { lists: Mutex::new(Lists::read(db)?), followed: Condvar::new() })))
    }

    /// It may not be what is in the store.
    pub(super) fn distrust(&self) {
        self.0.lists.lock().upto = None;
        self.0.followed.notify_all();
    }

    /// Follows a commit. `upto`: its last event.
    pub(super) fn follow(&self, db: &Connection, ops: &[Op], events: &[Event], upto: u64) {
        let mut lists = self.0.lists.lock();
        let done = if lists.upto.is_some() {
            follow(&mut lists, db, ops, events)
        } else {
            Lists::read(db).map(|read| *lists = read)
        };
        lists.upto = match done {
            Ok(()) => Some(upto),
            Err(error) => {
                tracing::warn!(%error, "the order of the conversations cannot be read; each page reads all of them");
                None
            }
        };
        self.0.followed.notify_all();
    }

    /// Reads a part of the list in one transaction, in steps of `step` conversations, until `take` wants no more. Only those of `among`,
    /// if it is given.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub(super) fn list(
        &self,
        db: &Connection,
        from: ListFrom,
        among: Option<&BTreeSet<ConversationId>>,
        step: usize,
        mut take: impl FnMut(Vec<Preview>) -> bool,
    ) -> Result<(), StoreError> {
        let transaction = db.unchecked_transaction()?;
        let (upto, newest) = (events::edges(db)?.last, search::state(db)?.1);
        let own = if self.reaches(upto) { None } else { Some(Lists::read(db)?) };
        let next = |lists: &Lists, from| match among {
            Some(among) => (among.iter().filter(|id| lists.known.contains_key(id)).copied().collect(), None),
            None => lists.next(from, step.max(1), newest),
        };
        let mut from = from;
        loop {
            let (found, behind) = match &own {
                Some(own) => next(own, from),
                None => next(&self.0.lists.lock(), from),
            };
            let mut found = messages::previews(db, &found)?;
            found.retain(|preview| from.has(preview));
            found.sort_by_cached_key(|preview| (Reverse(preview.last.as_ref().map(|last| last.id)), preview.peer));
            // One that is elsewhere to this reader may be behind the others.
            if behind.is_some() {
                found.truncate(step.max(1));
            }
            from = match (found.last(), behind) {
                (None, None) => break,
                (None, Some(behind)) => behind,
                (Some(preview), _) => {
                    let last = preview.last.as_ref();
                    last.map_or(ListFrom::After(preview.peer), |last| ListFrom::Before(last.id))
                }
            };
            if !take(found) || behind.is_none() {
                break;
            }
        }
        transaction.finish()?;
        Ok(())
    }

    /// Waits until it has followed the commit of this event. `false`: it does not.
    fn reaches(&self, event: u64) -> bool {
        let mut lists = self.0.lists.lock();
        let late = |lists: &mut Lists| lists.upto.is_some_and(|upto| upto < event);
        if self.0.followed.wait_while_for(&mut lists, late, PATIENCE).timed_out() {
            return false;
        }
        lists.upto.is_some_and(|upto| upto >= event)
    }
}

fn follow(lists: &mut Lists, db: &Connection, ops: &[Op], events: &[Event]) -> Result<(), StoreError> {
    // The last message of each conversation is enough, however many came.
    let mut last: BTreeMap<ConversationId, i64> = BTreeMap::new();
    for event in events {
        if let What::Received { message } | What::Queued { message } | What::Lost { message } = &event.what {
            last.insert(message.peer, message.id);
        }
    }
    for (id, last) in last {
        let listed = lists.known.get(&id).is_some_and(|place| place.listed);
        lists.put(id, Place { last: Some(last), listed });
    }
    let blocks = |op: &Op| matches!(op, Op::Contacts(ContactOp::Block { .. }));
    if ops.iter().any(blocks) && db.prepare_cached("SELECT 1 FROM room")?.exists([])? {
        // It hides what somebody said in any room.
        *lists = Lists { upto: lists.upto, ..Lists::read(db)? };
        return Ok(());
    }
    for op in ops {
        if let Op::Contacts(ContactOp::Add { peer, .. } | ContactOp::Remove { peer } | ContactOp::Block { peer, .. })
        | Op::Chat(ChatOp::Erase { peer, .. }) = op
        {
            look(lists, db, peer.as_bytes())?;
        }
    }
    let of_rooms = |op: &Op| if let Op::Room(op) = op { op.room() } else { None };
    let rooms: BTreeSet<RoomId> = ops.iter().filter_map(of_rooms).collect();
    rooms.iter().try_for_each(|room| look(lists, db, &room.0))
}

/// Looks where a conversation is.
fn look(lists: &mut Lists, db: &Connection, id: &[u8; 32]) -> Result<(), StoreError> {
    let mut query = db.prepare_cached(PLACE)?;
    let mut rows = query.query([id])?;
    if let Some(row) = rows.next()? {
        lists.put(ConversationId::from_bytes(*id), Place { listed: row.get(1)?, last: row.get(2)? });
    }
    Ok(())
}

impl Store {
    /// The order in which conversations are listed, for those who read beside the writer.
    pub(super) fn order(&self) -> Order {
        self.order.clone()
    }
}
