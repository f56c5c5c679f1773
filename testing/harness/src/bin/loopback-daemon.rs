//! A daemon with the real core, engine, store and control server, whose peers are on loopback TCP instead of Tor.
//!
//! `loopback-daemon DATA-DIR PEERS-DIR SEED [legacy]`: writes its control port into `DATA-DIR/port` when it serves. With the fourth
//! word it takes messages of old daemons.

use anyhow::Context as _;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;
use torchat_harness::resident::{Setup, run};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("{what} is missing"));
    let data = PathBuf::from(next("DATA-DIR")?);
    let peers = PathBuf::from(next("PEERS-DIR")?);
    let seed: u8 = next("SEED")?.to_string_lossy().parse().context("SEED must be 0 to 200")?;
    let legacy = arguments.next().is_some_and(|word| word == "legacy");
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(run(Setup { data, peers, seed, legacy, unix: false }, CancellationToken::new(), || ()))
}
