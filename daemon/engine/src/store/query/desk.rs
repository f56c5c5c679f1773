//! What the desk of rooms must know at a start.

use super::Reader;
use super::messages::{blob, peer_id};
use super::replica::stored;
use crate::store::StoreError;
use crate::store::replica::{RoomKey, damaged, event, role};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Row};
use torchat_core::snapshot::rooms::{
    HandRow, InviteRow, PetitionRow, RoomKeys, RoomSnapshot, RoomState, RoomsSnapshot, Tomb, Way,
};
use torchat_protocol::id::{InviteSecret, MessageId};
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{
    BoxKey, EventId, Identity, InviteId, InviteKey, MemberKey, MemberNo, Pass, RoomId, Signature, TextId,
};

impl Reader {
    /// All that the desk of rooms must know at a start, with what each replica begins with.
    ///
    /// # Errors
    /// When SQLite fails or a row is damaged.
    pub fn rooms(&self) -> Result<RoomsSnapshot, StoreError> {
        self.with(|db| rooms(&*db.unchecked_transaction()?))
    }
}

impl Reader {
    /// The text of ours that waits in a room under a message's id. `None`: none does.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn room_waiting(&self, room: RoomId, mid: MessageId) -> Result<Option<TextId>, StoreError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                "SELECT o.mid FROM room_outbox o JOIN message m ON m.id = o.message
                 WHERE o.room = (SELECT num FROM room WHERE room = ?1) AND m.mid = ?2",
            )?;
            Ok(query.query_row((room.0, mid.0), |row| row.get(0)).optional()?.map(TextId))
        })
    }
}

pub(super) fn rooms(db: &Connection) -> Result<RoomsSnapshot, StoreError> {
    let mut snapshot = RoomsSnapshot::default();
    let mut query = db.prepare_cached(
        "SELECT num, room, state, since_ms, seed, sealing, doors, pass, nick, intro, want, hand, hand_by, hand_to, hand_accept
         FROM room ORDER BY room",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let room = RoomKey { num: row.get(0)?, id: RoomId(blob(row, 1)?) };
        let state = state(row.get(2)?, row.get(3)?)?;
        if !state.is_active() {
            snapshot.past.push((room.id, state));
            continue;
        }
        let keys = RoomKeys { sign: blob(row, 4)?, sealing: blob(row, 5)? };
        snapshot.rooms.push(RoomSnapshot {
            stored: stored(db, room)?,
            state,
            sealing: keys.public_sealing(),
            way: way(row)?,
            invites: invites(db, room)?,
            petitions: petitions(db, room)?,
            bans: list(db, "SELECT id FROM room_ban WHERE room = ?1 ORDER BY id", room, |id| Some(Identity(id)))?,
            leavers: list(db, "SELECT member FROM room_leaver WHERE room = ?1 ORDER BY member", room, MemberNo::new)?,
            hand: hand(row)?,
            expiring: expiring(db, room)?,
        });
    }
    snapshot.tombs = tombs(db)?;
    let mut query = db.prepare_cached("SELECT client, room FROM room_client ORDER BY client")?;
    let clients = query.query_map([], |row| Ok((row.get(0)?, RoomId(blob(row, 1)?))))?;
    snapshot.clients = clients.collect::<Result<_, _>>()?;
    let mut query = db.prepare_cached("SELECT peer, epoch FROM room_epoch ORDER BY peer")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        snapshot.epochs.push((peer_id(blob(row, 0)?)?, row.get(1)?));
    }
    Ok(snapshot)
}

/// Texts of ours that wait until a moment.
fn expiring(db: &Connection, room: RoomKey) -> Result<Vec<(TextId, i64)>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT mid, until_ms FROM room_outbox WHERE room = ?1 AND until_ms IS NOT NULL ORDER BY num",
    )?;
    let rows = query.query_map([room.num], |row| Ok((TextId(blob(row, 0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn state(number: i64, since_ms: Option<i64>) -> Result<RoomState, StoreError> {
    Ok(match (number, since_ms) {
        (0, _) => RoomState::Joining,
        (1, _) => RoomState::Member,
        (2, Some(since_ms)) => RoomState::Leaving(since_ms),
        (3, _) => RoomState::Left,
        (4, _) => RoomState::Removed,
        (5, _) => RoomState::Destroyed,
        (6, _) => RoomState::Ended,
        (7, _) => RoomState::NotServed,
        _ => return Err(damaged("state")),
    })
}

/// What stands in one column of the rows of a room.
fn list<C: FromSql, T>(
    db: &Connection,
    sql: &str,
    room: RoomKey,
    read: impl Fn(C) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([room.num], |row| row.get(0))?;
    rows.map(|row| read(row?).ok_or_else(|| damaged("number"))).collect()
}

/// Keys of 32 bytes, one after the other.
fn keys(bytes: &[u8]) -> Result<impl Iterator<Item = [u8; 32]>, StoreError> {
    let (keys, rest) = bytes.as_chunks();
    if rest.is_empty() { Ok(keys.iter().copied()) } else { Err(damaged("list of keys")) }
}

/// A nickname that the tables of this version refuse counts as none.
fn nick(row: &Row<'_>, column: usize) -> Result<Option<Nick>, StoreError> {
    Ok(row.get::<_, Option<String>>(column)?.and_then(|nick| Nick::parse(&nick).ok()))
}

fn text<const N: usize>(text: String) -> Result<BoundedText<N>, StoreError> {
    BoundedText::new(text).ok_or_else(|| damaged("text"))
}

fn way(row: &Row<'_>) -> Result<Option<Way>, StoreError> {
    let Some(doors) = row.get::<_, Option<Vec<u8>>>(6)? else { return Ok(None) };
    let pass = row.get::<_, Option<[u8; 24]>>(7)?.map(|pass| {
        let (id, secret) = pass.split_at(8);
        let pass = (id.try_into().map(InviteId), secret.try_into().map(InviteSecret));
        if let (Ok(id), Ok(secret)) = pass { Ok(Pass { id, secret }) } else { Err(damaged("pass")) }
    });
    Ok(Some(Way {
        doors: keys(&doors)?.map(peer_id).collect::<Result<_, _>>()?,
        pass: pass.transpose()?,
        nick: nick(row, 8)?,
        text: text(row.get::<_, Option<String>>(9)?.unwrap_or_default())?,
        want: row.get(10)?,
    }))
}

fn hand(row: &Row<'_>) -> Result<Option<HandRow>, StoreError> {
    let Some(proposal) = row.get::<_, Option<[u8; 32]>>(11)? else { return Ok(None) };
    let member = |column| MemberNo::new(row.get(column)?).ok_or_else(|| damaged("member"));
    let accept = row.get::<_, Option<[u8; 64]>>(14)?.map(Signature);
    Ok(Some(HandRow { proposal: EventId(proposal), by: member(12)?, to: member(13)?, accept }))
}

fn invites(db: &Connection, room: RoomKey) -> Result<Vec<InviteRow>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT id, key, role, uses, until_ms, whom, note FROM room_invite WHERE room = ?1 ORDER BY id",
    )?;
    let mut rows = query.query([room.num])?;
    let mut invites = Vec::new();
    while let Some(row) = rows.next()? {
        invites.push(InviteRow {
            id: InviteId(blob(row, 0)?),
            key: InviteKey::from_bytes(blob(row, 1)?),
            role: role(row.get(2)?)?,
            uses: row.get(3)?,
            until_ms: row.get(4)?,
            whom: row.get::<_, Option<[u8; 32]>>(5)?.map(Identity),
            note: row.get(6)?,
        });
    }
    Ok(invites)
}

fn petitions(db: &Connection, room: RoomKey) -> Result<Vec<PetitionRow>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT id, sign, sealing, nick, text, via, at_ms, refused FROM room_petition WHERE room = ?1 ORDER BY id",
    )?;
    let mut rows = query.query([room.num])?;
    let mut petitions = Vec::new();
    while let Some(row) = rows.next()? {
        petitions.push(PetitionRow {
            id: Identity(blob(row, 0)?),
            sign: MemberKey(blob(row, 1)?),
            sealing: BoxKey(blob(row, 2)?),
            nick: nick(row, 3)?,
            text: text(row.get(4)?)?,
            via: row.get::<_, Option<[u8; 8]>>(5)?.map(InviteId),
            at_ms: row.get(6)?,
            refused: row.get(7)?,
        });
    }
    Ok(petitions)
}

fn tombs(db: &Connection) -> Result<Vec<Tomb>, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT room, members, at_ms, first_head, first_body, last_head, last_body FROM room_tomb ORDER BY room",
    )?;
    let mut rows = query.query([])?;
    let mut tombs = Vec::new();
    while let Some(row) = rows.next()? {
        let room = RoomId(blob(row, 0)?);
        let mut acts = Vec::new();
        for column in [3, 5] {
            if row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?.is_some() {
                acts.push(event(row, column, room)?);
            }
        }
        let members = row.get::<_, Vec<u8>>(1)?;
        tombs.push(Tomb { room, acts, members: keys(&members)?.map(Identity).collect(), at_ms: row.get(2)? });
    }
    Ok(tombs)
}
