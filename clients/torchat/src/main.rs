//! `torchat`: without a command the terminal client, with one a tool for the shell.
//!
//! Both know only the daemon's control API, through `torchat_client::api`, and find a running daemon by themselves.

mod arguments;
mod daemon;
mod screen;
mod shell;
mod streams;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let place = daemon::Place::from(arguments.place);
    match arguments.command {
        Some(command) => shell::run(&place, arguments.form, command),
        None => screen::run(&place),
    }
}
