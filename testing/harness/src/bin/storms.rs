//! Runs fresh storms for some minutes on all processors: `storms MINUTES`. Ends with 1 when a promise was broken.

use anyhow::Context as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use torchat_harness::sim::checker::Limits;
use torchat_harness::sim::crowd::run_storms;
use torchat_harness::sim::storm::{Kind, ROOM_SETTLE_LIMIT_MS, SETTLE_LIMIT_MS};
use torchat_transport::randomness::Randomness;

/// How often it says how far it is.
const NEWS: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<ExitCode> {
    let minutes: f64 =
        std::env::args().nth(1).context("usage: storms MINUTES")?.parse().context("MINUTES is a number")?;
    let time = Duration::try_from_secs_f64(minutes * 60.0).context("MINUTES is a positive number")?;
    let randomness = Randomness::system();
    // Every third storm has a hostile member, and every third one a room.
    let seeds = std::iter::repeat_with(|| u64::from(u32::from_le_bytes(randomness.bytes())));
    let seeds = seeds.zip([Kind::Plain, Kind::Hostile, Kind::Room].into_iter().cycle());
    let (begun, mut said) = (Instant::now(), Instant::now());
    let (mut runs, mut failures) = (0u64, 0u64);
    let (mut accepted, mut marked, mut expired, mut noticed) = (0u64, 0u64, 0u64, 0u64);
    let mut held_up = 0u64;
    let mut limits = Limits::default();
    let (mut faults, mut simulated_ms) = (0u64, 0u64);
    let (mut settled, mut texts, mut room_settled) = (Vec::new(), 0u64, Vec::new());
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
        texts += run.outcome.said;
        if run.kind == Kind::Room {
            room_settled.push(run.outcome.room_settled_ms);
        }
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
    room_settled.sort_unstable();
    let at = |all: &[u64], percent: usize| {
        all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    println!("{runs} seeds in {seconds:.0} s: {:.1} seeds per second, {failures} failures", runs as f64 / seconds);
    println!(
        "{:.0} simulated hours, {faults} kills, stops, restores, copies, freezes, nights and clock changes",
        simulated_ms as f64 / 3_600_000.0
    );
    println!("{accepted} messages accepted, {expired} failed by their age; {noticed} times another copy was noticed");
    println!("the accounts of hostile members held {held_up} inputs up");
    println!("restored backups forgot {marked} messages under a mark; {limits}");
    let settled_after = |what: &str, all: &[u64], limit: u64| {
        let [p50, p95, worst] = [50, 95, 100].map(|percent| at(all, percent));
        println!("{what} settled after p50 {p50} ms, p95 {p95} ms, worst {worst} ms of calm (limit {limit} ms)");
    };
    settled_after("mail", &settled, SETTLE_LIMIT_MS);
    settled_after("rooms", &room_settled, ROOM_SETTLE_LIMIT_MS);
    println!("{texts} texts accepted in {} rooms", room_settled.len());
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
