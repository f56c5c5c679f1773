//! Runs every target for long: parsers, two peers, handshakes. Prints counts, rates and failures; fails when one failed.

use anyhow::Context as _;
use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Duration;
use torchat_fuzz::long::{self, Amount, Outcome};
use torchat_fuzz::{Class, TARGETS};

#[derive(Parser)]
#[command(about = "Mutated inputs for every parser, for two peers and for handshakes, on all processors", version)]
struct Cli {
    /// Inputs for parsers.
    #[arg(long, default_value_t = 10_000_000)]
    parsers: u64,
    /// Scripts for two peers and a hostile third, and for two replicas of a room.
    #[arg(long, default_value_t = 100_000)]
    stateful: u64,
    /// Handshakes that somebody tampers with.
    #[arg(long, default_value_t = 1_000_000)]
    handshakes: u64,
    /// Runs every class for this many minutes instead of a number of inputs
    #[arg(long)]
    minutes: Option<f64>,
    /// Repeats the inputs of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads; as many as there are processors if it is not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Where failing inputs are written.
    #[arg(long, default_value = "target/fuzz-failures")]
    failures: PathBuf,
    /// Runs this file through the target of the name before it (`TARGET FILE`), and nothing else.
    #[arg(long, num_args = 2, value_names = ["TARGET", "FILE"])]
    replay: Option<Vec<String>>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some([name, file]) = cli.replay.as_deref() {
        let target = TARGETS.iter().find(|target| target.name == name).context("no such target")?;
        println!("{:?}", (target.run)(&std::fs::read(file)?));
        return Ok(());
    }
    long::keep_panics_quiet();
    let seed = match cli.seed {
        Some(seed) => seed,
        None => fresh_seed()?,
    };
    let threads = cli.threads.unwrap_or(std::thread::available_parallelism()?.get());
    println!("seed {seed} (repeat with --seed {seed}), {threads} threads");
    let mut failed = 0;
    for (words, class, cases) in [
        ("parser cases", Class::Parser, cli.parsers),
        ("stateful cases", Class::Stateful, cli.stateful),
        ("adversarial handshakes", Class::Handshake, cli.handshakes),
    ] {
        if cases == 0 {
            continue;
        }
        let amount = match cli.minutes {
            Some(minutes) => Amount::Time(Duration::try_from_secs_f64(minutes * 60.0)?),
            None => Amount::Cases(cases),
        };
        let outcome = long::run(class, amount, seed, threads)?;
        print(words, class, &outcome);
        write_failures(&outcome, &cli.failures)?;
        failed += outcome.panics;
    }
    anyhow::ensure!(failed == 0, "{failed} inputs failed");
    Ok(())
}

fn fresh_seed() -> anyhow::Result<u64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(u64::from(now.subsec_nanos()) ^ now.as_secs().rotate_left(30))
}

fn print(words: &str, class: Class, outcome: &Outcome) {
    let Outcome { tallies, took, panics, accepted, .. } = outcome;
    let taken: u64 = tallies.iter().map(|tally| tally.taken).sum();
    // A handshake that went through unchanged is no adversarial one.
    let cases = if class == Class::Handshake { outcome.cases() - taken } else { outcome.cases() };
    let seconds = took.as_secs_f64().max(0.001);
    println!(
        "{words}: {cases} in {seconds:.1} s, {:.0}/s, {panics} panics, {accepted} accepted",
        cases as f64 / seconds
    );
    for tally in tallies {
        let share = 100.0 * tally.taken as f64 / tally.cases.max(1) as f64;
        println!("  {:16} {:>9} inputs, {share:5.1} % were good ones", tally.target, tally.cases);
    }
}

fn write_failures(outcome: &Outcome, folder: &Path) -> anyhow::Result<()> {
    for (n, failure) in outcome.failures.iter().enumerate() {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}-{n}", failure.target));
        std::fs::write(&path, &failure.input)?;
        let hex: String = failure.input.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("FAILED {}: {}\n  {}\n  {hex}", failure.target, failure.words, path.display());
    }
    Ok(())
}
