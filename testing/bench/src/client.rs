//! The client as a whole process: from before its start until it has ended, beside `true` in the same moment.

use crate::Setup;
use crate::process::{Recipe, sibling};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, percentile};
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs of each for each pair of slices that is asked for: a run takes some milliseconds.
const RUNS: u32 = 10;
/// What the issue of the clients aims at.
const AIM_MS: f64 = 15.0;

pub(crate) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let data = setup.dir.join("client-daemon");
    let daemon = Recipe::loopback(&data)?.start()?;
    let torchat = sibling("torchat")?;
    let socket = data.join("control.sock");
    ensure!(socket.exists(), "the folder is too deep for a socket: name a shorter one with --dir");
    // The programs are in the page cache from here on.
    let (onion, _) = took(&torchat, &["--socket".as_ref(), socket.as_os_str(), "host".as_ref()])?;
    ensure!(onion.trim_end().ends_with(".onion"), "torchat host says {onion:?}");
    took(Path::new("true"), &[])?;
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..setup.pairs * RUNS {
        let host = || took(&torchat, &["--socket".as_ref(), socket.as_os_str(), "host".as_ref()]);
        // In turn, so that neither always runs on what the other left warm.
        let ((said, host_ms), (_, true_ms)) = if n % 2 == 0 {
            let first = host()?;
            (first, took(Path::new("true"), &[])?)
        } else {
            let first = took(Path::new("true"), &[])?;
            (host()?, first)
        };
        ensure!(said == onion, "torchat host says {said:?}");
        ours.push(host_ms);
        bare.push(true_ms);
        ratios.push(host_ms / true_ms);
    }
    let text = |times: &[f64]| format!("p50 {:.2}, p95 {:.2} ms", percentile(times, 50), percentile(times, 95));
    report.add(Row {
        what: "`torchat host`, whole process, ms".into(),
        ours: text(&ours),
        reference: format!("`true`: {}", text(&bare)),
        judged: Summary::of(ours.iter().copied()),
        aim: Aim::AtMost(AIM_MS),
    });
    report.add(Row {
        what: "`torchat host` against `true`".into(),
        ours: text(&ours),
        reference: text(&bare),
        judged: Summary::of(ratios),
        aim: Aim::None,
    });
    daemon.stop()
}

/// What a program says, and how long it took from before its start until it was collected, in milliseconds.
fn took(program: &Path, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<(String, f64)> {
    let begun = Instant::now();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{} ended with {}: {shown}", program.display(), output.status);
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), ms))
}
