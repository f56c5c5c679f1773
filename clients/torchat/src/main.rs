//! `torchat`: without a command the terminal client, with one a tool for the shell.
//!
//! Both know only the daemon's control API, through `torchat_client::api`, and find a running daemon by themselves.

mod daemon;
mod screen;
mod shell;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// A messenger over Tor: without a command the terminal client, with one a tool for the shell.
#[derive(Debug, Parser)]
#[command(name = "torchat", version, about)]
struct Arguments {
    /// The daemon's control socket; else the one of the running daemon is found.
    #[arg(long, env = "TORCHAT_SOCKET", global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<shell::Command>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let place = daemon::Place { socket: arguments.socket };
    match arguments.command {
        Some(command) => shell::run(&place, command),
        None => screen::run(&place),
    }
}
