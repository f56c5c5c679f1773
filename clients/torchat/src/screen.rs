//! The terminal client.
//!
//! A pure model ([`model`]) that knows everything and does nothing; where things are ([`areas`]) and which rows messages have
//! ([`rows`]), from sizes and times alone; a view ([`view`]) that draws it, and a runtime ([`runtime`]) with the threads: one reads the terminal, one the daemon's events, two ask the daemon. They wake one loop,
//! which draws when something has changed; while nothing happens nothing runs.

mod address;
mod areas;
mod editor;
mod model;
mod notify;
mod qr;
mod remark;
mod rows;
mod runtime;
mod settings;
mod theme;
mod view;
mod wrap;

#[cfg(test)]
mod tests;

use crate::daemon::Place;
pub(crate) use runtime::settings::File as SettingsFile;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Runs until the user leaves. The exit code is 0 then, 2 without a terminal.
pub(crate) fn run(place: &Place) -> ExitCode {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        say("torchat without a command needs a terminal; `torchat --help` lists the commands for scripts");
        return ExitCode::from(2);
    }
    match runtime::run(place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("torchat: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr. Nobody can be told when that fails, and `eprintln!` would panic.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
