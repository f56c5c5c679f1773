//! Who is in a room, and what everybody and the room are called: kept between transactions, because a message costs no look at what
//! does not change with it.

use super::{Changes, TOPIC, Touched};
use crate::store::StoreError;
use crate::store::query::rooms;
use crate::store::replica::{ChainKey, RoomKey, event, number, standing};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::api::record::MemberChange;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Role};
use torchat_protocol::room::{Event, Identity, MemberKey, MemberNo, Order};
use torchat_room::counts::{Said, last_in_force};
use torchat_room::replica::Me;
use torchat_room::roster::Roster;

/// See the module's description.
#[derive(Debug)]
pub(in crate::store) struct People {
    /// So many acts are in `roster`.
    pub(super) acts: u64,
    pub(super) roster: Roster,
    key: Option<MemberKey>,
    /// Our number, of a room in which we have no key any more.
    had: Option<MemberNo>,
    /// The topic that the acts say last.
    topic: Option<(Order, String)>,
    /// What members call themselves since they came; a name that is none is empty.
    nicks: Option<BTreeMap<MemberNo, String>>,
}

impl People {
    /// What the acts of the branch say, up to a number.
    pub(in crate::store) fn read(db: &Connection, room: RoomKey, upto: u64) -> Result<Self, StoreError> {
        let (seed, had): (Option<[u8; 32]>, Option<u32>) = db
            .prepare_cached("SELECT seed, me FROM room WHERE num = ?1")?
            .query_row([room.num], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut people = Self {
            acts: 0,
            roster: Roster::of(room.id, []),
            key: seed.map(|seed| Me { seed, chain: 0 }.key()),
            had: had.and_then(MemberNo::new),
            topic: None,
            nicks: None,
        };
        let mut query = db.prepare_cached(
            "SELECT e.head, e.body FROM room_act a JOIN room_event e ON e.place = a.place
             WHERE a.room = ?1 AND a.branch = 1 AND a.seq <= ?2 ORDER BY a.seq",
        )?;
        let mut rows = query.query(params![room.num, number(upto)?])?;
        while let Some(row) = rows.next()? {
            people.take(&*event(row, 0, room.id)?);
        }
        Ok(people)
    }

    /// The branch goes on.
    pub(super) fn take(&mut self, act: &Event) {
        self.acts += 1;
        let topic = match act.read().ok().flatten() {
            Some(Body::Create(create)) if self.acts == 1 => Some(create.topic),
            Some(Body::Set(set)) => set.topic,
            _ => None,
        };
        if let Some(topic) = topic {
            let said = (act.header().order(), topic.as_str().to_owned());
            self.topic = self.topic.take().filter(|before| before.0 > said.0).or(Some(said));
        }
        self.roster.take(act);
    }

    /// What the acts say.
    pub(in crate::store) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Everybody who ever was a member.
    pub(in crate::store) fn members(&self) -> impl Iterator<Item = MemberNo> {
        self.roster.members.keys().copied()
    }

    /// Our number.
    pub(in crate::store) fn me(&self) -> Option<MemberNo> {
        match self.key {
            Some(key) => self.roster.with_key(key),
            None => self.had,
        }
    }

    /// Whether a number is ours, or was: of our key, or of our identity.
    fn is_me(&self, member: MemberNo) -> bool {
        let id = |no: &MemberNo| self.roster.members.get(no).and_then(|member| member.id);
        self.me().is_some_and(|me| me == member || id(&me).is_some() && id(&me) == id(&member))
    }

    /// The numbers of somebody.
    pub(super) fn with_identity(&self, identity: &[u8; 32]) -> Vec<MemberNo> {
        let theirs = self.roster.members.iter().filter(|(_, member)| member.id == Some(Identity(*identity)));
        theirs.map(|(no, _)| *no).collect()
    }

    /// What a member is called: the name that it took last, else the one with which it came, else none.
    pub(in crate::store) fn name(
        &mut self,
        db: &Connection,
        room: RoomKey,
        member: MemberNo,
    ) -> Result<String, StoreError> {
        if self.nicks.is_none() {
            self.nicks = Some(nicks(db, room)?);
        }
        let later = self.nicks.as_ref().and_then(|nicks| nicks.get(&member).cloned());
        let first =
            || self.roster.members.get(&member).and_then(|one| one.nick.as_ref()).map(|nick| nick.as_str().to_owned());
        Ok(later.or_else(first).unwrap_or_default())
    }

    /// What the room is about: what an act or a topic event said last, in the order of all events.
    pub(in crate::store) fn topic(&self, db: &Connection, room: RoomKey) -> Result<String, StoreError> {
        let mut last = self.topic.clone();
        each_deciding(db, room, TOPIC, &mut |said, body| {
            if let Body::Topic(topic) = body
                && said.standing.allows(Role::Moderator)
                && last.as_ref().is_none_or(|(before, _)| *before < said.order)
            {
                last = Some((said.order, topic.topic.as_str().to_owned()));
            }
        })?;
        Ok(last.map(|(_, topic)| topic).unwrap_or_default())
    }
}

/// The names that are in force.
fn nicks(db: &Connection, room: RoomKey) -> Result<BTreeMap<MemberNo, String>, StoreError> {
    let mut nicks: BTreeMap<MemberNo, (Said, String)> = BTreeMap::new();
    each_deciding(db, room, super::NICK, &mut |said, body| {
        let (Body::Nick(nick), Some(member)) = (body, said.member()) else { return };
        let before = nicks.get(&member).map(|(before, _)| *before);
        if last_in_force(before.into_iter().chain([said]), Role::Reader) == Some(said) {
            let name = Nick::parse(nick.nick.as_str()).map(|nick| nick.as_str().to_owned());
            nicks.insert(member, (said, name.unwrap_or_default()));
        }
    })?;
    Ok(nicks.into_iter().map(|(member, (_, nick))| (member, nick)).collect())
}

/// Events of one of the kinds that have an index of their own.
fn each_deciding(
    db: &Connection,
    room: RoomKey,
    kind: u8,
    visitor: &mut dyn FnMut(Said, Body),
) -> Result<(), StoreError> {
    let mut query = db.prepare_cached(
        "SELECT head, body, standing FROM room_event WHERE kind IN (20, 21, 22, 25, 29) AND kind = ?3
         AND place >= ?1 AND place < ?2 AND chain IS NOT NULL AND body IS NOT NULL ORDER BY place",
    )?;
    let mut rows = query.query(params![room.row(0), room.row(u64::MAX), kind])?;
    while let Some(row) = rows.next()? {
        let event = event(row, 0, room.id)?;
        if let Ok(Some(body)) = event.read() {
            visitor(Said { order: event.header().order(), standing: standing(row.get(2)?)? }, body);
        }
    }
    Ok(())
}

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
    pub(super) fn muted_before(&mut self, room: RoomKey) -> Result<(), StoreError> {
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
            people.nicks = None;
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
