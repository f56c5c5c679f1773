//! `-d`: into the background, with an honest answer to who started it. The only user of the crate daemonize.
//!
//! daemonize's parent ends with status 0 as soon as it has forked, whatever becomes of the daemon, and so do its pid
//! file and its change of user (both fail after the status is given). So of daemonize only the two forks, the new
//! session, the working directory, the umask and the standard streams are used. The parent stays, reads a pipe until the
//! daemon says how its start ended, and ends with the daemon's status.
//!
//! No thread may exist at the fork: it would be missing in the child, with whatever it had locked.

use crate::exit::{Code, Failure};
use daemonize::{Daemonize, Outcome, Stdio};
use std::io::{PipeWriter, Read, Write};
use std::process::ExitCode;

/// First byte of a report: the control address answers. Otherwise it is a [`Code`].
const READY: u8 = 0;
/// More of a report than anybody reads.
const MAX_REPORT: u64 = 64 * 1024;

/// Where we are after [`daemonise`].
pub(crate) enum Side {
    /// In the process that the user started, when the daemon has reported. It has nothing more to do than to undo what was
    /// made if the start failed (`false`), and to end.
    Starter(ExitCode, bool),
    /// In the daemon.
    Daemon(Readiness),
}

/// Tells who started the daemon how its start ended.
#[derive(Debug)]
pub(crate) enum Readiness {
    /// The reports go to the standard streams.
    Foreground,
    /// One report goes to the starter, which ends with it; then the pipe is gone.
    Background(Option<PipeWriter>),
}

impl Readiness {
    /// The control address answers. `message` says where.
    pub(crate) fn ready(&mut self, message: &str) {
        match self {
            // Nobody may read our output any more.
            Self::Foreground => drop(writeln!(std::io::stdout(), "{message}")),
            Self::Background(pipe) => report(pipe, READY, message),
        }
    }

    /// The daemon does not start, or did not end well.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        match self {
            Self::Foreground => complain(failure),
            Self::Background(pipe) => report(pipe, failure.code as u8, &failure.message),
        }
    }
}

/// Prints a failure where a person sees it.
pub(crate) fn complain(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "torchatd: {failure}");
}

fn report(pipe: &mut Option<PipeWriter>, status: u8, message: &str) {
    if let Some(mut pipe) = pipe.take() {
        // If the starter was killed, nobody needs the report.
        let _ = pipe.write_all(&[&[status], message.as_bytes()].concat());
    }
}

/// Forks. Everything that is open, sockets and the lock, is the daemon's afterwards.
pub(crate) fn daemonise() -> Result<Side, Failure> {
    let failure = |error: &dyn std::fmt::Display| Failure::other(format!("cannot go into the background: {error}"));
    let (reports, pipe) = std::io::pipe().map_err(|error| failure(&error))?;
    let mut readiness = Readiness::Background(Some(pipe));
    let fork = Daemonize::new()
        // Where nothing can be missing; every path is absolute by now.
        .working_directory("/")
        .umask(0o077)
        .stdout(Stdio::devnull())
        .stderr(Stdio::devnull())
        .execute();
    match fork {
        Outcome::Parent(Ok(_)) => {
            // Our copy of the writing end must go, or the pipe would never end.
            drop(readiness);
            let (status, serves) = wait(reports);
            Ok(Side::Starter(status, serves))
        }
        Outcome::Parent(Err(error)) => Err(failure(&error)),
        Outcome::Child(Ok(_)) => Ok(Side::Daemon(readiness)),
        Outcome::Child(Err(error)) => {
            // In the child: the starter, not the user, hears of it.
            readiness.failed(&failure(&error));
            std::process::exit(i32::from(Code::Other as u8));
        }
    }
}

/// Waits for the report and passes it on; whether the daemon serves.
fn wait(reports: impl Read) -> (ExitCode, bool) {
    let mut report = Vec::new();
    let read = reports.take(MAX_REPORT).read_to_end(&mut report);
    match (report.split_first(), read) {
        (Some((&READY, message)), _) => {
            Readiness::Foreground.ready(&String::from_utf8_lossy(message));
            (ExitCode::SUCCESS, true)
        }
        (Some((&code, message)), _) => {
            let failure = Failure::new(Code::from_byte(code), String::from_utf8_lossy(message));
            complain(&failure);
            (ExitCode::from(failure.code as u8), false)
        }
        (None, _) => {
            complain(&Failure::other("the daemon ended before it was ready; error.log may say why"));
            (ExitCode::from(Code::Other as u8), false)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn through_a_pipe(send: impl FnOnce(Readiness)) -> (ExitCode, bool) {
        let (reports, pipe) = std::io::pipe().unwrap();
        send(Readiness::Background(Some(pipe)));
        wait(reports)
    }

    #[test]
    fn the_starter_ends_with_the_daemons_status() {
        assert_eq!(through_a_pipe(|mut daemon| daemon.ready("serving")), (ExitCode::SUCCESS, true));
        let failure = Failure::new(Code::PortTaken, "port 1 is taken");
        assert_eq!(through_a_pipe(|mut daemon| daemon.failed(&failure)), (ExitCode::from(10), false));
    }

    #[test]
    fn a_daemon_that_died_is_no_success() {
        assert_eq!(through_a_pipe(drop), (ExitCode::from(1), false));
    }
}
