//! Messages that are erased, as SQL: in pieces, so that nobody waits for long. Each piece is whole: after a kill the next one goes on
//! where the last one ended, because what is erased is found by nobody any more.

use super::{Changes, number};
use crate::store::messages::blob;
use crate::store::numbers::PeerNum;
use crate::store::{StoreError, search};
use rusqlite::params;
use torchat_core::account::ROW_BYTES;
use torchat_core::piece::Piece;
use torchat_protocol::control::api::event::What;
use torchat_protocol::id::PeerId;

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
    text: String,
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

impl Changes<'_> {
    pub(super) fn erase(&mut self, peer: &PeerId, piece: Piece) -> Result<(), StoreError> {
        let num = self.peer(peer)?;
        let found = self.piece(num, piece)?;
        let mut erased = Erased { peer: Some(*peer), ..Erased::default() };
        if found.len() >= usize::try_from(piece.limit).unwrap_or(usize::MAX) {
            erased.next = found.last().map(|last| last.id);
        }
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for message in found {
            let old = piece.before_ms.is_none_or(|before| message.at_ms < before);
            erased.aged |= old;
            erased.waiting += u64::from(old && message.waits());
            if old && !message.waits() && (piece.unread || !message.is_unread()) {
                gone.push(message);
            } else {
                kept.push(message.id);
            }
        }
        let (Some(first), Some(last)) = (gone.first().map(|one| one.id), gone.last().map(|one| one.id)) else {
            self.out.erased.push(erased);
            return Ok(());
        };
        // What is taken out of the file is written over, and its pages, too, if they become free.
        self.db.pragma_update(None, "secure_delete", "ON")?;
        self.out.index_damaged |= !self.forget_words(peer, &gone)?;
        self.count_out(peer, num, &gone)?;
        {
            let mut note = self.db.prepare_cached(
                "INSERT OR IGNORE INTO erased (id, peer, dir, state, mid) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            let mut delete = self.db.prepare_cached("DELETE FROM message WHERE id = ?1")?;
            for one in &gone {
                note.execute(params![one.id, num, one.dir, one.state, one.mid])?;
                delete.execute([one.id])?;
            }
        }
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

    fn piece(&self, num: PeerNum, piece: Piece) -> Result<Vec<Found>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, dir, state, at_ms, mid, text FROM message WHERE peer = ?1 AND id > ?2 AND id <= ?3 AND dir <> 1
             UNION ALL
             SELECT id, dir, state, at_ms, mid, text FROM message WHERE peer = ?1 AND id > ?2 AND id <= ?3 AND dir = 1
             ORDER BY 1 LIMIT ?4",
        )?;
        let rows = query.query_map(params![num, piece.after, piece.upto, piece.limit], |row| {
            Ok(Found {
                id: row.get(0)?,
                dir: row.get(1)?,
                state: row.get(2)?,
                at_ms: row.get(3)?,
                mid: blob(row, 4)?,
                text: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes texts out of the search's index. `false`: it is damaged, and is to be made anew without them.
    fn forget_words(&self, peer: &PeerId, gone: &[Found]) -> Result<bool, StoreError> {
        let texts = gone.iter().filter(|one| one.dir != 2 && one.id <= self.indexed);
        self.db.execute_batch("SAVEPOINT words")?;
        let done = search::forget(self.db, (*peer).into(), texts.map(|one| (one.id, one.text.as_str())));
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
        let unread = gone.iter().filter(|one| one.is_unread());
        let (count, bytes) = unread.fold((0, 0), |(count, bytes), one| (count + 1, bytes + one.text.len() as u64));
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
        if count + marks > 0 {
            self.out.freed.push((*peer, bytes + (count + marks) * ROW_BYTES));
        }
        Ok(())
    }
}
