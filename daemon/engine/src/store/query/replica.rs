//! A room's log, as its replica and other members are told it, and what a replica begins with.

use super::Reader;
use super::messages::blob;
use crate::store::StoreError;
use crate::store::replica::{
    Behind, ChainKey, LogRow, RoomKey, TEXT, bare_event, damaged, event, is_redacted, number, pair, standing, target,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place, Role};
use torchat_protocol::room::{
    Author, Cookie, Event, EventId, Frame, Identity, LogDigest, LogId, LogPlace, MemberKey, MemberNo, RoomId, TextId,
};
use torchat_room::outcome::ChainRow;
use torchat_room::reading::{self, Log, Read, Report};
use torchat_room::replica::{Me, Stored};
use torchat_room::standing::Standing;

/// How many of the last events a replica begins with.
const RECENT: i64 = 256;
/// And how many events of which the body is missing, at most.
const MISSING: usize = 4_096;

impl Reader {
    /// Answers a question to a room's log, as [`torchat_room::reading::answer`] does. `None`: there is no such room.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn answer_room(&self, room: RoomId, read: &Read) -> Result<Option<(Vec<Frame>, Report)>, StoreError> {
        self.in_room(room, |db, room| reading::answer(&RoomLog { db, room }, read))
    }

    /// Reads one state of a room, whatever is written meanwhile.
    pub(super) fn in_room<T>(
        &self,
        room: RoomId,
        read: impl FnOnce(&Connection, RoomKey) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.with(|db| {
            let transaction = db.unchecked_transaction()?;
            let result = RoomKey::find(&transaction, room)?.map(|room| read(&transaction, room));
            result.transpose()
        })
    }
}

/// A room's log in the store.
struct RoomLog<'a> {
    db: &'a Connection,
    room: RoomKey,
}

impl RoomLog<'_> {
    fn event(&self, row: &Row<'_>) -> Result<(u64, Arc<Event>), StoreError> {
        Ok((row.get::<_, LogRow>(0)?.pos(), event(row, 1, self.room.id)?))
    }

    /// Visits what a statement finds of the log from a position on.
    fn rows(&self, sql: &str, from: u64, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached(sql)?;
        let mut rows = query.query([self.room.row(from), self.room.row(u64::MAX)])?;
        while let Some(row) = rows.next()? {
            let (pos, event) = self.event(row)?;
            if !visitor(pos, event) {
                break;
            }
        }
        Ok(())
    }

    /// Whether another event that says the text of this one was redacted.
    fn has_redacted_double(&self, author: Author, seq: i64) -> Result<bool, StoreError> {
        let Some(member) = author.member() else { return Ok(false) };
        let (first, last) = self.room.chains(member);
        let mut query = self.db.prepare_cached(
            "SELECT e.chain, e.seq FROM room_double d JOIN room_double o ON o.message = d.message
             JOIN room_event e ON e.chain = o.chain AND e.seq = o.seq
             WHERE d.chain = ?1 AND d.seq = ?2 AND o.chain BETWEEN ?3 AND ?4 AND e.body IS NULL",
        )?;
        let mut rows = query.query(params![self.room.chain(author), seq, first, last])?;
        while let Some(row) = rows.next()? {
            let place = row.get::<_, ChainKey>(0)?.at(row.get(1)?)?;
            if is_redacted(self.db, self.room, place, TEXT, None)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The chains of a member whose rows do not all say yet what they count as.
    fn behind(&self, member: MemberNo) -> Result<BTreeMap<ChainKey, Behind>, StoreError> {
        let (first, last) = self.room.chains(member);
        let mut query = self
            .db
            .prepare_cached("SELECT chain FROM room_chain WHERE behind IS NOT NULL AND chain BETWEEN ?1 AND ?2")?;
        let chains = query.query_map([first, last], |row| row.get(0))?.collect::<Result<Vec<ChainKey>, _>>()?;
        let behind = chains.into_iter().map(|chain| Ok(Behind::of(self.db, chain)?.map(|behind| (chain, behind))));
        behind.filter_map(Result::transpose).collect()
    }

    /// The text of a row, if its body is there and follows the rules.
    fn text(&self, row: &Row<'_>) -> Result<Option<Text>, StoreError> {
        Ok(match event(row, 0, self.room.id)?.read() {
            Ok(Some(Body::Text(text))) => Some(text),
            _ => None,
        })
    }
}

/// What an event counts as, by the columns `chain`, `seq` and `standing` from the third on.
fn counts_as(row: &Row<'_>, behind: &BTreeMap<ChainKey, Behind>) -> Result<Standing, StoreError> {
    let (chain, seq, said): (ChainKey, i64, _) = (row.get(2)?, row.get(3)?, standing(row.get(4)?)?);
    Ok(behind.get(&chain).map_or(said, |behind| behind.standing(seq.unsigned_abs(), said)))
}

/// The rows of a log. The visitor's steps are SQLite's: what is not visited is not read.
const LOG: &str =
    "SELECT place, head, body FROM room_event WHERE place >= ?1 AND place < ?2 AND chain IS NOT NULL ORDER BY place";
/// The kinds of events that decide about later ones, which have an index of their own, and their rows.
const DECIDING: [u8; 5] = [20, 21, 22, 25, 29];
const DECIDING_LOG: &str = "SELECT place, head, body FROM room_event WHERE kind IN (20, 21, 22, 25, 29)
     AND place >= ?1 AND place < ?2 ORDER BY place";
/// Those of a chain.
const CHAIN: &str = "SELECT place, head, body FROM room_event WHERE chain = ?1 AND seq >= ?2 ORDER BY seq";
/// The last one of a chain up to a number, above the floor, before a position.
const LAST_BEFORE: &str = "SELECT head FROM room_event WHERE chain = ?1 AND seq <= ?2 AND seq > ?3 AND place < ?4
     ORDER BY seq DESC LIMIT 1";
/// The event of members before which so many others are last, and the first event of members.
const LAST_OF_MEMBERS: &str = "SELECT place FROM room_event WHERE place >= ?1 AND place < ?2 AND chain <> ?3
     ORDER BY place DESC LIMIT 1 OFFSET ?4";
const FIRST_OF_MEMBERS: &str = "SELECT place FROM room_event WHERE place >= ?1 AND place < ?2 AND chain <> ?3
     ORDER BY place LIMIT 1 OFFSET ?4";

impl Log for RoomLog<'_> {
    type Error = StoreError;

    fn visit(&self, from: u64, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), StoreError> {
        self.rows(LOG, from, visitor)
    }

    fn visit_kinds(
        &self,
        kinds: &[u8],
        from: u64,
        visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool,
    ) -> Result<(), StoreError> {
        let indexed = kinds.iter().all(|kind| DECIDING.contains(kind));
        self.rows(if indexed { DECIDING_LOG } else { LOG }, from, &mut |pos, event| {
            !kinds.contains(&event.header().kind) || visitor(pos, event)
        })
    }

    fn visit_chain(&self, from: Place, visitor: &mut dyn FnMut(u64, Arc<Event>) -> bool) -> Result<(), StoreError> {
        // Acts have no chain in the log, and a number beyond SQLite's is that of no event.
        let (Some(_), Ok(seq)) = (from.author.member(), i64::try_from(from.seq)) else { return Ok(()) };
        let mut query = self.db.prepare_cached(CHAIN)?;
        let mut rows = query.query(params![self.room.chain(from.author), seq])?;
        while let Some(row) = rows.next()? {
            let (pos, event) = self.event(row)?;
            if !visitor(pos, event) {
                break;
            }
        }
        Ok(())
    }

    fn chains(&self) -> Result<Vec<Author>, StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT chain FROM room_chain WHERE chain >= ?1 AND chain < ?2 ORDER BY chain")?;
        let (first, end) = self.room.all_chains();
        let chains = query.query_map([first, end], |row| row.get::<_, ChainKey>(0))?;
        chains.map(|chain| chain?.author()).collect()
    }

    fn last_before(&self, upto: Place, before: u64) -> Result<Option<Arc<Event>>, StoreError> {
        let chain = self.room.chain(upto.author);
        let upto = i64::try_from(upto.seq).unwrap_or(i64::MAX);
        let mut query = self.db.prepare_cached("SELECT base FROM room_chain WHERE chain = ?1 AND base IS NOT NULL")?;
        let mut rows = query.query([chain])?;
        let floor = rows.next()?.map(|row| bare_event(row, 0, self.room.id)).transpose()?;
        let floor_seq = floor.as_ref().map_or(Ok(0), |floor| number(floor.header().seq))?;
        let mut query = self.db.prepare_cached(LAST_BEFORE)?;
        let mut rows = query.query(params![chain, upto, floor_seq, self.room.row(before)])?;
        let stored = rows.next()?.map(|row| bare_event(row, 0, self.room.id)).transpose()?;
        Ok(stored.or(floor.filter(|_| floor_seq <= upto)).map(Arc::new))
    }

    fn at(&self, place: Place) -> Result<Option<(u64, Arc<Event>)>, StoreError> {
        let mut found = None;
        self.visit_chain(place, &mut |pos, event| {
            found = (event.header().seq == place.seq).then_some((pos, event));
            false
        })?;
        Ok(found)
    }

    fn digest(&self, next: u64) -> Result<Option<LogDigest>, StoreError> {
        match next {
            0 => Ok(None),
            1 => Ok(Some(LogDigest::EMPTY)),
            _ => {
                let mut query = self.db.prepare_cached("SELECT digest FROM room_event WHERE place = ?1")?;
                let digest = query.query_row([self.room.row(next - 1)], |row| Ok(LogDigest(blob(row, 0)?)));
                Ok(digest.optional()?)
            }
        }
    }

    fn start_of_last(&self, count: u32) -> Result<u64, StoreError> {
        let (first, end) = (self.room.row(0), self.room.row(u64::MAX));
        let acts = self.room.chain(Author::ACTS);
        let of_members = |sql: &str, skip: i64| {
            let mut query = self.db.prepare_cached(sql)?;
            query.query_row(params![first, end, acts, skip], |row| row.get::<_, LogRow>(0)).optional()
        };
        let row = match count.checked_sub(1) {
            None => None,
            Some(skip) => match of_members(LAST_OF_MEMBERS, skip.into())? {
                None => of_members(FIRST_OF_MEMBERS, 0)?,
                found => found,
            },
        };
        match row {
            Some(row) => Ok(row.pos()),
            None => Ok(self
                .db
                .prepare_cached("SELECT next FROM room WHERE num = ?1")?
                .query_row([self.room.num], |row| row.get::<_, i64>(0))?
                .unsigned_abs()),
        }
    }

    fn missing(&self) -> Result<Vec<Place>, StoreError> {
        missing(self.db, self.room)
    }

    fn uncounted(&self, from: Place) -> Result<Vec<Text>, StoreError> {
        let Some(member) = from.author.member() else { return Ok(Vec::new()) };
        // What was redacted has no body. Of a chain that is behind, a row does not say what it counts as.
        let behind = self.behind(member)?;
        let mut query = self.db.prepare_cached(
            "SELECT head, body, chain, seq, standing FROM room_event
             WHERE chain = ?1 AND seq >= ?2 AND kind = 16 AND (standing = 0 OR ?3) AND body IS NOT NULL ORDER BY seq",
        )?;
        let mut rows = query.query(params![self.room.chain(from.author), number(from.seq)?, !behind.is_empty()])?;
        let mut texts = Vec::new();
        while let Some(row) = rows.next()? {
            if counts_as(row, &behind)? == Standing::Void
                && let Some(text) = self.text(row)?
                && !self.has_redacted_double(from.author, row.get(3)?)?
            {
                texts.push(text);
            }
        }
        let mut open: BTreeSet<TextId> = texts.iter().map(|text| text.mid).collect();
        let (first, last) = self.room.chains(member);
        // Those of a role that may write, and not hidden.
        let mut query = self.db.prepare_cached(
            "SELECT head, body, chain, seq, standing FROM room_event
             WHERE chain BETWEEN ?1 AND ?2 AND kind = 16 AND (standing IN (2, 3, 4) OR ?3)",
        )?;
        let mut rows = query.query(params![first, last, !behind.is_empty()])?;
        while !open.is_empty()
            && let Some(row) = rows.next()?
        {
            let standing = counts_as(row, &behind)?;
            if standing.allows(Role::Member)
                && !standing.is_hidden()
                && let Some(counts) = self.text(row)?
            {
                open.remove(&counts.mid);
            }
        }
        texts.retain(|text| open.contains(&text.mid));
        Ok(texts)
    }
}

/// What the replica of a room begins with.
pub(super) fn stored(db: &Connection, room: RoomKey) -> Result<Stored, StoreError> {
    let mut query =
        db.prepare_cached("SELECT log, next, digest, lamport, seed, chain, fresh FROM room WHERE num = ?1")?;
    let mut stored = query.query_row([room.num], |row| {
        let chain = row.get(5)?;
        let me = row.get::<_, Option<[u8; 32]>>(4)?.map(|seed| Me { seed, chain });
        Ok(Stored {
            next: row.get::<_, i64>(1)?.unsigned_abs(),
            digest: LogDigest(blob(row, 2)?),
            lamport: row.get::<_, i64>(3)?.unsigned_abs(),
            fresh: row.get(6)?,
            ..Stored::new(room.id, LogId(blob(row, 0)?), me)
        })
    })?;
    acts(db, room, &mut stored)?;
    chains(db, room, &mut stored)?;
    stored.recent = recent(db, room)?;
    stored.missing = missing(db, room)?;
    let mut query = db.prepare_cached(
        "SELECT head, body FROM room_event WHERE kind IN (20, 21, 22, 25, 29) AND kind <= 21 AND place >= ?1 AND place < ?2
         ORDER BY place",
    )?;
    let mut rows = query.query([room.row(0), room.row(u64::MAX)])?;
    while let Some(row) = rows.next()? {
        stored.mutes.push(event(row, 0, room.id)?);
    }
    let mut query =
        db.prepare_cached("SELECT peer, log, next, digest FROM room_cookie WHERE room = ?1 ORDER BY peer")?;
    let cookies = query.query_map([room.num], |row| {
        let place = LogPlace { next: row.get::<_, i64>(2)?.unsigned_abs(), digest: LogDigest(blob(row, 3)?) };
        Ok((Identity(blob(row, 0)?), Cookie { log: LogId(blob(row, 1)?), place }))
    })?;
    stored.cookies = cookies.collect::<Result<_, _>>()?;
    let mut query = db.prepare_cached("SELECT body FROM room_outbox WHERE room = ?1 ORDER BY num")?;
    let mut rows = query.query([room.num])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        match Body::decode(TEXT, body) {
            Ok(Some(Body::Text(text))) => stored.outbox.push(text),
            _ => return Err(damaged("text")),
        }
    }
    Ok(stored)
}

/// The acts: where each is in the log, those that hold, those that do not fit, and proofs.
fn acts(db: &Connection, room: RoomKey, stored: &mut Stored) -> Result<(), StoreError> {
    let mut query = db.prepare_cached(
        "SELECT CASE WHEN a.place IS NULL THEN a.head ELSE e.head END, CASE WHEN a.place IS NULL THEN a.body ELSE e.body END,
                a.id, a.seq, a.branch, a.rival, a.proof, a.place
         FROM room_act a LEFT JOIN room_event e ON e.place = a.place WHERE a.room = ?1 ORDER BY a.id",
    )?;
    let mut rows = query.query([room.num])?;
    let (mut branch, mut rivals, mut halves) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        if let Some(place) = row.get::<_, Option<LogRow>>(7)? {
            stored.act_positions.push((EventId(blob(row, 2)?), place.pos()));
        }
        let (seq, holds): (i64, bool) = (row.get(3)?, row.get(4)?);
        let (rival, half): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(6)?);
        if !holds && rival.is_none() && half.is_none() {
            continue;
        }
        let act = event(row, 0, room.id)?;
        if holds {
            branch.push((seq, act.clone()));
        }
        rivals.extend(rival.map(|number| (number, act.clone())));
        halves.extend(half.map(|half| ((seq, half), act)));
    }
    let in_order = |mut acts: Vec<(i64, Arc<Event>)>| {
        acts.sort_by_key(|(number, _)| *number);
        acts.into_iter().map(|(_, act)| act).collect()
    };
    (stored.acts, stored.rivals) = (in_order(branch), in_order(rivals));
    halves.sort_by_key(|(number, _)| *number);
    for both in halves.chunks(2) {
        match both {
            [((one, 1), first), ((other, 2), second)] if one == other => {
                stored.act_forks.push((first.clone(), second.clone()));
            }
            _ => return Err(damaged("proof about acts")),
        }
    }
    Ok(())
}

/// The chains, what is stored of what lies below their floors, and which are to be looked through.
fn chains(db: &Connection, room: RoomKey, stored: &mut Stored) -> Result<(), StoreError> {
    let mut query = db.prepare_cached(
        "SELECT chain, head, id, floor, proof, review, key FROM room_chain WHERE chain >= ?1 AND chain < ?2 ORDER BY chain",
    )?;
    let mut below = db.prepare_cached("SELECT seq FROM room_event WHERE chain = ?1 AND seq <= ?2 ORDER BY seq")?;
    let (first, end) = room.all_chains();
    let mut rows = query.query([first, end])?;
    while let Some(row) = rows.next()? {
        let (chain, floor): (ChainKey, i64) = (row.get(0)?, row.get(3)?);
        let author = chain.author()?;
        let proof = match row.get_ref(4)?.as_blob_or_null().map_err(rusqlite::Error::from)? {
            None => None,
            Some(both) => Some(Box::new(pair(both, room.id)?)),
        };
        let ends = ChainRow {
            head: row.get::<_, i64>(1)?.unsigned_abs(),
            id: EventId(blob(row, 2)?),
            floor: floor.unsigned_abs(),
            key: MemberKey(blob(row, 6)?),
        };
        stored.chains.push((author, ends, proof));
        stored.reviews.extend(row.get::<_, Option<i64>>(5)?.map(|from| (author, from.unsigned_abs())));
        if floor > 0 {
            for seq in below.query_map(params![chain, floor], |row| row.get(0))? {
                stored.loose.push(chain.at(seq?)?);
            }
        }
    }
    Ok(())
}

/// The last events, without their bodies.
fn recent(db: &Connection, room: RoomKey) -> Result<Vec<(u64, Arc<Event>)>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT place, head FROM room_event WHERE place >= ?1 AND place < ?2 AND chain IS NOT NULL
         ORDER BY place DESC LIMIT ?3",
    )?;
    let mut rows = query.query(params![room.row(0), room.row(u64::MAX), RECENT])?;
    let mut recent = Vec::new();
    while let Some(row) = rows.next()? {
        recent.push((row.get::<_, LogRow>(0)?.pos(), Arc::new(bare_event(row, 1, room.id)?)));
    }
    recent.reverse();
    Ok(recent)
}

/// Events without a body that were not redacted, and not dropped here. One that was, and is not any more, is among them.
fn missing(db: &Connection, room: RoomKey) -> Result<Vec<Place>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT chain, seq, kind, of_chain, of_seq FROM room_event
         WHERE body IS NULL AND place >= ?1 AND place < ?2 AND chain IS NOT NULL AND dropped IS NULL ORDER BY place",
    )?;
    let mut rows = query.query([room.row(0), room.row(u64::MAX)])?;
    let mut missing = Vec::new();
    while missing.len() < MISSING
        && let Some(row) = rows.next()?
    {
        let place = row.get::<_, ChainKey>(0)?.at(row.get(1)?)?;
        let names = target(row, 3)?;
        if !is_redacted(db, room, place, row.get(2)?, names)? {
            missing.push(place);
        }
    }
    Ok(missing)
}
