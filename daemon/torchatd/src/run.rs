//! The daemon's life: logs, runtime, Tor, engine, control server; then signals, until something asks it to stop.
//!
//! It serves before Tor is up: messages are queued meanwhile, and STATUS says how far Tor is.

use crate::daemonise::Readiness;
use crate::datadir::Traces;
use crate::exit::Failure;
use crate::logging::Logs;
use crate::prepare::Ready;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::clock::Clock;
use torchat_engine::control::{self, ControlConfig};
use torchat_engine::{Engine, Running, Storage, World};

/// The engine's part of the 2 s in which the daemon stops: good-byes and the last commit. What is not said then is said
/// by silence; what is accepted is on disk at any time.
const ENGINE_STOP: Duration = Duration::from_millis(1400);
/// For the last replies to local programs.
const CONTROL_STOP: Duration = Duration::from_millis(200);
/// For arti's tasks, which have nothing to lose.
const RUNTIME_STOP: Duration = Duration::from_millis(150);
/// How long our own control address may take to answer at the start.
const ANSWER: Duration = Duration::from_secs(10);

/// How it went on after the daemon was ready.
enum End {
    /// It was asked to stop, and has.
    Stopped,
    /// It was asked twice.
    AtOnce,
    /// It ended by itself.
    Broken(&'static str),
}

/// Runs until it is asked to stop, and reports by `readiness` when the control address answers.
///
/// # Errors
/// Why it did not start, or why it ended without a clean stop.
pub(crate) fn run(ready: &mut Ready, readiness: &mut Readiness, foreground: bool) -> Result<(), Failure> {
    let logs = start_logging(ready, foreground)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("no runtime: {error}")))?;
    let ended = runtime.block_on(async {
        let parts = Parts::start(ready).await?;
        readiness.ready(&greeting(ready));
        Ok(parts.live(&logs).await)
    });
    runtime.shutdown_timeout(RUNTIME_STOP);
    let failure = match ended {
        Ok(End::Stopped) => {
            tracing::info!("stopped");
            return Ok(());
        }
        Ok(End::AtOnce) => Failure::other("asked twice to stop: stopped at once"),
        Ok(End::Broken(what)) => Failure::other(format!("{what}; error.log may say why")),
        Err(failure) => failure,
    };
    tracing::error!("{failure}");
    Err(failure)
}

fn start_logging(ready: &Ready, foreground: bool) -> Result<Logs, Failure> {
    let failure = |error: &dyn std::fmt::Display| Failure::other(format!("the logs cannot be written: {error}"));
    let logs = Logs::open(&ready.log_dir).map_err(|error| failure(&error))?;
    logs.install(ready.level, foreground).map_err(|error| failure(&error))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    for remark in &ready.remarks {
        tracing::info!("{remark}");
    }
    Ok(logs)
}

fn greeting(ready: &Ready) -> String {
    let pid = std::process::id();
    let socket = ready.socket.display();
    match ready.port {
        Some(port) => format!("torchatd {pid} serves 127.0.0.1:{port} and {socket}"),
        None => format!("torchatd {pid} serves {socket}"),
    }
}

/// The running parts.
struct Parts {
    engine: Running,
    control: JoinHandle<io::Result<()>>,
    control_stop: CancellationToken,
    signals: Signals,
    /// Dropped last: the pid is there as long as something runs.
    _traces: Traces,
}

impl Parts {
    /// Starts everything and returns when our own control address has answered.
    async fn start(ready: &mut Ready) -> Result<Self, Failure> {
        // First of all, so that a signal during the start stops us cleanly.
        let signals = Signals::new().map_err(|error| Failure::other(format!("no signals: {error}")))?;
        let traces = Traces::leave(&ready.data, ready.port, &ready.socket)?;
        let identity = LocalIdentity::from_seeds(&ready.seeds.onion, &ready.seeds.device, Clock::system().now_s())
            .map_err(|error| Failure::other(format!("the identity cannot be used: {error}")))?
            .with_epoch(ready.seeds.epoch);
        let network = torchat_tor::start(
            torchat_tor::TorConfig {
                state_dir: ready.data.tor().join("state"),
                cache_dir: ready.data.tor().join("cache"),
                virtual_port: ready.virtual_port,
                options: ready.config.tor.clone(),
            },
            &identity.expanded_secret(),
        )
        .map_err(|error| Failure::other(error.to_string()))?;
        let storage = Storage::File { path: ready.data.database(), max_bytes: ready.config.database_bytes() };
        let engine =
            Engine::start(ready.config.engine(), identity, storage, network, World::system()).map_err(|error| {
                Failure::other(format!("{} cannot be opened: {error}", ready.data.database().display()))
            })?;
        let listeners = std::mem::take(&mut ready.listeners);
        let config = ControlConfig { max_connections: ready.config.connections(), ..ControlConfig::default() };
        let control_stop = CancellationToken::new();
        let control = control::serve(engine.handle.clone(), listeners, config, control_stop.clone());
        let control = tokio::spawn(control);
        let answered = async {
            ask_host(UnixStream::connect(&ready.socket).await?).await?;
            if let Some(port) = ready.port {
                ask_host(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?).await?;
            }
            Ok::<_, io::Error>(())
        };
        match tokio::time::timeout(ANSWER, answered).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::other(format!("the control address does not answer: {error}"))),
            Err(_) => return Err(Failure::other(format!("the control address does not answer within {ANSWER:?}"))),
        }
        tracing::info!(port = ready.port, "serving");
        Ok(Self { engine, control, control_stop, signals, _traces: traces })
    }

    /// Serves until a signal, EXIT or a failure; then ends everything within the 2 s of the contract.
    async fn live(self, logs: &Logs) -> End {
        let Self { engine: Running { handle, join: mut engine }, mut control, control_stop, mut signals, _traces } =
            self;
        let broken = loop {
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::Stop => {
                        tracing::info!("asked to stop by a signal");
                        break None;
                    }
                    Asked::ReopenLogs => match logs.reopen() {
                        Ok(()) => tracing::info!("logs reopened"),
                        Err(error) => tracing::error!(%error, "the logs cannot be reopened"),
                    },
                },
                // EXIT ends the engine.
                result = &mut engine => match result {
                    Ok(Ok(_)) => {
                        tracing::info!("asked to stop by a local program");
                        break None;
                    }
                    Ok(Err(_)) => break Some("the store can neither be written nor read"),
                    Err(_) => break Some("the engine broke down"),
                },
                // Without it nobody could reach us any more.
                _ = &mut control => break Some("the control server broke down"),
            }
        };
        let orderly = async {
            handle.stop();
            if !engine.is_finished() && tokio::time::timeout(ENGINE_STOP, &mut engine).await.is_err() {
                tracing::warn!("the good-byes take too long; everything accepted is on disk");
            }
            control_stop.cancel();
            if !control.is_finished() && tokio::time::timeout(CONTROL_STOP, &mut control).await.is_err() {
                tracing::debug!("a local program did not take its last reply");
            }
        };
        tokio::select! {
            biased;
            () = signals.stop() => End::AtOnce,
            () = orderly => broken.map_or(End::Stopped, End::Broken),
        }
    }
}

/// Asks our own control address for HOST, as a client would: only an answer is a proof that it answers.
async fn ask_host(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(b"{\"cmd\":\"HOST\"}\n").await?;
    let mut reply = String::new();
    // An answer is below 200 bytes; more is something else's.
    BufReader::new(stream).take(4096).read_line(&mut reply).await?;
    match serde_json::from_str::<serde_json::Value>(&reply) {
        Ok(reply) if reply.get("cmd").and_then(|cmd| cmd.as_str()) == Some("HOST") => Ok(()),
        Ok(reply) => Err(io::Error::other(format!("HOST was answered by {reply}"))),
        Err(_) => Err(io::Error::other("the connection was closed without an answer")),
    }
}

/// What a signal asks for.
enum Asked {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    ReopenLogs,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::ReopenLogs,
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Asked::Stop) {}
    }
}
