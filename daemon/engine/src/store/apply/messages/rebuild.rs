//! Messages of what was said before there were messages of rooms: a store of version 12 has the events of its rooms, and no program
//! could read them. The start makes the messages, once, and tells nobody: what was said then is read, and of members that have taken
//! another name since then it bears that.

use super::Changes;
use crate::store::apply::{Applied, Known};
use crate::store::numbers::RoomNum;
use crate::store::replica::{LogRow, RoomKey, TEXT, event, standing};
use crate::store::{Moment, StoreError, search};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use torchat_protocol::room::body::Body;
use torchat_protocol::room::{Author, EventId, RoomId};

/// Writes the messages of rooms that have none yet, each room in a transaction of its own.
pub(in crate::store) fn write_messages(db: &mut Connection) -> Result<(), StoreError> {
    let rooms = db
        .prepare("SELECT num, room FROM room WHERE unwritten = 1 ORDER BY num")?
        .query_map([], |row| Ok(RoomKey { num: row.get::<_, RoomNum>(0)?, id: RoomId(row.get(1)?) }))?
        .collect::<Result<Vec<_>, _>>()?;
    for room in rooms {
        let (indexed, last_message) = search::state(db)?;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut known, mut out) = (Known::default(), Applied::default());
        let mut changes = Changes {
            db: &transaction,
            known: &mut known,
            moment: Moment::calm(0),
            last_message,
            indexed,
            last_event: 0,
            words: None,
            rooms: BTreeMap::new(),
            touched: BTreeMap::new(),
            out: &mut out,
        };
        changes.write_room(room)?;
        drop(changes);
        transaction.execute("UPDATE room SET unwritten = 0, mentions = 0 WHERE num = ?1", [room.num])?;
        let of_room = "(SELECT num FROM peer WHERE room = ?1)";
        transaction.execute(
            &format!(
                "UPDATE message SET state = 1 WHERE peer = {of_room} AND dir <> 1 AND dir IN (0, 2) AND state = 0"
            ),
            [room.num],
        )?;
        transaction.execute("UPDATE peer SET unread = 0, untaken = NULL WHERE room = ?1", [room.num])?;
        transaction.commit().map_err(StoreError::unsure)?;
    }
    Ok(())
}

impl Changes<'_> {
    /// The end of the transaction: looks at all messages that may have changed.
    pub(in crate::store::apply) fn finish_touched(&mut self) -> Result<(), StoreError> {
        while let Some((_, touched)) = self.touched.pop_first() {
            self.finish_messages(touched)?;
        }
        Ok(())
    }

    fn write_room(&mut self, room: RoomKey) -> Result<(), StoreError> {
        let db = self.db;
        // Other members have all that was said then, as far as anybody can tell.
        db.prepare_cached("UPDATE room_chain SET stored = head WHERE chain >= ?1 AND chain < ?2")?
            .execute(params![room.all_chains().0, room.all_chains().1])?;
        let acts = db
            .prepare("SELECT place, seq, id FROM room_act WHERE room = ?1 AND branch = 1 ORDER BY seq")?
            .query_map([room.num], |row| Ok((row.get::<_, LogRow>(0)?, row.get::<_, i64>(1)?, EventId(row.get(2)?))))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut acts = acts.into_iter().peekable();
        let mut query = db.prepare(
            "SELECT head, body, place, at_ms, standing, chain FROM room_event WHERE place >= ?1 AND place < ?2
             AND chain IS NOT NULL ORDER BY place",
        )?;
        let mut rows = query.query([room.row(0), room.row(u64::MAX)])?;
        while let Some(row) = rows.next()? {
            let (place, at_ms): (LogRow, i64) = (row.get(2)?, row.get(3)?);
            self.moment = Moment::calm(at_ms);
            // The acts of the branch, in their order, as soon as they are in the log.
            while let Some((_, seq, id)) = acts.next_if(|(at, ..)| *at <= place) {
                self.with_room(room.id, |changes, touched| changes.act_holds(touched, seq.unsigned_abs(), id))?;
            }
            let event = event(row, 0, room.id)?;
            if event.header().author != Author::ACTS {
                let standing = standing(row.get(4)?)?;
                self.with_room(room.id, |changes, touched| {
                    changes.came(touched, &event, Some(standing))?;
                    let topics = std::mem::take(&mut touched.topics);
                    topics.into_iter().try_for_each(|topic| changes.judge_topic(touched, topic))
                })?;
            }
        }
        drop(rows);
        let mut waiting = db.prepare("SELECT body FROM room_outbox WHERE room = ?1 ORDER BY num")?;
        let mut rows = waiting.query([room.num])?;
        while let Some(row) = rows.next()? {
            let body = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            if let Ok(Some(Body::Text(text))) = Body::decode(TEXT, body) {
                self.with_room(room.id, |changes, touched| changes.queued(touched, &text))?;
            }
        }
        drop(rows);
        self.finish_touched()
    }
}
