//! Attacks on the local port: programs of the same machine that ask too much, and web pages in its browser.
//!
//! The bytes that browsers and other protocols say are rows of [`crate::attack::local`]. Here are loads that are held while
//! somebody else's requests are timed ([`loads`]), floods of ERASE and RETAIN ([`erasing`]), more requests and messages than a year has ([`endurance`]), thousands of contacts ([`contacts`]), a real
//! browser, where one is installed ([`chromium`]), and what stands in the way of a real torchatd ([`files`]).

pub mod chromium;
pub mod contacts;
pub mod endurance;
pub mod erasing;
pub mod files;
pub mod full;
pub mod loads;
pub mod old;
pub mod owner;

use crate::process;
use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_harness::api::Api;
use torchat_testkit::daemon::Daemon;
use torchat_testkit::loopback::arguments;

/// The example of rend-spec-v3: nobody serves it here.
pub(crate) const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
/// How long the daemon may take until everything is as it was.
const RECOVERY: Duration = Duration::from_secs(90);
/// Descriptors that the store may keep beyond those of a quiet moment: three threads read, each with its own, and SQLite
/// keeps what a reader closed as long as the writer has the file open. They do not grow with the number of clients.
const STORE_DESCRIPTORS: usize = 8;
/// Tasks that a load may leave for a minute: each kind of line that is said once a minute waits in one, to tell how many
/// there were. They do not grow with the number of clients either.
const TELLING_TASKS: usize = 4;
/// How often it counts its tasks.
const COUNT: Duration = Duration::from_millis(100);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(50);

/// A daemon that takes many connections and counts its tasks.
pub struct Place {
    /// The daemon.
    pub daemon: Daemon,
    /// Deleted with it.
    pub dir: tempfile::TempDir,
}

/// What a process holds at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Open descriptors.
    pub descriptors: usize,
    /// Tasks of its runtime.
    pub tasks: usize,
    /// Threads.
    pub threads: usize,
    /// Memory in use, in KiB.
    pub rss_kib: u64,
}

impl Place {
    /// Starts it. `descriptors`: how many it may have.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn start(program: &Path, descriptors: Option<usize>) -> anyhow::Result<Self> {
        process::many_streams()?;
        let dir = tempfile::tempdir()?;
        let peers = dir.path().join("peers");
        std::fs::create_dir(&peers)?;
        let daemon = started(program, dir.path(), "victim", 1, descriptors, &[])?;
        Ok(Self { daemon, dir })
    }

    /// As [`Self::start`], and its warnings are in its log.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn talkative(program: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("peers"))?;
        let data = dir.path().join("victim");
        let mut words = vec!["RUST_LOG=warn".to_owned(), program.to_string_lossy().into_owned()];
        words.extend(arguments(&data, &dir.path().join("peers"), 1, &[]));
        let mut daemon = Daemon::new(Path::new("env"), words, &data);
        daemon.start()?;
        Ok(Self { daemon, dir })
    }

    /// One more on the same machine, for it to talk to.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn neighbour(&self, program: &Path) -> anyhow::Result<Daemon> {
        started(program, self.dir.path(), "neighbour", 2, None, &[])
    }

    /// Its control port.
    ///
    /// # Errors
    /// When it does not run.
    pub fn port(&self) -> anyhow::Result<u16> {
        self.daemon.port().context("it has no port")
    }

    /// What it holds now.
    ///
    /// # Errors
    /// When it does not run.
    pub fn held(&self) -> anyhow::Result<Held> {
        held(&self.daemon)
    }

    /// What it holds as soon as it has counted the tasks of everything that was begun before.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn steady(&self) -> anyhow::Result<Held> {
        tokio::time::sleep(3 * COUNT).await;
        self.held()
    }

    /// Waits until it holds no more descriptors, but those of the store, and tasks than `before`, and serves a new connection. Returns how long
    /// that took.
    ///
    /// # Errors
    /// What is left.
    pub async fn recovers(&self, before: Held) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        recovered(&self.daemon, before).await?;
        let port = self.port()?;
        let serves = tokio::task::spawn_blocking(move || Api::connect(port).map(drop));
        serves.await?.context("a new connection is not served")?;
        Ok(begun.elapsed())
    }

    /// Ends it as users do.
    ///
    /// # Errors
    /// When it does not end well, or panicked.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.end()
    }

    /// As [`Self::finish`]; its files stay.
    ///
    /// # Errors
    /// When it does not end well, or panicked.
    pub fn end(&mut self) -> anyhow::Result<()> {
        self.daemon.stop()?;
        let log = std::fs::read_to_string(self.daemon.log_path())?;
        ensure!(!log.contains("panicked"), "it panicked: {log}");
        ensure!(!log.contains("canary"), "its log holds what an attacker said: {log}");
        Ok(())
    }
}

/// Starts the loopback daemon with these options more.
fn started(
    program: &Path,
    dir: &Path,
    name: &str,
    seed: u8,
    descriptors: Option<usize>,
    options: &[&str],
) -> anyhow::Result<Daemon> {
    ensure!(program.is_file(), "{} is not built", program.display());
    let data = dir.join(name);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let words = [&["connections=4000", "tasks"], options].concat();
    let mut arguments = arguments(&data, &dir.join("peers"), seed, &words);
    let mut daemon = match descriptors {
        None => Daemon::new(program, arguments, &data),
        Some(count) => {
            arguments.splice(0..0, [format!("--nofile={count}:{count}"), text(program)]);
            Daemon::new(Path::new("prlimit"), arguments, &data)
        }
    };
    daemon.start()?;
    Ok(daemon)
}

/// What a daemon holds now.
///
/// # Errors
/// When it does not run.
pub fn held(daemon: &Daemon) -> anyhow::Result<Held> {
    let pid = daemon.pid().context("it does not run")?;
    let count = |of| anyhow::Ok(std::fs::read_dir(format!("/proc/{pid}/{of}"))?.count());
    let tasks = std::fs::read_to_string(daemon.data().join("tasks")).context("it counts no tasks")?;
    Ok(Held {
        descriptors: count("fd")?,
        tasks: tasks.parse()?,
        threads: count("task")?,
        rss_kib: process::usage(pid)?.rss_kib,
    })
}

/// Waits until a daemon holds no more descriptors and tasks than `before`, but for those that do not grow with a load.
///
/// # Errors
/// What is left.
pub async fn recovered(daemon: &Daemon, before: Held) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let now = held(daemon)?;
        let few = now.tasks <= before.tasks + TELLING_TASKS;
        if few && now.descriptors <= before.descriptors + STORE_DESCRIPTORS {
            return Ok(());
        }
        ensure!(begun.elapsed() < RECOVERY, "after {RECOVERY:?} it still holds {now:?}, at first {before:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// How long somebody else's requests took.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// HOST on a connection that has been there all the time.
    pub old: Vec<Duration>,
    /// A new connection and HOST on it.
    pub new: Vec<Duration>,
}

impl Times {
    /// Both together.
    pub fn extend(&mut self, more: Self) {
        self.old.extend(more.old);
        self.new.extend(more.new);
    }
}

/// Somebody else's requests, one after the other, on one connection and on new ones in turn, for so long.
///
/// # Errors
/// When one is not answered.
pub async fn hosts(port: u16, time: Duration) -> anyhow::Result<Times> {
    let open = move || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(RECOVERY))?;
        anyhow::Ok(stream)
    };
    let work = move || {
        let mut stream = open()?;
        let (mut times, begun) = (Times::default(), Instant::now());
        while begun.elapsed() < time {
            times.old.push(host(&mut stream)?);
            let opened = Instant::now();
            host(&mut open()?)?;
            times.new.push(opened.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(times)
    };
    tokio::task::spawn_blocking(work).await?
}

/// One request on a connection, and how long its answer takes.
fn host(stream: &mut TcpStream) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    stream.write_all(b"{\"cmd\":\"HOST\"}")?;
    let mut reply = [0; 256];
    let mut length = 0;
    while reply.get(..length).is_none_or(|reply| !reply.ends_with(b"\n")) {
        match stream.read(reply.get_mut(length..).context("a long reply")?) {
            Ok(0) => bail!("somebody else's connection was closed"),
            Ok(count) => length += count,
            // The whole test was stopped, and goes on.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(begun.elapsed())
}

/// Messages that wait for somebody who is never there.
pub(crate) fn fill(port: u16, messages: usize, bytes: usize) -> anyhow::Result<()> {
    let mut api = Api::connect(port)?;
    let text = "x".repeat(bytes);
    for _ in 0..messages {
        api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": text}))?;
    }
    Ok(())
}
