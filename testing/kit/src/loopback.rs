//! `loopback-daemon` as a process: the real core, engine, store and control server, with peers on loopback TCP.

use crate::daemon::Daemon;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder in which cargo has put this program's neighbours: a test or an example lies one below it.
///
/// # Panics
/// When this program lies in no folder of cargo's.
#[must_use]
pub fn built() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    let folder = own.parent().expect("a program is in a folder");
    let is_below = folder.ends_with("deps") || folder.ends_with("examples");
    let built = if is_below { folder.parent() } else { Some(folder) };
    built.expect("a program is in a target directory").to_owned()
}

/// The program, built if it is not there: cargo builds only a package's own programs for its tests. One that is there is
/// taken as it is; `cargo test --workspace` builds it anew.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn program() -> PathBuf {
    let folder = built();
    let program = folder.join("loopback-daemon");
    if !program.exists() {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "-p", "torchat-harness", "--bin", "loopback-daemon"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo runs").success(), "the loopback daemon does not build");
    }
    program
}

/// The arguments of `loopback-daemon`: its data, the folder in which the daemons find each other, what its keys follow from
/// (0 to 200), and more words, which `loopback-daemon.rs` lists.
#[must_use]
pub fn arguments(data: &Path, peers: &Path, seed: u8, words: &[&str]) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let words = words.iter().map(|word| (*word).to_owned());
    [text(data), text(peers), seed.to_string()].into_iter().chain(words).collect()
}

/// A loopback daemon. Killed when it is dropped.
pub struct Loopback(Daemon);

impl Loopback {
    /// Starts one with its data in `dir/name`, which is made, and its peers in `dir/peers`; returns when it serves its
    /// port and its socket. Its keys follow from `seed`, 0 to 200.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(dir: &Path, name: &str, seed: u8) -> anyhow::Result<Self> {
        Self::start_with(dir, name, seed, &[])
    }

    /// As [`Loopback::start`], with more words for its command line, which `loopback-daemon.rs` lists.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(dir: &Path, name: &str, seed: u8, words: &[&str]) -> anyhow::Result<Self> {
        let (data, peers) = (dir.join(name), dir.join("peers"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&peers)?;
        let mut daemon = Daemon::new(&program(), arguments(&data, &peers, seed, words), &data);
        daemon.start()?;
        Ok(Self(daemon))
    }

    /// Starts it again after [`Loopback::stop`], or after somebody's EXIT, which is waited for.
    ///
    /// # Errors
    /// When it does not start, or when the one before did not end well.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.0.ended()?;
        self.0.start()
    }

    /// Ends it and waits for that.
    ///
    /// # Errors
    /// When it did not end well.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        if self.is_running() { self.0.stop().map(drop) } else { self.0.ended() }
    }

    /// Whether it runs; not after EXIT.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.0.is_running()
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.0.data()
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.socket()
    }
}
