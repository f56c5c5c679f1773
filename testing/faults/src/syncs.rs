//! A kill at the n-th sync, for every n.

use crate::ledger::Findings;
use crate::script::{Mode, Part, Script};
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

/// No script syncs so often in one thread; beyond it the count itself is broken.
const LIMIT: usize = 5_000;

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Kills, each at another sync.
    pub kills: usize,
    /// Of them over a store that is made in the run.
    pub new_store: usize,
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
            "killed at each of {} syncs ({} over a new store, the rest over one in use) in {:.1} s: \
             {} messages acknowledged, {} decisions in a room; 0 lost, 0 undone, 0 repeated, 0 out of order",
            self.kills,
            self.new_store,
            self.time.as_secs_f64(),
            self.findings.acked,
            self.decided,
        )
    }
}

/// strace counts the calls of each thread by itself: the first thread makes the store, another one commits. So the script
/// runs over a new store, and over one that exists, whose syncs are all those of daily work; and with each of these parts in a room,
/// if it is one.
///
/// # Errors
/// The first violation, with the number of the sync.
pub fn run(program: &Path, messages: usize, parts: &[Option<Part>]) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let mut report = Report::default();
    for (part, used) in parts.iter().flat_map(|part| [(*part, false), (*part, true)]) {
        let mut survived = false;
        for n in 1..LIMIT {
            let script = Script::new(program, used, part)?;
            let tracer = [
                "-f".to_owned(),
                "-qq".into(),
                "-o".into(),
                script.file("strace").to_string_lossy().into_owned(),
                "-e".into(),
                "trace=fdatasync,fsync".into(),
                "-e".into(),
                format!("inject=fdatasync,fsync:signal=KILL:when={n}"),
            ];
            let outcome = script
                .run(&tracer, messages, Mode::Killed)
                .with_context(|| format!("kill at sync {n}, {} store, {part:?}", if used { "used" } else { "new" }))?;
            report.findings += outcome.findings;
            report.decided += outcome.decided;
            if !outcome.killed {
                survived = true;
                break;
            }
            report.kills += 1;
            report.new_store += usize::from(!used);
        }
        ensure!(survived, "the script syncs more than {LIMIT} times");
    }
    report.time = begun.elapsed();
    ensure!(report.kills > 0, "no kill happened: nothing was tested");
    Ok(report)
}
