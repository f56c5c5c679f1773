//! The real client on a terminal of its own, and real daemons behind it.

use std::path::{Path, PathBuf};
use std::process::Command;
use torchat_harness::daemon::Daemon;
#[allow(unused_imports, reason = "not every program that takes this file in uses all of it")]
pub(crate) use torchat_harness::pty::{PATIENCE, Screen, framed};

/// Where cargo puts programs: this one is in target/PROFILE/deps or target/PROFILE/examples.
fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("a program has a path");
    own.parent().and_then(Path::parent).expect("a program is in a target directory").to_owned()
}

/// The client, for examples: tests know it from cargo.
pub(crate) fn client() -> PathBuf {
    folder().join("torchat")
}

/// The loopback daemon of the tests, built if it is not there.
pub(crate) fn loopback_daemon() -> PathBuf {
    let folder = folder();
    let program = folder.join("loopback-daemon");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "torchat-harness", "--bin", "loopback-daemon"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.status().expect("cargo runs").success(), "the loopback daemon does not build");
    }
    program
}

/// The directory of somebody who lives on this machine.
pub(crate) struct Home {
    dir: PathBuf,
    pub(crate) daemon: Daemon,
}

impl Home {
    /// Somebody with a name; `peers` is common to all.
    pub(crate) fn new(dir: &Path, name: &str, seed: u8) -> Self {
        let peers = dir.join("peers");
        std::fs::create_dir_all(&peers).expect("a directory");
        let home = dir.join(name);
        let data = home.join("data/torchatd");
        std::fs::create_dir_all(&data).expect("a directory");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let arguments = vec![text(&data), text(&peers), seed.to_string()];
        Self { dir: home, daemon: Daemon::new(&loopback_daemon(), arguments, &data) }
    }

    /// The client of this person.
    pub(crate) fn screen(&self, program: &Path, size: (u16, u16)) -> Screen {
        self.screen_with(program, size, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn screen_with(&self, program: &Path, size: (u16, u16), variables: &[(&str, &str)]) -> Screen {
        let mut command = torchat_harness::pty::at_home(&self.dir, program);
        command.envs(variables.iter().copied());
        Screen::start(command, size)
    }

    /// The daemon's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data/torchatd")
    }

    /// Where the client is started, and its home.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the client keeps its drafts.
    pub(crate) fn drafts(&self) -> PathBuf {
        self.dir.join("state/torchat/drafts.json")
    }
}
