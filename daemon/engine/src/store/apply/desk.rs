//! What the desk of rooms decided, as SQL: which rooms there are, how far we are in each, and who may join.

use super::{Changes, replica};
use crate::store::query::messages::peer_id;
use crate::store::replica::{ChainKey, Restood, RoomKey, damaged, head, role_number};
use crate::store::{StoreError, time};
use rusqlite::{OptionalExtension as _, ToSql, params};
use torchat_core::op::RoomOp;
use torchat_core::snapshot::rooms::{HandRow, InviteRow, Notify, PetitionRow, RoomKeys, RoomState, Tomb, Way};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::api::record::Petition;
use torchat_protocol::room::{Identity, LogDigest, LogId, RoomId};

/// Tables of a room's log, by chain or place, and those that have its number.
const OF_REPLICA: [&str; 5] = [
    "DELETE FROM room_member WHERE member >= ?1 << 32 AND member < (?1 + 1) << 32",
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

/// Chains after one whose rows do not all say yet what they count as.
const BEHIND: &str = "SELECT chain FROM room_chain WHERE behind IS NOT NULL AND chain > ?1";

impl Changes<'_> {
    pub(super) fn of_room(&mut self, op: &RoomOp) -> Result<(), StoreError> {
        match op {
            RoomOp::Begin { room, keys, log, way } => self.begin(*room, keys, *log, way.as_ref()),
            RoomOp::Replica { room, op } => self.of_replica(*room, op),
            RoomOp::Restand => self.restand(),
            RoomOp::State { room, state } => self.state(*room, *state),
            RoomOp::Delivered { room, author, upto } => self.delivered_in(*room, *author, *upto),
            RoomOp::Expires { room, text, until_ms } => self.expires(*room, *text, *until_ms),
            RoomOp::Failed { room, text } => self.will_not_be_said(*room, *text),
            RoomOp::AskedBy { room, client } => {
                self.write("INSERT OR REPLACE INTO room_client (client, room) VALUES (?1, ?2)", &[client, &room.0])
            }
            RoomOp::Client { room, text, client } => self.client_of(*room, *text, client),
            RoomOp::Alias { room, alias } => {
                self.write("UPDATE room SET alias = ?2 WHERE room = ?1", &[&room.0, alias])?;
                self.tell_room(*room)
            }
            RoomOp::Notify { room, notify } => {
                self.write("UPDATE room SET notify = ?2 WHERE room = ?1", &[&room.0, &notify_number(*notify)])?;
                self.tell_room(*room)
            }
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
                self.petition_gone(room, *id)?;
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
    pub(in crate::store) fn finish_rooms(&mut self) -> Result<(), StoreError> {
        self.rooms.values().try_for_each(replica::Changes::finish)?;
        self.finish_touched()?;
        if self.rooms.values().any(|room| room.is_behind) {
            self.known.behind = Some(true);
        }
        self.out.behind = match self.known.behind {
            Some(behind) => behind,
            None => self.db.prepare_cached(&format!("{BEHIND} LIMIT 1"))?.exists([0])?,
        };
        self.known.behind = Some(self.out.behind);
        Ok(())
    }

    /// A step for the next chain that is behind.
    fn restand(&mut self) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached(&format!("{BEHIND} ORDER BY chain LIMIT 1"))?;
        let mut next = |after| query.query_row([after], |row| row.get::<_, ChainKey>(0)).optional();
        let chain = match next(self.known.restood)? {
            Some(chain) => Some(chain),
            None => next(0)?,
        };
        // Whether others are is looked at in the end.
        self.known.behind = None;
        let Some(chain) = chain else { return Ok(()) };
        self.known.restood = chain.number();
        let room = RoomKey::with_num(self.db, chain.room())?;
        self.muted_before(room)?;
        let restood = self.in_replica(room.id, |changes| changes.restand(chain))?;
        self.restood(room.id, &restood)
    }

    fn of_replica(&mut self, id: RoomId, op: &torchat_room::outcome::Op) -> Result<(), StoreError> {
        self.before_replica(id, op)?;
        let restood = self.in_replica(id, |changes| changes.apply(op))?;
        self.after_replica(id, op, &restood)
    }

    /// Events that count as something else by a change of a replica.
    fn in_replica(
        &mut self,
        id: RoomId,
        change: impl FnOnce(&mut replica::Changes<'_>) -> Result<(), StoreError>,
    ) -> Result<Vec<Restood>, StoreError> {
        if !self.rooms.contains_key(&id) {
            self.rooms.insert(id, replica::Changes::new(self.db, self.room(id)?, self.moment.at_ms));
        }
        let Some(changes) = self.rooms.get_mut(&id) else { return Ok(Vec::new()) };
        change(changes)?;
        Ok(changes.take_restood())
    }

    pub(super) fn room(&self, id: RoomId) -> Result<RoomKey, StoreError> {
        RoomKey::find(self.db, id)?.ok_or_else(|| damaged("id"))
    }

    fn write(&self, sql: &str, values: &[&dyn ToSql]) -> Result<(), StoreError> {
        self.db.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Removes what stands in some tables of a room.
    fn clear(&self, room: RoomKey, tables: &[&str]) -> Result<(), StoreError> {
        tables.iter().try_for_each(|sql| self.write(sql, &[&room.num]))
    }

    fn clear_all(&mut self, room: RoomKey) -> Result<(), StoreError> {
        self.rooms.remove(&room.id);
        self.known.people.remove(&room.num);
        self.clear(room, &[&OF_REPLICA[..], &OF_MEMBERSHIP, &OF_PEOPLE].concat())
    }

    fn begin(&mut self, id: RoomId, keys: &RoomKeys, log: LogId, way: Option<&Way>) -> Result<(), StoreError> {
        let before = self.forget_room(id)?;
        let doors = way.map(|way| way.doors.iter().flat_map(|door| *door.as_bytes()).collect::<Vec<u8>>());
        let pass = way.and_then(|way| way.pass).map(|pass| [&pass.id.0[..], &pass.secret.0].concat());
        self.db
            .prepare_cached(
                // Numbers begin with 1: what has a chain of room 0 is mail. The row of the room before may be there, with the number -1.
                "INSERT INTO room (num, room, state, log, next, digest, lamport, seed, sealing, chain, doors, pass, nick, intro, want)
                 VALUES ((SELECT max(coalesce(max(num), 0), 0) + 1 FROM room), ?1, ?2, ?3, 1, ?4, 0, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11)",
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
        self.is_conversation(id, before)
    }

    /// What was stored of a room before goes. What was said in it stays, and what the user has set.
    fn forget_room(&mut self, id: RoomId) -> Result<Option<RoomKey>, StoreError> {
        let Some(before) = RoomKey::find(self.db, id)? else { return Ok(None) };
        // First what this transaction has written, while its events are there.
        self.finish_rooms()?;
        self.outbox_ends(id)?;
        self.write("DELETE FROM room_outbox WHERE room = ?1", &[&before.num])?;
        self.finish_touched()?;
        self.clear_all(before)?;
        self.with_room(id, |changes, touched| changes.unplace(touched, before.all_chains(), false))?;
        self.touched.remove(&id);
        // Its number is somebody else's, or the new one's.
        self.write("UPDATE room SET room = zeroblob(32), num = -1 WHERE num = ?1", &[&before.num])?;
        Ok(Some(before))
    }

    /// A room that begins is a conversation.
    fn is_conversation(&mut self, id: RoomId, before: Option<RoomKey>) -> Result<(), StoreError> {
        let room = self.room(id)?;
        self.write(
            "INSERT INTO peer (peer, room) VALUES (?1, ?2) ON CONFLICT (peer) DO UPDATE SET room = excluded.room",
            &[&id.0, &room.num],
        )?;
        if before.is_some() {
            self.write(
                "UPDATE room SET (alias, notify, mentions, name, topic)
                 = (SELECT alias, notify, mentions, name, topic FROM room WHERE num = -1) WHERE num = ?1",
                &[&room.num],
            )?;
            self.write("DELETE FROM room WHERE num = -1", &[])?;
        }
        self.known.rooms.clear();
        self.known.people.remove(&room.num);
        self.known.muted.remove(&room.num);
        self.tell_room(id)
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
        self.tell_room(id)?;
        if state.is_active() {
            return Ok(());
        }
        self.write("UPDATE room SET seed = NULL, sealing = NULL, hand = NULL WHERE num = ?1", &[&room.num])?;
        self.outbox_ends(id)?;
        self.clear(room, &[&OF_MEMBERSHIP[..], &OF_PEOPLE].concat())
    }

    fn bury(&mut self, tomb: &Tomb) -> Result<(), StoreError> {
        let room = self.room(tomb.room)?;
        self.touched.remove(&tomb.room);
        self.erase_room(tomb)?;
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

    /// Somebody of whom programs were told asks no more.
    fn petition_gone(&mut self, room: RoomKey, id: Identity) -> Result<(), StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT 1 FROM room_petition WHERE room = ?1 AND id = ?2 AND refused = 0")?;
        if query.exists(params![room.num, id.0])?
            && let Ok(onion) = peer_id(id.0)
        {
            self.tell(What::PetitionGone { peer: room.id.conversation(), onion: Onion(onion) });
        }
        Ok(())
    }

    fn petition(&mut self, room: RoomId, petition: &PetitionRow) -> Result<(), StoreError> {
        if petition.refused {
            self.petition_gone(self.room(room)?, petition.id)?;
        } else if let Ok(onion) = peer_id(petition.id.0) {
            self.tell(What::Petition {
                petition: Petition {
                    peer: room.conversation(),
                    onion: Onion(onion),
                    name: petition.nick.as_ref().map(|nick| nick.as_str().to_owned()).unwrap_or_default(),
                    text: petition.text.as_str().to_owned(),
                    invite: petition.via,
                    at: time(petition.at_ms),
                },
            });
        }
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

    fn hand(&mut self, room: RoomId, hand: Option<&HandRow>) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE room SET hand = ?2, hand_by = ?3, hand_to = ?4, hand_accept = ?5 WHERE num = ?1")?
            .execute(params![
                self.room(room)?.num,
                hand.map(|hand| hand.proposal.0),
                hand.map(|hand| hand.by.get()),
                hand.map(|hand| hand.to.get()),
                hand.and_then(|hand| hand.accept).map(|accept| accept.0),
            ])?;
        self.tell_room(room)
    }
}

fn notify_number(notify: Notify) -> i64 {
    match notify {
        Notify::All => 0,
        Notify::Mentions => 1,
        Notify::None => 2,
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
