//! System messages, which the daemon writes between a room's texts: one for each act of the branch that says something to people, and for
//! each topic that a moderator has set. One whose act does not hold any more is void.

use super::{Changes, Touched};
use crate::store::people::People;
use crate::store::replica::{RoomKey, event, number, standing};
use crate::store::{StoreError, flags};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use torchat_protocol::control::api::record::MemberChange;
use torchat_protocol::room::body::acts::{CutReason, Roster as RosterAct, Set};
use torchat_protocol::room::body::{Body, Place, Role};
use torchat_protocol::room::{Event, EventId, MemberNo};

/// The id of a system message: that of its event, shortened.
pub(super) fn system_id(event: EventId) -> [u8; 16] {
    let mut id = [0; 16];
    id.iter_mut().zip(event.0).for_each(|(to, from)| *to = from);
    id
}

/// A member as system messages name them.
fn called(db: &Connection, room: RoomKey, people: &mut People, no: MemberNo) -> Result<String, StoreError> {
    let name = people.name(db, room, no)?;
    Ok(if name.is_empty() { format!("member {no}") } else { name })
}

fn all_called(
    db: &Connection,
    room: RoomKey,
    people: &mut People,
    members: impl IntoIterator<Item = MemberNo>,
) -> Result<String, StoreError> {
    let names = members.into_iter().map(|no| called(db, room, people, no)).collect::<Result<Vec<_>, _>>()?;
    Ok(names.join(", "))
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "a reader",
        Role::Member => "a member",
        Role::Moderator => "a moderator",
        Role::Owner => "the owner",
    }
}

/// What a member was before an act.
type Was = BTreeMap<MemberNo, Option<(bool, Role)>>;

/// What the members were that an act names.
fn were(people: &People, act: &RosterAct) -> Was {
    let named = act.add.iter().map(|one| one.no).chain(act.cut.iter().map(|one| one.no));
    let named = named.chain(act.role.iter().map(|one| one.no));
    named.map(|no| (no, people.roster.members.get(&no).map(|one| (one.is_in(), one.role())))).collect()
}

/// What a roster act has changed, in words.
fn roster_words(
    db: &Connection,
    room: RoomKey,
    people: &mut People,
    act: &RosterAct,
    was: &Was,
) -> Result<Vec<String>, StoreError> {
    let is = |people: &People, no: &MemberNo| people.roster.members.get(no).map(|one| (one.is_in(), one.role()));
    let mut parts = Vec::new();
    let came: Vec<MemberNo> = was.iter().filter(|(_, was)| was.is_none()).map(|(no, _)| *no).collect();
    let came: Vec<MemberNo> = came.into_iter().filter(|no| is(people, no).is_some_and(|(is_in, _)| is_in)).collect();
    if !came.is_empty() {
        parts.push(format!("{} joined", all_called(db, room, people, came)?));
    }
    for (why, words) in [
        (CutReason::Left, "left"),
        (CutReason::Removed, "removed by the owner"),
        (CutReason::Replaced, "here with a new number"),
    ] {
        let gone = act.cut.iter().filter(|cut| cut.why == why).map(|cut| cut.no);
        let gone: Vec<MemberNo> = gone
            .filter(|no| was.get(no).is_some_and(|was| was.is_some_and(|(was_in, _)| was_in)))
            .filter(|no| is(people, no).is_some_and(|(is_in, _)| !is_in))
            .collect();
        if !gone.is_empty() {
            parts.push(format!("{} {words}", all_called(db, room, people, gone)?));
        }
    }
    for (no, was) in was {
        let (Some((_, before)), Some((true, now))) = (was, is(people, no)) else { continue };
        if *before != now {
            parts.push(format!("{} is {} now", called(db, room, people, *no)?, role_name(now)));
        }
    }
    Ok(parts)
}

fn set_words(set: &Set) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(name) = &set.name {
        parts.push(format!("the room is called {} now", name.as_str()));
    }
    if let Some(topic) = &set.topic {
        parts.push(topic_words(topic.as_str()));
    }
    if set.policy.is_some() {
        parts.push("the room has other rules now".to_owned());
    }
    parts
}

fn topic_words(topic: &str) -> String {
    if topic.is_empty() { "the room has no topic now".to_owned() } else { format!("the topic is now: {topic}") }
}

impl Changes<'_> {
    /// The branch of acts goes on.
    pub(super) fn act_holds(&mut self, touched: &mut Touched, seq: u64, id: EventId) -> Result<(), StoreError> {
        let (db, room) = (self.db, touched.room);
        let mut people = match self.known.people.remove(&room.num) {
            Some(people) if people.acts + 1 == seq => people,
            _ => People::read(db, room, seq - 1)?,
        };
        let mut query = db.prepare_cached(
            "SELECT e.head, e.body FROM room_act a JOIN room_event e ON e.place = a.place WHERE a.room = ?1 AND a.id = ?2",
        )?;
        let mut rows = query.query(params![room.num, id.0])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let act = event(row, 0, room.id)?;
        let body = act.read().ok().flatten();
        let was = if let Some(Body::Roster(roster)) = &body { were(&people, roster) } else { Was::new() };
        let owner = people.roster.owner;
        let number = people.acts;
        people.take(&act);
        self.note_members(touched, body.as_ref(), &was, &people)?;
        let parts = match &body {
            Some(Body::Create(_)) if number == 0 => {
                let maker = people.roster.owner;
                vec![format!("{} made the room", called(db, room, &mut people, maker)?)]
            }
            Some(Body::Roster(roster)) => roster_words(db, room, &mut people, roster, &was)?,
            Some(Body::Set(set)) => set_words(set),
            Some(Body::Hosts(_)) => vec!["other daemons keep the room now".to_owned()],
            Some(Body::Handover(_)) if people.roster.owner != owner => {
                let heir = people.roster.owner;
                let (from, to) = (called(db, room, &mut people, owner)?, called(db, room, &mut people, heir)?);
                vec![format!("{from} handed the room over to {to}")]
            }
            Some(Body::Settle(_)) => vec!["the owner has settled what it had decided twice".to_owned()],
            Some(Body::Destroy(_)) => vec!["the owner has ended the room".to_owned()],
            _ => Vec::new(),
        };
        self.known.people.insert(room.num, people);
        (touched.people, touched.tell_room) = (true, true);
        if parts.is_empty() { Ok(()) } else { self.system_message(touched, id, &parts.join("; ")) }
    }

    /// Whose numbers are whose, and what programs are told of members.
    fn note_members(
        &self,
        touched: &mut Touched,
        body: Option<&Body>,
        was: &Was,
        people: &People,
    ) -> Result<(), StoreError> {
        let named: Vec<MemberNo> = match body {
            Some(Body::Create(create)) => vec![create.owner.no],
            Some(Body::Handover(handover)) => vec![handover.to],
            _ => was.keys().copied().collect(),
        };
        for no in named {
            let Some(member) = people.roster().members.get(&no) else { continue };
            if let Some(id) = member.id {
                self.db
                    .prepare_cached("INSERT OR REPLACE INTO room_member (member, id) VALUES (?1, ?2)")?
                    .execute(params![touched.room.chain(no.chain(0)), id.0])?;
            }
            let change = match was.get(&no).copied().flatten() {
                None if was.contains_key(&no) && member.is_in() => MemberChange::Joined,
                Some((true, _)) if !member.is_in() => match member.cuts.first() {
                    Some((CutReason::Left, _)) => MemberChange::Left,
                    Some((CutReason::Replaced, _)) => MemberChange::Replaced,
                    _ => MemberChange::Removed,
                },
                Some((_, role)) if role != member.role() => MemberChange::Role,
                None if matches!(body, Some(Body::Handover(_))) => MemberChange::Role,
                _ => continue,
            };
            touched.changes.push((no, change));
        }
        Ok(())
    }

    /// The branch of acts ends before a number.
    pub(super) fn branch_ends(&mut self, touched: &mut Touched, seq: u64) -> Result<(), StoreError> {
        let mut query =
            self.db.prepare_cached("SELECT id FROM room_act WHERE room = ?1 AND branch = 1 AND seq >= ?2")?;
        let ids = query.query_map(params![touched.room.num, number(seq)?], |row| Ok(EventId(row.get(0)?)))?;
        for id in ids {
            self.system_message_ends(touched, id?)?;
        }
        self.forget_people(touched);
        Ok(())
    }

    /// No act and no topic holds any more.
    pub(super) fn nothing_holds(&mut self, touched: &mut Touched) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "UPDATE room_message SET flags = flags | 2 WHERE flags & 32 AND message IN (SELECT id FROM message WHERE peer = ?1)",
            )?
            .execute([touched.num])?;
        touched.topics.clear();
        self.forget_people(touched);
        Ok(())
    }

    /// The owner's key signed two acts with one number, and no more acts are taken until it is settled.
    pub(super) fn froze(&mut self, touched: &mut Touched, one: &Event, other: &Event) -> Result<(), StoreError> {
        touched.tell_room = true;
        let seq = one.header().seq;
        let roster = &self.people(touched.room)?.roster;
        if seq <= roster.owner_since.max(roster.settled.map_or(0, |(settled, _)| settled)) {
            return Ok(());
        }
        // That of the branch has its own message.
        let mut query = self.db.prepare_cached("SELECT 1 FROM room_act WHERE room = ?1 AND id = ?2 AND branch = 1")?;
        let rival = if query.exists(params![touched.room.num, one.id().0])? { other } else { one };
        self.system_message(
            touched,
            rival.id(),
            "the owner has decided two different things: nothing is decided until that is settled",
        )
    }

    /// A topic event counts, or not.
    pub(super) fn judge_topic(&mut self, touched: &mut Touched, place: Place) -> Result<(), StoreError> {
        (touched.people, touched.tell_room) = (true, true);
        let room = touched.room;
        let found = {
            let mut query =
                self.db.prepare_cached("SELECT head, body, standing FROM room_event WHERE chain = ?1 AND seq = ?2")?;
            let mut rows = query.query(params![room.chain(place.author), number(place.seq)?])?;
            let Some(row) = rows.next()? else { return Ok(()) };
            (event(row, 0, room.id)?, standing(row.get(2)?)?)
        };
        let (event, standing) = found;
        let Ok(Some(Body::Topic(topic))) = event.read() else { return Ok(()) };
        if !standing.allows(Role::Moderator) {
            return self.system_message_ends(touched, event.id());
        }
        let who = place.author.member();
        let name = who.map_or(Ok(String::new()), |who| {
            let people = self.known.people.get_mut(&room.num);
            people.map_or(Ok(String::new()), |people| called(self.db, room, people, who))
        })?;
        let by = if name.is_empty() { String::new() } else { format!("{name}: ") };
        self.system_message(touched, event.id(), &format!("{by}{}", topic_words(topic.topic.as_str())))
    }

    /// The message of a topic event that is found no more.
    pub(super) fn topic_gone(&mut self, touched: &Touched, place: Place) -> Result<(), StoreError> {
        let room = touched.room;
        let mut query = self.db.prepare_cached("SELECT head, body FROM room_event WHERE chain = ?1 AND seq = ?2")?;
        let mut rows = query.query(params![room.chain(place.author), number(place.seq)?])?;
        match rows.next()? {
            Some(row) => self.system_message_ends(touched, event(row, 0, room.id)?.id()),
            None => Ok(()),
        }
    }

    fn system_row(&self, touched: &Touched, of: EventId) -> Result<Option<i64>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT id FROM message WHERE peer = ?1 AND mid = ?2 AND dir IN (0, 2) AND dir <> 1 LIMIT 1",
        )?;
        Ok(query.query_row(params![touched.num, system_id(of)], |row| row.get(0)).optional()?)
    }

    fn system_message_ends(&self, touched: &Touched, of: EventId) -> Result<(), StoreError> {
        if let Some(row) = self.system_row(touched, of)? {
            self.db
                .prepare_cached("UPDATE room_message SET flags = flags | 2 WHERE message = ?1 AND flags & 32")?
                .execute([row])?;
        }
        Ok(())
    }

    /// An act or a topic holds. A message that did so before, and not meanwhile, keeps its place.
    pub(super) fn system_message(&mut self, touched: &Touched, of: EventId, text: &str) -> Result<(), StoreError> {
        if let Some(row) = self.system_row(touched, of)? {
            self.db
                .prepare_cached("UPDATE room_message SET flags = ?2 WHERE message = ?1 AND flags & 32")?
                .execute(params![row, flags::SYSTEM])?;
            return Ok(());
        }
        if self.is_erased(touched.num, torchat_protocol::id::MessageId(system_id(of)), false)? {
            return Ok(());
        }
        self.last_message += 1;
        let id = self.last_message;
        // It is read: nobody sent it.
        self.db
            .prepare_cached(
                "INSERT INTO message (id, peer, dir, state, mid, at_ms, text) VALUES (?1, ?2, 2, 1, ?3, ?4, ?5)",
            )?
            .execute(params![id, touched.num, system_id(of), self.moment.at_ms, text])?;
        self.db
            .prepare_cached("INSERT INTO room_message (message, flags, name) VALUES (?1, ?2, '')")?
            .execute(params![id, flags::SYSTEM])?;
        Ok(())
    }
}
