//! `cargo xtask chaos`: two real daemons on a private Tor network while it breaks, for as long as you like.
//!
//! The work is done by a program of the harness, because xtask itself is to build in seconds.

use crate::build::{self, Goal};
use crate::{built, install};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use torchat_tornet::Network;

#[derive(Args)]
pub(crate) struct Chaos {
    /// How long faults are inflicted; the start, and the healing of the last fault, come on top
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    minutes: u64,
    /// What is broken; `all` shares the time
    #[arg(long, default_value = "all", value_parser = ["relays", "peer-stopped", "services", "network", "all"])]
    scenario: String,
    /// The plan of an earlier run [default: a new one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the daemons' data and logs here, in a new folder [default: they are removed]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(crate) fn run(chaos: &Chaos) -> anyhow::Result<()> {
    install::ensure_tor()?;
    build::build(Goal::Everything)?;
    // Random enough, and the standard library's own.
    let seed = chaos.seed.unwrap_or_else(|| RandomState::new().hash_one(std::process::id()));
    let dir = match &chaos.keep {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("torchat-chaos-{}", std::process::id())),
    };
    std::fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // A Ctrl-C reaches the program and the daemons too; we stay to clean up after them.
    let interrupted = crate::interrupted()?;
    let result = inflict(chaos, seed, &dir);
    if let Ok(network) = Network::open(&dir.join("net")) {
        network.stop()?;
    }
    if chaos.keep.is_none() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    if interrupted.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    result
}

fn inflict(chaos: &Chaos, seed: u64, dir: &Path) -> anyhow::Result<()> {
    let status = Command::new(built().join("chaos"))
        .arg(dir)
        .arg(built().join("torchatd"))
        .args([chaos.minutes.to_string(), chaos.scenario.clone(), seed.to_string()])
        .status()
        .context("cannot start chaos")?;
    ensure!(status.success(), "chaos ended with {status}");
    Ok(())
}
