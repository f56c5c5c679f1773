//! What a replica of a room decided, as SQL. [`torchat_room::outcome::Op`] says what each operation means.

mod acts;
mod redacting;
mod standing;

use crate::store::StoreError;
use crate::store::replica::{LogRow, Restood, RoomKey, damaged, head, number, standing_number, tag_number};
use redacting::{broken, named};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place, Ref};
use torchat_protocol::room::{Author, Cookie, Event, Identity, LogDigest, LogId, MemberNo, TextId};
use torchat_room::outcome::{ChainRow, Op, Proof};
use torchat_room::standing::Standing;

/// A room in a transaction that is being made.
#[derive(Debug)]
pub(in crate::store) struct Changes<'a> {
    db: &'a Connection,
    room: RoomKey,
    /// When what came arrived.
    at_ms: i64,
    /// Texts and edits that may be redacted since this transaction.
    touched: BTreeSet<Place>,
    /// Events that count as something else by the last operation.
    restood: Vec<Restood>,
    /// So many more of them may in this transaction.
    left: u32,
    /// More are to.
    pub(super) is_behind: bool,
}

/// An event that joins the log.
#[derive(Clone, Copy)]
struct Joining<'a> {
    pos: u64,
    event: &'a Event,
    digest: LogDigest,
    standing: Standing,
}

impl<'a> Changes<'a> {
    /// Nothing yet, of a room, at a moment in milliseconds since 1970.
    pub(super) fn new(db: &'a Connection, room: RoomKey, at_ms: i64) -> Self {
        let left = standing::ROWS_A_COMMIT;
        Self { db, room, at_ms, touched: BTreeSet::new(), restood: Vec::new(), left, is_behind: false }
    }

    /// One operation, after those before it. Behind the last one comes [`Changes::finish`].
    pub(super) fn apply(&mut self, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::Store { pos, event, digest, lamport, standing } => {
                self.log_goes_on(*pos, *digest, *lamport)?;
                self.store(Joining { pos: *pos, event, digest: *digest, standing: *standing })
            }
            Op::Chain(author, row) => self.chain(*author, row),
            Op::Floor(event) => self.floor(event),
            Op::Discard(member) => self.discard(*member),
            Op::Fork(author, proof) => self.fork(*author, proof),
            Op::Review(author, from) => self.review(*author, *from),
            Op::Spans(author, spans) => self.spans(*author, spans),
            Op::Rival(event) => self.rival(event),
            Op::DropRival(id) => self.drop_rival(*id),
            Op::ActFork(one, other) => self.act_fork(one, other),
            Op::Act { seq, id } => self.act(*seq, *id),
            Op::CutBranch(seq) => self.cut_branch(*seq),
            Op::Complete => self.complete(),
            Op::Anew(log) => self.anew(*log),
            Op::Log(log) => self.log(*log),
            Op::Cookie(peer, cookie) => self.cookie(*peer, cookie.as_ref()),
            Op::Own(chain) => self.own(*chain),
            Op::Queue(text) => self.queue(text),
            // The event says all of it.
            Op::Said(_) => Ok(()),
            Op::Unqueue(mid) => self.unqueue(*mid),
            Op::Body(event) => self.body(event),
        }
    }

    /// The events that count as something else by the last operation.
    pub(super) fn take_restood(&mut self) -> Vec<Restood> {
        std::mem::take(&mut self.restood)
    }

    fn log_goes_on(&self, pos: u64, digest: LogDigest, lamport: u64) -> Result<(), StoreError> {
        let (pos, lamport) = (number(pos)?, number(lamport)?);
        let mut update = self
            .db
            .prepare_cached("UPDATE room SET next = ?2 + 1, digest = ?3, lamport = ?4 WHERE num = ?1 AND next = ?2")?;
        let follows = update.execute(params![self.room.num, pos, digest.0, lamport])? == 1;
        if follows { Ok(()) } else { Err(damaged("position")) }
    }

    fn store(&mut self, new: Joining<'_>) -> Result<(), StoreError> {
        let row = self.room.row(new.pos);
        if new.event.header().author == Author::ACTS {
            self.insert(row, new, None)?;
            return self.act_is_in_log(row, new.event);
        }
        let names = named(new.event);
        self.insert(row, new, names)?;
        self.touch(new.event, names);
        Ok(())
    }

    fn insert(&self, row: LogRow, new: Joining<'_>, names: Option<Ref>) -> Result<(), StoreError> {
        let header = new.event.header();
        // A member's event is stored once; acts of two branches may have one number.
        let mut insert = self.db.prepare_cached(
            "INSERT INTO room_event (place, chain, seq, kind, standing, at_ms, of_chain, of_seq, digest, head, body, broken, of_tag)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?13, ?14
             WHERE ?12 OR NOT EXISTS (SELECT 1 FROM room_event WHERE chain = ?2 AND seq = ?3)",
        )?;
        let inserted = insert.execute(params![
            row,
            self.room.chain(header.author),
            number(header.seq)?,
            header.kind,
            standing_number(new.standing),
            self.at_ms,
            names.map(|names| self.room.chain(names.place.author)),
            names.map(|names| number(names.place.seq)).transpose()?,
            new.digest.0,
            head(new.event),
            new.event.body(),
            header.author == Author::ACTS,
            broken(new.event),
            names.map(|names| tag_number(names.tag)),
        ])?;
        if inserted == 1 { Ok(()) } else { Err(damaged("event that is there twice")) }
    }

    fn chain(&self, author: Author, row: &ChainRow) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO room_chain (chain, head, id, floor, key) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (chain) DO UPDATE SET
                 head = excluded.head, id = excluded.id, floor = excluded.floor, key = excluded.key",
            )?
            .execute(params![self.room.chain(author), number(row.head)?, row.id.0, number(row.floor)?, row.key.0])?;
        Ok(())
    }

    /// A chain has a row before anything else is said of it.
    fn of_chain(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        if self.db.prepare_cached(sql)?.execute(values)? == 1 { Ok(()) } else { Err(damaged("chain")) }
    }

    fn floor(&self, event: &Event) -> Result<(), StoreError> {
        let chain = self.room.chain(event.header().author);
        self.of_chain("UPDATE room_chain SET base = ?2 WHERE chain = ?1", params![chain, head(event)])
    }

    /// Only the digests of a member's events stay.
    fn discard(&self, member: MemberNo) -> Result<(), StoreError> {
        let (first, last) = self.room.chains(member);
        self.db
            .prepare_cached(
                "UPDATE room_event SET chain = NULL, seq = NULL, kind = 0, standing = 0, of_chain = NULL, of_seq = NULL,
                 of_tag = NULL, broken = NULL, head = NULL, body = NULL WHERE chain BETWEEN ?1 AND ?2",
            )?
            .execute([first, last])?;
        self.db.prepare_cached("DELETE FROM room_chain WHERE chain BETWEEN ?1 AND ?2")?.execute([first, last])?;
        Ok(())
    }

    fn fork(&self, author: Author, proof: &Proof) -> Result<(), StoreError> {
        let both = [head(&proof.0), head(&proof.1)].concat();
        self.of_chain("UPDATE room_chain SET proof = ?2 WHERE chain = ?1", params![self.room.chain(author), both])
    }

    fn review(&self, author: Author, from: Option<u64>) -> Result<(), StoreError> {
        let values = params![self.room.chain(author), from.map(number).transpose()?];
        match from {
            Some(_) => self.of_chain("UPDATE room_chain SET review = ?2 WHERE chain = ?1", values),
            // The chain may have been discarded meanwhile.
            None => {
                self.db.prepare_cached("UPDATE room_chain SET review = ?2 WHERE chain = ?1")?.execute(values)?;
                Ok(())
            }
        }
    }

    fn complete(&self) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE room SET fresh = 0 WHERE num = ?1")?.execute([self.room.num])?;
        Ok(())
    }

    /// What a newcomer was told goes; its key and its texts stay.
    fn anew(&self, log: LogId) -> Result<(), StoreError> {
        let (first, end) = self.room.all_chains();
        let rows = [self.room.row(0), self.room.row(u64::MAX)];
        self.db.prepare_cached("DELETE FROM room_event WHERE place >= ?1 AND place < ?2")?.execute(rows)?;
        self.db.prepare_cached("DELETE FROM room_chain WHERE chain >= ?1 AND chain < ?2")?.execute([first, end])?;
        self.db.prepare_cached("DELETE FROM room_act WHERE room = ?1")?.execute([self.room.num])?;
        self.db
            .prepare_cached("UPDATE room SET next = 1, digest = ?2, lamport = 0, fresh = 1 WHERE num = ?1")?
            .execute(params![self.room.num, LogDigest::EMPTY.0])?;
        self.log(log)
    }

    fn log(&self, log: LogId) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE room SET log = ?2 WHERE num = ?1")?.execute(params![self.room.num, log.0])?;
        self.db.prepare_cached("DELETE FROM room_cookie WHERE room = ?1")?.execute([self.room.num])?;
        Ok(())
    }

    fn cookie(&self, peer: Identity, cookie: Option<&Cookie>) -> Result<(), StoreError> {
        let Some(Cookie { log, place }) = cookie else {
            let mut delete = self.db.prepare_cached("DELETE FROM room_cookie WHERE room = ?1 AND peer = ?2")?;
            delete.execute(params![self.room.num, peer.0])?;
            return Ok(());
        };
        self.db
            .prepare_cached(
                "INSERT INTO room_cookie (room, peer, log, next, digest) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (room, peer) DO UPDATE SET log = excluded.log, next = excluded.next, digest = excluded.digest",
            )?
            .execute(params![self.room.num, peer.0, log.0, number(place.next)?, place.digest.0])?;
        Ok(())
    }

    fn own(&self, chain: u8) -> Result<(), StoreError> {
        self.db.prepare_cached("UPDATE room SET chain = ?2 WHERE num = ?1")?.execute(params![self.room.num, chain])?;
        Ok(())
    }

    fn queue(&self, text: &Text) -> Result<(), StoreError> {
        let body = Body::Text(text.clone()).encode();
        self.db.prepare_cached("INSERT INTO room_outbox (room, mid, body) VALUES (?1, ?2, ?3)")?.execute(params![
            self.room.num,
            text.mid.0,
            body
        ])?;
        Ok(())
    }

    fn unqueue(&self, mid: TextId) -> Result<(), StoreError> {
        let mut delete = self.db.prepare_cached("DELETE FROM room_outbox WHERE room = ?1 AND mid = ?2")?;
        delete.execute(params![self.room.num, mid.0])?;
        Ok(())
    }
}
