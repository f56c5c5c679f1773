//! Each finding of the audit that an attacker can try is tried: some row's text names it. What once worked is never again
//! left to a reader's memory.
#![allow(clippy::unwrap_used)]

use torchat_hostile::attack;
use torchat_hostile::local::{files, old, owner};

/// The audit's numbers, and those of the second implementation's report ("protocol N"): all that can be tried over the peer
/// plane or from another local program.
const FINDINGS: [&str; 25] = [
    "H1",
    "H2",
    "M1",
    "M2",
    "M3",
    "M4",
    "M5",
    "M6",
    "M8",
    "M9",
    "L2",
    "L3",
    "L7",
    "L8",
    "protocol 1",
    "protocol 2",
    "protocol 3",
    "protocol 4",
    "protocol 5",
    "protocol 6",
    "protocol 8",
    "protocol 9",
    "protocol 11",
    "protocol 13",
    "protocol 16",
];

/// Whether a text names a finding, as a word of its own: `M1` is not in `M10`.
fn names(text: &str, finding: &str) -> bool {
    text.match_indices(finding).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + finding.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[test]
fn every_finding_that_can_be_tried_has_a_row() {
    let rows = attack::table().into_iter().chain(attack::local()).map(|row| format!("{} {}", row.name, row.expect));
    let rows: Vec<_> =
        rows.chain(owner::names().chain(files::names()).chain(old::names()).map(str::to_owned)).collect();
    let missing: Vec<_> = FINDINGS.iter().filter(|finding| !rows.iter().any(|row| names(row, finding))).collect();
    assert!(missing.is_empty(), "no row of `cargo xtask hostile` names {missing:?}");
}

#[test]
fn a_number_is_a_word_of_its_own() {
    assert!(names("HELLO without progress (M6)", "M6") && names("M6, protocol 2: a wrong hwm", "protocol 2"));
    assert!(!names("M60", "M6") && !names("XM6", "M6") && !names("protocol 12", "protocol 1"));
}
