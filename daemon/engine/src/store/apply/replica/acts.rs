//! Acts: the branch that holds, its rivals, and proofs that the owner said two things.
//!
//! An act that is in the log stands there, and `room_act` names its place; one that is not stands in `room_act`, as long as it is a
//! rival or half of a proof.

use super::Changes;
use crate::store::StoreError;
use crate::store::replica::{LogRow, damaged, head, number};
use rusqlite::params;
use torchat_protocol::room::{Event, EventId};

impl Changes<'_> {
    /// An act joined the log.
    pub(super) fn act_is_in_log(&self, row: LogRow, act: &Event) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO room_act (room, id, seq, place) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (room, id) DO UPDATE SET place = excluded.place, rival = NULL, head = NULL, body = NULL",
            )?
            .execute(params![self.room.num, act.id().0, number(act.header().seq)?, row])?;
        Ok(())
    }

    pub(super) fn rival(&self, act: &Event) -> Result<(), StoreError> {
        self.keep_act(act)?;
        self.mark(
            act.id(),
            "UPDATE room_act SET rival = 1 + (SELECT coalesce(max(rival), 0) FROM room_act WHERE room = ?1 AND rival IS NOT NULL)
             WHERE room = ?1 AND id = ?2",
        )
    }

    pub(super) fn drop_rival(&self, id: EventId) -> Result<(), StoreError> {
        let ids = params![self.room.num, id.0];
        self.db.prepare_cached("UPDATE room_act SET rival = NULL WHERE room = ?1 AND id = ?2")?.execute(ids)?;
        self.db
            .prepare_cached(
                "DELETE FROM room_act WHERE room = ?1 AND id = ?2 AND branch = 0 AND proof IS NULL AND place IS NULL",
            )?
            .execute(ids)?;
        Ok(())
    }

    pub(super) fn act_fork(&self, one: &Event, other: &Event) -> Result<(), StoreError> {
        self.keep_act(one)?;
        self.mark(one.id(), "UPDATE room_act SET proof = 1 WHERE room = ?1 AND id = ?2")?;
        self.keep_act(other)?;
        self.mark(other.id(), "UPDATE room_act SET proof = 2 WHERE room = ?1 AND id = ?2")
    }

    /// The branch goes on.
    pub(super) fn act(&self, seq: u64, id: EventId) -> Result<(), StoreError> {
        let mut update = self.db.prepare_cached(
            "UPDATE room_act SET branch = 1, rival = NULL WHERE room = ?1 AND id = ?2 AND seq = ?3 AND place IS NOT NULL
             AND (?3 = 1 OR EXISTS (SELECT 1 FROM room_act WHERE room = ?1 AND seq = ?3 - 1 AND branch = 1))",
        )?;
        let goes_on = update.execute(params![self.room.num, id.0, number(seq)?])? == 1;
        if goes_on { Ok(()) } else { Err(damaged("branch of acts")) }
    }

    /// The acts from a number on become rivals, in their order.
    pub(super) fn cut_branch(&self, seq: u64) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "UPDATE room_act SET branch = 0,
                 rival = seq + (SELECT coalesce(max(rival), 0) FROM room_act WHERE room = ?1 AND rival IS NOT NULL)
                 WHERE room = ?1 AND branch = 1 AND seq >= ?2",
            )?
            .execute(params![self.room.num, number(seq)?])?;
        Ok(())
    }

    /// An act that may not be in the log.
    fn keep_act(&self, act: &Event) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO room_act (room, id, seq, head, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (room, id) DO NOTHING",
            )?
            .execute(params![self.room.num, act.id().0, number(act.header().seq)?, head(act), act.body()])?;
        Ok(())
    }

    fn mark(&self, id: EventId, sql: &str) -> Result<(), StoreError> {
        self.db.prepare_cached(sql)?.execute(params![self.room.num, id.0])?;
        Ok(())
    }
}
