//! What a disk holds of rooms, read with SQL and arithmetic of the checker's own.

use super::number;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use torchat_protocol::room::{Header, RoomId, Tag};

/// An event's author and number.
pub type Place = (u32, u64);

/// What a text in a room says of itself: its writer, and its number, which is unique and grows over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Said {
    /// The writer.
    pub from: usize,
    /// The number.
    pub no: u32,
}

impl Said {
    /// The text with `padding` further bytes.
    #[must_use]
    pub fn written(self, padding: usize) -> String {
        format!("{self} {}", "x".repeat(padding))
    }

    fn read(text: &str) -> Option<Self> {
        let (from, no) = text.split(' ').next()?.split_once('!')?;
        Some(Self { from: from.parse().ok()?, no: no.parse().ok()? })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}", self.from, self.no)
    }
}

/// A text that is an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SaidRow {
    /// The text.
    pub said: Said,
    /// Its place.
    pub place: Place,
    /// How its id begins, for who names it.
    pub tag: Tag,
    /// Its logical time.
    pub lamport: u64,
    /// The id that its writer gave it.
    pub mid: String,
    /// It is valid, not hidden, and no later double of another one.
    pub counts: bool,
}

/// A message of the room, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shown {
    /// The text.
    pub said: Said,
    /// It is told that another member has it.
    pub delivered: bool,
}

/// All that the checker must know of a room on a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RoomImage {
    /// 0 joining, 1 member, higher: it is over.
    pub state: i64,
    /// The ids of the acts that hold, in order.
    pub acts: Vec<Vec<u8>>,
    /// Of each event of members what it counts as, and whether its body is there.
    pub events: BTreeMap<Place, (i64, bool)>,
    /// The texts whose bodies are there, in the order of their arrival.
    pub texts: Vec<SaidRow>,
    /// The texts that are no events yet.
    pub queued: Vec<Said>,
    /// The messages that count, in the order of their rows.
    pub shown: Vec<Shown>,
}

impl RoomImage {
    /// The texts that count, each with its place.
    #[must_use]
    pub fn counting(&self) -> BTreeSet<(Said, Place)> {
        self.texts.iter().filter(|row| row.counts).map(|row| (row.said, row.place)).collect()
    }

    /// The events that are valid, with what they count as and whether their bodies are there. What stands above the line of a
    /// chain with two histories is nowhere passed on, so not all have it.
    #[must_use]
    pub fn valid(&self) -> BTreeSet<(Place, i64, bool)> {
        let valid = self.events.iter().filter(|(_, (standing, _))| *standing > 0);
        valid.map(|(place, (standing, body))| (*place, *standing, *body)).collect()
    }

    /// Whether a text is there, as an event or before it is one.
    #[must_use]
    pub fn has(&self, said: Said) -> bool {
        self.queued.contains(&said) || self.texts.iter().any(|row| row.said == said)
    }
}

/// Kinds of events.
const TEXT: i64 = 16;
/// What may write texts: a member, a moderator, the owner. More: it is hidden.
const WRITES: std::ops::RangeInclusive<i64> = 2..=4;

pub(super) fn read(db: &Connection) -> rusqlite::Result<BTreeMap<[u8; 32], RoomImage>> {
    let mut query = db.prepare_cached("SELECT num, room, state FROM room")?;
    let rooms = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
    let mut images = BTreeMap::new();
    for room in rooms {
        let (num, id, state) = room?;
        images.insert(id, read_room(db, num, &id, state)?);
    }
    Ok(images)
}

fn read_room(db: &Connection, num: i64, id: &[u8; 32], state: i64) -> rusqlite::Result<RoomImage> {
    let mut image = RoomImage { state, ..RoomImage::default() };
    let mut query = db.prepare_cached("SELECT id FROM room_act WHERE room = ?1 AND branch = 1 ORDER BY seq")?;
    image.acts = query.query_map([num], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut query = db.prepare_cached("SELECT body FROM room_outbox WHERE room = ?1 ORDER BY num")?;
    for body in query.query_map([num], |row| row.get::<_, Vec<u8>>(0))? {
        image.queued.extend(text_of(&body?).map(|(said, _)| said));
    }
    let mut query = db.prepare_cached(
        "SELECT chain, seq, kind, standing, body, head FROM room_event
         WHERE place >= ?1 AND place < ?2 AND chain IS NOT NULL ORDER BY place",
    )?;
    let mut rows = query.query([num << 40, (num + 1) << 40])?;
    while let Some(row) = rows.next()? {
        read_event(&mut image, id, row)?;
    }
    // Marks, which do not count, have 2 as their direction; ours are 1, and in state 1 when they are delivered.
    let mut query = db.prepare_cached(
        "SELECT m.text, m.dir, m.state FROM message m JOIN peer p ON p.num = m.peer
         WHERE p.room = ?1 AND m.dir < 2 ORDER BY m.id",
    )?;
    let shown =
        query.query_map([num], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    for row in shown {
        let (words, dir, state) = row?;
        let delivered = (dir, state) == (1, 1);
        image.shown.extend(Said::read(&words).map(|said| Shown { said, delivered }));
    }
    // Of several texts with one id the first in order counts.
    let mut first: BTreeMap<(u32, String), (u64, Place)> = BTreeMap::new();
    for row in image.texts.iter().filter(|row| row.counts) {
        let key = (row.place.0 >> 8, row.mid.clone());
        let order = (row.lamport, row.place);
        first.entry(key).and_modify(|least| *least = order.min(*least)).or_insert(order);
    }
    for row in &mut image.texts {
        let key = (row.place.0 >> 8, row.mid.clone());
        row.counts &= first.get(&key) == Some(&(row.lamport, row.place));
    }
    Ok(image)
}

fn read_event(image: &mut RoomImage, room: &[u8; 32], row: &Row<'_>) -> rusqlite::Result<()> {
    let author = u32::try_from(row.get::<_, i64>(0)? & 0xffff_ffff).unwrap_or_default();
    let (place, kind, standing) = ((author, number(row, 1)?), row.get::<_, i64>(2)?, row.get(3)?);
    if author == 0 {
        return Ok(());
    }
    let body: Option<Vec<u8>> = row.get(4)?;
    let head: Vec<u8> = row.get(5)?;
    image.events.insert(place, (standing, body.is_some()));
    // The header stands without its room, which is 32 bytes before the logical time.
    let lamport = head.get(56..64).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    if let Some((said, mid)) = body.filter(|_| kind == TEXT).and_then(|body| text_of(&body))
        && let Some(tag) = tag_of(&head, room)
    {
        image.texts.push(SaidRow { said, place, tag, lamport, mid, counts: WRITES.contains(&standing) });
    }
    Ok(())
}

/// How the id of an event begins, whose head is its header without the room, and a signature.
fn tag_of(head: &[u8], room: &[u8; 32]) -> Option<Tag> {
    Header::from_wire(head.first_chunk()?, RoomId(*room)).ok().map(|header| header.id().tag())
}

/// What a body of a text says.
fn text_of(body: &[u8]) -> Option<(Said, String)> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some((Said::read(body["text"].as_str()?)?, body["mid"].as_str()?.to_owned()))
}
