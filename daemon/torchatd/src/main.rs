//! `torchatd`: command line, configuration and process life of the daemon. What it does is in the other crates.
//!
//! The order of a start: inherited signals and descriptors, arguments, torrc and configuration, checks ([`prepare`]), lock,
//! sockets, identity, fork, sandbox, logs, runtime, store, control server, and Tor in the background. Up to the lock nothing
//! is changed, and what a start that fails later has made is removed again ([`undo`]).

mod accounts;
mod cli;
mod config;
mod daemonise;
mod datadir;
mod exit;
mod files;
mod identity;
mod logging;
mod needs;
mod places;
mod prepare;
mod process;
mod replace;
mod run;
mod sandbox;
mod stop;
mod torrc;
mod undo;

use clap::Parser;
use cli::{Args, Command};
use daemonise::{Readiness, Side};
use exit::Failure;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    process::harden();
    let signals = process::reset_signals();
    logging::report_panics_by_location();
    // A usage error, --help and --version end here.
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Identity(command)) => identity::run(command).map(|()| ExitCode::SUCCESS),
        None if args.stop => stop(&args),
        None if args.check => check(&args),
        None => start(args, &signals),
    };
    done.unwrap_or_else(|failure| {
        daemonise::complain(&failure);
        ExitCode::from(failure.code as u8)
    })
}

fn stop(args: &Args) -> Result<ExitCode, Failure> {
    let (data, socket, _) = prepare::which(args)?;
    stop::stop(&data, &socket)?;
    Ok(ExitCode::SUCCESS)
}

fn check(args: &Args) -> Result<ExitCode, Failure> {
    // Nobody may read our output any more.
    let _ = writeln!(std::io::stdout(), "{}", prepare::check_settings(args)?);
    Ok(ExitCode::SUCCESS)
}

fn start(mut args: Args, signals: &process::Defaults) -> Result<ExitCode, Failure> {
    process::close_inherited(std::env::args_os().skip(1));
    let unknown = |error| Failure::other(format!("the program's own file is not known: {error}"));
    let program = replace::Program::of_this_process().map_err(unknown)?;
    let inherited = replace::inherit()?;
    let replaced = inherited.is_some();
    // Absolute from here on: the daemon leaves the directory in which it was started, so that it holds no file system back.
    args.settle(places::absolute, places::log_dir)?;
    let program = program.with(args.line());
    // Where that is not allowed it stays where it is, which does no harm.
    let _ = std::env::set_current_dir("/");
    start_with(&args, program, signals, inherited).inspect_err(|failure| {
        if replaced {
            replace::log_failure(&args, failure);
        }
    })
}

fn start_with(
    args: &Args,
    program: replace::Program,
    signals: &process::Defaults,
    inherited: Option<replace::Inheritance>,
) -> Result<ExitCode, Failure> {
    // A process that took another one's place is in the background already, and may be asked for something at once.
    let early = inherited.as_ref().map(|_| run::Early::new(signals)).transpose()?;
    let mut ready = prepare::check(args, inherited)?.enter()?;
    let mut readiness = match (args.daemon, &early) {
        (false, _) => Readiness::Foreground,
        (true, Some(_)) => Readiness::Background(None),
        (true, None) => match daemonise::daemonise() {
            Ok(Side::Starter(status, serves)) => {
                // What was made is the daemon's. If it failed it has undone what its sandbox let it; here is no sandbox, and the
                // lock, which both have, is still held.
                if serves {
                    ready.undo.keep()
                } else {
                    ready.undo.undo()
                }
                return Ok(status);
            }
            Ok(Side::Daemon(readiness)) => readiness,
            Err(failure) => return Err(failure),
        },
    };
    let confined = match &early {
        Some(_) => sandbox::Confined::inherited(),
        None => sandbox::enter(&ready.config.sandbox, &sandbox::Needs::of(args, &ready, &program)),
    };
    let ran = early
        .map_or_else(|| run::Early::new(signals), Ok)
        .and_then(|early| run::run(early, program, confined, args, &mut ready, &mut readiness));
    match ran {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            // Before it is told: who hears of it may look at once.
            ready.undo.undo();
            readiness.failed(&failure);
            Ok(ExitCode::from(failure.code as u8))
        }
    }
}
