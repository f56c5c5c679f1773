//! `cargo xtask long`: as many fresh storms of the simulation as fit into some minutes, on all processors.

use crate::{built, cargo, run};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Long {
    /// For how long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
}

/// Prints seeds, seeds per second, counters, and failures, each with the line that repeats it; writes nothing. Fails when
/// one did.
pub(crate) fn run_long(long: &Long) -> anyhow::Result<()> {
    anyhow::ensure!(long.minutes > 0.0, "--minutes must be positive");
    // Only the harness: it does not link arti, so this builds in a minute.
    run(cargo().args(["build", "--release", "-p", "torchat-harness", "--bin", "storms"]))?;
    run(Command::new(built().with_file_name("release").join("storms")).arg(long.minutes.to_string()))
}
