//! What the messages of a room must be: a plain function of the events of the model, written without any regard to speed.

use crate::disk::Disk;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place, Ref, Role};
use torchat_protocol::room::{Author, Event, MemberNo, RoomId, TextId, message_id};
use torchat_room::counts::{Said, counting, edit_in_force, is_redacted, last_in_force};
use torchat_room::outcome::Op;
use torchat_room::roster::Roster;
use torchat_room::standing::Standing;

const MENTION: i64 = 1;
const VOID: i64 = 2;
const HIDDEN: i64 = 4;
const REDACTED: i64 = 8;
const EDITED: i64 = 16;
const LINE: i64 = 32;
/// What is noted beside that: what programs were told, and the author's role.
const REST: i64 = !127;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    id: i64,
    dir: i64,
    place: Option<Place>,
    text: String,
    flags: i64,
    reacts: BTreeMap<String, Vec<u32>>,
}

/// What the model of a store does not know: the ids of texts whose bodies are gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    texts: BTreeMap<Place, TextId>,
}

impl Model {
    pub(crate) fn note(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Store { event, .. } | Op::Body(event) if event.header().author != Author::ACTS => {
                    if let Ok(Some(Body::Text(text))) = event.read() {
                        self.texts.insert(event.place(), text.mid);
                    }
                }
                Op::Discard(member) => self.texts.retain(|place, _| place.author.member() != Some(*member)),
                Op::Anew(_) => self.texts.clear(),
                _ => {}
            }
        }
    }

    /// Compares the messages of a room with what they must be.
    pub(crate) fn compare(&self, db: &Connection, disk: &Disk) {
        let stored = disk.stored();
        let rows = rows(db, stored.room);
        let branch = disk.branch();
        let roster = Roster::of(stored.room, branch.iter().map(|act| &**act));
        let me = stored.me.as_ref().and_then(|me| roster.with_key(me.key()));
        let key = |no: MemberNo| roster.members.get(&no).map(|member| member.key.bytes());
        let is_me = |no: MemberNo| me.is_some_and(|me| me == no || key(me).is_some() && key(me) == key(no));
        let events = Events::of(disk);
        let mut groups: BTreeMap<(MemberNo, TextId), Vec<Place>> = BTreeMap::new();
        for (place, mid) in &self.texts {
            groups.entry((place.author.member().unwrap(), *mid)).or_default().push(*place);
        }
        let mut expected = BTreeSet::new();
        for ((member, mid), places) in &groups {
            let waiting = stored.outbox.iter().find(|text| is_me(*member) && text.mid == *mid);
            let id = message_id(stored.room, *member, *mid).0;
            expected.insert(id);
            let Some(row) = rows.get(&id) else { panic!("no message for {member} {mid:?}: {places:?}") };
            // Whether it is ours was decided when it came.
            let own = row.dir == 1 || row.dir == 2 && is_me(*member);
            let wanted = events.shown(places, own, waiting, &is_me);
            let found = Row { flags: row.flags & !REST, ..row.clone() };
            // What mentions us, a text without a body does not say any more.
            let known = if wanted.flags & REDACTED > 0 { found.flags & MENTION } else { 0 };
            let wanted = Row { id: row.id, flags: wanted.flags | known, ..wanted };
            let place = if wanted.flags & REDACTED > 0 { found.place } else { wanted.place };
            assert_eq!(found, Row { place, ..wanted }, "{member} {mid:?} {places:?}");
            if row.dir < 2 {
                assert_eq!(row.dir == 1, is_me(*member), "whose it is");
            }
        }
        for text in &stored.outbox {
            // Its id is that of the number that we had when it was queued, until it is an event.
            let mut query = db.prepare_cached("SELECT message FROM room_outbox WHERE mid = ?1").unwrap();
            let message: i64 =
                query.query_row([text.mid.0], |row| row.get(0)).expect("a text that waits has a message");
            let (id, row) = rows.iter().find(|(_, row)| row.id == message).unwrap();
            if row.place.is_some() {
                // It is said already, by a store that nobody has.
                continue;
            }
            // Only a store that nobody has queues two texts with one id.
            let same = stored.outbox.iter().filter(|one| one.mid == text.mid);
            assert!(row.dir == 1 && same.map(|one| one.text.as_str()).any(|text| text == row.text), "{row:?}");
            expected.insert(*id);
        }
        for (id, row) in rows.iter().filter(|(id, row)| !expected.contains(*id) && row.flags & LINE == 0) {
            let forgotten = row.dir == 2 && row.flags & VOID > 0 && row.place.is_none();
            let taken_back = row.dir == 1 && row.place.is_none();
            assert!(forgotten || taken_back, "{id:02x?} {row:?}");
        }
        lines(&rows, &branch, &events, &stored.act_forks);
        counters(db, stored.room);
    }
}

/// The events of members that are found, with bodies that can be read.
struct Events {
    said: BTreeMap<Place, (Said, Option<Body>, Arc<Event>)>,
}

impl Events {
    fn of(disk: &Disk) -> Self {
        let of_members = disk.log().filter(|(_, event, _)| event.header().author != Author::ACTS);
        let said = of_members.map(|(_, event, standing): (u64, &Arc<Event>, Standing)| {
            let said = Said { order: event.header().order(), standing };
            (event.place(), (said, event.read().ok().flatten(), event.clone()))
        });
        Self { said: said.collect() }
    }

    fn redacted(&self, of: Place) -> bool {
        let named = self.said[&of].2.named();
        let redacts = self.said.values().filter_map(|(said, body, _)| match body {
            Some(Body::Redact(redact)) if redact.of == named => Some(*said),
            _ => None,
        });
        is_redacted(&self.said[&of].0, redacts)
    }

    /// What is shown of a text that these events say.
    fn shown(&self, places: &[Place], own: bool, waiting: Option<&Text>, is_me: &impl Fn(MemberNo) -> bool) -> Row {
        let there = |place: &Place| match self.said.get(place) {
            Some((said, Some(Body::Text(text)), _)) => Some((*said, text.clone())),
            _ => None,
        };
        let texts: Vec<(Said, Text)> = places.iter().filter_map(there).collect();
        let at = |said: &Said| Place { author: said.order.author, seq: said.order.seq };
        for (said, _) in &texts {
            assert!(!self.redacted(at(said)), "the body of what is redacted is dropped");
        }
        let counts = counting(texts.iter().map(|(said, _)| (*said, false)));
        let mention = |text: &Text| if text.to.iter().any(|no| is_me(*no)) { MENTION } else { 0 };
        let row = |dir, place, text: &str, flags| Row {
            id: 0,
            dir,
            place,
            text: text.to_owned(),
            flags,
            reacts: BTreeMap::new(),
        };
        if let Some(said) = counts {
            let text = &texts.iter().find(|(one, _)| *one == said).unwrap().1;
            let named = self.said[&at(&said)].2.named();
            let edits = self.said.values().filter_map(|(edit, body, _)| match body {
                Some(Body::Edit(of)) if of.of == named => Some((*edit, of.text.as_str().to_owned())),
                _ => None,
            });
            let edits: Vec<(Said, String)> = edits.collect();
            let with_fate = edits.iter().map(|(edit, _)| (*edit, self.redacted(at(edit))));
            let edit = edit_in_force(&said, with_fate);
            let edit = edits.iter().find(|(one, _)| Some(*one) == edit).map(|(_, text)| text.as_str());
            let flags = mention(text) | if edit.is_some() { EDITED } else { 0 };
            let shown = row(i64::from(own), Some(at(&said)), edit.unwrap_or(text.text.as_str()), flags);
            return Row { reacts: self.reacts(named), ..shown };
        }
        if let Some(text) = waiting {
            return row(1, None, text.text.as_str(), 0);
        }
        let hidden = |said: &Said| said.standing.allows(Role::Member) && said.standing.is_hidden();
        let first =
            |hide: bool| texts.iter().filter(|(said, _)| hidden(said) || !hide).min_by_key(|(said, _)| said.order);
        match first(true).or_else(|| first(false)) {
            Some((said, text)) => {
                let why = if hidden(said) { HIDDEN } else { VOID };
                row(2, Some(at(said)), text.text.as_str(), why | mention(text))
            }
            None => row(2, None, "", REDACTED),
        }
    }

    fn reacts(&self, of: Ref) -> BTreeMap<String, Vec<u32>> {
        let mut by: BTreeMap<MemberNo, Vec<(Said, String)>> = BTreeMap::new();
        for (said, body, _) in self.said.values() {
            if let Some(Body::Reaction(reaction)) = body
                && reaction.of == of
            {
                by.entry(said.member().unwrap()).or_default().push((*said, reaction.sign.as_str().to_owned()));
            }
        }
        let mut reacts: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (member, signs) in by {
            let last = last_in_force(signs.iter().map(|(said, _)| *said), Role::Member);
            let sign = signs.into_iter().find(|(said, _)| Some(*said) == last).map(|(_, sign)| sign);
            if let Some(sign) = sign.filter(|sign| !sign.is_empty()) {
                reacts.entry(sign).or_default().push(member.get());
            }
        }
        reacts
    }
}

fn rows(db: &Connection, room: RoomId) -> BTreeMap<[u8; 16], Row> {
    let mut query = db
        .prepare_cached(
            "SELECT m.mid, m.id, m.dir, m.lane & 4294967295, m.seq, m.text, r.flags, r.reacts FROM message m
             JOIN room_message r ON r.message = m.id WHERE m.peer = (SELECT num FROM peer WHERE peer = ?1)",
        )
        .unwrap();
    let rows = query.query_map([room.0], |row| {
        let place = match (row.get::<_, Option<u32>>(3)?, row.get::<_, Option<i64>>(4)?) {
            (Some(author), Some(seq)) => Some(Place { author: Author::new(author).unwrap(), seq: seq as u64 }),
            _ => None,
        };
        let reacts = row.get::<_, Option<String>>(7)?.map(|json| serde_json::from_str(&json).unwrap());
        Ok((
            row.get(0)?,
            Row {
                id: row.get(1)?,
                dir: row.get(2)?,
                place,
                text: row.get(5)?,
                flags: row.get(6)?,
                reacts: reacts.unwrap_or_default(),
            },
        ))
    });
    let rows: Vec<_> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    let count = rows.len();
    let by_id: BTreeMap<_, _> = rows.into_iter().collect();
    assert_eq!(by_id.len(), count, "a text is one message");
    by_id
}

/// Acts and topics that hold have their line, others have none, or one that is void.
fn lines(rows: &BTreeMap<[u8; 16], Row>, branch: &[Arc<Event>], events: &Events, forks: &[(Arc<Event>, Arc<Event>)]) {
    let line = |event: &Event| <[u8; 16]>::try_from(&event.id().0[..16]).unwrap();
    let mut hold = BTreeSet::new();
    for act in branch {
        hold.insert(line(act));
        let says = match act.read().ok().flatten() {
            Some(Body::Create(_)) => act.header().seq == 1,
            Some(Body::Set(set)) => set.name.is_some() || set.topic.is_some() || set.policy.is_some(),
            Some(Body::Settle(_) | Body::Destroy(_)) => true,
            _ => false,
        };
        if says {
            assert_eq!(rows[&line(act)].flags & (LINE | VOID), LINE, "act {}", act.header().seq);
        }
    }
    for (said, body, event) in events.said.values() {
        if let Some(Body::Topic(_)) = body {
            let holds = said.standing.allows(Role::Moderator);
            assert!(rows.get(&line(event)).is_some_and(|row| row.flags & VOID == 0) == holds, "a topic");
            hold.extend(holds.then(|| line(event)));
        }
    }
    hold.extend(forks.iter().flat_map(|(one, other)| [line(one), line(other)]));
    for (id, row) in rows.iter().filter(|(_, row)| row.flags & LINE > 0) {
        assert_eq!(row.dir, 2);
        assert!(hold.contains(id) || row.flags & VOID > 0, "{row:?}");
    }
}

/// Counters and the search's index say what the rows say.
fn counters(db: &Connection, room: RoomId) {
    let count = |sql: &str| db.prepare_cached(sql).unwrap().query_row([room.0], |row| row.get::<_, i64>(0)).unwrap();
    let (unread, bytes) =
        (count("SELECT unread FROM peer WHERE peer = ?1"), count("SELECT unread_bytes FROM peer WHERE peer = ?1"));
    let of =
        "FROM message m JOIN room_message r ON r.message = m.id WHERE m.peer = (SELECT num FROM peer WHERE peer = ?1)";
    assert_eq!((unread, bytes), (count(&format!("SELECT count(*) {of} AND m.dir = 0 AND m.state = 0")), 0));
    let mentions = count(&format!("SELECT count(*) {of} AND m.dir = 0 AND m.state = 0 AND r.flags & 1"));
    assert_eq!(count("SELECT mentions FROM room WHERE room = ?1"), mentions);
    let first = count(&format!("SELECT coalesce(min(m.id), 0) {of} AND m.dir = 0 AND m.state = 0"));
    assert_eq!(count("SELECT coalesce(untaken, 0) FROM peer WHERE peer = ?1"), first);
    let indexed =
        format!("SELECT count(*) {of} AND m.dir <> 2 AND m.id <= (SELECT value FROM meta WHERE name = 'indexed')");
    let word: String = room.0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut query = db.prepare_cached("SELECT count(*) FROM search WHERE search MATCH ?1").unwrap();
    let found: i64 = query.query_row([format!("conversation : \"{word}\"")], |row| row.get(0)).unwrap();
    assert_eq!(found, count(&indexed), "the search knows what counts");
}
