//! The second half of `cargo xtask long`: mutated inputs for every parser, for two peers, and for handshakes.

use crate::{built, cargo, run};
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Counts {
    /// Inputs for parsers; 0 leaves them out.
    #[arg(long, default_value_t = 10_000_000)]
    parsers: u64,
    /// Scripts for two peers and a hostile third, and for two replicas of a room; 0 leaves them out.
    #[arg(long, default_value_t = 100_000)]
    stateful: u64,
    /// Handshakes that somebody tampers with; 0 leaves them out.
    #[arg(long, default_value_t = 1_000_000)]
    handshakes: u64,
}

/// Prints the seed, counts, rates, panics and what was accepted wrongly. A failing input is printed and written to
/// `target/fuzz-failures`. Fails when there is one.
pub(crate) fn run_fuzz(counts: &Counts) -> anyhow::Result<()> {
    // A profile of its own: the checks of arithmetic, which a release leaves out, are half of what is tested.
    run(cargo().args(["build", "--profile", "fuzz", "-p", "torchat-fuzz", "--bin", "fuzz-long"]))?;
    let mut command = Command::new(built().with_file_name("fuzz").join("fuzz-long"));
    for (option, count) in
        [("--parsers", counts.parsers), ("--stateful", counts.stateful), ("--handshakes", counts.handshakes)]
    {
        command.arg(option).arg(count.to_string());
    }
    command.arg("--failures").arg(built().with_file_name("fuzz-failures"));
    run(&mut command)
}
