//! The marks where messages are missing: each number of a lane has exactly one reason why it is behind the receiver.

use super::{Checker, Violation};
use crate::sim::disk::{Image, Lane, Text};
use std::collections::{BTreeMap, BTreeSet};

impl Checker {
    /// Every number up to the receiver's place in a lane is exactly one of: a message that is there; a message that is
    /// there already by another lane of a restored sender; one that was taken back; a mark for one that a backup of the
    /// receiver forgot.
    pub(super) fn audit_marks(&mut self, at: usize, image: &Image) {
        let mut rows: BTreeSet<(usize, Lane, u64)> = BTreeSet::new();
        let mut lanes: BTreeMap<Text, Lane> = BTreeMap::new();
        for row in &image.received {
            rows.insert((row.peer, row.lane, row.seq));
            lanes.insert(row.text, row.lane);
        }
        let marked = marked_numbers(image);
        let none = BTreeSet::new();
        for (&(from, lane), &hwm) in &image.lanes {
            for seq in 1..=hwm {
                let number = (from, lane, seq);
                let known = self.numbers.get(&number).unwrap_or(&none);
                // A restored sender repeats in a new lane what it does not know to be delivered.
                let repeated =
                    self.restored[from] && known.iter().any(|text| lanes.get(text).is_some_and(|by| *by != lane));
                let here = known.iter().any(|text| lanes.get(text) == Some(&lane));
                let held = known.iter().any(|text| self.held[at].contains(text));
                let gone = !known.is_disjoint(&self.gone);
                let what = match (rows.contains(&number), marked.get(&number).copied()) {
                    (true, None) | (false, Some(1)) if known.is_empty() => "the sender never had it",
                    (true, None) => continue,
                    (true, Some(_)) => "a message and a mark",
                    (false, Some(1)) if !self.restored[at] => "a mark, although nothing was forgotten",
                    (false, Some(1)) if repeated => {
                        self.repeated.insert((at, lane, seq));
                        continue;
                    }
                    (false, Some(1)) if here => "a mark for what is here",
                    (false, Some(1)) if held => continue,
                    (false, Some(1)) if gone => {
                        self.overcounted.insert((at, lane, seq));
                        continue;
                    }
                    (false, Some(1)) => "a mark for what never was here",
                    (false, Some(_)) => "two marks",
                    (false, None) if repeated || gone => continue,
                    // A repetition too: it was here already, and it got yet another number, by yet another new lane,
                    // before the checker saw this one.
                    (false, None) if known.is_empty() && self.restored[from] => continue,
                    (false, None) => "no mark",
                };
                self.violations.push(Violation::Hole { at, from, seq, what });
            }
        }
        for (from, lane, seq) in rows.into_iter().chain(marked.into_keys()) {
            if image.lanes.get(&(from, lane)).is_none_or(|hwm| seq > *hwm) {
                self.violations.push(Violation::Hole { at, from, seq, what: "beyond the lane's end" });
            }
        }
    }
}

/// How many marks cover each number of each lane. A mark that cannot be read covers its last number only.
pub(super) fn marked_numbers(image: &Image) -> BTreeMap<(usize, Lane, u64), u32> {
    let mut marked = BTreeMap::new();
    for mark in &image.marks {
        let first = mark.to.saturating_sub(mark.count().unwrap_or(1)) + 1;
        for seq in first..=mark.to {
            *marked.entry((mark.peer, mark.lane, seq)).or_insert(0) += 1;
        }
    }
    marked
}
