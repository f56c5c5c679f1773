//! Storms: random talk and faults over the real core, engine and store, with one checker. See `sim/storm.rs`.
#![allow(clippy::unwrap_used)]

use torchat_harness::sim::crowd::{Run, run_storm, run_storms};

/// Seeds that every run repeats: the first ones, and every one that ever found something.
const FIXED: [u64; 20] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
/// Seeds that no run had before.
const FRESH: usize = 200;

#[test]
fn storms_break_no_promise() {
    if let Ok(seed) = std::env::var("TORCHAT_SEED") {
        let seed = seed.parse().expect("TORCHAT_SEED is a number");
        let run = Run { seed, outcome: run_storm(seed, true) };
        println!("{:#?}", run.outcome);
        assert!(run.is_clean(), "{}", run.report());
        return;
    }
    let randomness = torchat_engine::clock::Randomness::system();
    let fresh = (0..FRESH).map(|_| u64::from(u32::from_le_bytes(randomness.bytes())));
    let mut runs = Vec::new();
    run_storms(FIXED.into_iter().chain(fresh), |run| {
        runs.push(run);
        true
    });
    assert_eq!(runs.len(), FIXED.len() + FRESH);
    runs.sort_by_key(|run| run.seed);
    let failed: Vec<_> = runs.iter().filter(|run| !run.is_clean()).map(Run::report).collect();
    let first = failed.iter().take(5).map(String::as_str).collect::<String>();
    assert!(failed.is_empty(), "{} of {} storms failed\n{first}", failed.len(), runs.len());
    // A storm without faults or mail would pass without having shown anything.
    assert!(runs.iter().map(|run| run.outcome.accepted).sum::<u64>() > 20 * runs.len() as u64);
    assert!(runs.iter().map(|run| run.outcome.faults).sum::<u64>() > 5 * runs.len() as u64);
    assert!(runs.iter().any(|run| run.outcome.marked > 0), "backups that forget were restored");
    let mut settled: Vec<_> = runs.iter().map(|run| run.outcome.settled_ms).collect();
    settled.sort_unstable();
    println!(
        "settled after p50 {} ms, p95 {} ms, worst {} ms of calm",
        settled[settled.len() / 2],
        settled[settled.len() * 95 / 100],
        settled[settled.len() - 1]
    );
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    // Or a failing seed could not be repeated.
    for seed in 1..=6 {
        let tell = || {
            let outcome = run_storm(seed, false);
            (
                outcome.violations,
                outcome.lasted_ms,
                outcome.settled_ms,
                outcome.accepted,
                outcome.marked,
                outcome.digest,
            )
        };
        assert_eq!(tell(), tell(), "seed {seed}");
    }
}
