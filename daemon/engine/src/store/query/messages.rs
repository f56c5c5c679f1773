//! Messages as conversations show them.

use super::rooms::{self, RoomPart, room_part};
use crate::store::StoreError;
use crate::store::numbers::RoomNum;
use crate::store::replica::RoomKey;
use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeMap;
use torchat_protocol::control::api::record::{Direction, MessageState, Room};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{LaneId, MessageId, OnionError, PeerId};
use torchat_protocol::room::RoomId;

/// A message as the store knows it. Whether one that is queued is on its way, only the node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its row.
    pub id: i64,
    /// The conversation that it is in.
    pub conversation: ConversationId,
    /// Which way.
    pub dir: Direction,
    /// How far it is.
    pub state: MessageState,
    /// Its id at both ends.
    pub mid: MessageId,
    /// Arrival, or acceptance from a client, in milliseconds since 1970.
    pub at_ms: i64,
    /// Received: the sender's time in seconds since 1970.
    pub sent_s: Option<i64>,
    /// Sent: when it was done, in milliseconds since 1970.
    pub done_ms: Option<i64>,
    /// Sent: its own end, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// The lane and the number of a queued message.
    pub place: Option<(LaneId, u64)>,
    /// It was taken back, and the peer has not said that it did not get it before.
    pub fate_open: bool,
    /// The key that its client gave it.
    pub client: Option<String>,
    /// The text.
    pub text: String,
    /// It is erased: only its numbers, its peer and its state are known.
    pub erased: bool,
    /// What a message of a room has more.
    pub room: Option<RoomPart>,
}

/// Which part of a conversation is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest messages.
    Last,
    /// The newest of those before this row.
    Before(i64),
    /// The oldest of those after this row.
    After(i64),
}

/// How much of what is there is read.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    /// Messages.
    pub rows: u32,
    /// Bytes of them, by `cost`; a single message may have more.
    pub bytes: usize,
    /// What a message counts.
    pub cost: fn(&MessageRow) -> usize,
}

impl PageLimit {
    /// This many messages, however long they are.
    #[must_use]
    pub fn rows(rows: u32) -> Self {
        Self { rows, bytes: usize::MAX, cost: |_| 0 }
    }

    /// Takes rows until there are enough. Returns whether there are more. Nothing behind the end is read but one row.
    pub(in crate::store) fn take(
        &self,
        rows: impl Iterator<Item = rusqlite::Result<MessageRow>>,
    ) -> Result<(Vec<MessageRow>, bool), StoreError> {
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        let most = usize::try_from(self.rows).unwrap_or(usize::MAX);
        for row in rows {
            let row = row?;
            bytes = bytes.saturating_add((self.cost)(&row));
            if found.len() >= most || (bytes > self.bytes && !found.is_empty()) {
                return Ok((found, true));
            }
            found.push(row);
        }
        Ok((found, false))
    }
}

macro_rules! select {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT m.id, p.peer, m.dir, m.state, m.mid, m.at_ms, m.sent_s, m.done_ms, m.until_ms, l.lane, m.seq,
             c.client, m.text, ",
            room_part!(),
            " FROM ",
            $from,
            " CROSS JOIN peer p ON p.num = m.peer LEFT JOIN lane l ON l.num = m.lane
             LEFT JOIN client_id c ON c.message = m.id LEFT JOIN room_message r ON r.message = m.id ",
            $rest
        )
    };
}

/// As `select!`, for a page of one conversation: its peer is known, only what was sent has a client's key, and only what
/// waits is asked for its lane. Without these looks into other tables, and with a cheaper [`time`](crate::store::time), a page takes
/// two thirds of what it took.
macro_rules! conversation {
    ($place:literal, $order:literal) => {
        concat!(
            "SELECT m.id, NULL, m.dir, m.state, m.mid, m.at_ms, m.sent_s, m.done_ms, m.until_ms, NULL, m.seq, NULL, m.text
             FROM message m WHERE m.peer = (SELECT num FROM peer WHERE peer = ?1) AND m.dir <> 1 AND ",
            $place,
            " UNION ALL
             SELECT m.id, NULL, m.dir, m.state, m.mid, m.at_ms, m.sent_s, m.done_ms, m.until_ms, l.lane, m.seq, c.client, m.text
             FROM message m LEFT JOIN lane l ON l.num = iif(m.state = 0, m.lane, NULL)
             LEFT JOIN client_id c ON c.message = m.id
             WHERE m.peer = (SELECT num FROM peer WHERE peer = ?1) AND m.dir = 1 AND ",
            $place,
            " ORDER BY ",
            $order,
            " LIMIT ?3"
        )
    };
}

/// The newest before a row.
pub(in crate::store) const BEFORE: &str = conversation!("m.id < ?2", "1 DESC");
/// The oldest after a row.
pub(in crate::store) const AFTER: &str = conversation!("m.id > ?2", "1");
/// A message that a client named.
pub(in crate::store) const BY_CLIENT: &str = "SELECT message FROM client_id WHERE client = ?1 AND at_ms > ?2";
/// A message by its row.
pub(in crate::store) const BY_ID: &str = select!("message m", "WHERE m.id = ?1");
/// A message of ours by its id, the newest first.
pub(in crate::store) const SENT: &str = "SELECT state FROM message WHERE peer = (SELECT num FROM peer WHERE peer = ?1)
     AND dir = 1 AND mid = ?2 ORDER BY id DESC LIMIT 1";
/// What the full text search finds, newest first.
pub(in crate::store) const FOUND: &str = select!(
    "search s CROSS JOIN message m ON m.id = s.rowid",
    "WHERE search MATCH ?1 AND s.rowid < ?2 ORDER BY s.rowid DESC"
);
/// How much of a peer is unread, whether it is listed without a message, and which room it is.
pub(in crate::store) const UNREAD_OF: &str = "SELECT unread, contact OR blocked
     OR EXISTS (SELECT 1 FROM room WHERE num = peer.room AND state < 3), room FROM peer WHERE peer = ?1";
const ROOM_OF: &str = "SELECT room FROM peer WHERE peer = ?1";

/// A page, oldest first, and whether there is more in the direction that was asked for.
pub(in crate::store) fn page(
    db: &Connection,
    conversation: ConversationId,
    page: Page,
    most: PageLimit,
    hidden: bool,
) -> Result<(Vec<MessageRow>, bool), StoreError> {
    let (before, place) = match page {
        Page::Last => (true, i64::MAX),
        Page::Before(id) => (true, id),
        Page::After(id) => (false, id),
    };
    // One more than wanted: it is not given back, but tells that there is more.
    let limit = i64::from(most.rows) + 1;
    let (mut found, more) = if let Some(num) = room_of(db, conversation)? {
        let mut query = db.prepare_cached(if before { rooms::BEFORE } else { rooms::AFTER })?;
        let bound = params![conversation.as_bytes(), place, limit, hidden];
        let (mut found, more) = most.take(query.query_map(bound, |row| rooms::page_row(row, conversation))?)?;
        rooms::name_writers(db, room_key(num, conversation), &mut found)?;
        (found, more)
    } else {
        let mut query = db.prepare_cached(if before { BEFORE } else { AFTER })?;
        let bound = params![conversation.as_bytes(), place, limit];
        most.take(query.query_map(bound, |row| of_conversation(row, conversation, None))?)?
    };
    if !matches!(page, Page::After(_)) {
        found.reverse();
    }
    Ok((found, more))
}

/// The room that a conversation is.
fn room_of(db: &Connection, conversation: ConversationId) -> Result<Option<RoomNum>, StoreError> {
    let mut query = db.prepare_cached(ROOM_OF)?;
    Ok(query.query_row([conversation.as_bytes()], |row| row.get(0)).optional()?.flatten())
}

fn room_key(num: RoomNum, conversation: ConversationId) -> RoomKey {
    RoomKey { num, id: RoomId(*conversation.as_bytes()) }
}

/// How far a message of ours is, see [`Reader::sent`](super::Reader::sent).
pub(in crate::store) fn sent(
    db: &Connection,
    peer: &PeerId,
    mid: MessageId,
) -> Result<Option<MessageState>, StoreError> {
    let mut query = db.prepare_cached(SENT)?;
    Ok(query.query_row(params![peer.as_bytes(), mid.0], |row| Ok(state_of(1, row.get(0)?))).optional()?)
}

/// A peer's conversation at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Which conversation.
    pub peer: ConversationId,
    /// Received messages that nobody has seen.
    pub unread: u64,
    /// The last message.
    pub last: Option<MessageRow>,
    /// The room that it is, and how many of its unread messages mention us.
    pub room: Option<(Box<Room>, u64)>,
}

/// These conversations at a glance, as far as they are of contacts or blocked peers, or have a message.
pub(in crate::store) fn previews(db: &Connection, of: &[ConversationId]) -> Result<Vec<Preview>, StoreError> {
    let mut found = Vec::with_capacity(of.len());
    let mut unread = db.prepare_cached(UNREAD_OF)?;
    let mut last = db.prepare_cached(BEFORE)?;
    let mut last_of_room = db.prepare_cached(rooms::BEFORE)?;
    for id in of {
        let told = unread.query_row([id.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)));
        let told: Option<(i64, bool, Option<RoomNum>)> = told.optional()?;
        let Some((unread, listed, room)) = told else { continue };
        let last = match room {
            Some(_) => {
                last_of_room.query_row(params![id.as_bytes(), i64::MAX, 1, false], |row| rooms::page_row(row, *id))
            }
            None => last.query_row(params![id.as_bytes(), i64::MAX, 1], |row| of_conversation(row, *id, None)),
        };
        let mut last = last.optional()?;
        if let Some(num) = room {
            rooms::name_writers(db, room_key(num, *id), &mut last)?;
        }
        if last.is_some() || listed {
            let room = room.map(|room| rooms::glance(db, *id, room)).transpose()?;
            found.push(Preview { peer: *id, unread: unread.unsigned_abs(), last, room });
        }
    }
    Ok(found)
}

/// Reads what `select!` selects.
pub(in crate::store) fn row(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    of_conversation(row, ConversationId::from_bytes(blob(row, 1)?), Some(PART_AT))
}

/// The column at which the part of a message of a room begins.
const PART_AT: usize = 13;

/// Reads what `conversation!` selects. Which conversation it is, is known, and is not looked up for each row.
fn of_conversation(row: &Row<'_>, conversation: ConversationId, part: Option<usize>) -> rusqlite::Result<MessageRow> {
    let (room, noted) = part.map(|at| rooms::part(row, at)).transpose()?.flatten().unzip();
    let (dir, state): (i64, i64) = (row.get(2)?, row.get(3)?);
    let place = match (row.get::<_, Option<[u8; 8]>>(9)?, row.get::<_, Option<i64>>(10)?) {
        (Some(lane), Some(seq)) if dir == 1 && state == 0 => Some((LaneId(lane), seq.unsigned_abs())),
        _ => None,
    };
    Ok(MessageRow {
        id: row.get(0)?,
        conversation,
        dir: direction(dir),
        state: noted.filter(|_| dir == 2).map_or_else(|| state_of(dir, state), rooms::mark_state),
        mid: MessageId(blob(row, 4)?),
        at_ms: row.get(5)?,
        sent_s: row.get(6)?,
        // Before that the column only keeps the place, and of what does not count nothing is done.
        done_ms: if dir == 1 && state > 0 { row.get(7)? } else { None },
        until_ms: row.get(8)?,
        place,
        fate_open: dir == 1 && state > 3,
        client: row.get(11)?,
        text: row.get(12)?,
        erased: false,
        room,
    })
}

/// What remains of an erased message.
pub(in crate::store) fn erased(db: &Connection, id: i64) -> Result<Option<MessageRow>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT x.id, p.peer, x.dir, x.state, x.mid, 0, NULL, NULL, NULL, NULL, NULL, NULL, ''
         FROM erased x JOIN peer p ON p.num = x.peer WHERE x.id = ?1",
    )?;
    let found = query.query_row([id], |row| of_conversation(row, ConversationId::from_bytes(blob(row, 1)?), None));
    let found = found.optional()?;
    Ok(found.map(|found| MessageRow { erased: true, ..found }))
}

/// `message.dir`
pub(in crate::store) fn direction(dir: i64) -> Direction {
    match dir {
        0 => Direction::In,
        1 => Direction::Out,
        _ => Direction::Mark,
    }
}

/// What `message.state` says of a message that goes this way, see the schema.
pub(in crate::store) fn state_of(dir: i64, state: i64) -> MessageState {
    match (dir, state) {
        (0, 0) => MessageState::Unread,
        (0, _) => MessageState::Read,
        (1, 0) => MessageState::Queued,
        (1, 1) => MessageState::Delivered,
        (1, 2 | 4) => MessageState::Withdrawn,
        (1, _) => MessageState::Failed,
        _ => MessageState::Lost,
    }
}

pub(in crate::store) fn blob<const N: usize>(row: &Row<'_>, column: usize) -> rusqlite::Result<[u8; N]> {
    row.get(column)
}

/// Keys that were checked before. The check is a computation on the curve of some microseconds: done for every row it would take
/// longer than all else that a page of events costs.
static CHECKED: RwLock<BTreeMap<[u8; 32], PeerId>> = RwLock::new(BTreeMap::new());
/// How many are remembered, of some 50 bytes each; then it begins anew. A daemon's store has fewer peers: with 4,096, each list of
/// 10,000 contacts checked all their keys again.
const CHECKED_KEYS: usize = 65_536;

fn checked(key: [u8; 32]) -> Result<PeerId, OnionError> {
    if let Some(peer) = CHECKED.read().get(&key) {
        return Ok(*peer);
    }
    let peer = PeerId::from_key(key)?;
    let mut known = CHECKED.write();
    if known.len() >= CHECKED_KEYS {
        known.clear();
    }
    known.insert(key, peer);
    Ok(peer)
}

pub(in crate::store) fn peer_id(key: [u8; 32]) -> Result<PeerId, StoreError> {
    checked(key).map_err(|error| StoreError::Damaged(format!("a peer's key is not valid: {error}")))
}
