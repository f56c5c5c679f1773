//! The long chaos on a private Tor network: `cargo xtask chaos` builds and starts it.
//!
//! `chaos DIR TORCHATD MINUTES SCENARIO SEED`: DIR must be empty; SCENARIO is one of relays, peer-stopped, services,
//! network, all.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_harness::chaos::{Chaos, Distribution, Plan, Scenario, Until};
use torchat_testkit::daemon::Daemon;
use torchat_tornet::{Config, Network};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = |what: &'static str| arguments.next().with_context(|| format!("{what} is missing"));
    let dir = PathBuf::from(next("DIR")?);
    let torchatd = PathBuf::from(next("TORCHATD")?);
    let minutes: u64 = next("MINUTES")?.to_string_lossy().parse().context("MINUTES must be a number")?;
    let name = next("SCENARIO")?.to_string_lossy().into_owned();
    let seed: u64 = next("SEED")?.to_string_lossy().parse().context("SEED must be a number")?;
    let scenarios = match name.as_str() {
        "all" => Scenario::ALL.to_vec(),
        name => vec![Scenario::from_name(name).with_context(|| format!("there is no scenario {name:?}"))?],
    };
    println!("chaos for {minutes} min, {name}, seed {seed}");
    println!("starting a private Tor network: 3 authorities and 5 relays");
    let config = Config { dir: dir.join("net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let result = run(&network, &dir, &torchatd, minutes, &scenarios, seed);
    network.stop()?;
    result
}

fn run(
    network: &Network,
    dir: &Path,
    torchatd: &Path,
    minutes: u64,
    scenarios: &[Scenario],
    seed: u64,
) -> anyhow::Result<()> {
    let daemons = ["a", "b"].map(|name| Daemon::on_tor(torchatd, dir, name, network.config_path()));
    let (mut chaos, first) = Chaos::start(network, daemons, Plan::full(seed))?;
    println!("both talk {:.1} s after their start", first.as_secs_f64());
    let begun = Instant::now();
    let mut outcomes = Vec::new();
    for (n, scenario) in scenarios.iter().enumerate() {
        // What is left is shared by those that are left: one that took too long does not make the whole longer.
        let left = Duration::from_secs(60 * minutes).saturating_sub(begun.elapsed());
        let share = left / u32::try_from(scenarios.len() - n)?;
        let outcome = chaos.run(*scenario, Until::Time(share))?;
        println!("{outcome}");
        outcomes.push(outcome);
    }
    chaos.stop()?;
    println!("\nin all, {:.0} min, seed {seed}:", begun.elapsed().as_secs_f64() / 60.0);
    for outcome in &outcomes {
        println!("{outcome}");
    }
    let faults = || outcomes.iter().flat_map(|outcome| &outcome.faults);
    if let Some(all) = Distribution::of(faults().filter_map(|fault| fault.recovered)) {
        println!("every fault of every scenario: {all}");
    }
    Ok(())
}
