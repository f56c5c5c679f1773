//! `torchatd`: command line, configuration and process life of the daemon. What it does is in the other crates.
//!
//! The order of a start: arguments, torrc and configuration, checks ([`prepare`]), lock, sockets, identity, fork, logs,
//! runtime, store, control server, and Tor in the background. Up to the lock nothing is changed.

mod accounts;
mod cli;
mod config;
mod daemonise;
mod datadir;
mod exit;
mod files;
mod identity;
mod logging;
mod places;
mod prepare;
mod process;
mod replace;
mod run;
mod stop;
mod torrc;

use clap::Parser;
use cli::{Args, Command};
use daemonise::{Readiness, Side};
use exit::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    process::harden();
    logging::report_panics_by_location();
    // A usage error, --help and --version end here.
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Identity(command)) => identity::run(command).map(|()| ExitCode::SUCCESS),
        None if args.stop => stop(&args),
        None => start(&args),
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

fn start(args: &Args) -> Result<ExitCode, Failure> {
    let inherited = replace::inherit()?;
    let replaced = inherited.is_some();
    start_with(args, inherited).inspect_err(|failure| {
        if replaced {
            replace::log_failure(args, failure);
        }
    })
}

fn start_with(args: &Args, inherited: Option<replace::Inheritance>) -> Result<ExitCode, Failure> {
    // A process that took another one's place is in the background already, and may be asked for something at once.
    let early = inherited.as_ref().map(|_| run::Early::new()).transpose()?;
    let mut ready = prepare::check(args, inherited)?.enter()?;
    let mut readiness = match (args.daemon, &early) {
        (false, _) => Readiness::Foreground,
        (true, Some(_)) => Readiness::Background(None),
        (true, None) => match daemonise::daemonise()? {
            Side::Starter(status) => return Ok(status),
            Side::Daemon(readiness) => readiness,
        },
    };
    let ran =
        early.map_or_else(run::Early::new, Ok).and_then(|early| run::run(early, args, &mut ready, &mut readiness));
    match ran {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            readiness.failed(&failure);
            Ok(ExitCode::from(failure.code as u8))
        }
    }
}
