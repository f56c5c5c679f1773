//! `torchat COMMAND`: the messenger for scripts.

use crate::daemon::Place;
use std::process::ExitCode;

/// A command of the shell.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {}

/// Runs a command; the exit code says how it went.
pub(crate) fn run(_: &Place, command: Command) -> ExitCode {
    match command {}
}
