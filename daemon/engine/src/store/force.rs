//! What is in force of what members said later: the last in order of those that count. ROOM-PROTOCOL.md, "What counts", 7.
//!
//! Each is one look into an index that has the order, for each role in which it may have been said. So the two thousandth reaction costs
//! what the first did. To read all of them again with each new one was a way to keep a daemon's store busy: a member may say as much in a
//! day as a room bears, and mail waits for the same thread.

use super::StoreError;
use super::replica::{RoomKey, damaged, event, number, tag_number};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};
use std::collections::BTreeMap;
use std::sync::Arc;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::{Body, Ref};
use torchat_protocol::room::{Event, MemberNo, Order};

/// The most different signs that a text shows. Those of the most members are shown; of signs of as many members those whose bytes come
/// first. That is a matter of what is shown, and the same at all replicas with the same events.
pub(super) const SIGNS: usize = 64;

/// What an event counts as that is shown, by `room_event.standing`: as somebody with the role `member` or more, not hidden.
const SHOWN: [i64; 3] = [2, 3, 4];
/// The same of what anybody may say who is in the room.
const OF_READERS: [i64; 4] = [1, 2, 3, 4];
/// The same of what a moderator says. Nothing hides a moderator; a row that says so counts all the same.
const OF_MODERATORS: [i64; 4] = [3, 4, 7, 8];

// `kind IN (17, 18)` beside `kind = 17` says to SQLite that the index `room_event_said` has all such rows.

/// Whether anything is said about a text.
const ANYTHING: &str = "SELECT 1 FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?3 AND kind IN (17, 18) AND body IS NOT NULL LIMIT 1";
/// The next member who reacted to a text.
const NEXT: &str =
    "SELECT chain >> 8 FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?3 AND kind IN (17, 18)
     AND kind = 18 AND chain >> 8 > ?4 AND body IS NOT NULL ORDER BY chain >> 8 LIMIT 1";
const EDITS: &str = "SELECT head, body FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?3 AND kind IN (17, 18)
     AND kind = 17 AND chain >> 8 = ?4 AND standing = ?5 AND body IS NOT NULL ORDER BY substr(head, 57, 8) DESC, chain DESC, seq DESC";
const REACTIONS: &str = "SELECT head, body FROM room_event WHERE of_chain = ?1 AND of_seq = ?2 AND of_tag = ?3 AND kind IN (17, 18)
     AND kind = 18 AND chain >> 8 = ?4 AND standing = ?5 AND body IS NOT NULL ORDER BY substr(head, 57, 8) DESC, chain DESC, seq DESC";
const NICKS: &str =
    "SELECT head, body FROM room_event WHERE kind = 29 AND chain >> 8 = ?1 AND standing = ?2 AND body IS NOT NULL
     AND broken IS NULL ORDER BY substr(head, 57, 8) DESC, chain DESC, seq DESC";
const TOPICS: &str =
    "SELECT head, body FROM room_event WHERE kind = 22 AND chain >> 32 = ?1 AND standing = ?2 AND body IS NOT NULL
     AND broken IS NULL ORDER BY substr(head, 57, 8) DESC, chain DESC, seq DESC";

/// All looks, for a test of what they cost.
#[cfg(test)]
pub(super) const COSTS: [&str; 6] = [ANYTHING, NEXT, EDITS, REACTIONS, NICKS, TOPICS];

/// Of what a statement finds, asked for each of some standings as its last value, the last in order that can be read.
fn last<T>(
    db: &Connection,
    room: RoomKey,
    sql: &str,
    of: &[&dyn ToSql],
    standings: &[i64],
    read: impl Fn(Body) -> Option<T>,
) -> Result<Option<(Arc<Event>, T)>, StoreError> {
    let mut query = db.prepare_cached(sql)?;
    let mut found: Option<(Arc<Event>, T)> = None;
    for standing in standings {
        for (n, value) in of.iter().enumerate() {
            query.raw_bind_parameter(n + 1, value)?;
        }
        query.raw_bind_parameter(of.len() + 1, standing)?;
        let mut rows = query.raw_query();
        while let Some(row) = rows.next()? {
            let event = event(row, 0, room.id)?;
            if found.as_ref().is_some_and(|(before, _)| before.header().order() > event.header().order()) {
                break;
            }
            // What the index has can be read, but for names and topics of a store of version 13.
            if let Some(said) = event.read().ok().flatten().and_then(&read) {
                found = Some((event, said));
                break;
            }
        }
    }
    Ok(found)
}

/// What is said about a text that counts.
#[derive(Debug, Default)]
pub(super) struct About {
    /// The edit in force: the time by its author in milliseconds since 1970, and the text.
    pub(super) edit: Option<(i64, String)>,
    /// Signs, each with those who reacted so.
    pub(super) reacts: BTreeMap<String, Vec<MemberNo>>,
}

/// What is in force about a text: the edit of its author, and the reaction of each member.
pub(super) fn about(db: &Connection, room: RoomKey, text: Ref) -> Result<About, StoreError> {
    let (chain, seq, tag) = (room.chain(text.place.author), number(text.place.seq)?, tag_number(text.tag));
    let mut about = About::default();
    // Of most texts nothing is said.
    if !db.prepare_cached(ANYTHING)?.exists(params![chain, seq, tag])? {
        return Ok(about);
    }
    if let Some(author) = text.place.author.member() {
        let of: [&dyn ToSql; 4] = [&chain, &seq, &tag, &room.member(author)];
        let edit = last(db, room, EDITS, &of, &SHOWN, |body| match body {
            Body::Edit(edit) => Some(edit.text.as_str().to_owned()),
            _ => None,
        })?;
        about.edit = edit.map(|(event, text)| (i64::from(event.header().minute) * 60_000, text));
    }
    let mut after = 0;
    while let Some(member) =
        db.prepare_cached(NEXT)?.query_row(params![chain, seq, tag, after], |row| row.get::<_, i64>(0)).optional()?
    {
        after = member;
        let of: [&dyn ToSql; 4] = [&chain, &seq, &tag, &member];
        let reaction = last(db, room, REACTIONS, &of, &SHOWN, |body| match body {
            Body::Reaction(reaction) => Some(reaction.sign.as_str().to_owned()),
            _ => None,
        })?;
        if let Some((event, sign)) = reaction.filter(|(_, sign)| !sign.is_empty()) {
            let member = event.header().author.member().ok_or_else(|| damaged("author"))?;
            about.reacts.entry(sign).or_default().push(member);
        }
    }
    if about.reacts.len() > SIGNS {
        let mut by_members: Vec<_> = std::mem::take(&mut about.reacts).into_iter().collect();
        // They are in the order of their bytes, which this sort keeps.
        by_members.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
        about.reacts = by_members.into_iter().take(SIGNS).collect();
    }
    Ok(about)
}

/// The name that a member has taken last; empty: one that is none. `None`: no other one than that with which they came.
pub(super) fn nick(db: &Connection, room: RoomKey, member: MemberNo) -> Result<Option<String>, StoreError> {
    let found = last(db, room, NICKS, &[&room.member(member)], &OF_READERS, |body| match body {
        Body::Nick(nick) => {
            Some(Nick::parse(nick.nick.as_str()).map(|nick| nick.as_str().to_owned()).unwrap_or_default())
        }
        _ => None,
    })?;
    Ok(found.map(|(_, nick)| nick))
}

/// The topic that members have set last, with its place in the order of all events.
pub(super) fn topic(db: &Connection, room: RoomKey) -> Result<Option<(Order, String)>, StoreError> {
    let found = last(db, room, TOPICS, &[&room.num], &OF_MODERATORS, |body| match body {
        Body::Topic(topic) => Some(topic.topic.as_str().to_owned()),
        _ => None,
    })?;
    Ok(found.map(|(event, topic)| (event.header().order(), topic)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::replica::standing;
    use torchat_protocol::room::body::Role;
    use torchat_room::counts::{Said, last_in_force};

    #[test]
    fn what_is_asked_for_is_what_counts() {
        let order = Order { lamport: 1, author: MemberNo::MAKER.chain(0), seq: 1 };
        for number in 0..=8 {
            let said = Said { order, standing: standing(number).unwrap() };
            assert_eq!(SHOWN.contains(&number), said.is_shown());
            assert_eq!(SHOWN.contains(&number), last_in_force([said], Role::Member).is_some());
            assert_eq!(OF_READERS.contains(&number), last_in_force([said], Role::Reader).is_some());
            assert_eq!(OF_MODERATORS.contains(&number), said.standing.allows(Role::Moderator));
        }
    }
}
