//! What the core must know at a start.

use super::messages::{blob, peer_id};
use crate::store::numbers::PeerNum;
use crate::store::{StoreError, marks};
use rusqlite::{Connection, OptionalExtension as _};
use torchat_core::account::ROW_BYTES;
use torchat_core::snapshot::{
    ContactRequest, Intro, InviteRow, LegacyRow, OutSnapshot, PeerSnapshot, Pending, Snapshot,
};
use torchat_protocol::id::{Chain, InviteSecret, LaneId, MessageId, RunId};
use torchat_protocol::message::{LaneState, SkipReason};

pub(in crate::store) fn snapshot(db: &Connection) -> Result<Snapshot, StoreError> {
    let mut peers = Vec::new();
    let mut query = db.prepare(
        "SELECT p.peer, p.contact, p.waiting, p.added_ms, p.seen_ms, p.attempts, p.hidden, p.epoch, p.met,
                p.blocked, p.petname, p.nick, p.intro, p.intro_invite, r.nick, r.text, r.at_ms, r.refused,
                p.unread_bytes, p.linked, p.num, p.unread, p.verified_ms, p.retain_days
         FROM peer p LEFT JOIN request r USING (peer) WHERE p.room IS NULL
         UNION ALL
         SELECT r.peer, 0, 0, NULL, NULL, 0, 0, 0, NULL, 0, NULL, NULL, '', NULL, r.nick, r.text, r.at_ms, r.refused,
                0, 0, NULL, 0, NULL, NULL
         FROM request r WHERE r.peer NOT IN (SELECT peer FROM peer)",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let peer = peer_id(blob(row, 0)?)?;
        let num: Option<PeerNum> = row.get(20)?;
        let marks = num.map(|num| marks::unread(db, num)).transpose()?.unwrap_or_default();
        peers.push(PeerSnapshot {
            peer,
            contact: row.get(1)?,
            waiting: row.get(2)?,
            added_ms: row.get(3)?,
            seen_ms: row.get(4)?,
            attempts: row.get(5)?,
            hidden: row.get(6)?,
            epoch: row.get(7)?,
            met: row.get::<_, Option<[u8; 8]>>(8)?.map(RunId),
            blocked: row.get(9)?,
            petname: row.get(10)?,
            nick: row.get(11)?,
            intro: Intro { text: row.get(12)?, invite: row.get::<_, Option<[u8; 16]>>(13)?.map(InviteSecret) },
            request: match row.get::<_, Option<String>>(14)? {
                Some(nick) => {
                    Some(ContactRequest { nick, text: row.get(15)?, at_ms: row.get(16)?, refused: row.get(17)? })
                }
                None => None,
            },
            out: num.map(|num| out_lane(db, num)).transpose()?.flatten(),
            lanes: num.map(|num| in_lanes(db, num)).transpose()?.unwrap_or_default(),
            // The store counts texts and messages apart, so that one of before this price says the same.
            unread_bytes: row.get::<_, i64>(18)?.unsigned_abs()
                + ROW_BYTES * (row.get::<_, i64>(21)?.unsigned_abs() + marks),
            linked: row.get(19)?,
            verified_ms: row.get(22)?,
            retain_days: row.get(23)?,
        });
    }
    let runs =
        db.prepare("SELECT run FROM run")?.query_map([], |row| Ok(RunId(blob(row, 0)?)))?.collect::<Result<_, _>>()?;
    let invites = db
        .prepare("SELECT hash, until_ms FROM invite")?
        .query_map([], |row| Ok(InviteRow { hash: blob(row, 0)?, until_ms: row.get(1)? }))?
        .collect::<Result<_, _>>()?;
    let legacy = db
        .prepare("SELECT at_ms, taken FROM legacy ORDER BY id")?
        .query_map([], |row| Ok(LegacyRow { at_ms: row.get(0)?, taken: row.get(1)? }))?
        .collect::<Result<_, _>>()?;
    let clock_set_ms =
        db.prepare("SELECT value FROM meta WHERE name = 'clock_set'")?.query_row([], |row| row.get(0)).optional()?;
    Ok(Snapshot { peers, invites, runs, legacy, clock_set_ms, rooms: super::desk::rooms(db)? })
}

fn out_lane(db: &Connection, peer: PeerNum) -> Result<Option<OutSnapshot>, StoreError> {
    let mut query = db.prepare_cached("SELECT lane, acked, acked_chain FROM out_lane WHERE peer = ?1")?;
    let found = query
        .query_row([peer], |row| Ok((LaneId(blob(row, 0)?), row.get::<_, i64>(1)?, Chain(blob(row, 2)?))))
        .optional()?;
    let Some((lane, acked, acked_chain)) = found else { return Ok(None) };
    let mut query = db.prepare_cached(
        "SELECT seq, mid, octet_length(text), at_ms, state, until_ms FROM message
         WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) ORDER BY seq",
    )?;
    let rows = query.query_map([peer], |row| {
        let gone = match row.get::<_, i64>(4)? {
            4 => Some(SkipReason::Withdrawn),
            5 => Some(SkipReason::Expired),
            _ => None,
        };
        let pending = Pending {
            mid: MessageId(blob(row, 1)?),
            chain: Chain::EMPTY,
            bytes: row.get(2)?,
            at_ms: row.get(3)?,
            gone,
            until_ms: row.get(5)?,
            end_mono_ms: None,
        };
        Ok((row.get::<_, i64>(0)?, pending))
    })?;
    let mut pending: Vec<Pending> = Vec::new();
    for (expected, row) in (acked + 1..).zip(rows) {
        let (seq, mut message) = row?;
        if seq != expected {
            return Err(StoreError::Damaged(format!("number {expected} of an outgoing lane is missing")));
        }
        message.chain = message.digest(pending.last().map_or(acked_chain, |before| before.chain));
        pending.push(message);
    }
    Ok(Some(OutSnapshot { lane, acked: acked.unsigned_abs(), acked_chain, pending }))
}

fn in_lanes(db: &Connection, peer: PeerNum) -> Result<Vec<LaneState>, StoreError> {
    let mut query = db.prepare_cached("SELECT lane, hwm, chain FROM in_lane WHERE peer = ?1 ORDER BY moved")?;
    let rows = query.query_map([peer], |row| {
        let hwm: i64 = row.get(1)?;
        Ok(LaneState { lane: LaneId(blob(row, 0)?), hwm: hwm.unsigned_abs(), chain: Chain(blob(row, 2)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
