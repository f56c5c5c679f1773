//! Who is in a room, and what everybody and the room are called, as the stored acts and names say.

use super::StoreError;
use super::replica::{NICK, RoomKey, TOPIC, event, number, standing};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::{Body, Role};
use torchat_protocol::room::{Event, Identity, MemberKey, MemberNo, Order};
use torchat_room::counts::{Said, last_in_force};
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
    /// What members call themselves since they came; a name that is none is empty.
    nicks: Option<BTreeMap<MemberNo, String>>,
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
        self.nicks = None;
    }

    /// What a member is called: the name that it took last, else the one with which it came, else none.
    pub(super) fn name(&mut self, db: &Connection, room: RoomKey, member: MemberNo) -> Result<String, StoreError> {
        if self.nicks.is_none() {
            self.nicks = Some(nicks(db, room)?);
        }
        let later = self.nicks.as_ref().and_then(|nicks| nicks.get(&member).cloned());
        let first =
            || self.roster.members.get(&member).and_then(|one| one.nick.as_ref()).map(|nick| nick.as_str().to_owned());
        Ok(later.or_else(first).unwrap_or_default())
    }

    /// What the room is about: what an act or a topic event said last, in the order of all events.
    pub(super) fn topic(&self, db: &Connection, room: RoomKey) -> Result<String, StoreError> {
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
    each_deciding(db, room, NICK, &mut |said, body| {
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
