//! `cargo xtask faults kill|consumers|syncs|errors|powercut`: builds the fault tests and runs their long forms.

use crate::{built, cargo, install, run};
use std::process::Command;

/// What `faults` can do without strace.
const UNTRACED: [&str; 3] = ["kill", "consumers", "help"];

/// `arguments` go to the program `faults`, whose `--help` lists them.
pub(crate) fn run_long(arguments: &[String]) -> anyhow::Result<()> {
    let untraced = arguments.first().is_none_or(|first| first.starts_with('-') || UNTRACED.contains(&first.as_str()));
    if !untraced {
        install::ensure_strace()?;
    }
    // This package alone: it needs no arti, whose build takes minutes.
    run(cargo().args(["build", "--package", "torchat-faults", "--bins"]))?;
    if arguments.first().is_some_and(|first| first == "powercut") && !arguments.iter().any(|word| word == "--torchatd")
    {
        // The real daemon, for what Tor keeps.
        run(cargo().args(["build", "--package", "torchatd", "--bins"]))?;
    }
    run(Command::new(built().join("faults")).args(arguments))
}
