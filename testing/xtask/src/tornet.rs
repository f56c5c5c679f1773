//! `cargo xtask tornet up|down|status --dir DIR`.

use crate::install;
use clap::Subcommand;
use std::path::PathBuf;
use torchat_tornet::{Config, Network};

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Starts a network and prints the path of a ready file for `torchatd --config`. It stays until `down`.
    Up {
        /// Where it keeps its files.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Stops the network.
    Down {
        /// Where it keeps its files.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Says what runs.
    Status {
        /// Where it keeps its files.
        #[arg(long)]
        dir: PathBuf,
    },
}

pub(crate) fn run(action: Action) -> anyhow::Result<()> {
    match action {
        Action::Up { dir } => {
            install::ensure_tor()?;
            if let Ok(network) = Network::open(&dir) {
                if network.status().is_usable() {
                    println!("{}", network.config_path().display());
                    return Ok(());
                }
                // What is left of it, after a reboot or a kill, is of no use.
                network.stop()?;
            }
            let interrupted = Some(crate::interrupted()?);
            eprintln!("starting a private Tor network in {} (about 10 s)", dir.display());
            let network = Network::start(Config { dir, owner: None, interrupted, ..Config::default() })?;
            println!("{}", network.config_path().display());
            Ok(())
        }
        Action::Down { dir } => Network::open(&dir)?.stop(),
        Action::Status { dir } => {
            println!("{}", Network::open(&dir)?.status());
            Ok(())
        }
    }
}
