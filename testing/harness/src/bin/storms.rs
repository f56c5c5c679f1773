//! Runs fresh storms for some minutes on all processors: `storms MINUTES`. Ends with 1 when a promise was broken.

use anyhow::Context as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use torchat_harness::sim::checker::Limits;
use torchat_harness::sim::crowd::run_storms;
use torchat_transport::randomness::Randomness;

/// How often it says how far it is.
const NEWS: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<ExitCode> {
    let minutes: f64 =
        std::env::args().nth(1).context("usage: storms MINUTES")?.parse().context("MINUTES is a number")?;
    let time = Duration::try_from_secs_f64(minutes * 60.0).context("MINUTES is a positive number")?;
    let randomness = Randomness::system();
    // Every second storm has a hostile member.
    let seeds = std::iter::repeat_with(|| u64::from(u32::from_le_bytes(randomness.bytes())));
    let seeds = seeds.zip([false, true].into_iter().cycle());
    let (begun, mut said) = (Instant::now(), Instant::now());
    let (mut runs, mut failures) = (0u64, 0u64);
    let (mut accepted, mut marked, mut expired, mut noticed) = (0u64, 0u64, 0u64, 0u64);
    let mut held_up = 0u64;
    let mut limits = Limits::default();
    let (mut faults, mut simulated_ms) = (0u64, 0u64);
    let mut settled = Vec::new();
    run_storms(seeds, |run| {
        runs += 1;
        accepted += run.outcome.accepted;
        marked += run.outcome.marked;
        expired += run.outcome.expired;
        noticed += run.outcome.noticed;
        held_up += run.outcome.held_up;
        limits += run.outcome.limits;
        faults += run.outcome.faults;
        simulated_ms += run.outcome.lasted_ms;
        settled.push(run.outcome.settled_ms);
        if !run.is_clean() {
            failures += 1;
            print!("{}", run.report());
        }
        if said.elapsed() >= NEWS {
            said = Instant::now();
            println!("{runs} seeds, {failures} failures");
        }
        begun.elapsed() < time
    });
    let seconds = begun.elapsed().as_secs_f64();
    settled.sort_unstable();
    let settled_at = |percent: usize| settled.get((settled.len() * percent / 100).min(settled.len().saturating_sub(1)));
    println!("{runs} seeds in {seconds:.0} s: {:.1} seeds per second, {failures} failures", runs as f64 / seconds);
    println!(
        "{:.0} simulated hours, {faults} kills, stops, restores, copies, freezes, nights and clock changes",
        simulated_ms as f64 / 3_600_000.0
    );
    println!("{accepted} messages accepted, {expired} failed by their age; {noticed} times another copy was noticed");
    println!("the accounts of hostile members held {held_up} inputs up");
    println!("restored backups forgot {marked} messages under a mark; {limits}");
    println!(
        "settled after p50 {} ms, p95 {} ms, worst {} ms of calm (limit {} ms)",
        settled_at(50).unwrap_or(&0),
        settled_at(95).unwrap_or(&0),
        settled.last().unwrap_or(&0),
        torchat_harness::sim::storm::SETTLE_LIMIT_MS
    );
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
