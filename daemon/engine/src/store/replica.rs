//! How replicas of rooms stand in the store: the numbers of places and chains, events as bytes, what an event counts as.
//!
//! `room.rs` is about something else: the room that the file may take on the disk.

use super::StoreError;
use super::numbers::{RoomNum, integer};
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use std::sync::Arc;
use torchat_protocol::room::body::{Body, Place, Role};
use torchat_protocol::room::{Author, Event, EventId, Header, MemberNo, RoomId, Signature, WIRE_HEADER_LEN};
use torchat_room::counts::takes_away;
use torchat_room::standing::Standing;

/// Bytes of a signature.
const SIGNATURE_LEN: usize = 64;
/// Bytes of a header and a signature.
const HEAD_LEN: usize = WIRE_HEADER_LEN + SIGNATURE_LEN;
/// The numbers of kinds, as ROOM-PROTOCOL.md has them.
pub(super) const TEXT: u8 = 16;
pub(super) const EDIT: u8 = 17;
pub(super) const REACTION: u8 = 18;
pub(super) const REDACT: u8 = 19;
pub(super) const MUTE: u8 = 20;
pub(super) const UNMUTE: u8 = 21;
pub(super) const TOPIC: u8 = 22;
pub(super) const NICK: u8 = 29;
/// Bits of a place that are the position in the log.
const POSITION_BITS: u32 = 40;

/// An event that counts as something else since now, or is here since now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restood {
    pub(super) place: Place,
    pub(super) kind: u8,
    /// What it names.
    pub(super) of: Option<Place>,
}

/// A room in the store: its number, and its id, which no header says again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoomKey {
    pub(super) num: RoomNum,
    pub(super) id: RoomId,
}

/// `room_event.place`: a room and a position in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogRow(i64);

/// `room_chain.chain`: a room and an author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChainKey(i64);

impl RoomKey {
    /// The room with an id.
    pub(super) fn find(db: &Connection, id: RoomId) -> Result<Option<Self>, StoreError> {
        let mut query = db.prepare_cached("SELECT num FROM room WHERE room = ?1")?;
        Ok(query.query_row([id.0], |row| row.get(0)).optional()?.map(|num| Self { num, id }))
    }

    /// The row of a position. One that no log reaches is behind every row of the room.
    pub(super) fn row(self, pos: u64) -> LogRow {
        let last = (1 << POSITION_BITS) - 1;
        LogRow((self.num.0 << POSITION_BITS) | i64::try_from(pos).unwrap_or(last).min(last))
    }

    /// The chain of an author.
    pub(super) fn chain(self, author: Author) -> ChainKey {
        ChainKey((self.num.0 << 32) | i64::from(author.get()))
    }

    /// The first and the last chain that a member can have.
    pub(super) fn chains(self, member: MemberNo) -> (ChainKey, ChainKey) {
        let chains = member.chains();
        (self.chain(*chains.start()), self.chain(*chains.end()))
    }

    /// The first chain of the room and the first behind it.
    pub(super) fn all_chains(self) -> (ChainKey, ChainKey) {
        (ChainKey(self.num.0 << 32), ChainKey((self.num.0 + 1) << 32))
    }
}

impl LogRow {
    /// The position in the log.
    pub(super) fn pos(self) -> u64 {
        (self.0 & ((1 << POSITION_BITS) - 1)).unsigned_abs()
    }
}

impl ChainKey {
    /// The next one.
    pub(super) fn after(self) -> Self {
        Self(self.0 + 1)
    }

    /// Whose chain it is.
    pub(super) fn author(self) -> Result<Author, StoreError> {
        u32::try_from(self.0 & i64::from(u32::MAX)).ok().and_then(Author::new).ok_or_else(|| damaged("author"))
    }

    /// An event of it.
    pub(super) fn at(self, seq: i64) -> Result<Place, StoreError> {
        Ok(Place { author: self.author()?, seq: seq.unsigned_abs() })
    }
}

integer!(LogRow);
integer!(ChainKey);

/// A header without the room, and the signature.
pub(super) fn head(event: &Event) -> [u8; HEAD_LEN] {
    let mut bytes = [0; HEAD_LEN];
    let (header, signature) = bytes.split_at_mut(WIRE_HEADER_LEN);
    header.copy_from_slice(&event.header().to_wire());
    signature.copy_from_slice(&event.signature().0);
    bytes
}

/// The event of a row with the columns `head` and `body` from `column` on.
pub(super) fn event(row: &Row<'_>, column: usize, room: RoomId) -> Result<Arc<Event>, StoreError> {
    let (head, body) = (row.get_ref(column)?.as_blob(), row.get_ref(column + 1)?.as_blob_or_null());
    let (head, body) = (head.map_err(rusqlite::Error::from)?, body.map_err(rusqlite::Error::from)?);
    let (header, signature) = split(head, room)?;
    let event = match body {
        None => Event::without_body(header, signature),
        Some(body) => Event::new(header, signature, body.into()).ok_or_else(|| damaged("body"))?,
    };
    Ok(Arc::new(event))
}

/// The event of a row without its body, which is not read either. `column`: that of the head.
pub(super) fn bare_event(row: &Row<'_>, column: usize, room: RoomId) -> Result<Event, StoreError> {
    let (header, signature) = split(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?, room)?;
    Ok(Event::without_body(header, signature))
}

/// Two events without their bodies, one after the other.
pub(super) fn pair(bytes: &[u8], room: RoomId) -> Result<(Event, Event), StoreError> {
    let (one, other) = bytes.split_at_checked(HEAD_LEN).ok_or_else(|| damaged("proof"))?;
    let read = |bytes| split(bytes, room).map(|(header, signature)| Event::without_body(header, signature));
    Ok((read(one)?, read(other)?))
}

fn split(head: &[u8], room: RoomId) -> Result<(Header, Signature), StoreError> {
    let (header, signature) = head.split_first_chunk().ok_or_else(|| damaged("head"))?;
    let signature = signature.try_into().map_err(|_| damaged("signature"))?;
    let header = Header::from_wire(header, room).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok((header, Signature(signature)))
}

/// A role, as the store writes it.
pub(super) fn role_number(role: Role) -> i64 {
    match role {
        Role::Reader => 1,
        Role::Member => 2,
        Role::Moderator => 3,
        Role::Owner => 4,
    }
}

/// The same, read.
pub(super) fn role(number: i64) -> Result<Role, StoreError> {
    match number {
        1 => Ok(Role::Reader),
        2 => Ok(Role::Member),
        3 => Ok(Role::Moderator),
        4 => Ok(Role::Owner),
        _ => Err(damaged("role")),
    }
}

/// What an event counts as, as the store writes it.
pub(super) fn standing_number(standing: Standing) -> i64 {
    match standing {
        Standing::Void => 0,
        Standing::As(role) => role_number(role),
        Standing::Hidden(role) => role_number(role) + HIDDEN,
    }
}

/// What the store writes more for what is hidden.
const HIDDEN: i64 = 4;

/// The same, read.
pub(super) fn standing(number: i64) -> Result<Standing, StoreError> {
    match number {
        0 => Ok(Standing::Void),
        1..=HIDDEN => role(number).map(Standing::As),
        _ => role(number - HIDDEN).map(Standing::Hidden),
    }
}

/// A number of the protocol, which end at 2^53, as SQLite's.
pub(super) fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| damaged("number"))
}

/// A row of a room that this program cannot have written.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("a room has a row with a bad {what}"))
}

/// What the event of a row names, by the columns `of_chain` and `of_seq` from `column` on.
pub(super) fn target(row: &Row<'_>, column: usize) -> Result<Option<Place>, StoreError> {
    match (row.get::<_, Option<ChainKey>>(column)?, row.get::<_, Option<i64>>(column + 1)?) {
        (Some(chain), Some(seq)) => chain.at(seq).map(Some),
        _ => Ok(None),
    }
}

/// Whether an event is redacted, which only texts and edits can be; `edits`: what an edit names. ROOM-PROTOCOL.md, "What counts", 5.
pub(super) fn is_redacted(
    db: &Connection,
    room: RoomKey,
    of: Place,
    kind: u8,
    edits: Option<Place>,
) -> Result<bool, StoreError> {
    if !matches!(kind, TEXT | EDIT) || of.author == Author::ACTS {
        return Ok(false);
    }
    if is_taken_away(db, room, of)? {
        return Ok(true);
    }
    // An edit goes with the text, if that is of the same member.
    match edits {
        Some(text) if kind == EDIT && text.author.member() == of.author.member() => {
            let mut query = db.prepare_cached(
                "SELECT t.kind, t.head, e.body FROM room_event t JOIN room_event e ON e.chain = ?3 AND e.seq = ?4
                 WHERE t.chain = ?1 AND t.seq = ?2",
            )?;
            let mut rows = query.query(params![
                room.chain(text.author),
                number(text.seq)?,
                room.chain(of.author),
                number(of.seq)?,
            ])?;
            let Some(row) = rows.next()? else { return Ok(false) };
            let body = row.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)?;
            // One whose body is gone is not asked for while a text is taken away there: if it is of another one, it means nothing.
            let goes = match body {
                Some(body) => names(EDIT, body, bare_event(row, 1, room.id)?.id()),
                None => true,
            };
            Ok(goes && row.get::<_, u8>(0)? == TEXT && is_taken_away(db, room, text)?)
        }
        _ => Ok(false),
    }
}

/// Whether the event whose body this is names the event with an id, which is at the place that it names.
pub(super) fn names(kind: u8, body: &[u8], id: EventId) -> bool {
    match Body::decode(kind, body) {
        Ok(Some(Body::Edit(edit))) => edit.of.is_of(id),
        Ok(Some(Body::Redact(redact))) => redact.of.is_of(id),
        Ok(Some(Body::Text(text))) => text.re.is_some_and(|re| re.is_of(id)),
        _ => false,
    }
}

/// Whether the text with this body answers the event whose head is in a column.
pub(super) fn answers(body: &[u8], row: &Row<'_>, column: usize, room: RoomId) -> bool {
    bare_event(row, column, room).is_ok_and(|event| names(TEXT, body, event.id()))
}

/// Whether a redact that counts names this text or edit.
fn is_taken_away(db: &Connection, room: RoomKey, of: Place) -> Result<bool, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT chain, standing, body FROM room_event
         WHERE of_chain = ?1 AND of_seq = ?2 AND kind = 19 AND standing > 0",
    )?;
    let at = params![room.chain(of.author), number(of.seq)?];
    let mut rows = query.query(at)?;
    let mut id = None;
    while let Some(row) = rows.next()? {
        let (by, counts_as): (ChainKey, i64) = (row.get(0)?, row.get(1)?);
        if !takes_away(by.author()?, standing(counts_as)?, of.author) {
            continue;
        }
        // The user has erased what it took away.
        let Some(body) = row.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)? else { return Ok(true) };
        let id = match id {
            Some(id) => id,
            None => {
                let mut query = db.prepare_cached("SELECT head FROM room_event WHERE chain = ?1 AND seq = ?2")?;
                let mut rows = query.query(at)?;
                let Some(row) = rows.next()? else { return Ok(false) };
                *id.insert(bare_event(row, 0, room.id)?.id())
            }
        };
        if names(REDACT, body, id) {
            return Ok(true);
        }
    }
    Ok(false)
}
