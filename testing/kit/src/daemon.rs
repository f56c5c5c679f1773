//! Daemons as processes: started, killed and started again, and what a conversation must look like afterwards.

use crate::loopback::arguments;
use anyhow::{Context as _, bail, ensure};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use torchat_client::{Client, ClientError, Line};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long a daemon may take to serve.
const START_TIME: Duration = Duration::from_secs(120);
/// Between two looks at a condition in another process.
const LOOK: Duration = Duration::from_millis(20);

/// A daemon process with its data directory. Killed when it is dropped.
pub struct Daemon {
    program: PathBuf,
    arguments: Vec<String>,
    data: PathBuf,
    child: Option<Child>,
}

impl Daemon {
    /// Describes a daemon; [`Daemon::start`] starts it. It must write its control port into `data/port`.
    #[must_use]
    pub fn new(program: &Path, arguments: Vec<String>, data: &Path) -> Self {
        Self { program: program.to_owned(), arguments, data: data.to_owned(), child: None }
    }

    /// Describes a torchatd `name` on a Tor network, with everything of it below `dir`.
    #[must_use]
    pub fn on_tor(torchatd: &Path, dir: &Path, name: &str, config: &Path) -> Self {
        let data = dir.join(name);
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let logs = dir.join(format!("{name}-logs"));
        let arguments = ["--data-dir", &text(&data), "--config", &text(config), "--log-dir", &text(&logs)];
        let arguments = arguments.into_iter().chain(["--log-level", "debug", "0"]).map(str::to_owned).collect();
        Self::new(torchatd, arguments, &data)
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it ends, or does not serve in time; with what it wrote to stderr.
    pub fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "it runs already");
        // As torchatd itself makes it: it refuses one that is open to others.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.data)?;
        // Of a process that was killed.
        let _ = std::fs::remove_file(self.data.join("port"));
        let log = self.log_path();
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        self.child = Some(child);
        let deadline = Instant::now() + START_TIME;
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                bail!("it ended with {status}: {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            if self.port().is_some_and(|port| Client::connect_tcp(port, PATIENCE).is_ok()) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "it does not serve: {}", std::fs::read_to_string(&log)?);
            std::thread::sleep(LOOK);
        }
    }

    /// Where its stderr goes.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.data.with_extension("stderr")
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.data.join("control.sock")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its control port, once it is known.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        std::fs::read_to_string(self.data.join("port")).ok()?.trim().parse().ok()
    }

    /// Lines of the audit so far: what it wrote to stderr with the target `audit`.
    ///
    /// # Errors
    /// When it was never started.
    pub fn audit(&self) -> anyhow::Result<Vec<String>> {
        let log = std::fs::read_to_string(self.log_path())?;
        Ok(log.lines().filter(|line| line.contains(" audit: ")).map(str::to_owned).collect())
    }

    /// A new connection to it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect_tcp(self.port().context("it has no port")?, PATIENCE)?)
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

    /// Asks it to end and waits for it. Returns how long that took.
    ///
    /// # Errors
    /// When it ends with a status other than 0, or not within ten seconds.
    pub fn stop(&mut self) -> anyhow::Result<Duration> {
        let asked = Instant::now();
        self.client()?.exit()?;
        let status = self.wait(Duration::from_secs(60))?;
        ensure!(status.success(), "it ended with {status}");
        Ok(asked.elapsed())
    }

    /// Whether its process runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits for the end of one that somebody else has asked to end, if it was not waited for.
    ///
    /// # Errors
    /// When it ended with a status other than 0, or does not end.
    pub fn ended(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            let status = self.wait(Duration::from_secs(60))?;
            ensure!(status.success(), "it ended with {status}");
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<std::process::ExitStatus> {
        let mut child = self.child.take().context("it does not run")?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                child.kill()?;
                child.wait()?;
                bail!("it did not end within {limit:?}");
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Two running loopback daemons that have added each other, and their onions.
pub struct Friends {
    /// One of them.
    pub a: Daemon,
    /// The other one.
    pub b: Daemon,
    /// The onion of `a`.
    pub onion_a: String,
    /// The onion of `b`.
    pub onion_b: String,
}

impl Friends {
    /// Starts them with all their files below `dir`. `program` is the loopback daemon.
    ///
    /// # Errors
    /// When one of them does not serve.
    pub fn start(program: &Path, dir: &Path) -> anyhow::Result<Self> {
        let peers = dir.join("peers");
        std::fs::create_dir_all(&peers)?;
        let daemon = |name: &str, seed: u8| {
            let data = dir.join(name);
            Daemon::new(program, arguments(&data, &peers, seed, &[]), &data)
        };
        let (mut a, mut b) = (daemon("a", 1), daemon("b", 2));
        a.start()?;
        b.start()?;
        let (onion_a, onion_b) = (a.client()?.host()?, b.client()?.host()?);
        a.client()?.add(&onion_b)?;
        b.client()?.add(&onion_a)?;
        Ok(Self { a, b, onion_a, onion_b })
    }
}

/// Looks at a condition until it holds.
///
/// # Errors
/// When it does not hold within `limit`, with its last error.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    let mut last = None;
    loop {
        match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        if Instant::now() >= deadline {
            return Err(last.unwrap_or_else(|| anyhow::anyhow!("not within {limit:?}")).context(what.to_owned()));
        }
        std::thread::sleep(LOOK);
    }
}

/// Sends texts one after the other, on a new connection whenever the daemon was killed meanwhile. A text whose answer was
/// lost is looked for in the history before it is sent again, so that the sender itself makes no duplicates. `pace` is
/// the pause before each text, so that a talk lasts as long as its test wants.
///
/// # Errors
/// When the daemon refuses a text.
pub fn send_all(
    daemon: impl Fn() -> Option<Client>,
    peer: &str,
    texts: &[String],
    pace: Duration,
) -> anyhow::Result<()> {
    let mut client: Option<Client> = None;
    for text in texts {
        std::thread::sleep(pace);
        let mut unsure = false;
        loop {
            let Some(connected) = client.as_mut() else {
                client = daemon();
                if client.is_none() {
                    std::thread::sleep(LOOK);
                }
                continue;
            };
            let attempt = |client: &mut Client| -> Result<(), ClientError> {
                if unsure && client.history(peer, 20)?.iter().any(|line| line.dir == "out" && line.text == *text) {
                    return Ok(());
                }
                client.send(peer, text)
            };
            match attempt(connected) {
                Ok(()) => break,
                Err(ClientError::Refused { code, message, .. }) if code != "stopping" => {
                    bail!("{message}")
                }
                Err(_) => {
                    unsure = true;
                    client = None;
                }
            }
        }
    }
    Ok(())
}

/// Checks that a conversation holds exactly `expected`, each once and in order, with message ids that are all different.
///
/// # Errors
/// What is lost, repeated, forged or out of order.
pub fn check_history(lines: &[Line], dir: &str, expected: &[String]) -> anyhow::Result<()> {
    let found: Vec<_> = lines.iter().filter(|line| line.dir == dir).collect();
    let texts: Vec<_> = found.iter().map(|line| line.text.clone()).collect();
    let lost: Vec<_> = expected.iter().filter(|text| !texts.contains(text)).take(5).collect();
    ensure!(lost.is_empty(), "lost: {lost:?} and maybe more; {} of {} are there", texts.len(), expected.len());
    ensure!(texts.len() == expected.len(), "{} messages instead of {}: some repeated", texts.len(), expected.len());
    ensure!(texts == expected, "out of order");
    let mut ids: Vec<_> = found.iter().map(|line| &line.mid).collect();
    ids.sort_unstable();
    ids.dedup();
    ensure!(ids.len() == expected.len(), "a message id stands twice");
    Ok(())
}

/// Both directions of a conversation under fire: texts to send and what the other side must have at the end.
///
/// `kills` processes are killed at random moments, spread over both sides, while 2 threads send; each is started again
/// at once.
///
/// # Errors
/// Any loss, repetition or disorder, or a daemon that does not come back.
pub fn talk_under_kills(
    a: &mut Daemon,
    b: &mut Daemon,
    messages: usize,
    kills: usize,
    pace: Duration,
    settle: Duration,
) -> anyhow::Result<Duration> {
    use rand::Rng as _;
    let onions = (a.client()?.host()?, b.client()?.host()?);
    let texts = |name: &str| (0..messages).map(|n| format!("{name} {n}")).collect::<Vec<_>>();
    let (from_a, from_b) = (texts("from a"), texts("from b"));
    let port_of = |data: PathBuf| {
        move || {
            let port = std::fs::read_to_string(data.join("port")).ok()?.trim().parse().ok()?;
            Client::connect_tcp(port, PATIENCE).ok()
        }
    };
    let (client_a, client_b) = (port_of(a.data().to_owned()), port_of(b.data().to_owned()));
    let started = Instant::now();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let sending = [
            scope.spawn(|| send_all(client_a, &onions.1, &from_a, pace)),
            scope.spawn(|| send_all(client_b, &onions.0, &from_b, pace)),
        ];
        let mut random = rand::rng();
        let killing = (|| -> anyhow::Result<()> {
            for n in 0..kills {
                // The moment is what is tested, so it is random; nothing is waited for.
                std::thread::sleep(Duration::from_millis(u64::from(random.next_u32() % 300)));
                let victim = if n % 2 == 0 { &mut *a } else { &mut *b };
                victim.kill()?;
                victim.start()?;
            }
            Ok(())
        })();
        for thread in sending {
            thread.join().map_err(|_| anyhow::anyhow!("a sending thread panicked"))??;
        }
        killing
    })?;
    let last_kill = Instant::now();
    let count = u32::try_from(2 * messages + 10)?;
    eventually("everything is delivered on both sides", settle, || {
        check_history(&a.client()?.history(&onions.1, count)?, "in", &from_b)?;
        check_history(&b.client()?.history(&onions.0, count)?, "in", &from_a)?;
        Ok(Some(()))
    })?;
    check_history(&a.client()?.history(&onions.1, count)?, "out", &from_a)?;
    check_history(&b.client()?.history(&onions.0, count)?, "out", &from_b)?;
    tracing::info!("{kills} kills in {:?}", started.elapsed());
    Ok(last_kill.elapsed())
}
