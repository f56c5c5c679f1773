//! What the desk of rooms decided, as SQL: which rooms there are, how far we are in each, and who may join.

use super::{Changes, replica};
use crate::store::StoreError;
use crate::store::replica::{RoomKey, damaged, head, role_number};
use rusqlite::{ToSql, params};
use torchat_core::op::RoomOp;
use torchat_core::snapshot::rooms::{HandRow, InviteRow, PetitionRow, RoomKeys, RoomState, Tomb, Way};
use torchat_protocol::room::{LogDigest, LogId, RoomId};

/// Tables of a room's log, by chain or place, and those that have its number.
const OF_REPLICA: [&str; 4] = [
    "DELETE FROM room_event WHERE place >= ?1 << 40 AND place < (?1 + 1) << 40",
    "DELETE FROM room_chain WHERE chain >= ?1 << 32 AND chain < (?1 + 1) << 32",
    "DELETE FROM room_act WHERE room = ?1",
    "DELETE FROM room_cookie WHERE room = ?1",
];
const OF_MEMBERSHIP: [&str; 3] = [
    "DELETE FROM room_outbox WHERE room = ?1",
    "DELETE FROM room_invite WHERE room = ?1",
    "DELETE FROM room_petition WHERE room = ?1",
];
const OF_PEOPLE: [&str; 2] = ["DELETE FROM room_ban WHERE room = ?1", "DELETE FROM room_leaver WHERE room = ?1"];

impl Changes<'_> {
    pub(super) fn of_room(&mut self, op: &RoomOp) -> Result<(), StoreError> {
        match op {
            RoomOp::Begin { room, keys, log, way } => self.begin(*room, keys, *log, way.as_ref()),
            RoomOp::Replica { room, op } => self.of_replica(*room, op),
            RoomOp::State { room, state } => self.state(*room, *state),
            RoomOp::Delivered { .. } | RoomOp::Client { .. } | RoomOp::Alias { .. } | RoomOp::Notify { .. } => Ok(()),
            RoomOp::Expires { .. } | RoomOp::Expired { .. } | RoomOp::AskedBy { .. } => Ok(()),
            RoomOp::Bury(tomb) => self.bury(tomb),
            RoomOp::Unbury(room) => self.write("DELETE FROM room_tomb WHERE room = ?1", &[&room.0]),
            RoomOp::Invite { room, invite } => self.room_invite(*room, invite),
            RoomOp::InviteGone { room, id } => {
                let room = self.room(*room)?;
                self.write("DELETE FROM room_invite WHERE room = ?1 AND id = ?2", &[&room.num, &id.0])
            }
            RoomOp::Petition { room, petition } => self.petition(*room, petition),
            RoomOp::PetitionGone { room, id } => {
                let room = self.room(*room)?;
                self.write("DELETE FROM room_petition WHERE room = ?1 AND id = ?2", &[&room.num, &id.0])
            }
            RoomOp::Ban { room, id, banned } => {
                let room = self.room(*room)?;
                let sql = if *banned {
                    "INSERT INTO room_ban (room, id) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
                } else {
                    "DELETE FROM room_ban WHERE room = ?1 AND id = ?2"
                };
                self.write(sql, &[&room.num, &id.0])
            }
            RoomOp::Leaver { room, member, leaves } => {
                let room = self.room(*room)?;
                let sql = if *leaves {
                    "INSERT INTO room_leaver (room, member) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
                } else {
                    "DELETE FROM room_leaver WHERE room = ?1 AND member = ?2"
                };
                self.write(sql, &[&room.num, &member.get()])
            }
            RoomOp::Hand { room, hand } => self.hand(*room, hand.as_ref()),
            RoomOp::Epoch { peer, epoch } => self.write(
                "INSERT INTO room_epoch (peer, epoch) VALUES (?1, ?2) ON CONFLICT (peer) DO UPDATE SET epoch = excluded.epoch",
                &[peer.as_bytes(), epoch],
            ),
        }
    }

    /// The end of the transaction: what follows from all that the replicas have written.
    pub(in crate::store) fn finish_rooms(&self) -> Result<(), StoreError> {
        self.rooms.values().try_for_each(replica::Changes::finish)
    }

    fn of_replica(&mut self, id: RoomId, op: &torchat_room::outcome::Op) -> Result<(), StoreError> {
        if let Some(changes) = self.rooms.get_mut(&id) {
            return changes.apply(op);
        }
        let mut changes = replica::Changes::new(self.db, self.room(id)?, self.moment.at_ms);
        changes.apply(op)?;
        self.rooms.insert(id, changes);
        Ok(())
    }

    fn room(&self, id: RoomId) -> Result<RoomKey, StoreError> {
        RoomKey::find(self.db, id)?.ok_or_else(|| damaged("id"))
    }

    fn write(&self, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
        self.db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Removes what stands in some tables of a room.
    fn clear(&mut self, room: RoomKey, tables: &[&str]) -> Result<(), StoreError> {
        self.rooms.remove(&room.id);
        tables.iter().try_for_each(|sql| self.write(sql, &[&room.num]))
    }

    fn clear_all(&mut self, room: RoomKey) -> Result<(), StoreError> {
        self.clear(room, &[&OF_REPLICA[..], &OF_MEMBERSHIP, &OF_PEOPLE].concat())
    }

    fn begin(&mut self, id: RoomId, keys: &RoomKeys, log: LogId, way: Option<&Way>) -> Result<(), StoreError> {
        if let Some(before) = RoomKey::find(self.db, id)? {
            self.clear_all(before)?;
            self.write("DELETE FROM room WHERE num = ?1", &[&before.num])?;
        }
        let doors = way.map(|way| way.doors.iter().flat_map(|door| *door.as_bytes()).collect::<Vec<u8>>());
        let pass = way.and_then(|way| way.pass).map(|pass| [&pass.id.0[..], &pass.secret.0].concat());
        self.db
            .prepare_cached(
                "INSERT INTO room (room, state, log, next, digest, lamport, seed, sealing, chain, doors, pass, nick, intro, want)
                 VALUES (?1, ?2, ?3, 1, ?4, 0, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                id.0,
                state_number(if way.is_some() { RoomState::Joining } else { RoomState::Member }),
                log.0,
                LogDigest::EMPTY.0,
                keys.sign,
                keys.sealing,
                doors,
                pass,
                way.and_then(|way| way.nick.as_ref()).map(|nick| nick.as_str()),
                way.map(|way| way.text.as_str()),
                way.and_then(|way| way.want),
            ])?;
        Ok(())
    }

    /// Of a room in which we have nothing more to do only what was said in it stays.
    fn state(&mut self, id: RoomId, state: RoomState) -> Result<(), StoreError> {
        let room = self.room(id)?;
        let since = if let RoomState::Leaving(since_ms) = state { Some(since_ms) } else { None };
        self.write(
            "UPDATE room SET state = ?2, since_ms = ?3, doors = NULL, pass = NULL, nick = NULL, intro = NULL, want = NULL
             WHERE num = ?1",
            &[&room.num, &state_number(state), &since],
        )?;
        if state.is_active() {
            return Ok(());
        }
        self.write("UPDATE room SET seed = NULL, sealing = NULL, hand = NULL WHERE num = ?1", &[&room.num])?;
        self.clear(room, &[&OF_MEMBERSHIP[..], &OF_PEOPLE].concat())
    }

    fn bury(&mut self, tomb: &Tomb) -> Result<(), StoreError> {
        let room = self.room(tomb.room)?;
        self.clear_all(room)?;
        self.state(tomb.room, RoomState::Destroyed)?;
        let members: Vec<u8> = tomb.members.iter().flat_map(|member| member.0).collect();
        let (first, last) = (tomb.acts.first(), tomb.acts.get(1));
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO room_tomb (room, members, at_ms, first_head, first_body, last_head, last_body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                tomb.room.0,
                members,
                tomb.at_ms,
                first.map(|act| head(act)),
                first.and_then(|act| act.body()),
                last.map(|act| head(act)),
                last.and_then(|act| act.body()),
            ])?;
        Ok(())
    }

    fn room_invite(&self, room: RoomId, invite: &InviteRow) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO room_invite (room, id, key, role, uses, until_ms, whom, note)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                self.room(room)?.num,
                invite.id.0,
                invite.key.as_bytes(),
                role_number(invite.role),
                invite.uses,
                invite.until_ms,
                invite.whom.map(|whom| whom.0),
                invite.note,
            ])?;
        Ok(())
    }

    fn petition(&self, room: RoomId, petition: &PetitionRow) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO room_petition (room, id, sign, sealing, nick, text, via, at_ms, refused)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                self.room(room)?.num,
                petition.id.0,
                petition.sign.0,
                petition.sealing.0,
                petition.nick.as_ref().map(|nick| nick.as_str()),
                petition.text.as_str(),
                petition.via.map(|via| via.0),
                petition.at_ms,
                petition.refused,
            ])?;
        Ok(())
    }

    fn hand(&self, room: RoomId, hand: Option<&HandRow>) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE room SET hand = ?2, hand_by = ?3, hand_to = ?4, hand_accept = ?5 WHERE num = ?1")?
            .execute(params![
                self.room(room)?.num,
                hand.map(|hand| hand.proposal.0),
                hand.map(|hand| hand.by.get()),
                hand.map(|hand| hand.to.get()),
                hand.and_then(|hand| hand.accept).map(|accept| accept.0),
            ])?;
        Ok(())
    }
}

fn state_number(state: RoomState) -> i64 {
    match state {
        RoomState::Joining => 0,
        RoomState::Member => 1,
        RoomState::Leaving(_) => 2,
        RoomState::Left => 3,
        RoomState::Removed => 4,
        RoomState::Destroyed => 5,
        RoomState::Ended => 6,
        RoomState::NotServed => 7,
    }
}
