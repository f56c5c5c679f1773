//! Lanes of both directions, as SQL.

use super::{Changes, number};
use crate::store::StoreError;
use crate::store::messages::blob;
use crate::store::numbers::{LaneNum, PeerNum};
use rusqlite::{OptionalExtension as _, params};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};

impl Changes<'_> {
    pub(super) fn new_lane(&self, lane: LaneId) -> Result<LaneNum, StoreError> {
        self.db.prepare_cached("INSERT INTO lane (lane) VALUES (?1)")?.execute([lane.0])?;
        Ok(LaneNum(self.db.last_insert_rowid()))
    }

    /// The number of our lane to a peer, which begins if there is none; `None`: it is another one.
    pub(super) fn out_lane(&mut self, peer: PeerNum, lane: LaneId) -> Result<Option<LaneNum>, StoreError> {
        let (ours, num) = match self.known.out.get(&peer) {
            Some(known) => *known,
            None => {
                let mut query = self.db.prepare_cached("SELECT lane, num FROM out_lane WHERE peer = ?1")?;
                let found = query.query_row([peer], |row| Ok((LaneId(blob(row, 0)?), row.get(1)?))).optional()?;
                let known = match found {
                    Some(found) => found,
                    None => {
                        let num = self.new_lane(lane)?;
                        self.db
                            .prepare_cached(
                                "INSERT INTO out_lane (peer, lane, num, acked_chain) VALUES (?1, ?2, ?3, ?4)",
                            )?
                            .execute(params![peer, lane.0, num, Chain::EMPTY.0])?;
                        (lane, num)
                    }
                };
                self.known.out.insert(peer, known);
                known
            }
        };
        Ok((ours == lane).then_some(num))
    }

    /// Says how far a peer's lane to us is.
    pub(super) fn set_in_lane(&self, peer: PeerNum, lane: LaneId, hwm: u64, chain: &Chain) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO in_lane (peer, lane, hwm, chain, moved)
                 VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(moved), 0) + 1 FROM in_lane WHERE peer = ?1))
                 ON CONFLICT (peer, lane)
                 DO UPDATE SET hwm = excluded.hwm, chain = excluded.chain, moved = excluded.moved",
            )?
            .execute(params![peer, lane.0, number(hwm)?, chain.0])?;
        Ok(())
    }

    /// The digest of a peer's lane to us; none: where every lane begins.
    pub(super) fn digest(&self, peer: PeerNum, lane: LaneId) -> Result<Chain, StoreError> {
        let mut query = self.db.prepare_cached("SELECT chain FROM in_lane WHERE peer = ?1 AND lane = ?2")?;
        let found = query.query_row(params![peer, lane.0], |row| Ok(Chain(blob(row, 0)?))).optional()?;
        Ok(found.unwrap_or(Chain::EMPTY))
    }

    /// The number of a peer's lane to us, in which a message is to stand.
    pub(in crate::store) fn in_lane(&self, peer: PeerNum, lane: LaneId) -> Result<LaneNum, StoreError> {
        let mut query = self.db.prepare_cached("SELECT num FROM in_lane WHERE peer = ?1 AND lane = ?2")?;
        if let Some(num) = query.query_row(params![peer, lane.0], |row| row.get(0))? {
            return Ok(num);
        }
        let num = self.new_lane(lane)?;
        self.db
            .prepare_cached("UPDATE in_lane SET num = ?3 WHERE peer = ?1 AND lane = ?2")?
            .execute(params![peer, lane.0, num])?;
        Ok(num)
    }

    /// The messages of our lane to a peer after a number and up to another one in one of the states, in order.
    pub(super) fn waiting(
        &self,
        peer: PeerNum,
        states: &'static str,
        after: i64,
        upto: i64,
    ) -> Result<Vec<(i64, MessageId)>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT id, mid FROM message WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND state IN ({states})
             AND seq > ?2 AND seq <= ?3 ORDER BY seq"
        ))?;
        let rows = query.query_map(params![peer, after, upto], |row| Ok((row.get(0)?, MessageId(blob(row, 1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn forget_lane(&mut self, peer: &PeerId, lane: LaneId) -> Result<(), StoreError> {
        let num = self.peer(peer)?;
        self.db.prepare_cached("DELETE FROM in_lane WHERE peer = ?1 AND lane = ?2")?.execute(params![num, lane.0])?;
        Ok(())
    }
}
