//! Many seeds on all processors.

use super::checker::Violation;
use super::storm::{Kind, Outcome, storm};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A seed's outcome.
#[derive(Debug)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// What it was beside mail.
    pub kind: Kind,
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
        let mut report = format!("seed {} failed; to repeat it: {}\n", self.seed, reproduction(self.seed, self.kind));
        for violation in self.outcome.violations.iter().take(10) {
            report.push_str(&format!("    {violation}\n"));
        }
        report
    }
}

/// The command that repeats a seed and tells its story.
#[must_use]
pub fn reproduction(seed: u64, kind: Kind) -> String {
    let (file, test) = match kind {
        Kind::Plain => ("simulation_storms", "storms_break"),
        Kind::Hostile => ("simulation_storms", "storms_with"),
        Kind::Room => ("simulation_room_storms", "storms"),
    };
    format!("TORCHAT_SEED={seed} cargo test -p torchat-harness --test {file} -- --nocapture {test}")
}

/// Runs the storms of the seeds, in parallel, and gives each to `seen` as it ends, which says whether to go on.
///
/// Each seed comes with the storm's kind.
pub fn run_storms(seeds: impl Iterator<Item = (u64, Kind)> + Send, seen: impl FnMut(Run) -> bool + Send) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (seeds, seen) = (Mutex::new(seeds), Mutex::new(seen));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let next = seeds.lock().expect("no panic").next();
                    let Some((seed, kind)) = next else { return };
                    let run = Run { seed, kind, outcome: run_storm(seed, kind, false) };
                    if !(seen.lock().expect("no panic"))(run) {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// For tests: runs storms of a kind over these seeds and over `fresh` ones that no run had before, or as many as `TORCHAT_SEEDS` says, and
/// gives them by their seeds. `None`: `TORCHAT_SEED` names one seed, which was repeated with its story.
///
/// # Panics
/// When a storm breaks a promise, or a variable is no number.
#[must_use]
pub fn clean_storms(kind: Kind, seeds: impl Iterator<Item = u64> + Send, fresh: usize) -> Option<Vec<Run>> {
    if let Ok(seed) = std::env::var("TORCHAT_SEED") {
        let seed = seed.parse().expect("TORCHAT_SEED is a number");
        let run = Run { seed, kind, outcome: run_storm(seed, kind, true) };
        println!("{:#?}", run.outcome);
        assert!(run.is_clean(), "{}", run.report());
        return None;
    }
    let count: usize = std::env::var("TORCHAT_SEEDS").map_or(fresh, |count| count.parse().expect("a number"));
    let randomness = torchat_transport::randomness::Randomness::system();
    let fresh = (0..count).map(|_| u64::from(u32::from_le_bytes(randomness.bytes())));
    let mut runs = Vec::new();
    run_storms(seeds.chain(fresh).map(|seed| (seed, kind)), |run| {
        runs.push(run);
        true
    });
    runs.sort_by_key(|run| run.seed);
    let failed: Vec<_> = runs.iter().filter(|run| !run.is_clean()).map(Run::report).collect();
    let first = failed.iter().take(5).map(String::as_str).collect::<String>();
    assert!(failed.is_empty(), "{} of {} storms failed\n{first}", failed.len(), runs.len());
    Some(runs)
}

/// Runs one storm. What it panics with is a violation.
#[must_use]
pub fn run_storm(seed: u64, kind: Kind, trace: bool) -> Outcome {
    std::panic::catch_unwind(AssertUnwindSafe(|| storm(seed, kind, trace))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let what = words.unwrap_or_else(|| "a panic without words".to_owned());
        Outcome { violations: vec![Violation::Broken(what)], ..Outcome::default() }
    })
}
