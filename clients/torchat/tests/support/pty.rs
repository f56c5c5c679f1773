//! The real client on a terminal of its own, and real daemons behind it.

use std::path::{Path, PathBuf};
use torchat_testkit::daemon::Daemon;
use torchat_testkit::loopback;
#[allow(unused_imports, reason = "not every program that takes this file in uses all of it")]
pub(crate) use torchat_testkit::pty::{PATIENCE, Screen, framed};

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
        Self { dir: home, daemon: Daemon::new(&loopback::program(), arguments, &data) }
    }

    /// The client of this person.
    pub(crate) fn screen(&self, program: &Path, size: (u16, u16)) -> Screen {
        self.screen_with(program, size, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn screen_with(&self, program: &Path, size: (u16, u16), variables: &[(&str, &str)]) -> Screen {
        let mut command = torchat_testkit::pty::at_home(&self.dir, program);
        command.envs(variables.iter().copied());
        let screen = Screen::start(command, size);
        // Before the program has the terminal, the kernel makes a line's end of Enter, which is another key.
        screen.wait("the first drawing", |screen| screen.alternate_screen().then_some(()));
        screen
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
