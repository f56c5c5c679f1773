//! Messages of rooms: what the events of a room come to for those who read it.
//!
//! A message of a room is a function of the events that are stored: which of them count, what was edited, taken away, hidden. An
//! operation of a replica changes events; here it is noted which messages that may concern, and at the end of the transaction each of
//! these is looked at once ([`judge`]) and written if it is another one now ([`mod@write`]). So it does not matter in which order
//! operations come, and a message says the same as its events after every commit.
//!
//! A text that was said more than once (with one id, by one member) is one message: the event that counts is shown.

mod erase;
mod judge;
mod people;
mod plain;
mod rebuild;
mod system;
mod write;

pub(in crate::store) use rebuild::write_messages;
pub(super) use write::Words;

use super::Changes;
use crate::store::StoreError;
use crate::store::numbers::PeerNum;
use crate::store::replica::{
    ChainKey, EDIT, MUTE, NICK, REACTION, REDACT, Restood, RoomKey, TEXT, TOPIC, UNMUTE, number, target,
};
use plain::Plain;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::control::api::record::MemberChange;
use torchat_protocol::id::MessageId;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place};
use torchat_protocol::room::{Author, Event, MemberNo, RoomId, TextId, message_id};
use torchat_room::counts::Said;
use torchat_room::outcome::Op;
use torchat_room::standing::Standing;

/// What programs know of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing: it is of this transaction.
    New,
    /// What is in the store.
    Known,
}

/// How the waiting of a text of ours ended, other than by becoming an event: `message.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Withdrawn,
    Failed,
}

/// A text of ours that began to wait, or was said at once.
#[derive(Debug)]
struct Queued {
    text: TextId,
    row: i64,
    /// Its id, if that stays as it is.
    mid: Option<MessageId>,
}

/// What a transaction may have changed of one room's messages.
#[derive(Debug)]
pub(in crate::store) struct Touched {
    room: RoomKey,
    /// The room as a conversation.
    num: PeerNum,
    rows: BTreeMap<i64, Before>,
    ended: BTreeMap<i64, Ended>,
    /// Texts of ours that were accepted.
    queued: Vec<Queued>,
    /// The next event of ours says this text, which did not wait.
    said: Option<TextId>,
    /// Texts of ours that nothing has happened to since they were said in this transaction.
    plain: BTreeMap<i64, Plain>,
    /// Texts that wait until a moment, and those that will never be said.
    expires: Vec<(TextId, i64)>,
    failed: BTreeSet<TextId>,
    /// Keys of programs.
    clients: Vec<(TextId, String)>,
    topics: BTreeSet<Place>,
    /// Who is a member, their names, or the room's.
    people: bool,
    /// Who is muted.
    mutes: bool,
    /// Programs are told how the room is.
    tell_room: bool,
    /// And of members.
    changes: Vec<(MemberNo, MemberChange)>,
}

impl Touched {
    fn touch(&mut self, row: i64) {
        self.plain.remove(&row);
        self.rows.entry(row).or_insert(Before::Known);
    }
}

/// The row that shows an event.
pub(super) fn row_of(db: &Connection, room: RoomKey, place: Place) -> Result<Option<i64>, StoreError> {
    let at = params![room.chain(place.author), number(place.seq)?];
    let mut query =
        db.prepare_cached("SELECT id FROM message WHERE lane = ?1 AND lane >= 4294967296 AND seq = ?2 LIMIT 1")?;
    if let Some(found) = query.query_row(at, |row| row.get(0)).optional()? {
        return Ok(Some(found));
    }
    let mut query = db.prepare_cached("SELECT message FROM room_double WHERE chain = ?1 AND seq = ?2")?;
    Ok(query.query_row(at, |row| row.get(0)).optional()?)
}

/// The row of a text, by its id.
fn row_with(db: &Connection, num: PeerNum, mid: MessageId) -> Result<Option<i64>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT id FROM message WHERE peer = ?1 AND mid = ?2 AND dir IN (0, 2) AND dir <> 1
         UNION ALL SELECT message FROM room_message WHERE own = ?2 LIMIT 1",
    )?;
    Ok(query.query_row(params![num, mid.0], |row| row.get(0)).optional()?)
}

impl Changes<'_> {
    /// Notes what an operation concerns, before it is done: what it removes is found no more afterwards.
    pub(super) fn before_replica(&mut self, id: RoomId, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::CutBranch(seq) => self.with_room(id, |changes, touched| changes.branch_ends(touched, *seq)),
            Op::Discard(member) => self.with_room(id, |changes, touched| changes.discarded(touched, *member)),
            Op::Anew(_) => self.with_room(id, |changes, touched| {
                changes.unplace(touched, touched.room.all_chains(), true)?;
                changes.nothing_holds(touched)
            }),
            Op::Unqueue(mid) => self.with_room(id, |changes, touched| {
                if let Some(row) = changes.waiting_row(touched.room, *mid)? {
                    touched.touch(row);
                    let why = if touched.failed.contains(mid) { Ended::Failed } else { Ended::Withdrawn };
                    touched.ended.insert(row, why);
                }
                Ok(())
            }),
            Op::Spans(..) => self.with_room(id, |changes, touched| changes.muted_before(touched.room)),
            Op::Store { event, .. } | Op::Body(event) if matches!(event.header().kind, MUTE | UNMUTE) => {
                self.with_room(id, |changes, touched| changes.muted_before(touched.room))
            }
            _ => Ok(()),
        }
    }

    /// Notes what an operation concerns, after it is done. `restood`: events that count as something else by it.
    pub(super) fn after_replica(&mut self, id: RoomId, op: &Op, restood: &[Restood]) -> Result<(), StoreError> {
        match op {
            Op::Store { event, standing, .. } if event.header().author != Author::ACTS => {
                self.with_room(id, |changes, touched| changes.came(touched, event, Some(*standing)))
            }
            Op::Body(event) => self.with_room(id, |changes, touched| changes.came(touched, event, None)),
            Op::Spans(..) => self.restood(id, restood),
            Op::Act { seq, id: act } => self.with_room(id, |changes, touched| changes.act_holds(touched, *seq, *act)),
            Op::ActFork(one, other) => self.with_room(id, |changes, touched| changes.froze(touched, one, other)),
            Op::Fork(author, _) => self.with_room(id, |_, touched| {
                touched.changes.extend(author.member().map(|member| (member, MemberChange::Forked)));
                Ok(())
            }),
            Op::Queue(text) => self.with_room(id, |changes, touched| changes.queued(touched, text)),
            Op::Said(mid) => self.with_room(id, |_, touched| {
                touched.said = Some(*mid);
                Ok(())
            }),
            _ => Ok(()),
        }
    }

    /// Events count as something else.
    pub(super) fn restood(&mut self, id: RoomId, restood: &[Restood]) -> Result<(), StoreError> {
        if restood.is_empty() {
            return Ok(());
        }
        self.with_room(id, |changes, touched| restood.iter().try_for_each(|one| changes.concerns(touched, one)))
    }

    /// The messages of a room in this transaction.
    pub(super) fn with_room(
        &mut self,
        id: RoomId,
        work: impl FnOnce(&mut Self, &mut Touched) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut touched = match self.touched.remove(&id) {
            Some(touched) => touched,
            None => self.untouched(self.room(id)?)?,
        };
        let done = work(self, &mut touched);
        self.touched.insert(id, touched);
        done
    }

    fn untouched(&self, room: RoomKey) -> Result<Touched, StoreError> {
        let mut query = self.db.prepare_cached("SELECT num FROM peer WHERE room = ?1")?;
        let num = query.query_row([room.num], |row| row.get(0))?;
        Ok(Touched {
            room,
            num,
            rows: BTreeMap::new(),
            ended: BTreeMap::new(),
            queued: Vec::new(),
            said: None,
            plain: BTreeMap::new(),
            expires: Vec::new(),
            failed: BTreeSet::new(),
            clients: Vec::new(),
            topics: BTreeSet::new(),
            people: false,
            mutes: false,
            tell_room: false,
            changes: Vec::new(),
        })
    }

    /// An event of a member, or the body of one, is here since now.
    fn came(&mut self, touched: &mut Touched, event: &Event, standing: Option<Standing>) -> Result<(), StoreError> {
        let header = event.header();
        let place = Place { author: header.author, seq: header.seq };
        match event.read().ok().flatten() {
            Some(Body::Text(text)) => self.text_came(touched, event, &text, standing),
            Some(Body::Edit(edit)) => self.touch_row(touched, edit.of.place),
            Some(Body::Reaction(reaction)) => self.touch_row(touched, reaction.of.place),
            Some(Body::Redact(redact)) => self.touch_redacted(touched, redact.of.place),
            Some(Body::Topic(_)) => {
                touched.topics.insert(place);
                Ok(())
            }
            Some(Body::Nick(_)) => {
                touched.changes.extend(header.author.member().map(|member| (member, MemberChange::Nick)));
                self.forget_names(touched);
                Ok(())
            }
            Some(Body::Mute(_) | Body::Unmute(_)) => {
                touched.mutes = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An event counts as something else.
    fn concerns(&mut self, touched: &mut Touched, one: &Restood) -> Result<(), StoreError> {
        match (one.kind, one.of) {
            (TEXT, _) => self.touch_row(touched, one.place),
            (EDIT | REACTION, Some(of)) => self.touch_row(touched, of),
            (REDACT, Some(of)) => self.touch_redacted(touched, of),
            (TOPIC, _) => {
                touched.topics.insert(one.place);
                Ok(())
            }
            (NICK, _) => {
                touched.changes.extend(one.place.author.member().map(|member| (member, MemberChange::Nick)));
                self.forget_names(touched);
                Ok(())
            }
            (MUTE | UNMUTE, _) => {
                touched.mutes = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn touch_row(&self, touched: &mut Touched, place: Place) -> Result<(), StoreError> {
        if let Some(row) = row_of(self.db, touched.room, place)? {
            touched.touch(row);
        }
        Ok(())
    }

    /// A text, or an edit of one, that a redact names.
    fn touch_redacted(&self, touched: &mut Touched, place: Place) -> Result<(), StoreError> {
        self.touch_row(touched, place)?;
        let mut query = self
            .db
            .prepare_cached("SELECT of_chain, of_seq FROM room_event WHERE chain = ?1 AND seq = ?2 AND kind = 17")?;
        let mut rows = query.query(params![touched.room.chain(place.author), number(place.seq)?])?;
        let text = rows.next()?.map(|row| target(row, 0)).transpose()?.flatten();
        text.map_or(Ok(()), |text| self.touch_row(touched, text))
    }

    /// A text that we can read is in the log.
    fn text_came(
        &mut self,
        touched: &mut Touched,
        event: &Event,
        text: &Text,
        standing: Option<Standing>,
    ) -> Result<(), StoreError> {
        let (room, header) = (touched.room, *event.header());
        let Some(member) = header.author.member() else { return Ok(()) };
        let place = Place { author: header.author, seq: header.seq };
        let said = touched.said.take_if(|said| *said == text.mid).is_some();
        if said && self.said_at_once(touched, member, (event, text), standing)? {
            return Ok(());
        }
        if let Some(row) = row_of(self.db, room, place)? {
            touched.touch(row);
            return Ok(());
        }
        let mid = message_id(room.id, member, text.mid);
        let own = self.is_me(room, member)?;
        let waiting = if own { self.waiting_row(room, text.mid)? } else { None };
        if own && waiting.is_none() && !said {
            // It comes from somebody else, so it is there.
            self.is_elsewhere(room, place)?;
        }
        if let Some(row) = waiting.map_or_else(|| row_with(self.db, touched.num, mid), |row| Ok(Some(row)))? {
            let idle = match standing {
                Some(standing) if !own => self.changes_nothing(row, Said { order: header.order(), standing })?,
                _ => false,
            };
            self.name_own(row, waiting.is_some().then_some(mid))?;
            self.add_place(room, row, place)?;
            if !idle {
                touched.touch(row);
            }
            return Ok(());
        }
        if self.is_erased(touched.num, mid, own)? {
            // A double that came later.
            return self.drop_body((room.chain(place.author), number(place.seq)?));
        }
        let (name, mentions) = (self.name(room, member)?, self.mentions_us(room, text)?);
        let new = write::New { mid, own, place: Some((header, standing)), text, name: &name, mentions };
        let row = self.add_row(touched, &new)?;
        touched.rows.insert(row, Before::New);
        Ok(())
    }

    /// A text of ours waits.
    fn queued(&mut self, touched: &mut Touched, text: &Text) -> Result<(), StoreError> {
        let room = touched.room;
        // A newcomer has no number yet: the message gets its id with the event.
        let me = self.people(room)?.me();
        let mid = me.map_or(MessageId(text.mid.0), |me| message_id(room.id, me, text.mid));
        let row = if let Some(row) = row_with(self.db, touched.num, mid)? {
            touched.touch(row);
            row
        } else {
            let name = me.map_or(Ok(String::new()), |me| self.name(room, me))?;
            let row =
                self.add_row(touched, &write::New { mid, own: true, place: None, text, name: &name, mentions: false })?;
            touched.rows.insert(row, Before::New);
            row
        };
        touched.ended.remove(&row);
        self.db
            .prepare_cached("UPDATE room_outbox SET message = ?3 WHERE room = ?1 AND mid = ?2")?
            .execute(params![room.num, text.mid.0, row])?;
        touched.queued.push(Queued { text: text.mid, row, mid: None });
        Ok(())
    }

    /// The row of a text of ours that waits.
    fn waiting_row(&self, room: RoomKey, mid: TextId) -> Result<Option<i64>, StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT message FROM room_outbox WHERE room = ?1 AND mid = ?2 LIMIT 1")?;
        Ok(query.query_row(params![room.num, mid.0], |row| row.get(0)).optional()?.flatten())
    }

    /// Everything that waits in a room will never be said.
    pub(super) fn outbox_ends(&mut self, id: RoomId) -> Result<(), StoreError> {
        self.with_room(id, |changes, touched| {
            let mut query =
                changes.db.prepare_cached("SELECT message FROM room_outbox WHERE room = ?1 AND message IS NOT NULL")?;
            let rows = query.query_map([touched.room.num], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            for row in rows {
                touched.touch(row);
                touched.ended.insert(row, Ended::Failed);
            }
            Ok(())
        })
    }

    /// The key that a program gave a text of ours.
    pub(super) fn client_of(&mut self, id: RoomId, text: TextId, client: &str) -> Result<(), StoreError> {
        self.with_room(id, |_, touched| {
            touched.clients.push((text, client.to_owned()));
            Ok(())
        })
    }

    /// A text of ours waits until a moment. It may be told of before it waits.
    pub(super) fn expires(&mut self, id: RoomId, text: TextId, until_ms: i64) -> Result<(), StoreError> {
        self.with_room(id, |_, touched| {
            touched.expires.push((text, until_ms));
            Ok(())
        })
    }

    /// A text of ours will never be said.
    pub(super) fn will_not_be_said(&mut self, id: RoomId, text: TextId) -> Result<(), StoreError> {
        self.with_room(id, |_, touched| {
            touched.failed.insert(text);
            Ok(())
        })
    }

    /// Everything of a member's chains is found no more.
    fn discarded(&mut self, touched: &mut Touched, member: MemberNo) -> Result<(), StoreError> {
        let room = touched.room;
        let (first, last) = room.chains(member);
        self.muted_before(room)?;
        {
            let mut query = self.db.prepare_cached(
                "SELECT kind, of_chain, of_seq, chain, seq FROM room_event
                 WHERE chain BETWEEN ?1 AND ?2 AND kind IN (18, 19, 20, 21, 22, 29)",
            )?;
            let mut rows = query.query([first, last])?;
            while let Some(row) = rows.next()? {
                let place = row.get::<_, ChainKey>(3)?.at(row.get(4)?)?;
                self.concerns(touched, &Restood { place, kind: row.get(0)?, of: target(row, 1)? })?;
            }
        }
        for place in std::mem::take(&mut touched.topics) {
            self.topic_gone(touched, place)?;
        }
        touched.people = true;
        self.unplace(touched, (first, ChainKey::after(last)), true)
    }

    /// Events of these chains, from the first up to before the second, are shown by no message any more. `void`: they count as nothing;
    /// else their messages stay as they are.
    pub(super) fn unplace(
        &mut self,
        touched: &mut Touched,
        (first, end): (ChainKey, ChainKey),
        void: bool,
    ) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id FROM message WHERE lane >= ?1 AND lane < ?2 AND lane >= 4294967296
             UNION SELECT message FROM room_double WHERE chain >= ?1 AND chain < ?2",
        )?;
        let rows = query.query_map([first, end], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        if void {
            rows.iter().for_each(|row| touched.touch(*row));
        } else {
            touched.rows.clear();
            touched.plain.clear();
        }
        self.db.prepare_cached("DELETE FROM room_double WHERE chain >= ?1 AND chain < ?2")?.execute([first, end])?;
        self.db
            .prepare_cached(
                "UPDATE message SET lane = NULL, seq = NULL WHERE lane >= ?1 AND lane < ?2 AND lane >= 4294967296",
            )?
            .execute([first, end])?;
        Ok(())
    }

    /// Events of ours are durable at another member.
    pub(super) fn delivered_in(&mut self, id: RoomId, author: Author, upto: u64) -> Result<(), StoreError> {
        self.with_room(id, |changes, touched| {
            let (chain, upto) = (touched.room.chain(author), number(upto)?);
            changes
                .db
                .prepare_cached("UPDATE room_chain SET stored = ?2 WHERE chain = ?1 AND stored < ?2")?
                .execute(params![chain, upto])?;
            let mut query = changes.db.prepare_cached(
                "SELECT id FROM message WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND lane = ?2 AND seq <= ?3",
            )?;
            let rows = query.query_map(params![touched.num, chain, upto], |row| row.get(0))?;
            for row in rows {
                touched.touch(row?);
            }
            Ok(())
        })
    }

    /// Programs are told how a room is.
    pub(super) fn tell_room(&mut self, id: RoomId) -> Result<(), StoreError> {
        self.with_room(id, |_, touched| {
            touched.tell_room = true;
            Ok(())
        })
    }

    /// The user has blocked somebody, or has not any more: what they said in rooms is hidden here, and only here.
    pub(super) fn block_in_rooms(&mut self, identity: &[u8; 32]) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached("SELECT num, room FROM room ORDER BY num")?;
        let rooms = query.query_map([], |row| Ok(RoomKey { num: row.get(0)?, id: RoomId(row.get(1)?) }))?;
        for room in rooms.collect::<Result<Vec<_>, _>>()? {
            for member in self.people(room)?.with_identity(identity) {
                self.with_room(room.id, |changes, touched| {
                    let (first, last) = room.chains(member);
                    let mut query = changes
                        .db
                        .prepare_cached("SELECT id FROM message WHERE lane BETWEEN ?1 AND ?2 AND lane >= 4294967296")?;
                    let rows = query.query_map([first, last], |row| row.get(0))?;
                    for row in rows {
                        touched.touch(row?);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}
