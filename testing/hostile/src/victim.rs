//! Two daemons as processes, with peers on loopback TCP: one to be attacked, and an honest contact of it.

use crate::target::Target;
use crate::way::Way;
use anyhow::{Context as _, ensure};
use std::path::Path;
use torchat_testkit::daemon::Daemon;

/// The pair. Both end when it is dropped.
pub struct Pair {
    victim: Daemon,
    honest: Daemon,
    dir: tempfile::TempDir,
}

impl Pair {
    /// Starts both; they are contacts of each other.
    ///
    /// # Errors
    /// When one of them does not serve.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        ensure!(program.is_file(), "{} is not built", program.display());
        let dir = tempfile::tempdir()?;
        let peers = dir.path().join("peers");
        std::fs::create_dir(&peers)?;
        let daemon = |name: &str, seed: u8| {
            let data = dir.path().join(name);
            let text = |path: &Path| path.to_string_lossy().into_owned();
            Daemon::new(program, vec![text(&data), text(&peers), seed.to_string()], &data)
        };
        let (mut victim, mut honest) = (daemon("victim", 1), daemon("honest", 2));
        victim.start()?;
        honest.start()?;
        let (a, b) = (victim.client()?.host()?, honest.client()?.host()?);
        victim.client()?.add(&b)?;
        honest.client()?.add(&a)?;
        Ok(Self { victim, honest, dir })
    }

    /// The attacked one.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn target(&self) -> anyhow::Result<Target> {
        let port = |daemon: &Daemon| daemon.port().context("it has no port");
        Target::new(Way::Loopback(self.dir.path().join("peers")), port(&self.victim)?, Some(port(&self.honest)?))
    }

    /// The process id of the attacked one.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.victim.pid().context("it does not run")
    }

    /// Bytes of the attacked one's files.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn disk(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for entry in std::fs::read_dir(self.victim.data())? {
            sum += entry?.metadata()?.len();
        }
        Ok(sum)
    }

    /// Ends both as users do, and looks at what the attacked one wrote to its log: nothing of the attackers' words, no
    /// panic.
    ///
    /// # Errors
    /// When it does not end well, or its log is not as it should be.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.victim.stop().context("the attacked daemon does not stop")?;
        self.honest.stop().context("the honest daemon does not stop")?;
        let log = std::fs::read(self.victim.log_path())?;
        let text = String::from_utf8_lossy(&log);
        ensure!(!text.contains("panicked"), "it panicked: {text}");
        let printable = log.iter().all(|byte| *byte == b'\n' || *byte == b'\t' || *byte >= b' ');
        ensure!(printable || std::env::var_os("RUST_LOG").is_some(), "its log holds control characters: {text:?}");
        ensure!(!text.contains("canary"), "its log holds what an attacker said: {text}");
        ensure!(text.lines().all(|line| line.len() <= 500), "a line of its log has more than 500 bytes");
        ensure!(log.len() < 256 * 1024 || std::env::var_os("RUST_LOG").is_some(), "its log has {} bytes", log.len());
        Ok(())
    }
}
