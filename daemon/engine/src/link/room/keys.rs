//! The keys of rooms' members, for the links that check signatures outside of the core.
//!
//! A check takes some 100 us, and the core is locked for as little. So the engine publishes after each commit who signs with which
//! key, the links check by that, and say with each event under which key it holds. The core only compares keys; where a link did
//! not know the right one, it checks by itself. So nothing here need be right, and nothing is trusted.

use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use torchat_protocol::room::body::Body;
use torchat_protocol::room::{Author, CREATE, Event, Header, MemberKey, MemberNo, RoomId};
use torchat_room::key::{Key, verifies};
use torchat_room::roster::Roster;

/// Checks in a row before others may run: about 2 ms.
const IN_A_ROW: usize = 16;
/// Keys that one link learns from acts that come over it.
const LEARNT: usize = 256;

/// Who signs in a room, and with which key.
#[derive(Debug)]
struct RoomKeys {
    owner: MemberNo,
    members: BTreeMap<MemberNo, Key>,
}

/// Who signs in the rooms that we have.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublishedKeys(Arc<RwLock<HashMap<RoomId, Arc<RoomKeys>>>>);

impl PublishedKeys {
    /// From now on these hold. `None`: the room is over for us.
    pub(crate) fn publish(&self, room: RoomId, roster: Option<&Roster>) {
        let keys = roster.map(|roster| RoomKeys {
            owner: roster.owner,
            members: roster.members.iter().map(|(no, member)| (*no, member.key.clone())).collect(),
        });
        match keys {
            Some(keys) => drop(self.0.write().insert(room, Arc::new(keys))),
            None => drop(self.0.write().remove(&room)),
        }
    }

    fn of(&self, room: RoomId) -> Option<Arc<RoomKeys>> {
        self.0.read().get(&room).cloned()
    }
}

/// What a link has learnt from acts that came over it: a newcomer has no other keys until its first commit.
#[derive(Debug, Default)]
struct Learnt {
    owners: BTreeMap<RoomId, MemberNo>,
    keys: BTreeMap<(RoomId, MemberNo), Key>,
}

impl Learnt {
    fn learn(&mut self, room: RoomId, act: &Event) {
        let (owner, entries) = match act.read() {
            Ok(Some(Body::Create(create))) => (Some(MemberNo::MAKER), vec![create.owner]),
            Ok(Some(Body::Roster(roster))) => (None, roster.add),
            Ok(Some(Body::Handover(handover))) => (Some(handover.to), Vec::new()),
            _ => return,
        };
        if let Some(owner) = owner.filter(|_| self.owners.len() < LEARNT || self.owners.contains_key(&room)) {
            self.owners.insert(room, owner);
        }
        for entry in entries {
            let known = self.keys.get(&(room, entry.no)).is_some_and(|key| key.bytes() == entry.sign);
            if !known && (self.keys.len() < LEARNT || self.keys.contains_key(&(room, entry.no))) {
                self.keys.insert((room, entry.no), Key::new(entry.sign));
            }
        }
    }

    fn key(&self, room: RoomId, author: Author) -> Option<&Key> {
        let member = author.member().or_else(|| self.owners.get(&room).copied())?;
        self.keys.get(&(room, member))
    }
}

/// Checks the events of one link.
#[derive(Debug)]
pub(super) struct Checker {
    published: PublishedKeys,
    learnt: Mutex<Learnt>,
}

/// What came of a check.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Of each event, under which key its signature holds.
    pub(super) keys: Vec<Option<MemberKey>>,
    /// How many hold under none of the keys that are known here.
    pub(super) wrong: u32,
}

impl Checker {
    pub(super) fn new(published: PublishedKeys) -> Self {
        Self { published, learnt: Mutex::default() }
    }

    /// Checks each event, under at most two keys.
    pub(super) async fn check(&self, room: RoomId, events: &[Event]) -> Checked {
        let published = self.published.of(room);
        let mut checked = Checked::default();
        for (n, event) in events.iter().enumerate() {
            if n > 0 && n.is_multiple_of(IN_A_ROW) {
                tokio::task::yield_now().await;
            }
            let (holds, known) = self.check_one(room, published.as_deref(), event);
            checked.wrong += u32::from(known && holds.is_none());
            checked.keys.push(holds);
        }
        checked
    }

    /// Under which key an event holds, and whether any was known.
    fn check_one(&self, room: RoomId, published: Option<&RoomKeys>, event: &Event) -> (Option<MemberKey>, bool) {
        let Header { author, kind, .. } = *event.header();
        let mut learnt = self.learnt.lock();
        // The first act names the key that signed it. A handover is signed by the owner before it.
        let begins = author == Author::ACTS && kind == CREATE;
        if begins {
            learnt.learn(room, event);
        }
        let of_room = published.and_then(|keys| keys.members.get(&author.member().unwrap_or(keys.owner)));
        let other = learnt.key(room, author).filter(|key| of_room.is_none_or(|known| known.bytes() != key.bytes()));
        let mut keys = of_room.into_iter().chain(other).peekable();
        let known = keys.peek().is_some();
        let holds = keys.find(|key| verifies(key, event)).map(Key::bytes);
        if author == Author::ACTS && !begins {
            learnt.learn(room, event);
        }
        (holds, known)
    }
}

#[cfg(test)]
mod tests;
