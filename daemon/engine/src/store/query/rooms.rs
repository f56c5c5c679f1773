//! Rooms as conversations: what a message of one has more than others, and a room and its members as records show them.

use super::Reader;
use super::messages::{MessageRow, blob, direction, peer_id, state_of};
use crate::store::flags;
use crate::store::numbers::RoomNum;
use crate::store::people::People;
use crate::store::replica::{ChainKey, RoomKey, TEXT, bare_event, damaged, role, standing, tag_number, target};
use crate::store::{StoreError, time};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::record::{
    Handover, Me, Member, MemberState, Message, MessageFlag, MessageState, Notify, Order, Proof, Role, Room, RoomForm,
    RoomPolicy, RoomState, Sender,
};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{MessageId, PeerId};
use torchat_protocol::room::body::acts::CutReason;
use torchat_protocol::room::body::{self, Body, Place, Ref};
use torchat_protocol::room::{Event, Identity, MemberNo, RoomId, TextId};

/// Behind the last act.
const ALL_ACTS: u64 = i64::MAX.unsigned_abs();

/// What a message of a room has more than one of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPart {
    /// Who wrote it; `None`: the daemon, or somebody whose place in the room is somebody else's now.
    pub from: Option<Sender>,
    /// Its place in the order that is the same at all members.
    pub order: Option<Order>,
    /// The event that it shows.
    pub place: Option<Place>,
    /// The message that it answers.
    pub re: Option<MessageId>,
    /// When its writer last changed its text, by their clock: milliseconds since 1970.
    pub edited_ms: Option<i64>,
    /// Signs, and the numbers of those who reacted so.
    pub reacts: BTreeMap<String, Vec<u32>>,
    /// All that is noted of it.
    pub flags: Vec<MessageFlag>,
}

/// The columns of a [`RoomPart`], of `message m` and `room_message r`.
macro_rules! room_part {
    () => {
        "r.flags, m.lane, m.seq, r.lamport, r.name, r.own IS NOT NULL, r.edited_ms, r.reacts,
         (SELECT x.id FROM room_member x WHERE x.member = m.lane - m.lane % 256),
         (SELECT a.mid FROM message a WHERE a.lane = r.re_chain AND a.lane >= 4294967296 AND a.seq = r.re_seq),
         r.re_tag, (SELECT e.head FROM room_event e WHERE e.chain = r.re_chain AND e.seq = r.re_seq),
         (SELECT o.room FROM room o WHERE o.num = r.re_chain >> 32),
         (SELECT o.me FROM room o JOIN peer q ON q.room = o.num WHERE q.num = m.peer AND m.lane IS NULL AND r.own IS NOT NULL)"
    };
}
pub(in crate::store) use room_part;

/// Adds to the rows of a page the onions of those who wrote them: one look for each of them, however much they wrote.
pub(in crate::store) fn name_writers<'a>(
    db: &Connection,
    room: RoomKey,
    rows: impl IntoIterator<Item = &'a mut MessageRow>,
) -> Result<(), StoreError> {
    let mut query = db.prepare_cached("SELECT id FROM room_member WHERE member = ?1")?;
    let mut known: BTreeMap<MemberNo, Option<Onion>> = BTreeMap::new();
    for part in rows.into_iter().filter_map(|row| row.room.as_mut()) {
        let writer = part.place.and_then(|place| place.author.member());
        let (Some(from), Some(writer)) = (&mut part.from, writer) else { continue };
        from.onion = match known.get(&writer) {
            Some(onion) => *onion,
            None => {
                let id = query.query_row([room.chain(writer.chain(0))], |row| row.get(0)).optional()?;
                *known.entry(writer).or_insert(id.and_then(|id| peer_id(id).ok()).map(Onion))
            }
        };
    }
    Ok(())
}

/// The part of one message.
pub(in crate::store) const PART: &str =
    concat!("SELECT ", room_part!(), " FROM message m JOIN room_message r ON r.message = m.id WHERE m.id = ?1");

/// Reads what `room_part!` selects, from a column on. `None`: it is no message of a room.
pub(in crate::store) fn part(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<(RoomPart, i64)>> {
    let Some(flags) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    let place = target(row, at + 1).ok().flatten();
    let member = place.and_then(|place| place.author.member()).map(MemberNo::get);
    let noted = Noted {
        flags,
        place,
        member: if member.is_some() { member } else { row.get(at + 13)? },
        lamport: row.get(at + 3)?,
        own: row.get(at + 5)?,
        name: row.get(at + 4)?,
        onion: row.get::<_, Option<[u8; 32]>>(at + 8)?.and_then(|id| peer_id(id).ok()).map(Onion),
        re: answer(row, at + 9, place)?,
        edited_ms: row.get(at + 6)?,
        reacts: reacts(row, at + 7)?,
    };
    Ok(Some((noted.part(), flags)))
}

fn reacts(row: &Row<'_>, column: usize) -> rusqlite::Result<BTreeMap<String, Vec<u32>>> {
    let json = row.get_ref(column)?.as_str_or_null()?;
    Ok(json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default())
}

/// What the store has of a message of a room.
struct Noted {
    flags: i64,
    place: Option<Place>,
    member: Option<u32>,
    lamport: Option<i64>,
    own: bool,
    name: String,
    onion: Option<Onion>,
    re: Option<MessageId>,
    edited_ms: Option<i64>,
    reacts: BTreeMap<String, Vec<u32>>,
}

impl Noted {
    fn part(self) -> RoomPart {
        let Self { flags, place, lamport, own, name, onion, .. } = self;
        let is = |flag: i64| flags & flag > 0;
        let role = match role((flags & flags::ROLE) >> flags::ROLE_BIT) {
            Ok(role) => role_word(role),
            // Nobody knows as what they wrote it: it does not count, or is not published.
            _ if own => Role::Member,
            _ => Role::Reader,
        };
        let member = self.member.or(own.then_some(0)).filter(|_| !is(flags::SYSTEM));
        let noted = [
            (flags::MENTION, MessageFlag::Mention),
            (flags::VOID, MessageFlag::Void),
            (flags::HIDDEN | flags::BLOCKED, MessageFlag::Hidden),
            (flags::REDACTED, MessageFlag::Redacted),
            (flags::EDITED, MessageFlag::Edited),
            (flags::SYSTEM, MessageFlag::System),
        ];
        let order = place.zip(lamport);
        RoomPart {
            from: member.map(|member| Sender { member, name, onion, me: own, role }),
            order: order.map(|(place, lamport)| Order {
                lamport: lamport.unsigned_abs(),
                author: place.author.get(),
                seq: place.seq,
            }),
            place,
            re: self.re,
            edited_ms: self.edited_ms,
            reacts: self.reacts,
            flags: noted.into_iter().filter(|(flag, _)| is(*flag)).map(|(_, word)| word).collect(),
        }
    }
}

/// The part of a text of ours that answers nothing and to which nothing has happened, from what is noted of it, its place and its name.
pub(in crate::store) fn own_part(
    flags: i64,
    (place, lamport): (Place, i64),
    name: String,
    onion: Option<Onion>,
) -> RoomPart {
    let member = place.author.member().map(MemberNo::get);
    let (place, lamport, reacts) = (Some(place), Some(lamport), BTreeMap::new());
    Noted { flags, place, member, lamport, own: true, name, onion, re: None, edited_ms: None, reacts }.part()
}

/// The message that one answers: its id, the tag of the event that is meant, the head of that which is there, and the room's id, from a
/// column on. `place`: the answer's event.
fn answer(row: &Row<'_>, at: usize, place: Option<Place>) -> rusqlite::Result<Option<MessageId>> {
    let Some(id) = row.get(at)? else { return Ok(None) };
    let room: Option<[u8; 32]> = row.get(at + 3)?;
    let Some(room) = room else { return Ok(Some(MessageId(id))) };
    Ok(is_answered(row, at + 1, RoomId(room), place)?.then_some(MessageId(id)))
}

/// Whether the event whose tag and head are in two columns is what a message answers. What another event at that place said is not.
fn is_answered(row: &Row<'_>, at: usize, room: RoomId, place: Option<Place>) -> rusqlite::Result<bool> {
    // A text that waits is ours, and was written about what is here.
    if place.is_none() {
        return Ok(true);
    }
    let tag: Option<i64> = row.get(at)?;
    Ok(bare_event(row, at + 1, room).is_ok_and(|event| tag == Some(tag_number(event.id().tag()))))
}

/// The part of a message by its row.
pub(in crate::store) fn part_of(db: &Connection, id: i64) -> Result<Option<RoomPart>, StoreError> {
    let mut query = db.prepare_cached(PART)?;
    Ok(query.query_row([id], |row| part(row, 0)).optional()?.flatten().map(|(part, _)| part))
}

/// The state of a message of a room that is a mark: why it does not count.
pub(in crate::store) fn mark_state(noted: i64) -> MessageState {
    match noted {
        noted if noted & (flags::HIDDEN | flags::BLOCKED) > 0 => MessageState::Hidden,
        noted if noted & flags::REDACTED > 0 => MessageState::Redacted,
        noted if noted & flags::VOID > 0 => MessageState::Void,
        _ => MessageState::System,
    }
}

impl RoomPart {
    /// Writes it into a record. `now`: also what came to the message later.
    pub(crate) fn fill(self, message: &mut Message, now: bool) {
        message.mention = self.flags.contains(&MessageFlag::Mention);
        (message.from, message.order, message.re) = (self.from, self.order, self.re);
        if now {
            message.edited_at = self.edited_ms.map(time);
            message.reacts = self.reacts;
            message.flags = self.flags;
        }
    }
}

/// A role's word in records.
pub(crate) fn role_word(role: body::Role) -> Role {
    match role {
        body::Role::Reader => Role::Reader,
        body::Role::Member => Role::Member,
        body::Role::Moderator => Role::Moderator,
        body::Role::Owner => Role::Owner,
    }
}

/// A message of a room, for what is said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomTarget {
    /// It is an event; `own`: of ours.
    Said {
        /// Which.
        named: Ref,
        /// Whether it is ours.
        own: bool,
    },
    /// It is ours and waits to become one.
    Waits(TextId),
}

impl Reader {
    /// A room as records show it, without what only the node knows. `None`: there is no such room.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn room(&self, id: RoomId) -> Result<Option<Room>, StoreError> {
        self.in_room(id, |db, room| record(db, room, &People::read(db, room, ALL_ACTS)?))
    }

    /// All rooms by their ids, as [`Reader::room`].
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn room_records(&self) -> Result<Vec<Room>, StoreError> {
        self.with(|db| {
            let transaction = db.unchecked_transaction()?;
            let mut query = transaction.prepare_cached("SELECT num, room FROM room WHERE num > 0 ORDER BY room")?;
            let rooms = query.query_map([], |row| Ok(RoomKey { num: row.get(0)?, id: RoomId(blob(row, 1)?) }))?;
            let show = |room| record(&transaction, room, &People::read(&transaction, room, ALL_ACTS)?);
            rooms.map(|room| show(room?)).collect()
        })
    }

    /// How many messages of ours no other member has, of each room in which there are some.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn queued_in_rooms(&self) -> Result<BTreeMap<RoomId, u64>, StoreError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                // By room: a join would read what waits for all contacts.
                "SELECT p.peer, (SELECT count(*) FROM message m WHERE m.peer = p.num AND m.dir = 1 AND m.state IN (0, 4, 5)) AS queued
                 FROM peer p WHERE p.room IS NOT NULL AND queued > 0",
            )?;
            let rows = query.query_map([], |row| Ok((RoomId(blob(row, 0)?), row.get::<_, i64>(1)?.unsigned_abs())))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many bytes the events of a room have. All of them are looked at. `None`: there is no such room.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn room_bytes(&self, id: RoomId) -> Result<Option<u64>, StoreError> {
        self.in_room(id, |db, room| {
            let mut query = db.prepare_cached(
                "SELECT ifnull(sum(ifnull(length(head), 0) + ifnull(length(body), 0)), 0) FROM room_event
                 WHERE place >= ?1 AND place < ?2",
            )?;
            let bytes = query.query_row([room.row(0), room.row(u64::MAX)], |row| row.get::<_, i64>(0))?;
            Ok(bytes.unsigned_abs())
        })
    }

    /// Members of a room after a number, by their numbers, at most `limit`, those who are not in any more included; and whether
    /// there are more. `None`: there is no such room.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn room_members(
        &self,
        id: RoomId,
        after: Option<MemberNo>,
        limit: usize,
    ) -> Result<Option<(Vec<Member>, bool)>, StoreError> {
        self.in_room(id, |db, room| {
            let mut people = People::read(db, room, ALL_ACTS)?;
            let muted = muted(db, room)?;
            let all: Vec<MemberNo> = people.members().filter(|no| after.is_none_or(|after| *no > after)).collect();
            let found = all.iter().take(limit).map(|no| member(db, room, &mut people, &muted, *no));
            Ok((found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(), all.len() > limit))
        })
    }

    /// What a message of a room is to the room. `None`: there is no such message there, or the daemon wrote it, or its event
    /// is forgotten.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn room_target(&self, room: RoomId, message: i64) -> Result<Option<RoomTarget>, StoreError> {
        self.in_room(room, |db, room| {
            let mut query = db.prepare_cached(
                "SELECT (SELECT e.head FROM room_event e WHERE e.chain = m.lane AND e.seq = m.seq), r.own IS NOT NULL,
                    (SELECT o.mid FROM room_outbox o WHERE o.room = ?2 AND o.message = m.id)
                 FROM message m JOIN room_message r ON r.message = m.id JOIN peer p ON p.num = m.peer
                 WHERE m.id = ?1 AND p.room = ?2",
            )?;
            let mut rows = query.query(params![message, room.num])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            if row.get_ref(0)? != ValueRef::Null {
                let named = bare_event(row, 0, room.id)?.named();
                return Ok(Some(RoomTarget::Said { named, own: row.get(1)? }));
            }
            Ok(row.get::<_, Option<[u8; 16]>>(2)?.map(|mid| RoomTarget::Waits(TextId(mid))))
        })
        .map(Option::flatten)
    }

    /// The events that say the text of a message of a room and whose bodies are here, the first in order first, at most `most`: a
    /// text may be said again, after its chain was proven to have two histories.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn room_doubles(&self, room: RoomId, message: i64, most: usize) -> Result<Vec<Ref>, StoreError> {
        Ok(self.in_room(room, |db, room| doubles(db, room, message, most))?.unwrap_or_default())
    }
}

/// The events that say the text of a message and whose bodies are here, the first in order first, at most so many.
fn doubles(db: &Connection, room: RoomKey, message: i64, most: usize) -> Result<Vec<Ref>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT e.head FROM
            (SELECT lane AS chain, seq FROM message WHERE id = ?1
             UNION SELECT chain, seq FROM room_double WHERE message = ?1) p
         JOIN room_event e ON e.chain = p.chain AND e.seq = p.seq
         WHERE e.kind = ?2 AND e.body IS NOT NULL AND p.chain >= ?3 AND p.chain < ?4",
    )?;
    let (first, end) = room.all_chains();
    let mut rows = query.query(params![message, TEXT, first, end])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(bare_event(row, 0, room.id)?);
    }
    found.sort_unstable_by_key(|event| event.header().order());
    Ok(found.iter().take(most).map(Event::named).collect())
}

/// A room, as far as the store knows it.
pub(in crate::store) fn record(db: &Connection, room: RoomKey, people: &People) -> Result<Room, StoreError> {
    let roster = people.roster();
    let me = people.me().and_then(|me| roster.members.get(&me).map(|member| (me, member)));
    let last = roster.owner_since.max(roster.settled.map_or(0, |(settled, _)| settled));
    let mut frozen = db.prepare_cached("SELECT 1 FROM room_act WHERE room = ?1 AND proof IS NOT NULL AND seq > ?2")?;
    let mut query = db.prepare_cached(
        "SELECT state, alias, notify, hand_by, hand_to, hand IS NOT NULL AND hand_accept IS NULL,
            (SELECT count(*) FROM message m JOIN peer p ON p.num = m.peer
             WHERE p.room = room.num AND m.dir = 1 AND m.state IN (0, 4, 5)), name
         FROM room WHERE num = ?1",
    )?;
    let mut rows = query.query([room.num])?;
    let row = rows.next()?.ok_or_else(|| damaged("number"))?;
    let begun = !roster.members.is_empty();
    Ok(Room {
        peer: room.id.conversation(),
        // Of a room that was destroyed the name is left.
        name: if begun { roster.name.clone() } else { row.get(7)? },
        alias: row.get(1)?,
        topic: people.topic(db, room)?,
        state: state_word(row.get(0)?)?,
        form: RoomForm::Mesh,
        me: me
            .filter(|(_, member)| member.is_in())
            .map(|(me, member)| Me { member: me.get(), role: role_word(member.role()) }),
        owner: begun.then_some(roster.owner.get()),
        members: roster.present().count() as u64,
        linked: None,
        policy: RoomPolicy {
            joins: role_word(roster.policy.joins),
            history: roster.policy.history,
            keep_days: Some(roster.policy.keep_days).filter(|days| *days > 0),
        },
        frozen: frozen.exists(params![room.num, i64::try_from(last).unwrap_or(i64::MAX)])?,
        handover: if row.get(5)? { Some(Handover { by: row.get(3)?, to: row.get(4)? }) } else { None },
        queued: row.get::<_, i64>(6)?.unsigned_abs(),
        missing: 0,
        bytes: None,
        notify: match row.get(2)? {
            0 => Notify::All,
            1 => Notify::Mentions,
            _ => Notify::None,
        },
        problems: Vec::new(),
    })
}

fn state_word(number: i64) -> Result<RoomState, StoreError> {
    Ok(match number {
        0 => RoomState::Joining,
        1 => RoomState::Member,
        2 => RoomState::Leaving,
        3 => RoomState::Left,
        4 => RoomState::Removed,
        5 => RoomState::Destroyed,
        6 => RoomState::Ended,
        7 => RoomState::NeedsNewer,
        _ => return Err(damaged("state")),
    })
}

/// A member, as far as the store knows them; `muted`: who is.
pub(in crate::store) fn member(
    db: &Connection,
    room: RoomKey,
    people: &mut People,
    muted: &BTreeSet<MemberNo>,
    no: MemberNo,
) -> Result<Option<Member>, StoreError> {
    let name = people.name(db, room, no)?;
    let Some(found) = people.roster().members.get(&no) else { return Ok(None) };
    Ok(Some(Member {
        no: no.get(),
        name,
        onion: found.id.and_then(onion).map(Onion),
        proven: Proof::Owner,
        role: role_word(found.role()),
        state: match found.cuts.first() {
            None if muted.contains(&no) && found.role() <= body::Role::Member => MemberState::Muted,
            None => MemberState::In,
            Some((CutReason::Left, _)) => MemberState::Left,
            Some((CutReason::Removed, _)) => MemberState::Removed,
            Some((CutReason::Replaced, _)) => MemberState::Replaced,
        },
        me: people.me() == Some(no),
        link: false,
        banned: false,
        said_at: said_ms(db, room, no)?.map(time),
    }))
}

/// An identity that somebody can have.
fn onion(id: Identity) -> Option<PeerId> {
    peer_id(id.0).ok()
}

/// When the last text of a member arrived.
fn said_ms(db: &Connection, room: RoomKey, no: MemberNo) -> Result<Option<i64>, StoreError> {
    let (first, last) = room.chains(no);
    let mut chains = db.prepare_cached("SELECT chain FROM room_chain WHERE chain BETWEEN ?1 AND ?2")?;
    let mut text =
        db.prepare_cached("SELECT at_ms FROM room_event WHERE chain = ?1 AND kind = ?2 ORDER BY seq DESC LIMIT 1")?;
    let mut latest = None;
    for chain in chains.query_map([first, last], |row| row.get::<_, ChainKey>(0))? {
        latest = latest.max(text.query_row(params![chain?, TEXT], |row| row.get(0)).optional()?);
    }
    Ok(latest)
}

/// Who is muted: by a mute that counts and has no end that does.
pub(in crate::store) fn muted(db: &Connection, room: RoomKey) -> Result<BTreeSet<MemberNo>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT head, body, standing FROM room_event WHERE kind IN (20, 21, 22, 25, 29) AND kind IN (20, 21)
         AND place >= ?1 AND place < ?2 AND chain IS NOT NULL AND body IS NOT NULL",
    )?;
    let mut rows = query.query([room.row(0), room.row(u64::MAX)])?;
    let (mut mutes, mut ended) = (BTreeMap::new(), BTreeSet::new());
    while let Some(row) = rows.next()? {
        if !standing(row.get(2)?)?.allows(body::Role::Moderator) {
            continue;
        }
        let event = crate::store::replica::event(row, 0, room.id)?;
        match event.read() {
            Ok(Some(Body::Mute(mute))) => drop(mutes.insert(event.named(), mute.who)),
            Ok(Some(Body::Unmute(unmute))) => drop(ended.insert(unmute.of)),
            _ => {}
        }
    }
    Ok(mutes.into_iter().filter(|(mute, _)| !ended.contains(mute)).map(|(_, who)| who).collect())
}

/// What a list of conversations shows of a room.
pub(in crate::store) fn glance(
    db: &Connection,
    id: ConversationId,
    num: RoomNum,
) -> Result<(Box<Room>, u64), StoreError> {
    let room = RoomKey { num, id: RoomId(*id.as_bytes()) };
    let mentions: i64 =
        db.prepare_cached("SELECT mentions FROM room WHERE num = ?1")?.query_row([num], |row| row.get(0))?;
    let record = record(db, room, &People::read(db, room, ALL_ACTS)?)?;
    Ok((Box::new(record), mentions.unsigned_abs()))
}

/// A page of a room. A page of a contact has 13 columns, and each column of each row counts: so what only a message of ours has stands
/// where others have something else, and [`page_row`] reads it by `dir`; the writers' onions come from [`name_writers`], and what a
/// message answers from a join, because a subquery opens its table for each row.
macro_rules! page {
    ($place:literal, $order:literal) => {
        concat!(
            "SELECT m.id, m.dir, m.state, m.mid, m.at_ms, m.sent_s, m.text, r.flags, m.lane, m.seq, r.lamport, r.name, a.mid,
                r.edited_ms, r.reacts, r.own IS NOT NULL, NULL, (SELECT o.me FROM room o JOIN peer q ON q.room = o.num
                WHERE q.num = m.peer AND m.lane IS NULL AND r.own IS NOT NULL), r.re_tag, e.head
             FROM message m CROSS JOIN room_message r ON r.message = m.id
             LEFT JOIN message a ON a.lane = r.re_chain AND a.lane >= 4294967296 AND a.seq = r.re_seq
             LEFT JOIN room_event e ON e.chain = r.re_chain AND e.seq = r.re_seq
             WHERE m.peer = (SELECT num FROM peer WHERE peer = ?1) AND m.dir <> 1 AND ",
            $place,
            " AND (?4 OR (r.flags & 68 = 0 AND r.flags & 34 <> 34))
             UNION ALL
             SELECT m.id, m.dir, m.state, m.mid, m.at_ms, m.done_ms, m.text, r.flags, m.lane, m.seq, r.lamport, r.name, a.mid,
                r.edited_ms, r.reacts, m.until_ms, c.client, (SELECT o.me FROM room o JOIN peer q ON q.room = o.num
                WHERE q.num = m.peer AND m.lane IS NULL AND r.own IS NOT NULL), r.re_tag, e.head
             FROM message m CROSS JOIN room_message r ON r.message = m.id LEFT JOIN client_id c ON c.message = m.id
             LEFT JOIN message a ON a.lane = r.re_chain AND a.lane >= 4294967296 AND a.seq = r.re_seq
             LEFT JOIN room_event e ON e.chain = r.re_chain AND e.seq = r.re_seq
             WHERE m.peer = (SELECT num FROM peer WHERE peer = ?1) AND m.dir = 1 AND ",
            $place,
            " ORDER BY ",
            $order,
            " LIMIT ?3"
        )
    };
}

/// Reads what `page!` selects, without the onion of who wrote it.
pub(in crate::store) fn page_row(row: &Row<'_>, conversation: ConversationId) -> rusqlite::Result<MessageRow> {
    let (dir, state, flags): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(7)?);
    let ours = dir == 1;
    let place = target(row, 8).ok().flatten();
    let member = place.and_then(|place| place.author.member()).map(MemberNo::get);
    let noted = Noted {
        flags,
        place,
        member: if member.is_some() { member } else { row.get(17)? },
        lamport: row.get(10)?,
        own: ours || dir == 2 && row.get(15)?,
        name: row.get(11)?,
        onion: None,
        re: match row.get(12)? {
            Some(re) if is_answered(row, 18, RoomId(*conversation.as_bytes()), place)? => Some(MessageId(re)),
            _ => None,
        },
        edited_ms: if flags & flags::EDITED > 0 { row.get(13)? } else { None },
        reacts: reacts(row, 14)?,
    };
    Ok(MessageRow {
        id: row.get(0)?,
        conversation,
        dir: direction(dir),
        state: if dir == 2 { mark_state(flags) } else { state_of(dir, state) },
        mid: MessageId(row.get(3)?),
        at_ms: row.get(4)?,
        sent_s: if ours { None } else { row.get(5)? },
        // Before that the column only keeps the place.
        done_ms: if ours && state > 0 { row.get(5)? } else { None },
        until_ms: if ours { row.get(15)? } else { None },
        place: None,
        fate_open: ours && state > 3,
        client: if ours { row.get(16)? } else { None },
        text: row.get(6)?,
        erased: false,
        room: Some(noted.part()),
    })
}

// A page shows no message that is hidden, and no system message that is void, but to those who ask for them.
const _: () = assert!(flags::HIDDEN | flags::BLOCKED == 68 && flags::VOID | flags::SYSTEM == 34);

/// As the same of a peer, of a room.
pub(in crate::store) const BEFORE: &str = page!("m.id < ?2", "1 DESC");
/// As the same of a peer, of a room.
pub(in crate::store) const AFTER: &str = page!("m.id > ?2", "1");
