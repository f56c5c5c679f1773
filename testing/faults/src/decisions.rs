//! What somebody who decides was told is done, and whether it is still so.

use crate::ledger::Fate;
use anyhow::ensure;
use std::collections::BTreeMap;

/// One decision about a thing.
#[derive(Debug, Clone)]
struct Decision {
    value: String,
    fate: Fate,
    /// When the answer was there.
    at: u64,
}

/// Decisions of one person, who makes one after the other, by the things that they are about: a room's topic, a member's state, a
/// text. A thing has one value at a time, and the last decision about it holds.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    things: BTreeMap<String, Vec<Decision>>,
}

impl Decisions {
    /// Notes what was answered at a moment.
    pub fn note(&mut self, thing: String, value: String, fate: Fate, at: u64) {
        self.things.entry(thing).or_default().push(Decision { value, fate, at });
    }

    /// How many were answered so.
    #[must_use]
    pub fn count(&self, fate: Fate) -> usize {
        self.things.values().flatten().filter(|decision| decision.fate == fate).count()
    }

    /// Judges how things are, where one that is not there is an empty text: what was answered up to `moment` is done, unless a later decision came over it that is done or may be.
    /// Returns how many things hold what they must.
    ///
    /// # Errors
    /// The first thing that is otherwise.
    pub fn check(&self, things: &BTreeMap<String, String>, moment: u64) -> anyhow::Result<usize> {
        let mut held = 0;
        for (thing, decisions) in &self.things {
            let done = |decision: &&Decision| decision.fate == Fate::Acked && decision.at <= moment;
            let made: Vec<_> = decisions.iter().filter(|decision| decision.fate != Fate::Refused).collect();
            let Some(last) = made.iter().rposition(done) else { continue };
            let allowed: Vec<_> = made.iter().skip(last).map(|decision| &decision.value).collect();
            let is = things.get(thing).map_or("", String::as_str);
            ensure!(allowed.iter().any(|value| *value == is), "{thing} is {is:?}, and must be {allowed:?}");
            held += 1;
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Decisions, Fate};

    #[test]
    fn what_was_answered_holds_until_something_later_may_be_done() {
        let mut decisions = Decisions::default();
        for (value, fate, at) in
            [("a", Fate::Acked, 1), ("b", Fate::Refused, 2), ("c", Fate::Acked, 3), ("d", Fate::Unsure, 4)]
        {
            decisions.note("topic".into(), value.into(), fate, at);
        }
        let check = |value: &str, moment| decisions.check(&[("topic".into(), value.into())].into(), moment);
        for (moment, allowed) in [(0, "abcd"), (1, "acd"), (2, "acd"), (3, "cd"), (9, "cd")] {
            for value in ["a", "b", "c", "d"] {
                assert_eq!(check(value, moment).is_ok(), allowed.contains(value), "{value} at {moment}");
            }
        }
        assert_eq!((check("c", 9).unwrap(), decisions.count(Fate::Acked)), (1, 2));
        assert!(decisions.check(&[].into(), 9).unwrap_err().to_string().contains("is \"\""));
    }
}
