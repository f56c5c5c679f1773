//! Marks of lost messages: one row for neighbours of a lane, which counts what it stands for.

use super::StoreError;
use super::apply::{Changes, number};
use super::events::NewMessage;
use super::numbers::{LaneNum, PeerNum};
use rusqlite::{Connection, OptionalExtension as _, params};
use torchat_core::account::ROW_BYTES;
use torchat_protocol::control::api::event::Kind;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};

/// A gap of a peer's lane.
pub(super) struct Gap {
    pub(super) peer: PeerId,
    pub(super) lane: LaneId,
    /// The last number that is lost.
    pub(super) to: u64,
    /// The lane's digest there.
    pub(super) chain: Chain,
    /// The lane's digest before it.
    pub(super) before: Chain,
    pub(super) count: u64,
    pub(super) at_ms: i64,
}

/// How many marks of a peer nobody has read.
pub(super) fn unread(db: &Connection, peer: PeerNum) -> Result<u64, StoreError> {
    let mut query = db.prepare_cached("SELECT count(*) FROM message WHERE peer = ?1 AND dir = 2 AND state = 0")?;
    Ok(query.query_row([peer], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// A mark's id: of its lane and the digest there, so that a repeated SKIP leaves one mark, and two lanes with the same digest, which
/// only a peer that cheats has, leave two.
fn mark_id(lane: LaneId, chain: Chain) -> MessageId {
    let mut twice = [0; 16];
    let (first, second) = twice.split_at_mut(8);
    first.copy_from_slice(&lane.0);
    second.copy_from_slice(&lane.0);
    MessageId(chain.next(MessageId(twice)).0)
}

fn text(count: u64) -> String {
    match count {
        1 => "1 message was lost here, the peer says".to_owned(),
        count => format!("{count} messages were lost here, the peer says"),
    }
}

fn count_of(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

impl Changes<'_> {
    /// Marks a gap. One that begins where the lane's last mark ends is counted there: else a peer could fill a conversation with
    /// marks. The core has counted a row of what is unread for each; what no row was made for is given back.
    pub(super) fn mark(&mut self, gap: &Gap) -> Result<(), StoreError> {
        let num = self.peer(&gap.peer)?;
        let lane = self.in_lane(num, gap.lane)?;
        let mid = mark_id(gap.lane, gap.chain);
        let unread = self.unread_marks(num)?;
        if let Some((id, read, old)) = self.neighbour(num, lane, gap)? {
            let text = text(count_of(&old).saturating_add(gap.count));
            let changed = self
                .db
                .prepare_cached(
                    "UPDATE OR IGNORE message SET mid = ?2, seq = ?3, text = ?4, at_ms = ?5, state = 0 WHERE id = ?1",
                )?
                .execute(params![id, mid.0, number(gap.to)?, text, gap.at_ms])?;
            if changed == 1 && read {
                self.known.marks.insert(num, unread + 1);
            } else {
                self.out.freed.push((gap.peer, ROW_BYTES));
            }
            if changed == 1 {
                self.tell_mark(id, mid, gap, text);
            }
            return Ok(());
        }
        let text = text(gap.count);
        let id = self.last_message + 1;
        let new = self
            .db
            .prepare_cached(
                "INSERT INTO message (id, peer, dir, state, mid, at_ms, lane, seq, text)
                 SELECT ?1, ?2, 2, 0, ?3, ?4, ?5, ?6, ?7
                 WHERE NOT EXISTS (SELECT 1 FROM erased WHERE peer = ?2 AND mid = ?3 AND dir = 2 AND dir <> 1)
                 ON CONFLICT (peer, mid, dir) WHERE dir <> 1 DO NOTHING",
            )?
            .execute(params![id, num, mid.0, gap.at_ms, lane, number(gap.to)?, text])?;
        if new == 1 {
            self.last_message = id;
            self.known.marks.insert(num, unread + 1);
            self.tell_mark(id, mid, gap, text);
        } else {
            self.out.freed.push((gap.peer, ROW_BYTES));
        }
        Ok(())
    }

    fn tell_mark(&mut self, id: i64, mid: MessageId, gap: &Gap, text: String) {
        let (conversation, at_ms) = (gap.peer.into(), gap.at_ms);
        self.tell_new(
            NewMessage { id, mid, conversation, at_ms, sent_s: None, client_id: None, text, room: None },
            Kind::Lost,
        );
    }

    /// The mark that ends where this gap begins: its row, whether it is read, what it says. Marks of a store of before have the
    /// digest itself as their id.
    fn neighbour(&self, peer: PeerNum, lane: LaneNum, gap: &Gap) -> Result<Option<(i64, bool, String)>, StoreError> {
        let Some(end) = gap.to.checked_sub(gap.count).filter(|end| *end > 0) else { return Ok(None) };
        let mut query = self.db.prepare_cached(
            "SELECT id, state, text FROM message
             WHERE peer = ?1 AND dir = 2 AND dir <> 1 AND mid IN (?2, ?3) AND lane = ?4 AND seq = ?5 LIMIT 1",
        )?;
        let ids = (mark_id(gap.lane, gap.before).0, gap.before.0);
        let found = query.query_row(params![peer, ids.0, ids.1, lane, number(end)?], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? != 0, row.get(2)?))
        });
        Ok(found.optional()?)
    }

    pub(super) fn unread_marks(&mut self, num: PeerNum) -> Result<u64, StoreError> {
        if let Some(known) = self.known.marks.get(&num) {
            return Ok(*known);
        }
        let marks = unread(self.db, num)?;
        self.known.marks.insert(num, marks);
        Ok(marks)
    }

    /// Marks up to a row are read with what stands there. No event tells it.
    pub(super) fn read_marks(&mut self, peer: &PeerId, num: PeerNum, upto: i64) -> Result<(), StoreError> {
        let unread = self.unread_marks(num)?;
        if unread == 0 {
            return Ok(());
        }
        let read = self
            .db
            .prepare_cached("UPDATE message SET state = 1 WHERE peer = ?1 AND dir = 2 AND state = 0 AND id <= ?2")?
            .execute(params![num, upto])? as u64;
        if read > 0 {
            self.known.marks.insert(num, unread.saturating_sub(read));
            if self.room_of(num)?.is_none() {
                self.out.freed.push((*peer, read * ROW_BYTES));
            }
        }
        Ok(())
    }
}
