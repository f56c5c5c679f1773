//! A daemon with the real core, engine, store and control server, whose peers are on loopback TCP instead of Tor.
//!
//! `loopback-daemon DATA-DIR PEERS-DIR SEED [legacy] [tasks] [bytes=N] [connections=N] [idle=MS] [trouble=SENTENCE [clock-wrong]]
//! [group=PATH] [UID=RIGHT,...]`: serves on `DATA-DIR/control.sock` and on a port that it writes into `DATA-DIR/port` when it serves.
//! `legacy`: it takes messages of old daemons. `tasks`: it writes ten times a second into `DATA-DIR/tasks` how many tasks it
//! has. `bytes`: how many its store may have. `connections`: how many it takes instead of 300. `idle`: it closes idle
//! connections after this many milliseconds. `trouble`: its network does not work, and says so. `group`: it has a socket for the users that
//! follow.

use anyhow::Context as _;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;
use torchat_control::LogLevelHook;
use torchat_harness::resident::{Options, Setup, run};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = |what| arguments.next().with_context(|| format!("{what} is missing"));
    let data = PathBuf::from(next("DATA-DIR")?);
    let peers = PathBuf::from(next("PEERS-DIR")?);
    let seed: u8 = next("SEED")?.to_string_lossy().parse().context("SEED must be 0 to 200")?;
    let mut options = Options::default();
    for word in arguments {
        options.add(&word.to_string_lossy())?;
    }
    // The audit is always there: tests look at it.
    let audit: tracing_subscriber::filter::Directive = "audit=info".parse()?;
    let logs = tracing_subscriber::fmt()
        // It is read by tests, which look for control characters of attackers.
        .with_ansi(false)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env().add_directive(audit.clone()))
        .with_writer(std::io::stderr)
        .with_filter_reloading();
    let filter = logs.reload_handle();
    logs.init();
    options.log_level = Some(LogLevelHook::new(move |level| {
        let wanted = tracing_subscriber::EnvFilter::new(level).add_directive(audit.clone());
        filter.reload(wanted).map_err(|error| error.to_string())
    }));
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run(
        Setup { data, peers, seed, options },
        CancellationToken::new(),
        || (),
    ))
}
