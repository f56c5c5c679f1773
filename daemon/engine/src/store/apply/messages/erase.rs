//! Messages of rooms that are erased: of one that was destroyed all of them, with their words in the search, and a system message says
//! so; of others the bodies of their events. Headers and signatures stay, because chains are checked by them: others are told what they
//! have not, without its body.

use super::system::system_id;
use super::write::Words;
use super::{Changes, Touched};
use crate::store::StoreError;
use crate::store::replica::ChainKey;
use crate::store::scrub::Traces;
use rusqlite::params;
use torchat_core::snapshot::rooms::Tomb;
use torchat_protocol::control::api::event::What;

/// Rows that are read at once.
const STEP: i64 = 1_024;

impl Changes<'_> {
    pub(in crate::store::apply) fn erase_room(&mut self, tomb: &Tomb) -> Result<(), StoreError> {
        self.with_room(tomb.room, |changes, touched| {
            changes.erase_rows(touched)?;
            let Some(act) = tomb.acts.last() else { return Ok(()) };
            // The message of the act itself is among those that went.
            changes
                .db
                .prepare_cached("DELETE FROM erased WHERE peer = ?1 AND mid = ?2 AND dir = 2 AND dir <> 1")?
                .execute(params![touched.num, system_id(act.id())])?;
            changes.system_message(touched, act.id(), "the owner has ended the room, and what was said in it is erased")
        })
    }

    /// The bodies of the events of a message that is being erased, and of what was said about it.
    pub(in crate::store::apply) fn drop_bodies_of(&self, row: i64) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT lane, seq FROM message WHERE id = ?1 AND lane >= 4294967296
             UNION SELECT chain, seq FROM room_double WHERE message = ?1",
        )?;
        let places = query.query_map([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        places.collect::<Result<Vec<(ChainKey, i64)>, _>>()?.into_iter().try_for_each(|at| self.drop_body(at))
    }

    /// The body of an event of a text that is erased, and of what was said about it.
    pub(super) fn drop_body(&self, at: (ChainKey, i64)) -> Result<(), StoreError> {
        for sql in [
            "UPDATE room_event SET body = NULL, dropped = 1 WHERE chain = ?1 AND seq = ?2 AND body IS NOT NULL",
            "UPDATE room_event SET body = NULL, dropped = 1
             WHERE of_chain = ?1 AND of_seq = ?2 AND kind IN (17, 18, 19) AND body IS NOT NULL",
        ] {
            self.db.prepare_cached(sql)?.execute(params![at.0, at.1])?;
        }
        Ok(())
    }

    fn erase_rows(&mut self, touched: &mut Touched) -> Result<(), StoreError> {
        touched.plain.clear();
        let (num, conversation) = (touched.num, touched.room.id.conversation());
        let (mut after, mut from) = (0, None);
        loop {
            let found = self.step(touched, after)?;
            let Some((last, ..)) = found.last() else { break };
            (after, from) = (*last, from.or(found.first().map(|(id, ..)| *id)));
            let indexed = found.into_iter().filter(|(id, dir, _)| *dir != 2 && *id <= self.indexed);
            let gone = indexed.map(|(id, _, text)| (id, text)).collect();
            self.out.index_damaged |= !self.change_words(conversation, Words { gone, new: Vec::new() })?;
        }
        let Some(from) = from else { return Ok(()) };
        Traces::leave(self.db)?;
        self.out.wiped = true;
        for sql in [
            "DELETE FROM room_double WHERE message IN (SELECT id FROM message WHERE peer = ?1)",
            "UPDATE room_message SET name = '', reacts = NULL WHERE message IN (SELECT id FROM message WHERE peer = ?1)",
            "DELETE FROM room_message WHERE message IN (SELECT id FROM message WHERE peer = ?1)",
            // In their places first: a row that SQLite moves while others are removed leaves a copy.
            "UPDATE message SET text = printf('%*s', octet_length(text), '') WHERE peer = ?1",
            "INSERT OR IGNORE INTO erased (id, peer, dir, state, mid) SELECT id, peer, dir, state, mid FROM message WHERE peer = ?1",
            "DELETE FROM message WHERE peer = ?1",
            "UPDATE peer SET unread = 0, unread_bytes = 0, untaken = NULL WHERE num = ?1",
        ] {
            self.db.prepare_cached(sql)?.execute([num])?;
        }
        self.db
            .prepare_cached("UPDATE room SET mentions = 0, topic = '' WHERE num = ?1")?
            .execute(params![touched.room.num])?;
        self.known.marks.remove(&num);
        self.out.renewed.push((conversation, None));
        self.tell(What::Erased { peer: conversation, from, upto: after, kept: Vec::new() });
        Ok(())
    }

    fn step(&self, touched: &Touched, after: i64) -> Result<Vec<(i64, i64, String)>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id, dir, text FROM message WHERE peer = ?1 AND dir <> 1 AND id > ?2
             UNION ALL SELECT id, dir, text FROM message WHERE peer = ?1 AND dir = 1 AND id > ?2 ORDER BY 1 LIMIT ?3",
        )?;
        let rows =
            query.query_map(params![touched.num, after, STEP], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
