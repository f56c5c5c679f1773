//! Who must leave when a stream comes and all places for unproven streams are taken. Pure: it knows no stream and no clock,
//! and the caller throws the dice.
//!
//! Anybody can open streams, and a handshake over onion circuits takes seconds. So a flood must not take the
//! place of a stream that gets on. Three rules, in this order:
//!
//! 1. *By stage.* Each [`Stage`] has a share of the places: a quarter for those that have said nothing, a quarter for those
//!    that have said their hello, half for those that have sent a valid first message. Shares that nobody needs are lent to
//!    stages that need them; when all places are taken, the first stage with more than its share loses one. A flood of one kind
//!    drives out its own kind, and the first messages keep their half.
//! 2. *By circuit.* Within the stage somebody goes whose circuit has most places: an honest caller has one.
//! 3. *By age, with dice.* Of those a random one of the quarter goes that came to the stage first. Just the oldest was rejected: a flood that turns
//!    the places over faster than a handshake takes would push out every honest one, for certain. Any of them was rejected
//!    as well: at 100 streams a second and a round trip of 0.8 s it hits one honest stream of four within each flight.

use std::collections::{BTreeMap, HashMap};

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It has said nothing, or not a whole hello.
    Silent,
    /// Its hello was heard.
    Hello,
    /// Its first message was heard, and was valid.
    First,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Silent, Self::Hello, Self::First];

    /// After this many flights of the other side.
    pub(crate) fn after(flights: u8) -> Self {
        match flights {
            0 => Self::Silent,
            1 => Self::Hello,
            _ => Self::First,
        }
    }
}

/// A stream's place.
#[derive(Debug)]
struct Place {
    /// Two streams have the same number here when they came on the same circuit.
    circuit: usize,
    stage: Stage,
    /// Counts up with every stage that any stream reaches: what is smaller came to its stage earlier.
    since: u64,
}

/// The places of the streams that have not proven who they are.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    next: u64,
    steps: u64,
    taken: BTreeMap<u64, Place>,
}

impl Places {
    /// With this many places, at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), next: 0, steps: 0, taken: BTreeMap::new() }
    }

    /// A stream comes. `below(n)` is a random number below `n`. Returns the stream's number, and whose place it took.
    pub(crate) fn enter(&mut self, circuit: usize, below: impl FnOnce(usize) -> usize) -> (u64, Option<u64>) {
        let leaves = (self.taken.len() >= self.limit).then(|| self.choose(below)).flatten();
        if let Some(leaves) = leaves {
            self.taken.remove(&leaves);
        }
        self.next += 1;
        self.steps += 1;
        self.taken.insert(self.next, Place { circuit, stage: Stage::Silent, since: self.steps });
        (self.next, leaves)
    }

    /// A stream has come so far. One that has left is not known any more.
    pub(crate) fn reached(&mut self, number: u64, stage: Stage) {
        if let Some(place) = self.taken.get_mut(&number).filter(|place| place.stage < stage) {
            self.steps += 1;
            place.stage = stage;
            place.since = self.steps;
        }
    }

    /// A stream has proven who it is, or has ended.
    pub(crate) fn leave(&mut self, number: u64) {
        self.taken.remove(&number);
    }

    /// Who leaves, see the module's description.
    fn choose(&self, below: impl FnOnce(usize) -> usize) -> Option<u64> {
        let count = |stage: Stage| self.taken.values().filter(|place| place.stage == stage).count();
        let share = |stage| match stage {
            Stage::Silent | Stage::Hello => self.limit / 4,
            Stage::First => self.limit - 2 * (self.limit / 4),
        };
        // The newcomer is silent, so a silent stage that has its share already is over it. With all places taken some stage
        // is over its share, but for a limit of a few, where a share may be none.
        let over = |stage: &Stage| count(*stage) + usize::from(*stage == Stage::Silent) > share(*stage);
        let held = |stage: &Stage| count(*stage) > 0;
        let mut stages = Stage::ALL.into_iter().filter(held);
        let stage = stages.clone().find(over).or_else(|| stages.next())?;
        let mut of_circuit: HashMap<usize, usize> = HashMap::new();
        for place in self.taken.values() {
            *of_circuit.entry(place.circuit).or_default() += 1;
        }
        let size = |place: &Place| of_circuit.get(&place.circuit).copied().unwrap_or(0);
        let staged = || self.taken.iter().filter(|(_, place)| place.stage == stage);
        let most = staged().map(|(_, place)| size(place)).max()?;
        let mut candidates: Vec<(u64, u64)> =
            staged().filter(|(_, place)| size(place) == most).map(|(n, place)| (place.since, *n)).collect();
        candidates.sort_unstable();
        let oldest = candidates.len().div_ceil(4);
        candidates.get(below(oldest).min(oldest - 1)).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn fill(places: &mut Places, count: usize, circuit: impl Fn(usize) -> usize, stage: Stage) -> Vec<u64> {
        let numbers: Vec<_> = (0..count).map(|n| places.enter(circuit(n), |_| 0).0).collect();
        for number in &numbers {
            places.reached(*number, stage);
        }
        numbers
    }

    #[test]
    fn nobody_leaves_while_there_is_room() {
        let mut places = Places::new(3);
        assert!((0..3).all(|n| places.enter(n, |_| panic!("no dice")).1.is_none()));
        assert_eq!(places.enter(9, |_| 0).1, Some(1));
    }

    #[test]
    fn a_flood_of_one_stage_drives_out_its_own_kind() {
        for flood in Stage::ALL {
            let mut places = Places::new(256);
            let mut honest = Vec::new();
            for stage in Stage::ALL.into_iter().filter(|stage| *stage != flood) {
                honest.extend(fill(&mut places, 20, |n| 1_000 * (stage as usize + 1) + n, stage));
            }
            for n in 0..5_000 {
                let (number, leaves) = places.enter(10_000 + n, |choices| n % choices);
                places.reached(number, flood);
                assert!(leaves.is_none_or(|leaves| !honest.contains(&leaves)), "{flood:?}: {n}");
            }
            assert_eq!(places.taken.len(), 256);
        }
    }

    #[test]
    fn first_messages_keep_half_of_the_places() {
        let mut places = Places::new(256);
        let firsts = fill(&mut places, 128, |n| n, Stage::First);
        for n in 0..5_000 {
            let (number, leaves) = places.enter(1_000 + n, |choices| n % choices);
            places.reached(number, if n % 2 == 0 { Stage::Silent } else { Stage::Hello });
            assert!(leaves.is_none_or(|leaves| !firsts.contains(&leaves)));
        }
    }

    #[test]
    fn the_circuit_with_most_streams_loses_one() {
        let mut places = Places::new(16);
        let single = fill(&mut places, 12, |n| n, Stage::Silent);
        let many = fill(&mut places, 4, |_| 99, Stage::Silent);
        // Until its streams are as few as those of the others.
        for (n, expected) in many.iter().take(3).enumerate() {
            assert_eq!(places.enter(200 + n, |_| 0).1, Some(*expected));
        }
        assert_eq!(places.enter(300, |_| 0).1, Some(single[0]));
    }

    #[test]
    fn the_youngest_three_quarters_stay() {
        for dice in 0..64 {
            let mut places = Places::new(256);
            let numbers = fill(&mut places, 256, |n| n, Stage::Silent);
            let leaves = places.enter(999, |choices| dice % choices).1.unwrap();
            assert!(numbers[..64].contains(&leaves), "{leaves}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_and_a_newcomer_always_gets_in(
            limit in 0usize..40,
            steps in proptest::collection::vec((0usize..6, 0u8..4, any::<usize>()), 0..300),
        ) {
            let mut places = Places::new(limit);
            for (circuit, what, dice) in steps {
                let before = places.taken.len();
                let (number, leaves) = places.enter(circuit, |choices| dice % choices);
                prop_assert!(places.taken.contains_key(&number));
                prop_assert_eq!(leaves.is_some(), before == limit.max(1));
                prop_assert!(places.taken.len() <= limit.max(1));
                match what {
                    0..=2 => places.reached(number, Stage::after(what)),
                    _ => places.leave(number),
                }
            }
        }
    }
}
