//! How replicas of rooms stand in the store: the numbers of places and chains, events as bytes, what an event counts as.
//!
//! `room.rs` is about something else: the room that the file may take on the disk.

use super::StoreError;
use super::numbers::{RoomNum, integer};
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use std::sync::Arc;
use torchat_protocol::room::body::{Body, Place, Role};
use torchat_protocol::room::{Author, Event, EventId, Header, MemberNo, RoomId, Signature, Tag, WIRE_HEADER_LEN};
use torchat_room::standing::{Spans, Standing};

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
/// Bytes of a span in the store.
const SPAN_LEN: usize = 9;
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

    /// The room with a number.
    pub(super) fn with_num(db: &Connection, num: RoomNum) -> Result<Self, StoreError> {
        let mut query = db.prepare_cached("SELECT room FROM room WHERE num = ?1")?;
        let id = query.query_row([num], |row| Ok(RoomId(row.get(0)?))).optional()?;
        id.map(|id| Self { num, id }).ok_or_else(|| damaged("number"))
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

    /// A member's number in all rooms: that of its chains without the last eight bits.
    pub(super) fn member(self, member: MemberNo) -> i64 {
        self.chain(member.chain(0)).0 >> 8
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

    /// As the store has it.
    pub(super) fn number(self) -> i64 {
        self.0
    }

    /// The number of its room.
    pub(super) fn room(self) -> RoomNum {
        RoomNum(self.0 >> 32)
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

/// A chain of which not all rows say yet what they count as: `room_chain.behind` and `room_chain.spans`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Behind {
    /// Up to this number.
    pub(super) upto: i64,
    /// What they count as.
    pub(super) spans: Spans,
}

impl Behind {
    /// That of a chain. `None`: all its rows say it.
    pub(super) fn of(db: &Connection, chain: ChainKey) -> Result<Option<Self>, StoreError> {
        let mut query =
            db.prepare_cached("SELECT behind, spans FROM room_chain WHERE chain = ?1 AND behind IS NOT NULL")?;
        let mut rows = query.query([chain])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let spans = bytes.chunks(SPAN_LEN).map(|span| match span.split_last_chunk::<1>() {
            Some((from, [number])) => {
                let from = from.try_into().map_err(|_| damaged("span"))?;
                Ok((u64::from_be_bytes(from), standing((*number).into())?))
            }
            None => Err(damaged("span")),
        });
        Ok(Some(Self { upto: row.get(0)?, spans: Spans::new(spans.collect::<Result<_, _>>()?) }))
    }

    /// The spans as they are stored.
    pub(super) fn spans_bytes(&self) -> Vec<u8> {
        let span = |(from, standing): &(u64, Standing)| {
            let number = u8::try_from(standing_number(*standing)).unwrap_or_default();
            from.to_be_bytes().into_iter().chain([number])
        };
        self.spans.list().iter().flat_map(span).collect()
    }

    /// What an event of the chain counts as; `row`: as its row says.
    pub(super) fn standing(&self, seq: u64, row: Standing) -> Standing {
        if seq <= self.upto.unsigned_abs() { self.spans.at(seq) } else { row }
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
                Some(body) => is_edit_of(body, bare_event(row, 1, room.id)?.id()),
                None => true,
            };
            Ok(goes && row.get::<_, u8>(0)? == TEXT && is_taken_away(db, room, text)?)
        }
        _ => Ok(false),
    }
}

/// Whether the edit with this body names the event with an id, which is at the place that it names.
fn is_edit_of(body: &[u8], id: EventId) -> bool {
    matches!(Body::decode(EDIT, body), Ok(Some(Body::Edit(edit))) if edit.of.is_of(id))
}

/// A tag, as the store writes it.
pub(super) fn tag_number(tag: Tag) -> i64 {
    i64::from_be_bytes(tag.0)
}

/// Whether a redact that counts names this text or edit: one of a moderator, or one of the same member. Not each is read: who writes
/// thousands about one text must not make the next one dear.
fn is_taken_away(db: &Connection, room: RoomKey, of: Place) -> Result<bool, StoreError> {
    let Some(member) = of.author.member() else { return Ok(false) };
    let (chain, seq) = (room.chain(of.author), number(of.seq)?);
    // Of most texts nothing is redacted, and an id is a digest.
    if !db.prepare_cached(NAMED_BY_A_REDACT)?.exists(params![chain, seq])? {
        return Ok(false);
    }
    let mut query = db.prepare_cached("SELECT head FROM room_event WHERE chain = ?1 AND seq = ?2")?;
    let mut rows = query.query(params![chain, seq])?;
    let Some(row) = rows.next()? else { return Ok(false) };
    let tag = tag_number(bare_event(row, 0, room.id)?.id().tag());
    let (first, last) = room.chains(member);
    let mut query = db.prepare_cached(TAKEN_AWAY)?;
    Ok(query.query_row(params![chain, seq, tag, first, last], |row| row.get(0))?)
}

const NAMED_BY_A_REDACT: &str =
    "SELECT 1 FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag IS NOT NULL AND kind = 19 LIMIT 1";

/// What [`torchat_room::counts::takes_away`] says, by the numbers of what a redact counts as.
pub(super) const TAKEN_AWAY: &str =
    "SELECT EXISTS (SELECT 1 FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?3 AND kind = 19
                    AND standing IN (3, 4, 7, 8))
     OR EXISTS (SELECT 1 FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?3 AND kind = 19
                AND standing IN (2, 6) AND chain BETWEEN ?4 AND ?5)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use torchat_room::counts::takes_away;

    #[test]
    fn a_text_is_taken_away_by_those_who_may() {
        let (own, other) = (MemberNo::MAKER.chain(0), MemberNo::new(2).unwrap().chain(0));
        for number in 0..=8 {
            let standing = standing(number).unwrap();
            assert_eq!([3, 4, 7, 8].contains(&number), takes_away(other, standing, own));
            assert_eq!([2, 3, 4, 6, 7, 8].contains(&number), takes_away(MemberNo::MAKER.chain(1), standing, own));
        }
    }
}
