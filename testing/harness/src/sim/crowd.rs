//! Many seeds on all processors.

use super::checker::Violation;
use super::storm::{Outcome, storm};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A seed's outcome.
#[derive(Debug)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// Whether one of its members kept no rule.
    pub hostile: bool,
    /// What it came to.
    pub outcome: Outcome,
}

impl Run {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.outcome.violations.is_empty()
    }

    /// The failure, with the line that repeats it.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report =
            format!("seed {} failed; to repeat it: {}\n", self.seed, reproduction(self.seed, self.hostile));
        for violation in self.outcome.violations.iter().take(10) {
            report.push_str(&format!("    {violation}\n"));
        }
        report
    }
}

/// The command that repeats a seed and tells its story.
#[must_use]
pub fn reproduction(seed: u64, hostile: bool) -> String {
    let test = if hostile { "storms_with" } else { "storms_break" };
    format!("TORCHAT_SEED={seed} cargo test -p torchat-harness --test simulation_storms -- --nocapture {test}")
}

/// Runs the storms of the seeds, in parallel, and gives each to `seen` as it ends, which says whether to go on.
///
/// Each seed comes with whether one of the storm's members keeps no rule.
pub fn run_storms(seeds: impl Iterator<Item = (u64, bool)> + Send, seen: impl FnMut(Run) -> bool + Send) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (seeds, seen) = (Mutex::new(seeds), Mutex::new(seen));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let next = seeds.lock().expect("no panic").next();
                    let Some((seed, hostile)) = next else { return };
                    let run = Run { seed, hostile, outcome: run_storm(seed, hostile, false) };
                    if !(seen.lock().expect("no panic"))(run) {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// Runs one storm. What it panics with is a violation.
#[must_use]
pub fn run_storm(seed: u64, hostile: bool, trace: bool) -> Outcome {
    std::panic::catch_unwind(AssertUnwindSafe(|| storm(seed, hostile, trace))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let what = words.unwrap_or_else(|| "a panic without words".to_owned());
        Outcome { violations: vec![Violation::Broken(what)], ..Outcome::default() }
    })
}
