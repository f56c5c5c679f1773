//! A daemon with the real core, engine, store and control server, whose peers are on loopback TCP instead of Tor.
//!
//! `loopback-daemon DATA-DIR PEERS-DIR SEED [legacy] [tasks] [connections=N] [idle=MS] [group=PATH] [UID=RIGHT,...]`: serves
//! on `DATA-DIR/control.sock` and on a port that it writes into `DATA-DIR/port` when it serves. `legacy`: it takes messages
//! of old daemons. `tasks`: it writes ten times a second into `DATA-DIR/tasks` how many tasks it has. `connections`: it takes
//! so many. `idle`: it closes idle connections after so many milliseconds. `group`: it has a socket for the users that
//! follow.

use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::control::{self, BindError, ControlConfig, Listeners, LogLevelHook};
use torchat_engine::{DialTimes, Engine, EngineConfig, Storage, World};
use torchat_harness::loopback;
use torchat_protocol::control::api::Right;

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
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env().add_directive(audit.clone()))
        .with_writer(std::io::stderr)
        // It is read by tests, which look for control characters of attackers.
        .with_ansi(false)
        .with_filter_reloading();
    let filter = logs.reload_handle();
    logs.init();
    options.log_level = Some(LogLevelHook::new(move |level| {
        let wanted = tracing_subscriber::EnvFilter::new(level).add_directive(audit.clone());
        filter.reload(wanted).map_err(|error| error.to_string())
    }));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(run(data, peers, seed, options))
}

/// What a test can ask for.
#[derive(Default)]
struct Options {
    legacy: bool,
    tasks: bool,
    /// 300: small enough to be filled by one test process within the usual limit of descriptors.
    connections: Option<usize>,
    group: Option<PathBuf>,
    users: BTreeMap<u32, BTreeSet<Right>>,
    idle: Option<Duration>,
    log_level: Option<LogLevelHook>,
}

impl Options {
    fn add(&mut self, word: &str) -> anyhow::Result<()> {
        match word.split_once('=') {
            None => {
                self.legacy |= word == "legacy";
                self.tasks |= word == "tasks";
            }
            Some(("connections", count)) => self.connections = Some(count.parse()?),
            Some(("group", path)) => self.group = Some(path.into()),
            Some(("idle", ms)) => self.idle = Some(Duration::from_millis(ms.parse()?)),
            Some((uid, rights)) => {
                let rights = rights.split(',').map(|right| Ok(serde_json::from_value(right.into())?));
                self.users.insert(uid.parse()?, rights.collect::<anyhow::Result<_>>()?);
            }
        }
        Ok(())
    }
}

async fn run(data: PathBuf, peers: PathBuf, seed: u8, options: Options) -> anyhow::Result<()> {
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
    config.policy.legacy.receive = options.legacy;
    config.dial = DialTimes { attempt: Duration::from_secs(5), hedge: Duration::from_secs(4) };
    let storage = Storage::File { path: data.join("torchat.db"), max_bytes: None };
    let running = Engine::start(config, identity, storage, network, world)?;
    let tcp = control::bind_tcp(0)?;
    let port = tcp.local_addr()?.port();
    let stop = CancellationToken::new();
    let gid = rustix::process::getegid().as_raw();
    let group = options.group.map(|path| control::bind_group(&path, gid)).transpose()?;
    let unix = match control::bind_unix(&data.join("control.sock")) {
        // Below a deep directory there is the port only.
        Err(BindError::PathTooLong(_)) => None,
        bound => Some(bound?),
    };
    let listeners = Listeners { unix, group, tcp: Some(tcp) };
    let config = ControlConfig {
        max_connections: options.connections.unwrap_or(300),
        users: options.users,
        idle_time: options.idle,
        log_level: options.log_level,
        ..ControlConfig::default()
    };
    let control = tokio::spawn(control::serve(running.handle.clone(), listeners, config, stop.clone()));
    if options.tasks {
        tokio::spawn(count_tasks(data.clone()));
    }
    std::fs::write(data.join(".port"), port.to_string())?;
    std::fs::rename(data.join(".port"), data.join("port"))?;
    running.join.await??;
    stop.cancel();
    control.await??;
    Ok(())
}

/// Tells how many tasks there are, this one included.
async fn count_tasks(data: PathBuf) -> std::io::Result<()> {
    loop {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        std::fs::write(data.join(".tasks"), tasks.to_string())?;
        std::fs::rename(data.join(".tasks"), data.join("tasks"))?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
