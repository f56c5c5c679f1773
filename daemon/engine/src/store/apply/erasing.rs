//! Messages that are erased, as SQL: in pieces, so that nobody waits for long. Each piece is whole: after a kill the next one goes on
//! where the last one ended, because what is erased is found by nobody any more.

use super::messages::Words;
use super::{Changes, number};
use crate::store::messages::blob;
use crate::store::numbers::PeerNum;
use crate::store::scrub::Traces;
use crate::store::{StoreError, search};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use torchat_core::account::ROW_BYTES;
use torchat_core::piece::Piece;
use torchat_protocol::control::api::event::What;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::PeerId;

/// How far SQLite looks for neighbours of a page that has become too empty: the page itself and two others, of 4 KiB.
const REACH_BYTES: i64 = 3 * 4096;
/// A text that stands in a page as a whole.
const WHOLE_BYTES: i64 = 3_900;
/// What a row takes of a page, without its text, at least.
const ROW_LEAST: i64 = 24;
/// What a longer text's row takes of a page, at least (SQLite's file format, "Cell payload overflow").
const PART_LEAST: i64 = 489;
/// Texts of neighbours before a piece ends, so that its commit stays short.
const BESIDE_BYTES: i64 = 1 << 20;

/// What the erasing of a piece did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// The conversation.
    pub peer: Option<PeerId>,
    /// The rows that are erased.
    pub rows: Vec<i64>,
    /// The first received message that nobody has read, now. Only if something is erased.
    pub untaken: Option<i64>,
    /// How many messages stay because they wait for delivery.
    pub waiting: u64,
    /// The last row that was looked at; `None`: there is nothing more in this part of the conversation.
    pub next: Option<i64>,
    /// A message that was looked at is old enough.
    pub aged: bool,
}

/// A message of the piece.
struct Found {
    id: i64,
    dir: i64,
    state: i64,
    at_ms: i64,
    mid: [u8; 16],
    /// Of its text.
    bytes: u64,
}

impl Found {
    /// The peer has not got it, or has not said whether it has: the lane still needs it.
    fn waits(&self) -> bool {
        self.dir == 1 && matches!(self.state, 0 | 4 | 5)
    }

    fn is_unread(&self) -> bool {
        self.dir == 0 && self.state == 0
    }
}

/// Rows that stand near those that go: SQLite may move them. It takes from the page that has become too empty and from two beside it.
#[derive(Default)]
struct Beside {
    ids: BTreeSet<i64>,
    /// Of their texts.
    bytes: i64,
}

impl Beside {
    /// Takes up the neighbours of a row.
    fn add(&mut self, db: &Connection, id: i64) -> Result<(), StoreError> {
        for sql in [
            "SELECT id, octet_length(text) FROM message WHERE id < ?1 ORDER BY id DESC",
            "SELECT id, octet_length(text) FROM message WHERE id > ?1 ORDER BY id",
        ] {
            let mut query = db.prepare_cached(sql)?;
            let (mut rows, mut far) = (query.query([id])?, 0);
            while far < REACH_BYTES {
                let Some(row) = rows.next()? else { break };
                let (id, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
                // A text that does not fit into a page leaves at least this much of it there.
                far += if bytes <= WHOLE_BYTES { bytes + ROW_LEAST } else { PART_LEAST };
                self.bytes += if self.ids.insert(id) { bytes } else { 0 };
            }
        }
        Ok(())
    }
}

impl Changes<'_> {
    pub(super) fn erase(&mut self, peer: &PeerId, piece: Piece) -> Result<(), StoreError> {
        let num = self.peer(peer)?;
        let found = self.piece(num, piece)?;
        let mut erased = Erased { peer: Some(*peer), ..Erased::default() };
        if found.len() >= usize::try_from(piece.limit).unwrap_or(usize::MAX) {
            erased.next = found.last().map(|last| last.id);
        }
        let (mut kept, mut gone, mut beside) = (Vec::new(), Vec::<Found>::new(), Beside::default());
        for message in found {
            if let Some(last) = gone.last().filter(|_| beside.bytes >= BESIDE_BYTES) {
                erased.next = Some(last.id.max(kept.last().copied().unwrap_or(0)));
                break;
            }
            let old = piece.before_ms.is_none_or(|before| message.at_ms < before);
            erased.aged |= old;
            erased.waiting += u64::from(old && message.waits());
            if old && !message.waits() && (piece.unread || !message.is_unread()) {
                beside.add(self.db, message.id)?;
                gone.push(message);
            } else {
                kept.push(message.id);
            }
        }
        let (Some(first), Some(last)) = (gone.first().map(|one| one.id), gone.last().map(|one| one.id)) else {
            self.out.erased.push(erased);
            return Ok(());
        };
        Traces::leave(self.db)?;
        self.out.index_damaged |= !self.forget_words(peer, &gone)?;
        self.count_out(peer, num, &gone)?;
        self.remove_rows(num, &gone, beside)?;
        erased.untaken = self
            .db
            .prepare_cached(
                "UPDATE peer SET untaken = iif(untaken IS NULL, NULL,
                    (SELECT id FROM message WHERE peer = ?1 AND id >= untaken AND dir = 0 AND state = 0 ORDER BY id LIMIT 1))
                 WHERE num = ?1 RETURNING untaken",
            )?
            .query_row([num], |row| row.get(0))?;
        kept.retain(|id| (first..last).contains(id));
        erased.rows = gone.iter().map(|one| one.id).collect();
        self.tell(What::Erased { peer: (*peer).into(), from: first, upto: last, kept });
        self.out.erased.push(erased);
        Ok(())
    }

    /// Removes rows so that no text of theirs, nor of others, is left in a page. When a page becomes empty enough, SQLite moves the
    /// rows of its neighbours, and what it does not use of a page afterwards keeps its old bytes, whatever `secure_delete` says. So
    /// while rows are removed, blanks stand in the places of all texts that may be moved.
    fn remove_rows(&mut self, num: PeerNum, gone: &[Found], beside: Beside) -> Result<(), StoreError> {
        let mut blank =
            self.db.prepare_cached("UPDATE message SET text = printf('%*s', octet_length(text), '') WHERE id = ?1")?;
        let mut read = self.db.prepare_cached("SELECT text FROM message WHERE id = ?1")?;
        let mut texts = Vec::new();
        for id in beside.ids.into_iter().filter(|id| gone.binary_search_by_key(id, |one| one.id).is_err()) {
            texts.push((id, read.query_row([id], |row| row.get::<_, String>(0))?));
            blank.execute([id])?;
        }
        for one in gone {
            blank.execute([one.id])?;
        }
        let mut note = self
            .db
            .prepare_cached("INSERT OR IGNORE INTO erased (id, peer, dir, state, mid) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut delete = self.db.prepare_cached("DELETE FROM message WHERE id = ?1")?;
        if self.room_of(num)?.is_some() {
            for one in gone {
                self.drop_bodies_of(one.id)?;
                self.db.prepare_cached("DELETE FROM room_message WHERE message = ?1")?.execute([one.id])?;
                self.db.prepare_cached("DELETE FROM room_double WHERE message = ?1")?.execute([one.id])?;
            }
        }
        for one in gone {
            note.execute(params![one.id, num, one.dir, one.state, one.mid])?;
            delete.execute([one.id])?;
        }
        // In the places of the blanks, because they are as long.
        let mut write = self.db.prepare_cached("UPDATE message SET text = ?2 WHERE id = ?1")?;
        for (id, text) in texts {
            write.execute(params![id, text])?;
        }
        Ok(())
    }

    fn piece(&self, num: PeerNum, piece: Piece) -> Result<Vec<Found>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, dir, state, at_ms, mid, octet_length(text) FROM message
             WHERE peer = ?1 AND id > ?2 AND id <= ?3 AND dir <> 1
             UNION ALL
             SELECT id, dir, state, at_ms, mid, octet_length(text) FROM message
             WHERE peer = ?1 AND id > ?2 AND id <= ?3 AND dir = 1
             ORDER BY 1 LIMIT ?4",
        )?;
        let rows = query.query_map(params![num, piece.after, piece.upto, piece.limit], |row| {
            Ok(Found {
                id: row.get(0)?,
                dir: row.get(1)?,
                state: row.get(2)?,
                at_ms: row.get(3)?,
                mid: blob(row, 4)?,
                bytes: row.get::<_, i64>(5)?.unsigned_abs(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes texts out of the search's index. `false`: it is damaged, and is to be made anew without them.
    fn forget_words(&self, peer: &PeerId, gone: &[Found]) -> Result<bool, StoreError> {
        let mut read = self.db.prepare_cached("SELECT text FROM message WHERE id = ?1")?;
        // One by one: a piece may have 16 MiB of them.
        let texts = gone
            .iter()
            .filter(|one| one.dir != 2 && one.id <= self.indexed)
            .map(|one| Ok((one.id, read.query_row([one.id], |row| row.get(0))?)));
        self.in_index(|db| search::forget(db, (*peer).into(), texts))
    }

    /// Takes texts out of the search's index, and puts others into it. `false`: it is damaged, and is to be made anew.
    pub(super) fn change_words(&self, conversation: ConversationId, words: Words) -> Result<bool, StoreError> {
        if words.gone.is_empty() && words.new.is_empty() {
            return Ok(true);
        }
        self.in_index(|db| {
            search::forget(db, conversation, words.gone.into_iter().map(Ok))?;
            search::learn(db, conversation, &words.new)
        })
    }

    fn in_index(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<bool, StoreError> {
        self.db.execute_batch("SAVEPOINT words")?;
        let done = work(self.db);
        let damaged = done.is_err();
        if damaged {
            self.db.execute_batch("ROLLBACK TO words")?;
        }
        self.db.execute_batch("RELEASE words")?;
        match done {
            Err(error) if error.trouble() != crate::store::Trouble::Damaged => Err(error),
            _ => Ok(!damaged),
        }
    }

    /// What was unread is not any more.
    fn count_out(&mut self, peer: &PeerId, num: PeerNum, gone: &[Found]) -> Result<(), StoreError> {
        let room = self.room_of(num)?;
        let unread = gone.iter().filter(|one| one.is_unread());
        let (count, bytes) = unread.clone().fold((0, 0), |(count, bytes), one| (count + 1, bytes + one.bytes));
        let bytes = if room.is_some() { 0 } else { bytes };
        if let Some(room) = room {
            self.mentions_gone(room, unread.map(|one| one.id))?;
        }
        let marks = gone.iter().filter(|one| one.dir == 2 && one.state == 0).count() as u64;
        if count > 0 {
            self.db
                .prepare_cached(
                    "UPDATE peer SET unread = unread - ?2, unread_bytes = unread_bytes - ?3 WHERE num = ?1",
                )?
                .execute(params![num, number(count)?, number(bytes)?])?;
        }
        if marks > 0 {
            let unread = self.unread_marks(num)?;
            self.known.marks.insert(num, unread.saturating_sub(marks));
        }
        if count + marks > 0 && room.is_none() {
            self.out.freed.push((*peer, bytes + (count + marks) * ROW_BYTES));
        }
        Ok(())
    }
}
