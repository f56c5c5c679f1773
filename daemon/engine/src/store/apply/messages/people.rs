//! Who is in a room, and what everybody and the room are called: kept between transactions, because a message costs no look at what
//! does not change with it.

use super::{Changes, Touched};
use crate::store::StoreError;
use crate::store::people::People;
use crate::store::query::rooms;
use crate::store::replica::{ChainKey, RoomKey, number};
use rusqlite::params;
use std::collections::BTreeSet;
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::api::record::MemberChange;
use torchat_protocol::room::MemberNo;
use torchat_protocol::room::body::said::Text;

impl Changes<'_> {
    /// Who is in a room now.
    pub(super) fn people(&mut self, room: RoomKey) -> Result<&mut People, StoreError> {
        if !self.known.people.contains_key(&room.num) {
            let people = People::read(self.db, room, i64::MAX.unsigned_abs())?;
            self.known.people.insert(room.num, people);
        }
        self.known.people.get_mut(&room.num).ok_or_else(|| crate::store::replica::damaged("number"))
    }

    pub(super) fn name(&mut self, room: RoomKey, member: MemberNo) -> Result<String, StoreError> {
        let db = self.db;
        self.people(room)?.name(db, room, member)
    }

    pub(super) fn is_me(&mut self, room: RoomKey, member: MemberNo) -> Result<bool, StoreError> {
        Ok(self.people(room)?.is_me(member))
    }

    pub(super) fn mentions_us(&mut self, room: RoomKey, text: &Text) -> Result<bool, StoreError> {
        if text.to.is_empty() {
            return Ok(false);
        }
        let people = self.people(room)?;
        Ok(text.to.iter().any(|member| people.is_me(*member)))
    }

    /// Whether the user has blocked a member.
    pub(super) fn is_blocked(&mut self, room: RoomKey, member: MemberNo) -> Result<bool, StoreError> {
        let Some(id) = self.people(room)?.roster.members.get(&member).and_then(|member| member.id) else {
            return Ok(false);
        };
        let mut query = self.db.prepare_cached("SELECT 1 FROM peer WHERE peer = ?1 AND blocked = 1")?;
        Ok(query.exists([id.0])?)
    }

    /// Notes who is muted before something changes that.
    pub(in crate::store::apply) fn muted_before(&mut self, room: RoomKey) -> Result<(), StoreError> {
        if !self.known.muted.contains_key(&room.num) {
            self.known.muted.insert(room.num, rooms::muted(self.db, room)?);
        }
        Ok(())
    }

    /// Tells programs how the room and its members are, if that has changed.
    pub(super) fn tell_people(&mut self, touched: &mut Touched) -> Result<(), StoreError> {
        let (db, room) = (self.db, touched.room);
        let mut changes = std::mem::take(&mut touched.changes);
        if touched.mutes {
            let now = rooms::muted(db, room)?;
            let before = self.known.muted.insert(room.num, now.clone()).unwrap_or_default();
            changes.extend(now.difference(&before).map(|no| (*no, MemberChange::Muted)));
            changes.extend(before.difference(&now).map(|no| (*no, MemberChange::Unmuted)));
        }
        if touched.tell_room {
            let record = rooms::record(db, room, self.people(room)?)?;
            self.tell(What::Room { room: Box::new(record) });
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.muted_before(room)?;
        let muted = self.known.muted.get(&room.num).cloned().unwrap_or_default();
        let mut told = BTreeSet::new();
        for (no, change) in changes.into_iter().filter(|change| told.insert(*change)) {
            let peer = room.id.conversation();
            if let Some(member) = rooms::member(db, room, self.people(room)?, &muted, no)? {
                self.tell(What::Member { peer, member, change });
            }
        }
        Ok(())
    }

    /// Names have changed.
    pub(super) fn forget_names(&mut self, touched: &mut Touched) {
        touched.people = true;
        if let Some(people) = self.known.people.get_mut(&touched.room.num) {
            people.forget_names();
        }
    }

    /// Other acts hold.
    pub(super) fn forget_people(&mut self, touched: &mut Touched) {
        touched.people = true;
        self.known.people.remove(&touched.room.num);
    }

    /// What lists of conversations show of a room.
    pub(super) fn write_people(&mut self, touched: &Touched) -> Result<(), StoreError> {
        let (db, room) = (self.db, touched.room);
        let people = self.people(room)?;
        let members = number(people.roster.present().count() as u64)?;
        db.prepare_cached(
            "UPDATE room SET name = ?2, topic = ?3, members = ?4, me = ?5
             WHERE num = ?1 AND (name <> ?2 OR topic <> ?3 OR members <> ?4 OR me IS NOT ?5)",
        )?
        .execute(params![
            room.num,
            people.roster.name,
            people.topic(db, room)?,
            members,
            people.me().map(MemberNo::get)
        ])?;
        Ok(())
    }

    /// Events up to one of ours are durable at another member: it came from there.
    pub(super) fn is_elsewhere(
        &self,
        room: RoomKey,
        place: torchat_protocol::room::body::Place,
    ) -> Result<(), StoreError> {
        let chain: ChainKey = room.chain(place.author);
        self.db
            .prepare_cached("UPDATE room_chain SET stored = ?2 WHERE chain = ?1 AND stored < ?2")?
            .execute(params![chain, number(place.seq)?])?;
        Ok(())
    }
}
