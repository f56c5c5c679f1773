//! Messages that come in, and that are read, as SQL.

use super::{Changes, number};
use crate::store::events::NewMessage;
use crate::store::marks::Gap;
use crate::store::messages::blob;
use crate::store::numbers::{PeerNum, RoomNum};
use crate::store::{Head, ReadMark, StoreError, Stored};
use rusqlite::{OptionalExtension as _, params};
use torchat_core::account::ROW_BYTES;
use torchat_protocol::control::api::event::{Kind, MessageRef, What};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::SkipReason;

/// A message that came in, and the place in its sender's lane that it takes.
pub(super) struct Incoming<'a> {
    pub(super) lane: LaneId,
    pub(super) seq: u64,
    /// The lane's digest after it.
    pub(super) chain: Chain,
    pub(super) mid: MessageId,
    /// The sender's time in seconds since 1970.
    pub(super) sent_s: u64,
    pub(super) at_ms: i64,
    pub(super) text: &'a str,
}

impl Changes<'_> {
    pub(super) fn receive(&mut self, peer: &PeerId, incoming: &Incoming<'_>) -> Result<(), StoreError> {
        let db = self.db;
        let Incoming { lane, seq, chain, mid, at_ms, text, .. } = *incoming;
        let (num, sent_s) = (self.peer(peer)?, number(incoming.sent_s)?);
        self.set_in_lane(num, lane, seq, &chain)?;
        // A message that came before by another lane (its sender was restored from a backup) is not stored again, also if it is
        // erased.
        let lane = self.in_lane(num, lane)?;
        let id = self.last_message + 1;
        let new = db
            .prepare_cached(
                "INSERT INTO message (id, peer, dir, state, mid, at_ms, sent_s, lane, seq, text)
                 SELECT ?1, ?2, 0, 0, ?3, ?4, ?5, ?6, ?7, ?8
                 WHERE NOT EXISTS (SELECT 1 FROM erased WHERE peer = ?2 AND mid = ?3 AND dir = 0 AND dir <> 1)
                 ON CONFLICT (peer, mid, dir) WHERE dir <> 1 DO NOTHING",
            )?
            .execute(params![id, num, mid.0, at_ms, sent_s, lane, number(seq)?, text])?;
        if new == 0 {
            // The core has counted it as unread, and nobody will ever read it once more.
            self.out.freed.push((*peer, text.len() as u64 + ROW_BYTES));
            return Ok(());
        }
        self.last_message = id;
        db.prepare_cached(
            "UPDATE peer SET unread = unread + 1, unread_bytes = unread_bytes + ?2,
                untaken = coalesce(untaken, ?3) WHERE num = ?1",
        )?
        .execute(params![num, number(text.len() as u64)?, id])?;
        let head = Head { row: id, arrived_ms: at_ms, text: text.to_owned() };
        self.out.stored.push(Stored { peer: *peer, head });
        let (sent_s, client_id, text) = (Some(sent_s), None, text.to_owned());
        let message = NewMessage { id, mid, conversation: (*peer).into(), at_ms, sent_s, client_id, text, room: None };
        self.tell_new(message, Kind::Received);
        Ok(())
    }

    /// `gap.before` is filled in here.
    pub(super) fn skip(&mut self, mut gap: Gap, why: SkipReason) -> Result<(), StoreError> {
        let num = self.peer(&gap.peer)?;
        gap.before = self.digest(num, gap.lane)?;
        self.set_in_lane(num, gap.lane, gap.to, &gap.chain)?;
        if why == SkipReason::Lost {
            self.mark(&gap)?;
        }
        Ok(())
    }

    /// A client took the message by classic UPDATE.
    pub(super) fn taken(&mut self, peer: &PeerId, row: i64) -> Result<(), StoreError> {
        self.read(peer, row, row, 1)?;
        self.first_unread(peer)?;
        Ok(())
    }

    /// A program has seen everything up to a row. UPDATE hands out nothing of it any more.
    pub(super) fn read_upto(&mut self, peer: &PeerId, upto: i64, limit: u32) -> Result<(), StoreError> {
        let seen = self.read(peer, 0, upto, limit)?;
        self.out.seen.push(seen);
        let first = self.first_unread(peer)?;
        // What comes later in this turn is not seen, however high the number was that the program gave.
        let upto = first.map_or(self.last_message, |first| first - 1);
        self.out.read.push(ReadMark { peer: *peer, upto, first });
        Ok(())
    }

    /// Notes the first message of a peer that nobody has read, where a start and UPDATE look for it.
    fn first_unread(&mut self, peer: &PeerId) -> Result<Option<i64>, StoreError> {
        let num = self.peer(peer)?;
        self.first_unread_of(num)
    }

    pub(super) fn first_unread_of(&self, num: PeerNum) -> Result<Option<i64>, StoreError> {
        let first = self
            .db
            .prepare_cached("SELECT id FROM message WHERE peer = ?1 AND dir = 0 AND state = 0 ORDER BY id LIMIT 1")?
            .query_row([num], |row| row.get(0))
            .optional()?;
        self.db
            .prepare_cached("UPDATE peer SET untaken = ?2 WHERE num = ?1 AND untaken IS NOT ?2")?
            .execute(params![num, first])?;
        Ok(first)
    }

    /// Marks unread messages of a peer as read, the oldest first. Returns how many they were.
    fn read(&mut self, peer: &PeerId, from: i64, upto: i64, limit: u32) -> Result<u64, StoreError> {
        let num = self.peer(peer)?;
        self.read_marks(peer, num, upto)?;
        let mut query = self.db.prepare_cached(
            "SELECT id, mid, octet_length(text) FROM message
             WHERE peer = ?1 AND id >= ?2 AND id <= ?3 AND dir = 0 AND state = 0 ORDER BY id LIMIT ?4",
        )?;
        let rows = query.query_map(params![num, from, upto, limit], |row| {
            let message = MessageRef { peer: (*peer).into(), id: row.get(0)?, mid: MessageId(blob(row, 1)?) };
            Ok((message, row.get::<_, i64>(2)?))
        })?;
        let found = rows.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Ok(0);
        }
        let room = self.room_of(num)?;
        let count = found.len() as u64;
        // What is said in rooms does not count towards what mail may take.
        let bytes = if room.is_some() { 0 } else { found.iter().map(|(_, bytes)| *bytes).sum::<i64>() };
        if let Some(room) = room {
            self.mentions_gone(room, found.iter().map(|(message, _)| message.id))?;
        }
        let mut mark = self.db.prepare_cached("UPDATE message SET state = 1 WHERE id = ?1")?;
        for (message, _) in found {
            mark.execute([message.id])?;
            self.tell(What::Read(message));
        }
        self.db
            .prepare_cached("UPDATE peer SET unread = unread - ?2, unread_bytes = unread_bytes - ?3 WHERE num = ?1")?
            .execute(params![num, number(count)?, bytes])?;
        if room.is_none() {
            self.out.freed.push((*peer, bytes.unsigned_abs() + count * ROW_BYTES));
        }
        Ok(count)
    }

    /// Messages of a room that were unread are not any more: some may mention us.
    pub(super) fn mentions_gone(&self, room: RoomNum, rows: impl Iterator<Item = i64>) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM room_message WHERE message = ?1 AND flags & 1")?;
        let mut mentions = 0;
        for row in rows {
            mentions += i64::from(query.exists([row])?);
        }
        if mentions > 0 {
            self.db
                .prepare_cached("UPDATE room SET mentions = mentions - ?2 WHERE num = ?1")?
                .execute(params![room, mentions])?;
        }
        Ok(())
    }
}
