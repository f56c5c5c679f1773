//! What the tests of a run said: read from the lines that Rust's test programs print, and from the file in which a test
//! says that it could not try something.

use std::collections::BTreeMap;

/// How a test ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// Marked as one that does not run by itself.
    Ignored,
}

/// Everything that a run's test programs have printed.
#[derive(Default)]
pub(crate) struct Results {
    /// Full names with their modules. The same name can stand in several programs, so it is a list.
    tests: Vec<(String, Outcome)>,
    /// A test that runs alone and prints: its name and `...` come first, then its own lines, then how it ended.
    begun: Option<String>,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Results {
    /// Takes a line of a test program's output.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some((passed, failed)) = result_line(line) {
            self.passed += passed;
            self.failed += failed;
            // It ended without saying how the test went: a program that dies prints no such line, but be sure.
            self.begun = None;
        } else if let Some((name, rest)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            let name = name.strip_suffix(" - should panic").unwrap_or(name).to_owned();
            match ending(rest) {
                Some(outcome) => self.tests.push((name, outcome)),
                None => self.begun = Some(name),
            }
        } else if let Some(outcome) = ending(line)
            && let Some(name) = self.begun.take()
        {
            self.tests.push((name, outcome));
        }
    }

    /// How all tests of this name ended, whatever their modules and programs; empty if none ran.
    pub(crate) fn of(&self, name: &str) -> Vec<Outcome> {
        self.tests.iter().filter(|(full, _)| last_part(full) == name).map(|(_, outcome)| *outcome).collect()
    }

    /// The full names of all that failed.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter(|(_, outcome)| *outcome == Outcome::Failed).map(|(name, _)| name.as_str())
    }
}

/// The function's name, without its modules.
fn last_part(full: &str) -> &str {
    full.rsplit("::").next().unwrap_or(full)
}

/// What stands behind `...`: how a test ended, and for an ignored one why.
fn ending(text: &str) -> Option<Outcome> {
    match text.trim_end() {
        "ok" => Some(Outcome::Passed),
        "FAILED" => Some(Outcome::Failed),
        other if other == "ignored" || other.starts_with("ignored, ") => Some(Outcome::Ignored),
        _ => None,
    }
}

/// `test result: ok. 3 passed; 0 failed; ..` as numbers.
fn result_line(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number =
        |word: &str| rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok());
    Some((number("passed")?, number("failed")?))
}

/// The lines `SKIPPED: NAME: REASON` that tests wrote, by test. Another line is reported as it is.
pub(crate) fn skips(file: &str) -> BTreeMap<String, String> {
    let parts = |line: &str| {
        let (name, reason) = line.strip_prefix("SKIPPED: ")?.split_once(": ")?;
        Some((name.to_owned(), reason.to_owned()))
    };
    file.lines().map(|line| parts(line).unwrap_or_else(|| (line.to_owned(), "not understood".to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Results, skips};

    fn read(text: &str) -> Results {
        let mut results = Results::default();
        text.lines().for_each(|line| results.line(line));
        results
    }

    #[test]
    fn cargos_last_lines_are_counted() {
        let results = read(
            "running 13 tests\n\
             test result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.15s\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.15s\n",
        );
        assert_eq!((results.passed, results.failed), (15, 1));
    }

    #[test]
    fn every_test_is_known_by_its_function() {
        let results = read(
            "test tests::hostile::no_bit_counts ... ok\n\
             test other::no_bit_counts ... FAILED\n\
             test slow ... ignored, the program that the next test starts\n\
             test it_panics - should panic ... ok\n\
             test src/lib.rs - Daemon::start (line 12) ... ok\n\
             test HELLO: again and again (M6) ... ok\n",
        );
        assert_eq!(results.of("no_bit_counts"), [Outcome::Passed, Outcome::Failed]);
        assert_eq!(results.of("slow"), [Outcome::Ignored]);
        assert_eq!(results.of("it_panics"), [Outcome::Passed]);
        assert_eq!(results.of("HELLO: again and again (M6)"), [Outcome::Passed]);
        assert_eq!(results.of("bit_counts"), []);
        assert_eq!(results.failures().collect::<Vec<_>>(), ["other::no_bit_counts"]);
    }

    #[test]
    fn a_test_that_prints_ends_where_it_says_so() {
        let results = read(
            "test over_tor ... both talk 3.1 s after their start\n\
             a line of its own, which is ok\n\
             ok\n\
             test died ... the last thing that it says\n\
             \n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.15s\n\
             ok\n",
        );
        assert_eq!(results.of("over_tor"), [Outcome::Passed]);
        assert_eq!(results.of("died"), [], "a test that never said how it ended has not passed");
    }

    #[test]
    fn what_could_not_be_tried_is_read_with_its_reason() {
        let read = skips("SKIPPED: a_stranger: not root\nSKIPPED: the_lines: no nc\nnonsense\n");
        let read: Vec<_> = read.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        assert_eq!(read, [("a_stranger", "not root"), ("nonsense", "not understood"), ("the_lines", "no nc")]);
    }
}
