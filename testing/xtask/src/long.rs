//! `cargo xtask long`: as many fresh storms of the simulation as fit into some minutes, and millions of mutated inputs, on
//! all processors.

use crate::{built, cargo, longfuzz, run};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Long {
    /// For how long storms blow.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    #[command(flatten)]
    counts: longfuzz::Counts,
    /// Leaves the other half out.
    #[arg(long)]
    only: Option<Half>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Half {
    Storms,
    Fuzz,
}

/// Both halves, or one. The second runs only if the first found nothing.
pub(crate) fn run_long(long: &Long) -> anyhow::Result<()> {
    if long.only != Some(Half::Fuzz) {
        run_storms(long.minutes)?;
    }
    if long.only != Some(Half::Storms) {
        longfuzz::run_fuzz(&long.counts)?;
    }
    Ok(())
}

/// Prints seeds, seeds per second, counters, and failures, each with the line that repeats it; writes nothing. Fails when
/// one did.
fn run_storms(minutes: f64) -> anyhow::Result<()> {
    anyhow::ensure!(minutes > 0.0, "--minutes must be positive");
    // Only the harness: it does not link arti, so this builds in a minute.
    run(cargo().args(["build", "--release", "-p", "torchat-harness", "--bin", "storms"]))?;
    run(Command::new(built().with_file_name("release").join("storms")).arg(minutes.to_string()))
}
