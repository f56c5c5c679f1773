//! The real client on a terminal of its own, and real daemons behind it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use torchat_harness::daemon::Daemon;

/// How long something may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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
        Screen::at_home(&self.dir, program, size, PATIENCE)
    }

    /// Where the client keeps its drafts.
    pub(crate) fn drafts(&self) -> PathBuf {
        self.dir.join("state/torchat/drafts.json")
    }
}

struct Shown {
    parser: vt100::Parser,
    /// Pieces of output so far.
    pieces: u64,
    ended: bool,
}

/// A program on a terminal. Killed when it is dropped.
pub(crate) struct Screen {
    master: OwnedFd,
    writer: File,
    child: Child,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    /// How long something may take that must happen.
    patience: Duration,
}

impl Screen {
    /// The client of somebody whose files are all below `home`.
    pub(crate) fn at_home(home: &Path, program: &Path, size: (u16, u16), patience: Duration) -> Self {
        let mut command = Command::new("setsid");
        command.args(["--ctty".as_ref(), program.as_os_str()]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).env("XDG_DATA_HOME", home.join("data")).env("XDG_CONFIG_HOME", home.join("config"));
        command.env("XDG_STATE_HOME", home.join("state")).env("TZ", "UTC").env("LANG", "C.UTF-8");
        command.env("TERM", "xterm-256color").current_dir(home);
        Self::start(command, size, patience)
    }

    fn start(mut command: Command, size: (u16, u16), patience: Duration) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a terminal has a name");
        resize(&master, size);
        let name = name.to_string_lossy().into_owned();
        let slave = || File::options().read(true).write(true).open(&name).expect("a terminal opens");
        let child = command
            .stdin(Stdio::from(slave()))
            .stdout(Stdio::from(slave()))
            .stderr(Stdio::from(slave()))
            .spawn()
            .expect("the client starts");
        let shown = Shown { parser: vt100::Parser::new(some(size.1), some(size.0), 0), pieces: 0, ended: false };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let mut reader = File::from(master.try_clone().expect("a descriptor"));
        let writer = File::from(master.try_clone().expect("a descriptor"));
        let shared = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 64 << 10];
            loop {
                // An error is the end: Linux says EIO when the last program has closed the terminal.
                let count = reader.read(&mut bytes).unwrap_or(0);
                let mut shown = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                shown.parser.process(&bytes[..count]);
                shown.pieces += 1;
                shown.ended = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self { master, writer, child, shown, patience }
    }

    /// Types.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Pastes, as a terminal with bracketed paste does.
    pub(crate) fn paste(&mut self, text: &str) {
        self.keys(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Another size of the window: columns and rows.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).parser.set_size(some(size.1), some(size.0));
        resize(&self.master, size);
    }

    /// Waits until the screen is so; returns what the condition returned.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, mut condition: impl FnMut(&vt100::Screen) -> Option<T>) -> T {
        let deadline = Instant::now() + self.patience;
        let mut shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = condition(shown.parser.screen()) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !shown.ended, "{what}: not on the screen:\n{}", framed(shown.parser.screen()));
            shown = self.shown.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub(crate) fn see(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text).then_some(()));
    }

    /// Waits until a text is not on the screen.
    #[track_caller]
    pub(crate) fn see_gone(&self, text: &str) {
        self.wait(&format!("without {text}"), |screen| (!screen.contents().contains(text)).then_some(()));
    }

    /// The screen as it is now, in a frame.
    pub(crate) fn frame(&self) -> String {
        framed(self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).parser.screen())
    }

    /// Pieces of output so far: whether something was drawn.
    pub(crate) fn pieces(&self) -> u64 {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).pieces
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        // The end of its output first, then it is a matter of microseconds.
        let deadline = Instant::now() + self.patience;
        let mut shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !shown.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end:\n{}", framed(shown.parser.screen()));
            shown = self.shown.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(shown);
        self.child.wait().expect("the process ends")
    }

    /// Whether the terminal is as a shell wants it: lines are edited, nothing of ours is switched on.
    pub(crate) fn is_restored(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.master).expect("a terminal").local_modes;
        let shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = shown.parser.screen();
        modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO)
            && !screen.alternate_screen()
            && !screen.bracketed_paste()
            && !screen.hide_cursor()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn some(count: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(count).expect("a window has rows and columns")
}

fn resize(master: &OwnedFd, size: (u16, u16)) {
    let size = rustix::termios::Winsize { ws_col: size.0, ws_row: size.1, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(master, size).expect("a terminal has a size");
}

/// A screen as text in a frame.
pub(crate) fn framed(screen: &vt100::Screen) -> String {
    let columns = screen.size().1.get();
    let line = "─".repeat(usize::from(columns));
    let mut out = format!("┌{line}┐\n");
    for row in screen.rows(0, columns) {
        let used = unicode_width::UnicodeWidthStr::width(row.as_str());
        let blank = " ".repeat(usize::from(columns).saturating_sub(used));
        let _ = writeln!(out, "│{row}{blank}│");
    }
    out + &format!("└{line}┘\n")
}
