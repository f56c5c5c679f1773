//! `torchat`: without a command the terminal client, with one a tool for the shell.
//!
//! Both know only the daemon's control API, through `torchat_client::api`, and find a running daemon by themselves.

mod arguments;
mod counts;
mod daemon;
mod logs;
mod membership;
mod names;
mod refusal;
mod screen;
mod shell;
mod standing;
mod status;
mod streams;
mod times;
mod usage;

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    // The program that started us may let the system reap its children (SIGCHLD ignored, which is inherited): then nobody could hear how
    // the start of a daemon ended. With any handler it is not ignored, and what we execute begins with the default.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGCHLD, Arc::default());
    let arguments = match usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let place = daemon::Place::from(arguments.place);
    match arguments.command {
        Some(command) => shell::run(&place, arguments.form, command),
        None => screen::run(&place),
    }
}
