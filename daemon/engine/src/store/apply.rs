//! One operation of a turn as SQL.

use super::{Head, StoreError, Stored};
use rusqlite::{Connection, params};
use torchat_core::op::Op;
use torchat_protocol::id::{Chain, PeerId};
use torchat_protocol::message::SkipReason;

/// A contact that was not met during so many runs of ours takes an older one for another copy: a false alarm after
/// years, against a table without end.
const RUNS_KEPT: i64 = 4096;

pub(super) fn apply(db: &Connection, op: &Op, stored: &mut Vec<Stored>) -> Result<(), StoreError> {
    match op {
        Op::Contact { peer, at_ms } => {
            db.prepare_cached(
                "INSERT INTO peer (peer, contact, added_ms) VALUES (?1, 1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET contact = 1, added_ms = coalesce(added_ms, excluded.added_ms)",
            )?
            .execute(params![peer.as_bytes(), at_ms])?;
        }
        Op::Remove { peer } => {
            db.prepare_cached(
                "UPDATE peer SET contact = 0, waiting = 0, hidden = 0, petname = NULL, intro = '', intro_invite = NULL
                 WHERE peer = ?1",
            )?
            .execute([peer.as_bytes()])?;
        }
        Op::Block { peer, blocked } => {
            db.prepare_cached(
                "INSERT INTO peer (peer, blocked) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET blocked = excluded.blocked",
            )?
            .execute(params![peer.as_bytes(), blocked])?;
        }
        Op::Petname { peer, name } => {
            db.prepare_cached("UPDATE peer SET petname = ?2 WHERE peer = ?1")?
                .execute(params![peer.as_bytes(), name])?;
        }
        Op::Nick { peer, nick } => {
            db.prepare_cached("UPDATE peer SET nick = ?2 WHERE peer = ?1")?.execute(params![peer.as_bytes(), nick])?;
        }
        Op::Intro { peer, intro } => {
            db.prepare_cached(
                "INSERT INTO peer (peer, intro, intro_invite) VALUES (?1, ?2, ?3)
                 ON CONFLICT (peer) DO UPDATE SET intro = excluded.intro, intro_invite = excluded.intro_invite",
            )?
            .execute(params![peer.as_bytes(), intro.text, intro.invite.map(|secret| secret.0)])?;
        }
        Op::Request { peer, request: Some(request) } => {
            db.prepare_cached(
                "INSERT OR REPLACE INTO request (peer, nick, text, at_ms, refused) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                peer.as_bytes(),
                request.nick,
                request.text,
                request.at_ms,
                request.refused
            ])?;
        }
        Op::Request { peer, request: None } => {
            db.prepare_cached("DELETE FROM request WHERE peer = ?1")?.execute([peer.as_bytes()])?;
        }
        Op::Invite { invite } => {
            db.prepare_cached("INSERT INTO invite (hash, until_ms) VALUES (?1, ?2)")?
                .execute(params![invite.hash, invite.until_ms])?;
        }
        Op::InviteGone { hash } => {
            db.prepare_cached("DELETE FROM invite WHERE hash = ?1")?.execute([hash])?;
        }
        Op::Waiting { peer, waiting } => {
            db.prepare_cached(
                "INSERT INTO peer (peer, waiting) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET waiting = excluded.waiting",
            )?
            .execute(params![peer.as_bytes(), waiting])?;
        }
        Op::Run { run, at_ms } => {
            db.prepare_cached("INSERT INTO run (run, at_ms) VALUES (?1, ?2)")?.execute(params![run.0, at_ms])?;
            db.prepare_cached("DELETE FROM run WHERE id <= ?1 - ?2")?.execute([db.last_insert_rowid(), RUNS_KEPT])?;
        }
        Op::Met { peer, epoch, run } => {
            db.prepare_cached("UPDATE peer SET epoch = ?2, met = ?3 WHERE peer = ?1")?.execute(params![
                peer.as_bytes(),
                epoch,
                run.map(|run| run.0)
            ])?;
        }
        Op::Hidden { peer, hidden } => {
            db.prepare_cached("UPDATE peer SET hidden = ?2 WHERE peer = ?1")?
                .execute(params![peer.as_bytes(), hidden])?;
        }
        Op::Seen { peer, at_ms } => {
            db.prepare_cached("UPDATE peer SET seen_ms = ?2 WHERE peer = ?1")?
                .execute(params![peer.as_bytes(), at_ms])?;
        }
        Op::Retry { peer, attempts, next_ms } => {
            db.prepare_cached(
                "INSERT INTO peer (peer, attempts, next_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (peer) DO UPDATE SET attempts = excluded.attempts, next_ms = excluded.next_ms",
            )?
            .execute(params![peer.as_bytes(), attempts, next_ms])?;
        }
        Op::Queue { peer, mid, lane, seq, chain, at_ms, text } => {
            db.prepare_cached(
                "INSERT INTO out_lane (peer, lane, acked_chain) VALUES (?1, ?2, ?3) ON CONFLICT (peer) DO NOTHING",
            )?
            .execute(params![peer.as_bytes(), lane.0, Chain::EMPTY.0])?;
            db.prepare_cached(
                "INSERT INTO message (peer, dir, state, mid, at_ms, lane, seq, chain, text)
                 VALUES (?1, 1, 0, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![peer.as_bytes(), mid.0, at_ms, lane.0, number(*seq)?, chain.0, text])?;
        }
        Op::TakeBack { peer, mid, why, at_ms } => {
            let state = if *why == SkipReason::Expired { 5 } else { 4 };
            db.prepare_cached(
                "UPDATE message SET state = ?3, done_ms = ?4 WHERE peer = ?1 AND dir = 1 AND mid = ?2 AND state = 0",
            )?
            .execute(params![peer.as_bytes(), mid.0, state, at_ms])?;
        }
        Op::Rechain { peer, messages } => {
            let mut rechain =
                db.prepare_cached("UPDATE message SET chain = ?3 WHERE peer = ?1 AND dir = 1 AND mid = ?2")?;
            for (mid, chain) in messages {
                rechain.execute(params![peer.as_bytes(), mid.0, chain.0])?;
            }
        }
        Op::Delivered { peer, lane, upto, chain, late, at_ms } => {
            db.prepare_cached("UPDATE out_lane SET acked = ?2, acked_chain = ?3 WHERE peer = ?1 AND lane = ?4")?
                .execute(params![peer.as_bytes(), number(*upto)?, chain.0, lane.0])?;
            for mid in late {
                db.prepare_cached(
                    "UPDATE message SET state = 1, done_ms = ?3 WHERE peer = ?1 AND dir = 1 AND mid = ?2",
                )?
                .execute(params![peer.as_bytes(), mid.0, at_ms])?;
            }
            db.prepare_cached(
                "UPDATE message SET
                    state = CASE state WHEN 0 THEN 1 ELSE state - 2 END,
                    done_ms = CASE state WHEN 0 THEN ?3 ELSE done_ms END
                 WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND seq <= ?2 AND lane = ?4",
            )?
            .execute(params![peer.as_bytes(), number(*upto)?, at_ms, lane.0])?;
            db.prepare_cached("UPDATE peer SET attempts = 0, next_ms = NULL WHERE peer = ?1 AND next_ms IS NOT NULL")?
                .execute(params![peer.as_bytes()])?;
        }
        Op::NewLane { peer, lane, messages } => {
            db.prepare_cached("UPDATE out_lane SET lane = ?2, acked = 0, acked_chain = ?3 WHERE peer = ?1")?
                .execute(params![peer.as_bytes(), lane.0, Chain::EMPTY.0])?;
            db.prepare_cached("UPDATE message SET state = state - 2 WHERE peer = ?1 AND dir = 1 AND state IN (4, 5)")?
                .execute([peer.as_bytes()])?;
            let mut renumber = db.prepare_cached(
                "UPDATE message SET lane = ?3, seq = ?4, chain = ?5 WHERE peer = ?1 AND dir = 1 AND mid = ?2",
            )?;
            for (n, (mid, chain)) in (1u64..).zip(messages) {
                renumber.execute(params![peer.as_bytes(), mid.0, lane.0, number(n)?, chain.0])?;
            }
        }
        Op::Receive { peer, lane, seq, chain, mid, sent_s, at_ms, text } => {
            set_in_lane(db, peer, lane.0, *seq, chain)?;
            // A message that came before by another lane (its sender was restored from a backup) is not stored again.
            let new = db
                .prepare_cached(
                    "INSERT INTO message (peer, dir, state, mid, at_ms, sent_s, lane, seq, text)
                     VALUES (?1, 0, 0, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (peer, dir, mid) DO NOTHING",
                )?
                .execute(params![peer.as_bytes(), mid.0, at_ms, number(*sent_s)?, lane.0, number(*seq)?, text])?;
            if new == 1 {
                let head = Head { row: db.last_insert_rowid(), arrived_ms: *at_ms, text: text.clone() };
                stored.push(Stored { peer: *peer, head });
            }
        }
        Op::Skip { peer, lane, to, chain, count, why, at_ms } => {
            set_in_lane(db, peer, lane.0, *to, chain)?;
            if *why == SkipReason::Lost {
                // The digest is unique to this place in the lane, so a repeated SKIP leaves one mark.
                db.prepare_cached(
                    "INSERT INTO message (peer, dir, state, mid, at_ms, lane, seq, text)
                     VALUES (?1, 2, 1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (peer, dir, mid) DO NOTHING",
                )?
                .execute(params![
                    peer.as_bytes(),
                    chain.0,
                    at_ms,
                    lane.0,
                    number(*to)?,
                    format!("{count} messages were lost here")
                ])?;
            }
        }
        Op::ForgetLane { peer, lane } => {
            db.prepare_cached("DELETE FROM in_lane WHERE peer = ?1 AND lane = ?2")?
                .execute(params![peer.as_bytes(), lane.0])?;
        }
        Op::Read { row } => {
            db.prepare_cached("UPDATE message SET state = 1 WHERE id = ?1 AND dir = 0 AND state = 0")?
                .execute([row])?;
        }
        Op::Legacy { message, at_ms, keep } => {
            db.prepare_cached("INSERT INTO legacy (claim, text, at_ms) VALUES (?1, ?2, ?3)")?.execute(params![
                message.claim.as_str(),
                message.text,
                at_ms
            ])?;
            // What nobody has taken stays, whatever the number.
            db.prepare_cached(
                "DELETE FROM legacy WHERE id IN (SELECT id FROM legacy WHERE taken = 1 ORDER BY id
                 LIMIT max(0, (SELECT count(*) FROM legacy) - ?1))",
            )?
            .execute([i64::try_from(*keep).unwrap_or(i64::MAX)])?;
        }
        Op::LegacyTaken { row } => {
            db.prepare_cached("UPDATE legacy SET taken = 1 WHERE id = ?1")?.execute([row])?;
        }
        Op::LegacyForget { before_ms } => {
            db.prepare_cached("DELETE FROM legacy WHERE at_ms < ?1")?.execute([before_ms])?;
        }
    }
    Ok(())
}

fn set_in_lane(db: &Connection, peer: &PeerId, lane: [u8; 8], hwm: u64, chain: &Chain) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO in_lane (peer, lane, hwm, chain, moved)
         VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(moved), 0) + 1 FROM in_lane WHERE peer = ?1))
         ON CONFLICT (peer, lane) DO UPDATE SET hwm = excluded.hwm, chain = excluded.chain, moved = excluded.moved",
    )?
    .execute(params![peer.as_bytes(), lane, number(hwm)?, chain.0])?;
    Ok(())
}

/// SQLite's integers end at 2^63; the protocol's at 2^53, so a larger one is a bug of ours.
fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::Damaged(format!("the number {n} does not fit into the store")))
}
