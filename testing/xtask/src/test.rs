//! `cargo xtask test`: everything that must hold, the cheap things first.

use crate::{built, cargo, install};
use anyhow::{Context as _, ensure};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use torchat_tornet::{Config, Network};

/// The tests that need the private network: they run one at a time, after everything else, never beside compilation.
/// Their manifest says `test = false`, so that a plain `cargo test` passes without a network.
const TOR_TESTS: [&str; 3] = ["tor", "tor_screen", "tor_chaos"];

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

pub(crate) fn run() -> anyhow::Result<()> {
    // First, because it may ask.
    install::ensure_tor()?;
    install::ensure_strace()?;
    install::ensure_python()?;
    // Without these only the lines that use them are not tried, which their tests say.
    if let Err(error) = install::ensure_shell_tools() {
        eprintln!("{error:#}");
    }
    let started = Instant::now();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut tally = Tally::default();
    // A Ctrl-C reaches cargo too, which ends, so that the step fails; we stay to stop the network.
    let interrupted = crate::interrupted()?;
    let mut step = |name: &'static str, work: &mut dyn FnMut(&mut Tally) -> anyhow::Result<()>| {
        ensure!(!interrupted.load(Ordering::Relaxed), "interrupted");
        println!("\n=== {name}");
        let begun = Instant::now();
        let result = work(&mut tally).with_context(|| format!("the step \"{name}\" failed"));
        times.push((name, begun.elapsed()));
        result
    };
    step("formatting", &mut |_| crate::run(cargo().args(["fmt", "--all", "--check"])))?;
    // One feature set for everything that is built: --workspace --all-targets. A build of single packages would choose
    // other features and build arti a second time.
    step("build", &mut |_| crate::run(cargo().args(["build", "--workspace", "--all-targets"])))?;
    step("tests", &mut |tally| {
        let mut command = cargo();
        command.args(["test", "--workspace", "--no-fail-fast", "--"]);
        counted(&mut command, tally)
    })?;
    step("end to end over a private Tor network", &mut |tally| end_to_end(tally, &interrupted))?;
    step("lints", &mut |_| {
        crate::run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
        TOR_TESTS.iter().try_for_each(|test| {
            crate::run(cargo().args(["clippy", "--workspace", "--test", test, "--", "-D", "warnings"]))
        })
    })?;
    step("documentation", &mut |_| {
        crate::run(
            cargo()
                .args(["doc", "--workspace", "--no-deps", "--document-private-items", "-q"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    println!();
    for (name, time) in &times {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    println!("{:>7.1} s  in all\n", started.elapsed().as_secs_f64());
    println!("{} passed, {} failed", tally.passed, tally.failed);
    ensure!(tally.failed == 0, "{} tests failed", tally.failed);
    ensure!(tally.passed > 0, "no test ran");
    Ok(())
}

fn end_to_end(tally: &mut Tally, interrupted: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("torchat-tornet-{}", std::process::id()));
    let (owner, interrupted) = (Some(std::process::id()), Some(interrupted.clone()));
    let network = Network::start(Config { dir: folder, owner, interrupted, ..Config::default() })?;
    let result = TOR_TESTS.iter().try_for_each(|test| {
        let mut command = cargo();
        // The same selection of packages and targets as before, so that nothing is built again.
        command.args(["test", "--workspace", "--test", test, "--", "--nocapture", "--test-threads=1"]);
        command.env("TORCHAT_TORNET", network.config_path()).env("TORCHATD", built().join("torchatd"));
        counted(&mut command, tally).with_context(|| format!("the tests {test:?}"))
    });
    network.stop()?;
    result
}

/// Runs tests, shows what they print, and counts what their last lines say.
fn counted(command: &mut Command, tally: &mut Tally) -> anyhow::Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = BufReader::new(child.stdout.take().context("no output")?);
    for line in output.lines() {
        let line = line?;
        if let Some((passed, failed)) = result_line(&line) {
            tally.passed += passed;
            tally.failed += failed;
        }
        println!("{line}");
        std::io::stdout().flush()?;
    }
    let status = child.wait()?;
    ensure!(status.success(), "tests failed");
    Ok(())
}

/// `test result: ok. 3 passed; 0 failed; ..` as numbers.
fn result_line(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number =
        |word: &str| rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok());
    Some((number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::result_line;

    #[test]
    fn cargos_last_lines_are_counted() {
        let line = "test result: ok. 12 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.15s";
        assert_eq!(result_line(line), Some((12, 1)));
        assert_eq!(result_line("running 12 tests"), None);
    }
}
