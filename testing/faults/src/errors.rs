//! An error from the n-th write, sync or truncation, once or from then on.

use crate::ledger::Findings;
use crate::script::{Mode, Part, Script};
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The calls that fail. SQLite writes by pwrite64; `write` is the port file's.
const CALLS: [&str; 4] = ["pwrite64", "fsync,fdatasync", "ftruncate", "write"];
/// What they fail with.
const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];
/// Scripts at the same time: they wait most of the time, for the engine's next look at its store.
const ABREAST: usize = 8;
/// Messages each way.
const MESSAGES: usize = 3;

/// One run of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// System calls.
    pub calls: &'static str,
    /// The error.
    pub error: &'static str,
    /// Which of each thread's calls.
    pub n: usize,
    /// And all after it.
    pub lasting: bool,
    /// Over a store that exists.
    pub used: bool,
    /// What the faulty daemon is in a room, if there is one.
    pub part: Option<Part>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { calls, error, n, .. } = self;
        let (plus, store) = (if self.lasting { "+" } else { "" }, if self.used { "used" } else { "new" });
        write!(f, "inject={calls}:error={error}:when={n}{plus} over a {store} store")?;
        self.part.map_or(Ok(()), |part| write!(f, " of {part}"))
    }
}

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Runs in which a call failed.
    pub faults: usize,
    /// Runs that came to an end before the n-th call.
    pub without: usize,
    /// Refused starts.
    pub refused_starts: usize,
    /// Requests answered by ERR because nothing was stored.
    pub refused: usize,
    /// Messages, all runs together.
    pub findings: Findings,
    /// Decisions in rooms that were answered as done.
    pub decided: usize,
    /// The whole run.
    pub time: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} runs with failing calls in {:.1} s: {} starts refused, {} requests refused because nothing was stored, \
             {} messages acknowledged, {} decisions in a room; 0 lost, 0 undone, 0 repeated, 0 out of order, 0 refused and stored all the same \
             ({} more runs ended before their call)",
            self.faults,
            self.time.as_secs_f64(),
            self.refused_starts,
            self.refused,
            self.findings.acked,
            self.decided,
            self.without,
        )
    }
}

/// Every kind of fault at each of these places, with each of these parts in a room.
#[must_use]
pub fn faults(places: &[usize], parts: &[Option<Part>]) -> Vec<Fault> {
    let mut all = Vec::new();
    for &n in places {
        for calls in CALLS {
            for error in ERRORS {
                for lasting in [false, true] {
                    for used in [false, true] {
                        // The rare calls are all within the first few.
                        if n <= 8 || calls == "pwrite64" || calls == "fsync,fdatasync" {
                            let fault = |part: &Option<Part>| Fault { calls, error, n, lasting, used, part: *part };
                            all.extend(parts.iter().map(fault));
                        }
                    }
                }
            }
        }
    }
    all
}

/// Runs the script with each of the faults, several at a time, and goes on after a violation.
///
/// # Errors
/// All violations.
pub fn run(program: &Path, faults: &[Fault]) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let found: Mutex<(Report, Vec<String>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = one(program, fault);
                    let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match result {
                        Ok(one) => {
                            add(&mut found.0, &one);
                        }
                        Err(error) => {
                            eprintln!("{fault}: {error:#}");
                            found.1.push(format!("{fault}: {error:#}"));
                        }
                    }
                }
            });
        }
    });
    let (mut report, violations) = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report.time = begun.elapsed();
    ensure!(violations.is_empty(), "{} of {} faults:\n{}", violations.len(), faults.len(), violations.join("\n"));
    ensure!(report.faults > 0 && report.refused > 0, "no call failed: nothing was tested");
    Ok(report)
}

fn add(report: &mut Report, one: &Report) {
    report.faults += one.faults;
    report.without += one.without;
    report.refused_starts += one.refused_starts;
    report.refused += one.refused;
    report.findings += one.findings;
    report.decided += one.decided;
}

fn one(program: &Path, fault: &Fault) -> anyhow::Result<Report> {
    let script = Script::new(program, fault.used, fault.part)?;
    let log = script.file("strace");
    let when = format!("{}{}", fault.n, if fault.lasting { "+" } else { "" });
    let mut tracer = vec!["-f".to_owned(), "-qq".into(), "-o".into(), log.to_string_lossy().into_owned()];
    // Only files of the data directory: a failing write to a pipe or a socket is another matter.
    for file in script.files() {
        tracer.extend(["-P".to_owned(), file]);
    }
    tracer.extend(["-e".to_owned(), format!("trace={}", fault.calls)]);
    tracer.extend(["-e".to_owned(), format!("inject={}:error={}:when={when}", fault.calls, fault.error)]);
    // The log goes with the script's directory, so it is looked at from a second name.
    let mode = if fault.lasting { Mode::Lasting } else { Mode::Once };
    let kept = tempfile::NamedTempFile::new()?;
    std::fs::remove_file(kept.path())?;
    std::fs::File::create(&log)?;
    std::fs::hard_link(&log, kept.path())?;
    let outcome = script.run(&tracer, MESSAGES, mode)?;
    let injected = std::fs::read(kept.path()).context("strace's log")?;
    let happened = injected.windows(10).any(|window| window == b"(INJECTED)");
    Ok(Report {
        faults: usize::from(happened),
        without: usize::from(!happened),
        refused_starts: usize::from(outcome.refused_to_start.is_some()),
        refused: outcome.refused,
        findings: outcome.findings,
        decided: outcome.decided,
        time: Duration::ZERO,
    })
}
