//! One daemon as a process, alone or under strace.

use anyhow::{Context as _, bail, ensure};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use torchat_client::{Client, Line};
use torchat_engine::store::{Page, PageLimit, Reader};
use torchat_harness::api::Api;
use torchat_protocol::control::api::record::Direction;
use torchat_protocol::id::parse_onion;
use torchat_testkit::loopback::arguments;

/// How long a request may take.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// How long a daemon may take to serve, or to end.
const PROCESS_TIME: Duration = Duration::from_secs(30);
/// Between two looks at a condition in another process.
const LOOK: Duration = Duration::from_millis(1);

/// What a start came to.
#[derive(Debug)]
pub enum Started {
    /// It serves.
    Serves,
    /// It ended before it served.
    Ended(ExitStatus),
}

/// Where a daemon can be reached, for threads that live longer than one of its processes.
#[derive(Debug, Clone)]
pub struct Address {
    port_file: PathBuf,
    /// Its onion.
    pub onion: String,
}

impl Address {
    /// A connection, if the daemon runs. It is the right one: a port may have gone to another daemon meanwhile.
    #[must_use]
    pub fn connect(&self) -> Option<Client> {
        let mut client = Client::connect_tcp(self.port()?, PATIENCE).ok()?;
        (client.host().ok()? == self.onion).then_some(client)
    }

    /// The same, for API 1.
    #[must_use]
    pub fn api(&self) -> Option<Api> {
        let api = Api::connect(self.port()?).ok()?;
        (api.hello["onion"] == *self.onion).then_some(api)
    }

    fn port(&self) -> Option<u16> {
        std::fs::read_to_string(&self.port_file).ok()?.trim().parse().ok()
    }
}

/// A daemon with its data directory. Killed when it is dropped.
pub struct Node {
    program: PathBuf,
    seed: u8,
    data: PathBuf,
    peers: PathBuf,
    onion: Option<String>,
    child: Option<Child>,
}

impl Node {
    /// Describes a daemon with a data directory below `dir`; `seed` decides about its identity.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn new(program: &Path, dir: &Path, seed: u8) -> anyhow::Result<Self> {
        let (data, peers) = (dir.join(format!("node{seed}")), dir.join("peers"));
        std::fs::create_dir_all(&peers)?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data)?;
        Ok(Self { program: program.to_owned(), seed, data, peers, onion: None, child: None })
    }

    /// Starts it and waits until it serves or has ended. `tracer` is strace with its arguments, if it is to be used.
    ///
    /// # Errors
    /// When it cannot be started, or does neither in time.
    pub fn start(&mut self, tracer: Option<&[String]>) -> anyhow::Result<Started> {
        ensure!(self.child.is_none(), "it runs already");
        let _ = std::fs::remove_file(self.data.join("port"));
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = match tracer {
            None => Command::new(&self.program),
            Some(arguments) => {
                // -D: strace is the grandchild and the daemon the child, so that killing and waiting mean the daemon.
                let mut command = strace()?;
                command.arg("-D").args(arguments).arg(&self.program);
                command
            }
        };
        command.args(arguments(&self.data, &self.peers, self.seed, &[]));
        command.env("RUST_BACKTRACE", "0").env("RUST_LOG", "warn");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        self.child = Some(command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?);
        let deadline = Instant::now() + PROCESS_TIME;
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                return Ok(Started::Ended(status));
            }
            if let Some(mut client) = self.port().and_then(|port| Client::connect_tcp(port, PATIENCE).ok())
                && let Ok(onion) = client.host()
            {
                self.onion = Some(onion);
                return Ok(Started::Serves);
            }
            ensure!(Instant::now() < deadline, "it does not serve: {}", self.log()?);
            std::thread::sleep(LOOK);
        }
    }

    /// Starts it without strace.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn start_plain(&mut self) -> anyhow::Result<()> {
        match self.start(None)? {
            Started::Serves => Ok(()),
            Started::Ended(status) => bail!("it ended with {status}: {}", self.log()?),
        }
    }

    fn port(&self) -> Option<u16> {
        std::fs::read_to_string(self.data.join("port")).ok()?.trim().parse().ok()
    }

    fn log_path(&self) -> PathBuf {
        self.data.with_extension("stderr")
    }

    /// What it wrote to stderr, in all its lives.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.log_path())?)
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its store.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data.join("torchat.db")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether a process of it is known to run.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Its address, known after the first start.
    ///
    /// # Errors
    /// When it never served.
    pub fn address(&self) -> anyhow::Result<Address> {
        let onion = self.onion.clone().context("it never served")?;
        Ok(Address { port_file: self.data.join("port"), onion })
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn client(&self) -> anyhow::Result<Client> {
        self.address()?.connect().context("it does not answer")
    }

    /// A connection to it that speaks API 1.
    ///
    /// # Errors
    /// When it does not run.
    pub fn api(&self) -> anyhow::Result<Api> {
        self.address()?.api().context("it does not answer")
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let child = self.child.as_mut().context("it does not run")?;
        let deadline = Instant::now() + PROCESS_TIME;
        loop {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill()?;
                bail!("it did not end within {PROCESS_TIME:?}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to end and waits for that.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.client()?.exit()?;
        let status = self.wait()?;
        ensure!(status.success(), "it ended with {status}: {}", self.log()?);
        Ok(())
    }

    /// The whole conversation with a peer in one direction, read from the store without HISTORY's limit of 10,000 lines.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stored(&self, peer: &str, dir: &str) -> anyhow::Result<Vec<(String, String)>> {
        stored(&self.database(), peer, dir)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Message ids and texts of one direction of a conversation in a store, oldest first. `peer` can be a room's id; what is hidden in a
/// room is among them.
///
/// # Errors
/// When the store cannot be read.
pub fn stored(database: &Path, peer: &str, dir: &str) -> anyhow::Result<Vec<(String, String)>> {
    let (rows, _) = Reader::of_file(database.to_owned()).page_with(
        parse_onion(peer)?.into(),
        Page::Last,
        PageLimit::rows(10_000_000),
        true,
    )?;
    let wanted = if dir == "in" { Direction::In } else { Direction::Out };
    Ok(rows.into_iter().filter(|row| row.dir == wanted).map(|row| (row.mid.to_string(), row.text)).collect())
}

/// Message ids and texts of one direction of what HISTORY said.
#[must_use]
pub fn direction(lines: Vec<Line>, dir: &str) -> Vec<(String, String)> {
    lines.into_iter().filter(|line| line.dir == dir).map(|line| (line.mid, line.text)).collect()
}

/// strace, if it is installed.
///
/// # Errors
/// When it is not, with the command that installs it.
pub fn strace() -> anyhow::Result<Command> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&paths).map(|folder| folder.join("strace")).find(|path| path.is_file());
    let program = program.context(
        "strace is missing, which makes system calls fail on purpose.\n\
         Type: sudo apt-get install --no-install-recommends strace (or run: cargo xtask faults)",
    )?;
    Ok(Command::new(program))
}
