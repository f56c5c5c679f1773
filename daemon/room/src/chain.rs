//! The chains of members, and the events that were stored last.

use crate::outcome::Proof;
use crate::standing::Spans;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{Author, Event, EventId, MemberKey};

/// One chain of a member.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// The number of the last event, or the floor.
    pub(crate) head: u64,
    /// Its id.
    pub(crate) id: EventId,
    /// Nothing is held up to this number.
    pub(crate) floor: u64,
    /// Whose events they are.
    pub(crate) key: MemberKey,
    /// Two events that prove that the chain has two histories.
    pub(crate) fork: Option<Proof>,
    /// What its events count as.
    pub(crate) spans: Spans,
}

impl Chain {
    /// A chain without an event.
    pub(crate) fn new(id: EventId, key: MemberKey) -> Self {
        Self { head: 0, id, floor: 0, key, fork: None, spans: Spans::default() }
    }

    /// The last number before the difference of its two histories.
    pub(crate) fn fork_line(&self) -> u64 {
        self.fork.as_ref().map_or(u64::MAX, |fork| fork.0.header().seq - 1)
    }
}

/// How many events are remembered.
const RECENT: usize = 256;

/// The events that were stored last, without their bodies: most of what a peer says again is among them, and needs no look at
/// the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    events: BTreeMap<Place, (u64, Arc<Event>)>,
    /// In the order of their positions.
    order: VecDeque<(u64, Place)>,
}

impl Recent {
    pub(crate) fn add(&mut self, pos: u64, event: &Event) {
        let place = event.place();
        self.events.insert(place, (pos, Arc::new(event.stripped())));
        self.order.push_back((pos, place));
        if self.order.len() > RECENT
            && let Some((pos, place)) = self.order.pop_front()
            && self.events.get(&place).is_some_and(|(newest, _)| *newest == pos)
        {
            self.events.remove(&place);
        }
    }

    /// The event at a place, with its position.
    pub(crate) fn get(&self, place: Place) -> Option<&(u64, Arc<Event>)> {
        self.events.get(&place)
    }

    /// Forgets the events of some authors.
    pub(crate) fn forget(&mut self, authors: &std::ops::RangeInclusive<Author>) {
        self.events.retain(|place, _| !authors.contains(&place.author));
    }
}

/// How many events wait at most, of all members and of one; and their bytes.
const WAITING: usize = 1_000;
const WAITING_OF_ONE: usize = 64;
const WAITING_BYTES: usize = 4 << 20;

/// Events that wait for another event, or for an act.
#[derive(Debug, Clone)]
pub(crate) struct Pool<T> {
    waiting: BTreeMap<(Place, u64), (T, usize)>,
    order: BTreeMap<u64, Place>,
    bytes: usize,
    number: u64,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), order: BTreeMap::new(), bytes: 0, number: 0 }
    }
}

impl<T> Pool<T> {
    /// Keeps one. Returns those that have to go for it, the oldest first.
    pub(crate) fn add(&mut self, place: Place, bytes: usize, one: T) -> Vec<T> {
        self.number += 1;
        self.waiting.insert((place, self.number), (one, bytes));
        self.order.insert(self.number, place);
        self.bytes += bytes;
        let mut gone = Vec::new();
        if let Some(member) = place.author.member() {
            let chains = member.chains();
            let first = Place { author: *chains.start(), seq: 0 };
            let last = Place { author: *chains.end(), seq: u64::MAX };
            let of_one = || self.waiting.range((first, 0)..=(last, u64::MAX));
            if of_one().count() > WAITING_OF_ONE {
                let oldest = of_one().map(|(key, _)| *key).min_by_key(|(_, number)| *number);
                gone.extend(oldest.and_then(|key| self.remove(key)));
            }
        }
        while self.waiting.len() > WAITING || self.bytes > WAITING_BYTES {
            let Some((number, place)) = self.order.first_key_value().map(|(number, place)| (*number, *place)) else {
                break;
            };
            gone.extend(self.remove((place, number)));
        }
        gone
    }

    /// Those that are at a place.
    pub(crate) fn take(&mut self, place: Place) -> Vec<T> {
        let keys: Vec<_> = self.waiting.range((place, 0)..=(place, u64::MAX)).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    /// All, the oldest first.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let keys: Vec<_> = self.order.iter().map(|(number, place)| (*place, *number)).collect();
        keys.into_iter().filter_map(|key| self.remove(key)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn remove(&mut self, key: (Place, u64)) -> Option<T> {
        let (one, bytes) = self.waiting.remove(&key)?;
        self.order.remove(&key.1);
        self.bytes -= bytes;
        Some(one)
    }
}
