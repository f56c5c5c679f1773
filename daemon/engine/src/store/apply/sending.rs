//! Messages that go out, as SQL.

use super::{Changes, number};
use crate::store::events::NewMessage;
use crate::store::numbers::{LaneNum, PeerNum};
use crate::store::rows::Rows;
use crate::store::{StoreError, records};
use rusqlite::{OptionalExtension as _, params};
use std::sync::LazyLock;
use torchat_core::op::{ChatOp, Op};
use torchat_protocol::control::api::event::{Kind, MessageRef, What};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::SkipReason;

/// `message.dir` and `message.state` of a message that waits, see the schema.
const SENT: i64 = 1;
const WAITS: i64 = 0;

/// Rows of messages that wait.
static QUEUED: LazyLock<Rows> =
    LazyLock::new(|| Rows::new("message (id, peer, dir, state, mid, at_ms, done_ms, until_ms, lane, seq, text)", 11));

/// One of them.
struct Queued<'a> {
    id: i64,
    peer: PeerNum,
    mid: MessageId,
    at_ms: i64,
    until_ms: Option<i64>,
    lane: LaneNum,
    seq: i64,
    text: &'a str,
}

/// How far a peer is with our lane to it.
pub(super) struct Acked<'a> {
    pub(super) lane: LaneId,
    /// The last number that it has.
    pub(super) upto: u64,
    /// The lane's digest after it.
    pub(super) chain: Chain,
    /// Which of them were taken back, but too late.
    pub(super) late: &'a [MessageId],
    pub(super) at_ms: i64,
}

impl Changes<'_> {
    /// Accepted messages. Other operations are passed over.
    pub(super) fn queue(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(ops.len());
        for op in ops {
            let Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain: _, at_ms, until_ms, client, text }) = op else {
                continue;
            };
            let num = self.peer(peer)?;
            let Some(lane) = self.out_lane(num, *lane)? else {
                return Err(StoreError::Damaged("a message goes into a lane that is not ours".into()));
            };
            self.last_message += 1;
            let id = self.last_message;
            rows.push(Queued {
                id,
                peer: num,
                mid: *mid,
                at_ms: *at_ms,
                until_ms: *until_ms,
                lane,
                seq: number(*seq)?,
                text,
            });
            self.out.queued.push((*mid, id));
            if let Some(client) = client {
                records::note_client_id(self.db, client, id, *at_ms, self.moment.believed)?;
            }
            let (client_id, text) = (client.clone(), text.clone());
            let message = NewMessage {
                id,
                mid: *mid,
                conversation: (*peer).into(),
                at_ms: *at_ms,
                sent_s: None,
                client_id,
                text,
                room: None,
            };
            self.tell_new(message, Kind::Queued);
        }
        QUEUED.insert(self.db, &rows, |row, queued| {
            row.add(queued.id)?;
            row.add(queued.peer)?;
            row.add(SENT)?;
            row.add(WAITS)?;
            row.add(queued.mid.0)?;
            row.add(queued.at_ms)?;
            row.add(queued.at_ms)?;
            row.add(queued.until_ms)?;
            row.add(queued.lane)?;
            row.add(queued.seq)?;
            row.add(queued.text)
        })
    }

    pub(super) fn take_back(
        &mut self,
        peer: &PeerId,
        mid: MessageId,
        seq: u64,
        why: SkipReason,
        at_ms: i64,
    ) -> Result<(), StoreError> {
        let num = self.peer(peer)?;
        let expired = why == SkipReason::Expired;
        let state = if expired { 5 } else { 4 };
        let id = self
            .db
            .prepare_cached(
                "UPDATE message SET state = ?3, done_ms = ?4
                 WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND seq = ?5 AND state = 0 AND mid = ?2
                 RETURNING id",
            )?
            .query_row(params![num, mid.0, state, at_ms, number(seq)?], |row| row.get(0))
            .optional()?;
        if let Some(id) = id {
            let message = MessageRef { peer: (*peer).into(), id, mid };
            self.tell(if expired { What::Failed(message) } else { What::Withdrawn(message) });
        }
        Ok(())
    }

    pub(super) fn delivered(&mut self, peer: &PeerId, acked: &Acked<'_>) -> Result<(), StoreError> {
        let db = self.db;
        let Acked { lane, chain, late, at_ms, .. } = *acked;
        let (num, upto) = (self.peer(peer)?, number(acked.upto)?);
        let moved = db
            .prepare_cached("UPDATE out_lane SET acked = ?2, acked_chain = ?3 WHERE peer = ?1 AND lane = ?4")?
            .execute(params![num, upto, chain.0, lane.0])?;
        // All that waits stands in the one lane that goes on.
        if moved == 0 {
            return Ok(());
        }
        // What was taken back too late is delivered like the rest, in its place.
        if !late.is_empty() {
            let mut correct = db.prepare_cached("UPDATE message SET state = 0 WHERE id = ?1")?;
            for (id, mid) in self.waiting(num, "4, 5", 0, upto)? {
                if late.contains(&mid) {
                    correct.execute([id])?;
                }
            }
        }
        for (id, mid) in self.waiting(num, "0", 0, upto)? {
            self.tell(What::Delivered(MessageRef { peer: (*peer).into(), id, mid }));
        }
        db.prepare_cached(
            "UPDATE message SET
                state = CASE state WHEN 0 THEN 1 ELSE state - 2 END,
                done_ms = CASE state WHEN 0 THEN ?3 ELSE done_ms END
             WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND seq <= ?2",
        )?
        .execute(params![num, upto, at_ms])?;
        db.prepare_cached("UPDATE peer SET attempts = 0, next_ms = NULL WHERE num = ?1 AND next_ms IS NOT NULL")?
            .execute([num])?;
        Ok(())
    }

    /// Everything that waits gets numbers from 1 in another lane of ours; `messages` is what the core knows to wait.
    pub(super) fn change_lane(
        &mut self,
        peer: &PeerId,
        lane: LaneId,
        messages: &[(MessageId, Chain)],
    ) -> Result<(), StoreError> {
        let db = self.db;
        let num = self.peer(peer)?;
        let lane_num = self.new_lane(lane)?;
        db.prepare_cached("UPDATE out_lane SET lane = ?2, num = ?3, acked = 0, acked_chain = ?4 WHERE peer = ?1")?
            .execute(params![num, lane.0, lane_num, Chain::EMPTY.0])?;
        self.known.out.remove(&num);
        db.prepare_cached("UPDATE message SET state = state - 2 WHERE peer = ?1 AND dir = 1 AND state IN (4, 5)")?
            .execute([num])?;
        let waiting = self.waiting(num, "0", 0, i64::MAX)?;
        if !waiting.iter().map(|(_, mid)| mid).eq(messages.iter().map(|(mid, _)| mid)) {
            return Err(StoreError::Damaged("other messages wait than those that go into a new lane".into()));
        }
        let mut renumber = db.prepare_cached("UPDATE message SET lane = ?2, seq = ?3 WHERE id = ?1")?;
        for (n, (id, _)) in (1u64..).zip(waiting) {
            renumber.execute(params![id, lane_num, number(n)?])?;
        }
        Ok(())
    }

    /// Only for the event log.
    pub(super) fn sent(&mut self, peer: &PeerId, lane: LaneId, first: u64, count: u64) -> Result<(), StoreError> {
        let num = self.peer(peer)?;
        if self.out_lane(num, lane)?.is_none() {
            return Ok(());
        }
        let before = number(first)? - 1;
        for (id, mid) in self.waiting(num, "0", before, before.saturating_add(number(count)?))? {
            self.tell(What::Sent(MessageRef { peer: (*peer).into(), id, mid }));
        }
        Ok(())
    }
}
