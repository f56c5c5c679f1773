//! A program at a terminal of its own, for tests: what it draws, what it asks, and the keys that it gets.
//!
//! The terminal is a pseudo-terminal, which `setsid --ctty` (util-linux) makes the program's controlling one: between fork
//! and exec nothing of ours can run without `unsafe`.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long something may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// A command that runs a program so that the terminal it is started on becomes its own.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program);
    command
}

/// As [`command`], for somebody whose files are all below `home`.
#[must_use]
pub fn at_home(home: &Path, program: &Path) -> Command {
    let mut command = command(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("XDG_DATA_HOME", home.join("data")).env("XDG_CONFIG_HOME", home.join("config"));
    command.env("XDG_STATE_HOME", home.join("state")).env("TZ", "UTC").env("LANG", "C.UTF-8");
    command.env("TERM", "xterm-256color").current_dir(home);
    command
}

struct Shown {
    parser: vt100::Parser,
    /// All that came.
    bytes: Vec<u8>,
    /// Pieces of output so far.
    pieces: u64,
    ended: bool,
}

/// A program on a terminal. Killed when it is dropped.
pub struct Screen {
    master: OwnedFd,
    writer: File,
    child: Child,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    /// Up to here the output was looked at for questions.
    seen: usize,
    /// How long something may take that must happen.
    patience: Duration,
}

impl Screen {
    /// The client of somebody whose files are all below `home`, see [`at_home`].
    ///
    /// # Panics
    /// As [`Screen::start`].
    #[must_use]
    pub fn at_home(home: &Path, program: &Path, size: (u16, u16), patience: Duration) -> Self {
        let mut screen = Self::start(at_home(home, program), size);
        screen.patience = patience;
        screen
    }

    /// Runs a program on a window of this size. `command` must be one of [`command`].
    ///
    /// # Panics
    /// When there is no terminal to be had, or no such program.
    #[must_use]
    pub fn start(mut command: Command, size: (u16, u16)) -> Self {
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
            .expect("the program starts");
        let shown = Shown {
            parser: vt100::Parser::new(some(size.1), some(size.0), 0),
            bytes: Vec::new(),
            pieces: 0,
            ended: false,
        };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let mut reader = File::from(master.try_clone().expect("a descriptor"));
        let writer = File::from(master.try_clone().expect("a descriptor"));
        let shared = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 64 << 10];
            loop {
                let count = match reader.read(&mut bytes) {
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    // The end: Linux says EIO when the last program has closed the terminal.
                    Err(_) => 0,
                };
                let mut shown = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                let came = bytes.get(..count).unwrap_or_default();
                shown.parser.process(came);
                shown.bytes.extend_from_slice(came);
                shown.pieces += 1;
                shown.ended = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self { master, writer, child, shown, seen: 0, patience: PATIENCE }
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits for a question, which nothing before has answered, and types.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn answer(&mut self, question: &str, keys: &str) {
        self.seen = self.until(question, |shown, seen| position(&shown.bytes, seen, question));
        self.keys(keys);
    }

    /// Waits for the end of the program and returns its exit code; `says` must have come since the last answer.
    ///
    /// # Panics
    /// When it did not, or was killed by a signal.
    #[track_caller]
    pub fn end_saying(&mut self, says: &str) -> i32 {
        let status = self.end();
        let shown = self.said();
        assert!(position(shown.as_bytes(), self.seen, says).is_some(), "no {says:?} in {shown:?}");
        status.code().expect("it ended by itself")
    }

    /// All that was written to the terminal so far, as it came.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone()
    }

    /// Waits until something was written to the terminal, of which the screen shows nothing.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn written(&self, bytes: &[u8]) {
        let what = bytes.escape_ascii().to_string();
        self.until(&what, |shown, _| shown.bytes.windows(bytes.len()).any(|window| window == bytes).then_some(()));
    }

    /// All that was written to the terminal, as text.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).bytes).into_owned()
    }

    #[track_caller]
    fn until<T>(&self, what: &str, mut look: impl FnMut(&Shown, usize) -> Option<T>) -> T {
        let deadline = Instant::now() + self.patience;
        let mut shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = look(&shown, self.seen) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !shown.ended, "{what}: not on the screen:\n{}", framed(shown.parser.screen()));
            shown = self.shown.1.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Pastes, as a terminal with bracketed paste does.
    pub fn paste(&mut self, text: &str) {
        self.keys(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Another size of the window: columns and rows.
    pub fn resize(&mut self, size: (u16, u16)) {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).parser.set_size(some(size.1), some(size.0));
        resize(&self.master, size);
    }

    /// Waits until the screen is so; returns what the condition returned.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut condition: impl FnMut(&vt100::Screen) -> Option<T>) -> T {
        self.until(what, |shown, _| condition(shown.parser.screen()))
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn see(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text).then_some(()));
    }

    /// Waits until a text is not on the screen.
    #[track_caller]
    pub fn see_gone(&self, text: &str) {
        self.wait(&format!("without {text}"), |screen| (!screen.contents().contains(text)).then_some(()));
    }

    /// The screen as it is now, in a frame.
    pub fn frame(&self) -> String {
        framed(self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).parser.screen())
    }

    /// Pieces of output so far: whether something was drawn.
    pub fn pieces(&self) -> u64 {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).pieces
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
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
    pub fn is_restored(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.master).expect("a terminal").local_modes;
        let shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = shown.parser.screen();
        modes.contains(rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO)
            && !screen.alternate_screen()
            && !screen.bracketed_paste()
            && !screen.hide_cursor()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    }
}

/// Behind a text that comes at or after a place.
fn position(bytes: &[u8], from: usize, text: &str) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let at = rest.windows(text.len()).position(|window| window == text.as_bytes())?;
    Some(from + at + text.len())
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
#[must_use]
pub fn framed(screen: &vt100::Screen) -> String {
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
