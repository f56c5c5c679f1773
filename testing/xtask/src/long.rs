//! `cargo xtask long`: as many fresh storms of the simulation as fit into some minutes, rooms under chaos, and millions of
//! mutated inputs, on all processors.

use crate::{built, cargo, longfuzz, run};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Long {
    /// For how long storms blow.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    #[command(flatten)]
    counts: longfuzz::Counts,
    /// Fresh seeds for each of the tests of rooms under chaos; 0 leaves them out
    #[arg(long, default_value_t = 1_000)]
    rooms: u64,
    /// Leaves the other parts out.
    #[arg(long)]
    only: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Storms,
    Rooms,
    Fuzz,
}

/// All parts, or one. Each runs only if those before it found nothing.
pub(crate) fn run_long(long: &Long) -> anyhow::Result<()> {
    let wanted = |part| long.only.is_none_or(|only| only == part);
    if wanted(Part::Storms) {
        run_storms(long.minutes)?;
    }
    if wanted(Part::Rooms) && long.rooms > 0 {
        run_rooms(long.rooms)?;
    }
    if wanted(Part::Fuzz) {
        longfuzz::run_fuzz(&long.counts)?;
    }
    Ok(())
}

/// Prints what was seen in the runs of each test, and the seed of a run that failed: `ROOM_FROM=SEED ROOM_SEEDS=1` repeats it.
fn run_rooms(seeds: u64) -> anyhow::Result<()> {
    // Far from the seeds of the short form, and other ones each time.
    let from = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() * 1_000_000;
    let mut command = cargo();
    command.args(["test", "--release", "-p", "torchat-room", "--test", "chaos", "--", "--nocapture"]);
    println!("rooms under chaos: {seeds} seeds for each test, from {from} on");
    run(command.env("ROOM_SEEDS", seeds.to_string()).env("ROOM_FROM", from.to_string()))
}

/// Prints seeds, seeds per second, counters, and failures, each with the line that repeats it; writes nothing. Fails when
/// one did.
fn run_storms(minutes: f64) -> anyhow::Result<()> {
    anyhow::ensure!(minutes > 0.0, "--minutes must be positive");
    // Only the harness: it does not link arti, so this builds in a minute.
    run(cargo().args(["build", "--release", "-p", "torchat-harness", "--bin", "storms"]))?;
    run(Command::new(built().with_file_name("release").join("storms")).arg(minutes.to_string()))
}
