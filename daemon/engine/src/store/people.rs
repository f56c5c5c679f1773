//! Who is in a room, and what everybody and the room are called, as the stored acts and names say.

use super::replica::{RoomKey, event, number};
use super::{StoreError, force};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use torchat_protocol::room::body::Body;
use torchat_protocol::room::{Event, Identity, MemberKey, MemberNo, Order};
use torchat_room::replica::Me;
use torchat_room::roster::Roster;

/// See the module's description.
#[derive(Debug)]
pub(super) struct People {
    /// So many acts are in `roster`.
    pub(super) acts: u64,
    pub(super) roster: Roster,
    key: Option<MemberKey>,
    /// Our number, of a room in which we have no key any more.
    had: Option<MemberNo>,
    /// The topic that the acts say last.
    topic: Option<(Order, String)>,
    /// What members call themselves since they came, of those who were asked for; a name that is none is empty.
    nicks: BTreeMap<MemberNo, Option<String>>,
}

impl People {
    /// What the acts of the branch say, up to a number.
    pub(super) fn read(db: &Connection, room: RoomKey, upto: u64) -> Result<Self, StoreError> {
        let (seed, had): (Option<[u8; 32]>, Option<u32>) = db
            .prepare_cached("SELECT seed, me FROM room WHERE num = ?1")?
            .query_row([room.num], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut people = Self {
            acts: 0,
            roster: Roster::of(room.id, []),
            key: seed.map(|seed| Me { seed, chain: 0 }.key()),
            had: had.and_then(MemberNo::new),
            topic: None,
            nicks: BTreeMap::new(),
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
    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Everybody who ever was a member.
    pub(super) fn members(&self) -> impl Iterator<Item = MemberNo> {
        self.roster.members.keys().copied()
    }

    /// Our number.
    pub(super) fn me(&self) -> Option<MemberNo> {
        match self.key {
            Some(key) => self.roster.with_key(key),
            None => self.had,
        }
    }

    /// Whether a number is ours: what is said under it is signed by our key.
    ///
    /// That a number has our identity says nothing: the owner writes the entries, and may have the key of that one.
    pub(super) fn is_me(&self, member: MemberNo) -> bool {
        let key = self.roster.members.get(&member).map(|member| member.key.bytes());
        self.me() == Some(member) || self.key.is_some() && self.key == key
    }

    /// The numbers of somebody.
    pub(super) fn with_identity(&self, identity: &[u8; 32]) -> Vec<MemberNo> {
        let theirs = self.roster.members.iter().filter(|(_, member)| member.id == Some(Identity(*identity)));
        theirs.map(|(no, _)| *no).collect()
    }

    /// Names have changed.
    pub(super) fn forget_names(&mut self) {
        self.nicks.clear();
    }

    /// What a member is called: the name that it took last, else the one with which it came, else none.
    pub(super) fn name(&mut self, db: &Connection, room: RoomKey, member: MemberNo) -> Result<String, StoreError> {
        let later = match self.nicks.get(&member) {
            Some(later) => later.clone(),
            None => self.nicks.entry(member).or_insert(force::nick(db, room, member)?).clone(),
        };
        let first =
            || self.roster.members.get(&member).and_then(|one| one.nick.as_ref()).map(|nick| nick.as_str().to_owned());
        Ok(later.or_else(first).unwrap_or_default())
    }

    /// What the room is about: what an act or a topic event said last, in the order of all events.
    pub(super) fn topic(&self, db: &Connection, room: RoomKey) -> Result<String, StoreError> {
        let of_members = force::topic(db, room)?;
        let by_order = |said: &&(Order, String)| said.0;
        let last = self.topic.iter().chain(&of_members).max_by_key(by_order);
        Ok(last.map(|(_, topic)| topic.clone()).unwrap_or_default())
    }
}
