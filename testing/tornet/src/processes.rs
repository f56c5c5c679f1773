//! `tor` processes: found by their pid files, and never signalled unless they are ours.

use crate::torrc;
use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(50);
const START_TIME: Duration = Duration::from_secs(20);
const CLIENT_TIME: Duration = Duration::from_secs(90);

/// Tor's programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) tor: PathBuf,
    pub(crate) gencert: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> anyhow::Result<Self> {
        Ok(Self { tor: find("tor")?, gencert: find("tor-gencert")? })
    }
}

fn find(program: &str) -> anyhow::Result<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&paths)
        .chain(usual)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{program} is missing: install Debian's package tor (cargo xtask test does it)"))
}

/// Starts the node of a directory and returns when it has written its pid.
pub(crate) fn spawn(programs: &Programs, dir: &Path) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(dir.join("pid"));
    let mut child = Command::new(&programs.tor)
        .arg("--quiet")
        .arg("-f")
        .arg(dir.join("torrc"))
        // A torrc of the system must not add anything.
        .args(["--defaults-torrc", "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C is for whoever started us, who then stops the network in order.
        .process_group(0)
        .spawn()
        .context("cannot start tor")?;
    let deadline = Instant::now() + START_TIME;
    while pid(dir).is_none() {
        if let Some(status) = child.try_wait()? {
            bail!("tor ended with {status}:\n{}", log_tail(dir));
        }
        ensure!(Instant::now() < deadline, "tor does not start:\n{}", log_tail(dir));
        std::thread::sleep(LOOK);
    }
    // Reaped when it ends, so that its pid is seen to be gone.
    std::thread::spawn(move || child.wait());
    Ok(())
}

/// The pid of a directory's node, if that process lives and is the node.
pub(crate) fn pid(dir: &Path) -> Option<u32> {
    let pid: u32 = std::fs::read_to_string(dir.join("pid")).ok()?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let torrc = dir.join("torrc");
    let ours = command.split(|byte| *byte == 0).any(|word| Some(word) == torrc.to_str().map(str::as_bytes));
    ours.then_some(pid)
}

/// Whether a node that has no process had one.
pub(crate) fn has_ended(dir: &Path) -> bool {
    dir.join("pid").exists() || dir.join("notice.log").exists()
}

pub(crate) fn interrupt(pid: u32) {
    signal(pid, Signal::INT);
}

/// Ends a process: politely for `patience`, then not.
pub(crate) fn end(pid: u32, patience: Duration) -> anyhow::Result<()> {
    if !patience.is_zero() {
        interrupt(pid);
        if is_gone_within(pid, patience) {
            return Ok(());
        }
    }
    signal(pid, Signal::KILL);
    ensure!(is_gone_within(pid, Duration::from_secs(10)), "the process {pid} does not end");
    Ok(())
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may be gone already.
        let _ = kill_process(pid, signal);
    }
}

fn is_gone_within(pid: u32, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        // A zombie has no command line; only its parent can end it further.
        let gone = std::fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |command| command.is_empty());
        if gone || Instant::now() > deadline {
            return gone;
        }
        std::thread::sleep(LOOK);
    }
}

pub(crate) fn log_tail(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("notice.log")).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// A C tor client on the network, for what another program than ours sees.
#[derive(Debug)]
pub struct SocksClient {
    dir: PathBuf,
    port: u16,
}

impl SocksClient {
    pub(crate) fn start(network: &Path, authorities: &str) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let dir = network.join(format!("client-{port}"));
        std::fs::create_dir(&dir)?;
        crate::set_private(&dir)?;
        std::fs::write(dir.join("torrc"), torrc::client(&dir, port, std::process::id(), authorities))?;
        spawn(&Programs::find()?, &dir)?;
        let client = Self { dir, port };
        let deadline = Instant::now() + CLIENT_TIME;
        while !std::fs::read_to_string(client.dir.join("notice.log"))?.contains("Bootstrapped 100%") {
            ensure!(Instant::now() < deadline, "the client is not usable:\n{}", log_tail(&client.dir));
            std::thread::sleep(LOOK);
        }
        Ok(client)
    }

    /// Its SOCKS5 port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for SocksClient {
    fn drop(&mut self) {
        if let Some(pid) = pid(&self.dir) {
            let _ = end(pid, Duration::from_secs(2));
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
