//! The proofs: each test that docs/SECURITY.md and docs/RELIABILITY.md name ran in this very run, passed, and tried what
//! it is named for.
//!
//! That a test of the name exists is not enough: a test may be selected away, stand in a program that nobody starts, or
//! pass because it was not root. Rejected: a list of ids that tests report by themselves; libtest's own lines say it.

use super::results::{Outcome, Results};
use anyhow::{Context as _, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// The head of the table in docs/SECURITY.md.
const PROPERTIES: &str = "| property | by | shown by |";
/// The head of the table in docs/RELIABILITY.md.
const PROMISES: &str = "| # | promise | kept by | shown by |";
/// The head of the table of what a machine may lack, in docs/SECURITY.md.
const LACKS: &str = "| said | not tried then |";

/// What the documents say.
pub(crate) struct Claims {
    /// The tests that they name, each with the line that names it.
    named: BTreeMap<String, String>,
    /// Reasons for which a test may say that it did not try.
    lacks: BTreeSet<String>,
}

impl Claims {
    /// Reads both documents.
    pub(crate) fn read(security: &str, reliability: &str) -> anyhow::Result<Self> {
        let mut named = BTreeMap::new();
        for (document, head) in [(security, PROPERTIES), (reliability, PROMISES)] {
            for row in rows(document, head)? {
                let (claim, proofs) = row.trim_end_matches('|').rsplit_once('|').context("a row of one column")?;
                let proofs: Vec<_> = proofs.split('`').skip(1).step_by(2).collect();
                ensure!(!proofs.is_empty(), "no test is named as the proof of: {claim}");
                named.extend(proofs.into_iter().map(|proof| (proof.to_owned(), first_words(claim))));
            }
        }
        let first_cell = |row: &str| Some(row.split('|').nth(1)?.trim().to_owned());
        let lacks = rows(security, LACKS)?.filter_map(first_cell).collect();
        Ok(Self { named, lacks })
    }

    /// How many tests are named.
    pub(crate) fn count(&self) -> usize {
        self.named.len()
    }

    /// What is missing, a line each: a named test that did not run, did not pass, or did not try. `strict`: nothing may be
    /// left out for want of something, as in continuous integration.
    pub(crate) fn missing(&self, results: &Results, skipped: &BTreeMap<String, String>, strict: bool) -> Vec<String> {
        let mut missing = Vec::new();
        for (test, claim) in &self.named {
            let outcomes = results.of(test);
            if outcomes.is_empty() {
                missing.push(format!("{test} did not run, which shows: {claim}"));
            } else if outcomes.iter().any(|outcome| *outcome != Outcome::Passed) {
                missing.push(format!("{test} did not pass ({outcomes:?}), which shows: {claim}"));
            }
        }
        for (test, reason) in skipped {
            let known = self.lacks.contains(reason);
            if strict || !known {
                let told = if known { "" } else { ", a reason that docs/SECURITY.md does not know" };
                missing.push(format!("{test} was SKIPPED: {reason}{told}"));
            } else if results.of(test).is_empty() {
                missing.push(format!("{test} says that it was SKIPPED ({reason}), but no test of that name ran"));
            }
        }
        missing
    }
}

/// The rows of the table with this head.
fn rows<'a>(document: &'a str, head: &str) -> anyhow::Result<impl Iterator<Item = &'a str>> {
    let (_, after) = document.split_once(head).with_context(|| format!("no table {head}"))?;
    let table = after.split("\n\n").next().unwrap_or_default();
    Ok(table.lines().map(str::trim).filter(|line| line.starts_with("| ")))
}

/// The first cells of a row, short enough for a line.
fn first_words(claim: &str) -> String {
    let cells: Vec<_> = claim.split('|').map(str::trim).filter(|cell| !cell.is_empty()).take(2).collect();
    cells.join(": ").chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Claims, Results};
    use std::collections::BTreeMap;

    const SECURITY: &str = "# Security\n\n\
        | property | by | shown by |\n|---|---|---|\n\
        | Nobody can write in another's name | Noise | `an_impostor_fails` `no_bit_counts` |\n\
        | Other users get nothing | the kernel | `a_stranger_runs_nothing` |\n\n\
        | said | not tried then |\n|---|---|\n| not root | programs of another user |\n\n";
    const RELIABILITY: &str =
        "| # | promise | kept by | shown by |\n|---|---|---|---|\n| 1 | Not lost | commits | `kills_lose_nothing` |\n";
    const GOOD: &str = "test an_impostor_fails ... ok\ntest a::no_bit_counts ... ok\n\
        test a_stranger_runs_nothing ... ok\ntest kills_lose_nothing ... ok";

    fn missing(output: &str, skipped: &[(&str, &str)], strict: bool) -> Vec<String> {
        let claims = Claims::read(SECURITY, RELIABILITY).unwrap();
        let mut results = Results::default();
        output.lines().for_each(|line| results.line(line));
        let skipped: BTreeMap<_, _> =
            skipped.iter().map(|(name, reason)| ((*name).to_owned(), (*reason).to_owned())).collect();
        claims.missing(&results, &skipped, strict)
    }

    #[test]
    fn all_is_well_if_every_named_test_ran_and_passed() {
        assert_eq!(missing(GOOD, &[], true), Vec::<String>::new());
    }

    #[test]
    fn a_proof_that_did_not_run_is_missing() {
        let output = GOOD.replace("test kills_lose_nothing ... ok", "");
        let missing = missing(&output, &[], false);
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert!(missing[0].starts_with("kills_lose_nothing did not run"), "{missing:?}");
    }

    #[test]
    fn a_proof_that_failed_or_was_ignored_anywhere_is_none() {
        for (bad, with) in [("no_bit_counts ... ok", "no_bit_counts ... FAILED"), ("fails ... ok", "fails ... ignored")]
        {
            let missing = missing(&GOOD.replace(bad, with), &[], false);
            assert!(missing.len() == 1 && missing[0].contains("did not pass"), "{missing:?}");
        }
        let twice = format!("{GOOD}\ntest b::no_bit_counts ... FAILED");
        assert_eq!(missing(&twice, &[], false).len(), 1, "one of two tests of a name failed");
    }

    #[test]
    fn a_proof_that_was_skipped_passes_only_for_a_documented_reason_and_never_in_strict_runs() {
        let root = [("a_stranger_runs_nothing", "not root")];
        assert_eq!(missing(GOOD, &root, false), Vec::<String>::new());
        assert_eq!(missing(GOOD, &root, true).len(), 1);
        let mood = [("a_stranger_runs_nothing", "not today")];
        assert_eq!(missing(GOOD, &mood, false).len(), 1);
        let nobody = [("a_test_of_another_name", "not root")];
        assert_eq!(missing(GOOD, &nobody, false).len(), 1, "a skip that belongs to no test is a mistake");
    }

    #[test]
    fn a_claim_without_a_test_is_refused() {
        let bare = SECURITY.replace("`a_stranger_runs_nothing`", "reading the code");
        assert!(Claims::read(&bare, RELIABILITY).is_err());
    }
}
