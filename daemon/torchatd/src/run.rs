//! The daemon's life: logs, runtime, Tor, engine, control server; then signals, until something asks it to stop.
//!
//! It serves before Tor is up: messages are queued meanwhile, and STATUS says how far Tor is.

use crate::cli::Args;
use crate::daemonise::Readiness;
use crate::datadir::{DataDir, Traces};
use crate::exit::{Code, Failure};
use crate::logging::Logs;
use crate::prepare::{self, Ready};
use crate::process::{self, Defaults};
use crate::replace::{Inheritance, Program};
use crate::sandbox::Confined;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use torchat_control::{self as control, ControlConfig};
use torchat_core::handshake::LocalIdentity;
use torchat_engine::store::Trouble;
use torchat_engine::{Ended, Engine, EngineConfig, Running, Storage, World};
use torchat_transport::clock::Clock;

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
    /// It has stopped, to be replaced. The traces stay, for the process does.
    Replace(Traces),
    /// It was asked twice.
    AtOnce,
    /// It ended by itself.
    Broken(&'static str),
}

/// What must be there before anything else: from here on signals wait for us, and do not end the process.
pub(crate) struct Early {
    runtime: Runtime,
    signals: Signals,
}

impl Early {
    /// There must be no fork after this.
    ///
    /// # Errors
    /// When the system refuses threads or signals.
    pub(crate) fn new(defaults: &Defaults) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::other(format!("no runtime: {error}")))?;
        let signals = runtime.block_on(async { Signals::new() });
        let signals = signals.map_err(|error| Failure::other(format!("no signals: {error}")))?;
        defaults.end();
        Ok(Self { runtime, signals })
    }
}

/// Runs until it is asked to stop, and reports by `readiness` when the control address answers. Does not return if the
/// process is replaced.
///
/// # Errors
/// Why it did not start, or why it ended without a clean stop.
pub(crate) fn run(
    early: Early,
    program: Program,
    confined: Confined,
    args: &Args,
    ready: &mut Ready,
    readiness: &mut Readiness,
) -> Result<(), Failure> {
    let Early { runtime, signals } = early;
    let logs = start_logging(ready, !args.daemon)?;
    tracing::info!("sandbox: {}", confined.sentence());
    let ended = runtime.block_on(async {
        let inheritance = Inheritance {
            lock: ready.lock.share().map_err(|error| copy_failure(&error))?,
            unix: copy(ready.listeners.unix.as_ref())?.ok_or_else(|| Failure::other("there is no control socket"))?,
            tcp: copy(ready.listeners.tcp.as_ref())?,
        };
        let parts = Parts::start(ready, signals, inheritance, &logs, &confined).await?;
        ready.undo.keep();
        // The process whose place we took has printed this line already: nothing in it has changed.
        if !ready.replaced {
            readiness.ready(&greeting(ready));
        }
        Ok(parts.live(&logs, || may_be_replaced(&program, args, ready)).await)
    });
    let failure = match ended {
        Ok((End::Replace(traces), Some(inheritance))) => {
            tracing::info!(program = %program.path().display(), "replaced");
            // The runtime still lives, so that no signal is lost until the last moment. All its threads end here.
            let error = program.execute(&inheritance, &confined);
            drop(traces);
            Failure::other(format!("{} cannot be executed: {error}", program.path().display()))
        }
        Ok((End::Stopped | End::Replace(_), _)) => {
            runtime.shutdown_timeout(RUNTIME_STOP);
            tracing::info!("stopped");
            return Ok(());
        }
        Ok((End::AtOnce, _)) => Failure::other("asked twice to stop: stopped at once"),
        Ok((End::Broken(what), _)) => Failure::other(format!("{what}; error.log may say why")),
        Err(failure) => failure,
    };
    runtime.shutdown_timeout(RUNTIME_STOP);
    tracing::error!("{failure}");
    Err(failure)
}

trait Copied: Sized {
    fn copied(&self) -> io::Result<Self>;
}

impl Copied for std::net::TcpListener {
    fn copied(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

impl Copied for std::os::unix::net::UnixListener {
    fn copied(&self) -> io::Result<Self> {
        self.try_clone()
    }
}

fn copy<T: Copied>(socket: Option<&T>) -> Result<Option<T>, Failure> {
    socket.map(Copied::copied).transpose().map_err(|error| copy_failure(&error))
}

fn copy_failure(error: &io::Error) -> Failure {
    Failure::other(format!("an open file cannot be kept for a replacement: {error}"))
}

/// Refused while everything still runs: a daemon that could not go on after its replacement is better not replaced.
fn may_be_replaced(program: &Program, args: &Args, ready: &Ready) -> Result<(), String> {
    program.check().map_err(|error| format!("{}: {error}", program.path().display()))?;
    prepare::check_again(args, ready).map_err(|failure| failure.to_string())
}

fn start_logging(ready: &mut Ready, foreground: bool) -> Result<Logs, Failure> {
    let failure = |error: &dyn std::fmt::Display| Failure::other(format!("the logs cannot be written: {error}"));
    let logs = Logs::open(&ready.log_dir).map_err(|error| failure(&error))?;
    // Whatever happens from here on is told there.
    ready.undo.keep_dir(&ready.log_dir);
    logs.install(ready.level, foreground).map_err(|error| failure(&error))?;
    let replaced = ready.replaced;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), replaced, "starting");
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
    /// For the process that may take our place.
    inheritance: Inheritance,
    /// Dropped last: the pid is there as long as something runs.
    traces: Traces,
}

impl Parts {
    /// Starts everything and returns when our own control address has answered.
    async fn start(
        ready: &mut Ready,
        signals: Signals,
        inheritance: Inheritance,
        logs: &Logs,
        confined: &Confined,
    ) -> Result<Self, Failure> {
        let group = ready.config.group().map(|group| group.path.as_path());
        let traces = Traces::leave(&ready.data, ready.port, &ready.socket, group)?;
        // Wiped at the end of this block: the engine has what it needs.
        let identity = {
            let seeds = ready.seeds.take().ok_or_else(|| Failure::other("there is no identity"))?;
            LocalIdentity::from_seeds(&seeds.onion, &seeds.device, Clock::system().now_s())
                .map_err(|error| Failure::other(format!("the identity cannot be used: {error}")))?
                .with_epoch(seeds.epoch)
        };
        let tor = tor_dir(&ready.data);
        let network = torchat_tor::start(
            torchat_tor::TorConfig {
                state_dir: tor.join("state"),
                cache_dir: tor.join("cache"),
                virtual_port: ready.virtual_port,
                options: ready.config.tor.clone(),
            },
            &identity.expanded_secret(),
        )
        .map_err(|error| Failure::other(error.to_string()))?;
        let storage = Storage::File { path: ready.data.database(), max_bytes: ready.config.database_bytes() };
        // A process that took another one's place does not do the same by its own wish: if a new process did not mend it,
        // the next one would not either, and a network that stays broken would replace us forever.
        let config = EngineConfig { sandbox: confined.sentence().to_owned(), ..ready.config.engine() };
        let engine = Engine::start(config, identity, storage, network, World::system()).map_err(|error| {
            let code = if error.trouble() == Trouble::Damaged { Code::Store } else { Code::Other };
            Failure::new(code, format!("{} cannot be opened: {error}", ready.data.database().display()))
        })?;
        let listeners = std::mem::take(&mut ready.listeners);
        let config = ControlConfig { log_level: Some(logs.level_hook()), ..ready.config.control() };
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
            Err(_) => {
                return Err(Failure::other(format!(
                    "the control address does not answer within {} s",
                    ANSWER.as_secs()
                )));
            }
        }
        tracing::info!(port = ready.port, "serving");
        Ok(Self { engine, control, control_stop, signals, inheritance, traces })
    }

    /// Serves until a signal, EXIT, the engine's own wish or a failure; then ends everything within the 2 s of the
    /// contract. With [`End::Replace`] comes what to hand over.
    async fn live(self, logs: &Logs, may_be_replaced: impl Fn() -> Result<(), String>) -> (End, Option<Inheritance>) {
        let Self {
            engine: Running { handle, join: mut engine },
            mut control,
            control_stop,
            mut signals,
            inheritance,
            traces,
        } = self;
        let mut replace = false;
        let broken = loop {
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::Stop => {
                        tracing::info!("asked to stop by a signal");
                        break None;
                    }
                    Asked::Replace => match may_be_replaced() {
                        Ok(()) => {
                            tracing::info!("asked by a signal to be replaced");
                            replace = true;
                            break None;
                        }
                        Err(why) => tracing::error!("asked by a signal to be replaced, but it could not go on: {why}"),
                    },
                    Asked::ReopenLogs => match logs.reopen() {
                        Ok(()) => tracing::info!("logs reopened"),
                        Err(error) => tracing::error!(%error, "the logs cannot be reopened"),
                    },
                },
                // EXIT ends the engine.
                result = &mut engine => match result {
                    Ok(Ok(Ended::Stopped)) => {
                        tracing::info!("asked to stop by a local program");
                        break None;
                    }
                    Ok(Ok(Ended::Replace)) => {
                        tracing::warn!("Tor is stuck in this process; torchatd replaces itself");
                        replace = true;
                        break None;
                    }
                    Ok(Err(_)) => break Some("the store can neither be written nor read"),
                    Err(_) => break Some("the engine broke down"),
                },
                // Without it nobody could reach us any more.
                _ = &mut control => break Some("the control server broke down"),
            }
        };
        // At a stop nobody may wait at a socket that is not served any more.
        let mut inheritance = replace.then_some(inheritance);
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
        tokio::pin!(orderly);
        loop {
            tokio::select! {
                biased;
                asked = signals.next() => match asked {
                    Asked::Stop if inheritance.take().is_some() => tracing::info!("asked to stop instead"),
                    Asked::Stop => return (End::AtOnce, None),
                    Asked::Replace | Asked::ReopenLogs => {}
                },
                () = &mut orderly => break,
            }
        }
        let end = match (broken, &inheritance) {
            (Some(what), _) => End::Broken(what),
            (None, Some(_)) => End::Replace(traces),
            (None, None) => End::Stopped,
        };
        (end, inheritance)
    }
}

/// Without `..` and links: arti judges every directory on the way, also one that is only passed through.
fn tor_dir(data: &DataDir) -> PathBuf {
    let canonical = data.path().canonicalize().ok().filter(|path| path.to_str().is_some());
    canonical.map_or_else(|| data.tor(), |path| path.join("tor"))
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
    /// SIGUSR2, as with other daemons that replace their program in place.
    Replace,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    replace: Signal,
    /// That mean nothing here: each is told once.
    meaningless: Vec<(i32, Signal)>,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            replace: signal(SignalKind::user_defined2())?,
            // Worth a line in the log, not worth refusing to start.
            meaningless: process::meaningless()
                .filter_map(|number| Some((number, signal(SignalKind::from_raw(number)).ok()?)))
                .collect(),
        })
    }

    /// The next one that means nothing and was not told yet.
    async fn next_meaningless(meaningless: &mut Vec<(i32, Signal)>) -> i32 {
        let came = std::future::poll_fn(|context| {
            let came = meaningless.iter_mut().position(|(_, signal)| signal.poll_recv(context).is_ready());
            came.map_or(Poll::Pending, Poll::Ready)
        });
        let at = came.await;
        meaningless.swap_remove(at).0
    }

    async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Asked::Stop,
                _ = self.interrupt.recv() => return Asked::Stop,
                _ = self.hang_up.recv() => return Asked::ReopenLogs,
                _ = self.replace.recv() => return Asked::Replace,
                number = Self::next_meaningless(&mut self.meaningless) => {
                    tracing::info!("{} means nothing here and is ignored, now and later", process::name_of(number));
                }
            }
        }
    }
}
