//! The loopback daemon: the real core, engine, store and control server, with peers on loopback TCP instead of Tor.
//!
//! `loopback-daemon` is the process that runs it. [`Resident`] runs it inside a test's own process, for tests of programs
//! of other packages: cargo builds only a package's own programs for its tests.

use crate::loopback;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use torchat_control::{self as control, BindError, ControlConfig, Listeners, LogLevelHook};
use torchat_core::handshake::LocalIdentity;
use torchat_engine::{DialTimes, Engine, EngineConfig, Storage, World};
use torchat_protocol::control::api::Right;
use torchat_protocol::control::reason::NetworkCause;
use torchat_transport::clock::Clock;
use torchat_transport::{NetworkDown, NetworkStatus};

/// What a loopback daemon is made of.
#[derive(Clone)]
pub struct Setup {
    /// Its data directory, which exists.
    pub data: PathBuf,
    /// The directory that all daemons of a test share.
    pub peers: PathBuf,
    /// What its keys are made of: 0 to 200.
    pub seed: u8,
    /// What else is wanted.
    pub options: Options,
}

/// What a test can ask for.
#[derive(Clone, Default)]
pub struct Options {
    /// It takes messages of old daemons.
    pub legacy: bool,
    /// It writes ten times a second into `data/tasks` how many tasks it has.
    pub tasks: bool,
    /// SEND and EXIT of programs that have closed their sockets are executed, although nobody can tell whose they were.
    pub trust_closed: bool,
    /// How many connections it takes. 300 if it is not said: small enough to be filled by one test process within the usual
    /// limit of descriptors.
    pub connections: Option<usize>,
    /// The way into the network does not work, and says why in this sentence.
    pub trouble: Option<String>,
    /// It is because of the clock.
    pub clock_wrong: bool,
    /// A socket for other users.
    pub group: Option<PathBuf>,
    /// What they may do.
    pub users: BTreeMap<u32, BTreeSet<Right>>,
    /// How large its store may become. As large as it likes if it is not said.
    pub bytes: Option<u64>,
    /// When idle connections are closed.
    pub idle: Option<Duration>,
    /// What its wall clock says at its start, in milliseconds since 1970. The system's if it is not said.
    pub clock_ms: Option<i64>,
    /// Sets how much is logged.
    pub log_level: Option<LogLevelHook>,
}

impl Options {
    /// Reads a word of `loopback-daemon`'s command line.
    ///
    /// # Errors
    /// When it is none.
    pub fn add(&mut self, word: &str) -> anyhow::Result<()> {
        match word.split_once('=') {
            None => {
                self.legacy |= word == "legacy";
                self.tasks |= word == "tasks";
                self.clock_wrong |= word == "clock-wrong";
                self.trust_closed |= word == "trust-closed";
            }
            Some(("bytes", count)) => self.bytes = Some(count.parse()?),
            Some(("trouble", sentence)) => self.trouble = Some(sentence.to_owned()),
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

/// Runs a daemon until EXIT, or until `stop`. Calls `ready` when it serves; then its port is in `data/port`.
///
/// # Errors
/// When it does not start, or does not end well.
pub async fn run(setup: Setup, stop: CancellationToken, ready: impl FnOnce()) -> anyhow::Result<()> {
    let Setup { data, peers, seed, options } = setup;
    let mut world = World::system();
    if let Some(wall_ms) = options.clock_ms {
        world.clock = Clock::simulated(wall_ms);
    }
    let identity = LocalIdentity::from_seeds(&[seed + 1; 32], &[seed + 51; 32], world.clock.now_s())?;
    let network = match options.trouble {
        Some(sentence) => {
            let cause = Some(NetworkCause::Clock);
            let since = Instant::now();
            let down = options.clock_wrong.then_some(NetworkDown { wall_ms: 0, since, cause, detail: None });
            let said = NetworkStatus { usable: false, percent: 40, sentence, down, ..NetworkStatus::default() };
            loopback::start_as(&peers, identity.peer_id(), said).await?
        }
        None => loopback::start(&peers, identity.peer_id()).await?,
    };
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
    let storage = Storage::File { path: data.join("torchat.db"), max_bytes: options.bytes };
    let running = Engine::start(config, identity, storage, network, world)?;
    let tcp = control::bind_tcp(0)?;
    let port = tcp.local_addr()?.port();
    let unix = match control::bind_unix(&data.join("control.sock")) {
        // Below a deep directory there is the port only.
        Err(BindError::PathTooLong(_)) => None,
        bound => Some(bound?),
    };
    let gid = rustix::process::getegid().as_raw();
    let group = options.group.map(|path| control::bind_group(&path, gid)).transpose()?;
    let listeners = Listeners { unix, group, tcp: Some(tcp) };
    let config = ControlConfig {
        max_connections: options.connections.unwrap_or(300),
        users: options.users,
        idle_time: options.idle,
        trust_closed: options.trust_closed,
        log_level: options.log_level,
        ..ControlConfig::default()
    };
    let server = CancellationToken::new();
    let control = tokio::spawn(control::serve(running.handle.clone(), listeners, config, server.clone()));
    let counting = options.tasks.then(|| tokio::spawn(count_tasks(data.clone())));
    std::fs::write(data.join(".port"), port.to_string())?;
    std::fs::rename(data.join(".port"), data.join("port"))?;
    ready();
    let handle = running.handle;
    let asked = tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop();
    });
    running.join.await??;
    asked.abort();
    server.cancel();
    control.await??;
    if let Some(counting) = counting {
        counting.abort();
    }
    // As torchatd does.
    let _ = std::fs::remove_file(data.join("control.sock"));
    Ok(())
}

/// Tells how many tasks there are, this one included. While there is no descriptor for it, the last number stays: ending there
/// would leave that number for good, and call a daemon that has recovered one that holds what it held.
async fn count_tasks(data: PathBuf) {
    loop {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let _ = std::fs::write(data.join(".tasks"), tasks.to_string())
            .and_then(|()| std::fs::rename(data.join(".tasks"), data.join("tasks")));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A loopback daemon inside this process. Stopped when it is dropped.
pub struct Resident {
    setup: Setup,
    running: Option<(JoinHandle<anyhow::Result<()>>, CancellationToken)>,
}

impl Resident {
    /// Starts one with its data in `dir/name`, which is made, and its peers in `dir/peers`; returns when it serves its
    /// port and its socket.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(dir: &Path, name: &str, seed: u8) -> anyhow::Result<Self> {
        Self::start_with(dir, name, seed, Options::default())
    }

    /// As [`Resident::start`], with options.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(dir: &Path, name: &str, seed: u8, options: Options) -> anyhow::Result<Self> {
        let (data, peers) = (dir.join(name), dir.join("peers"));
        for folder in [&data, &peers] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut resident = Self { setup: Setup { data, peers, seed, options }, running: None };
        resident.start_again()?;
        Ok(resident)
    }

    /// Starts it again after [`Resident::stop`], or after somebody's EXIT.
    ///
    /// # Errors
    /// When it does not start, or when the one before did not end well.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.stop()?;
        let (stop, setup) = (CancellationToken::new(), self.setup.clone());
        let (told, ready) = std::sync::mpsc::channel();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(run(setup, token, || {
                let _ = told.send(());
            }))
        });
        self.running = Some((thread, stop));
        // The sender goes when it does not start.
        if ready.recv().is_err() {
            self.stop()?;
            anyhow::bail!("it ended before it served");
        }
        Ok(())
    }

    /// Ends it and waits for that.
    ///
    /// # Errors
    /// When it did not end well.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let Some((thread, stop)) = self.running.take() else { return Ok(()) };
        stop.cancel();
        thread.join().ok().context("the daemon panicked")?
    }

    /// Whether it runs; not after EXIT.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|(thread, _)| !thread.is_finished())
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.setup.data
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.setup.data.join("control.sock")
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}
