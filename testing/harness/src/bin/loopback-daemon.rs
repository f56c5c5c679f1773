//! A daemon with the real core, engine, store and control server, whose peers are on loopback TCP instead of Tor.
//!
//! `loopback-daemon DATA-DIR PEERS-DIR SEED [legacy]`: serves on `DATA-DIR/control.sock` and on a port that it writes into
//! `DATA-DIR/port` when it serves. With the fourth word it takes messages of old daemons.

use anyhow::Context as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::control::{self, BindError, ControlConfig, Listeners};
use torchat_engine::{DialTimes, Engine, EngineConfig, Storage, World};
use torchat_harness::loopback;

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
        .block_on(run(data, peers, seed, legacy))
}

async fn run(data: PathBuf, peers: PathBuf, seed: u8, legacy: bool) -> anyhow::Result<()> {
    let world = World::system();
    let identity = LocalIdentity::from_seeds(&[seed + 1; 32], &[seed + 51; 32], world.clock.now_s())?;
    let network = loopback::start(&peers, identity.peer_id()).await?;
    let mut config = EngineConfig::default();
    // A process that was killed is back within a second here, and a dial costs nothing.
    config.policy.dial.loss_min_ms = 20;
    config.policy.dial.loss_max_ms = 100;
    config.policy.dial.backoff_ms = 50;
    config.policy.dial.cap_hour_ms = 500;
    config.policy.dial.start_spread_ms = 50;
    config.policy.dial.burst = 1_000_000;
    config.policy.legacy.receive = legacy;
    config.dial = DialTimes { attempt: Duration::from_secs(5), hedge: Duration::from_secs(4) };
    let storage = Storage::File { path: data.join("torchat.db"), max_bytes: None };
    let running = Engine::start(config, identity, storage, network, world)?;
    let tcp = control::bind_tcp(0)?;
    let port = tcp.local_addr()?.port();
    let stop = CancellationToken::new();
    let unix = match control::bind_unix(&data.join("control.sock")) {
        // Below a deep directory there is the port only.
        Err(BindError::PathTooLong(_)) => None,
        bound => Some(bound?),
    };
    let listeners = Listeners { unix, tcp: Some(tcp), ..Listeners::default() };
    // Small enough to be filled by one test process within the usual limit of descriptors.
    let config = ControlConfig { max_connections: 300, ..ControlConfig::default() };
    let control = tokio::spawn(control::serve(running.handle.clone(), listeners, config, stop.clone()));
    std::fs::write(data.join(".port"), port.to_string())?;
    std::fs::rename(data.join(".port"), data.join("port"))?;
    running.join.await??;
    stop.cancel();
    control.await??;
    Ok(())
}
