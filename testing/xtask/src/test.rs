//! `cargo xtask test`: everything that must hold, the cheap things first.
//!
//! A failing step keeps only those from running that cannot be without it. At the end all failures are listed.

mod course;
mod proofs;
mod results;

use crate::build::{self, Goal};
use crate::{built, cargo, install};
use anyhow::{Context as _, ensure};
use course::Course;
use proofs::Claims;
use results::Results;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use torchat_tornet::{Config, Network};

/// The tests that need the private network: they run one at a time, after everything else, never beside compilation.
/// Their manifest says `test = false`, so that a plain `cargo test` passes without a network.
const TOR_TESTS: [&str; 5] = ["tor", "tor_rooms", "tor_screen", "tor_away", "tor_chaos"];

/// The variable that names the file to which a test appends that it could not try something (torchat-testkit writes it).
const SKIPPED: &str = "TORCHAT_SKIPPED";

pub(crate) fn run() -> anyhow::Result<()> {
    // First, because it may ask.
    install::ensure_tor()?;
    install::ensure_strace()?;
    install::ensure_python()?;
    // Without these only what uses them is not tried, which the tests say.
    for ensured in [install::ensure_shell_tools(), install::ensure_tmux()] {
        if let Err(error) = ensured {
            eprintln!("{error:#}");
        }
    }
    let skipped = Skipped::new()?;
    let mut results = Results::default();
    let mut course = Course::default();
    // A Ctrl-C reaches cargo too, which ends, so that the step fails; we stay to stop the network.
    let interrupted = crate::interrupted()?;
    let stop = || {
        ensure!(!interrupted.load(Ordering::Relaxed), "interrupted");
        Ok(())
    };
    course.step("formatting", &[], || crate::run(cargo().args(["fmt", "--all", "--check"])));
    // With the features of the demo's build, so that arti is not built a second time (tests/features.rs).
    course.step("build", &[], || {
        stop()?;
        build::build(Goal::Everything)
    });
    course.step("tests", &["build"], || {
        stop()?;
        let mut command = cargo();
        command.args(["test", "--workspace", "--no-fail-fast", "--"]).env(SKIPPED, &skipped.0);
        counted(&mut command, &mut results)
    });
    course.step("end to end over a private Tor network", &["build"], || {
        stop()?;
        end_to_end(&mut results, &skipped, &interrupted)
    });
    course.step("proofs", &["build"], || {
        stop()?;
        proofs(&results, &skipped)
    });
    course.step("supply chain", &[], || {
        stop()?;
        crate::supply::offline()
    });
    course.step("lints", &[], || {
        stop()?;
        build::lints()?;
        TOR_TESTS.iter().try_for_each(|test| {
            crate::run(cargo().args(["clippy", "--workspace", "--test", test, "--", "-D", "warnings"]))
        })
    });
    course.step("documentation", &[], || {
        stop()?;
        crate::run(
            cargo()
                .args(["doc", "--workspace", "--no-deps", "--document-private-items", "-q"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    });
    let failures: Vec<_> =
        course.failures().into_iter().chain(results.failures().map(|test| format!("the test {test} failed"))).collect();
    println!("\n{course}");
    println!("{} passed, {} failed", results.passed, results.failed);
    ensure!(failures.is_empty(), "{} failures:\n  {}", failures.len(), failures.join("\n  "));
    ensure!(results.passed > 0 && results.failed == 0, "{} tests failed", results.failed);
    Ok(())
}

/// The file to which tests write what they could not try; gone at the end.
struct Skipped(PathBuf);

impl Skipped {
    fn new() -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("torchat-skipped-{}", std::process::id()));
        // An older run's, of a process that had our number.
        std::fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(file))
    }
}

impl Drop for Skipped {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn end_to_end(results: &mut Results, skipped: &Skipped, interrupted: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("torchat-tornet-{}", std::process::id()));
    let (owner, interrupted) = (Some(std::process::id()), Some(interrupted.clone()));
    let network = Network::start(Config { dir: folder, owner, interrupted, ..Config::default() })?;
    let mut failed = Vec::new();
    for test in TOR_TESTS {
        let mut command = cargo();
        // The same selection of packages and targets as before, so that nothing is built again.
        command.args([
            "test",
            "--workspace",
            "--no-fail-fast",
            "--test",
            test,
            "--",
            "--nocapture",
            "--test-threads=1",
        ]);
        command.env("TORCHAT_TORNET", network.config_path()).env("TORCHATD", built().join("torchatd"));
        if let Err(error) = counted(command.env(SKIPPED, &skipped.0), results) {
            failed.push(format!("the tests {test:?}: {error:#}"));
        }
    }
    network.stop()?;
    ensure!(failed.is_empty(), "{}", failed.join(", "));
    Ok(())
}

/// Runs tests, shows what they print, and reads how each of them ended.
fn counted(command: &mut Command, results: &mut Results) -> anyhow::Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = BufReader::new(child.stdout.take().context("no output")?);
    for line in output.split(b'\n') {
        // A test may print any byte.
        let line = String::from_utf8_lossy(&line?).into_owned();
        results.line(&line);
        println!("{line}");
        std::io::stdout().flush()?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "tests failed");
    Ok(())
}

/// Every test that the documents name as a proof ran here, passed, and was not skipped.
fn proofs(results: &Results, skipped: &Skipped) -> anyhow::Result<()> {
    let docs = crate::root().join("docs");
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let claims = Claims::read(&read(&docs.join("SECURITY.md"))?, &read(&docs.join("RELIABILITY.md"))?)?;
    let skipped = results::skips(&read(&skipped.0)?);
    for (test, reason) in &skipped {
        println!("SKIPPED: {test}: {reason}");
    }
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    let missing = claims.missing(results, &skipped, strict);
    ensure!(missing.is_empty(), "{} proofs are missing:\n    {}", missing.len(), missing.join("\n    "));
    println!("each of the {} tests that the documents name ran and passed", claims.count());
    Ok(())
}
