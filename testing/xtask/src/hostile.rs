//! `cargo xtask hostile`: a peer that breaks every rule, against the real daemon.

use crate::build::{self, Goal};
use crate::{built, cargo, install, interrupted, run};
use anyhow::{Context as _, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use torchat_tornet::Network;

#[derive(Args)]
pub(crate) struct Hostile {
    /// Over a private Tor network that it starts itself, against torchatd; without the floods
    #[arg(long)]
    tor: bool,
    /// Attacks on the port for local programs: bytes of browsers, a real browser (Debian's chromium), 10,000 contacts, loads, a million requests
    #[arg(long, conflicts_with = "tor")]
    local: bool,
    /// Only attacks whose names contain this, and no floods
    #[arg(long)]
    only: Option<String>,
    /// How long the floods take in all, with the quiet times that they are compared to
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    seconds: u64,
}

pub(crate) fn run_all(hostile: &Hostile) -> anyhow::Result<()> {
    let mut attacks = vec!["--slow".to_owned()];
    attacks.extend(hostile.only.iter().flat_map(|only| ["--only".to_owned(), only.clone()]));
    if hostile.tor {
        return over_tor(&attacks);
    }
    // Released, because it measures; and this package alone, because it needs no arti, whose build takes minutes.
    run(cargo().args(["build", "--release", "--package", "torchat-hostile", "--bins"]))?;
    let program = built().with_file_name("release").join("hostile-peer");
    if hostile.local {
        // All else is worth its while without it, and the program says that it left this out.
        if let Err(error) = install::ensure_chromium() {
            eprintln!("{error:#}");
        }
        let mut local = Command::new(&program);
        local.arg("local");
        // Built by the tests; its build takes too long to be begun for these rows.
        let torchatd = built().join("torchatd");
        if torchatd.is_file() {
            local.arg("--torchatd").arg(torchatd);
        }
        return run(&mut local);
    }
    run(Command::new(&program).arg("attacks").args(&attacks))?;
    if hostile.only.is_none() {
        run(Command::new(&program).args(["floods", "--seconds", &hostile.seconds.to_string()]))?;
    }
    Ok(())
}

fn over_tor(attacks: &[String]) -> anyhow::Result<()> {
    install::ensure_tor()?;
    // The same selection as everywhere, so that arti is not built again.
    build::build(Goal::Everything)?;
    let dir = std::env::temp_dir().join(format!("torchat-hostile-{}", std::process::id()));
    // A Ctrl-C reaches the program and the daemons too; we stay to clean up after them.
    let interrupted = interrupted()?;
    let result = attack(&dir, attacks);
    if let Ok(network) = Network::open(&dir.join("net")) {
        network.stop()?;
    }
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
        }
        _ => {}
    }
    if interrupted.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    result
}

fn attack(dir: &Path, attacks: &[String]) -> anyhow::Result<()> {
    let program: PathBuf = built().join("hostile-peer");
    run(Command::new(program)
        .arg("tor")
        .args(attacks)
        .arg("--torchatd")
        .arg(built().join("torchatd"))
        .arg("--dir")
        .arg(dir))
}
