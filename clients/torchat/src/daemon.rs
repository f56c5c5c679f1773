//! Finds a running daemon, and starts one if the user wants that.

use crate::arguments::PlaceArguments;
use std::ffi::OsStr;
use std::io::{IsTerminal as _, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use torchat_client::api::{Address, ApiClientError, Connection, Endpoint, Token};

/// How long a daemon may take to stop. It says that it takes 2 seconds; a disk may be slow.
pub(crate) const STOP: Duration = Duration::from_secs(15);
/// How torchatd ends when a daemon runs with its data directory: docs/OPERATIONS.md.
const ALREADY_RUNS: i32 = 13;
/// How long a daemon that somebody else has just started may take until it answers.
const OTHERS_START: Duration = Duration::from_secs(60);
/// When it is looked whether that one is still there.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// Where the user says that the daemon is, and how to come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The control socket or port, if one was named.
    pub(crate) socket: Option<String>,
    /// The file with a token, if one was named.
    pub(crate) token_file: Option<PathBuf>,
    /// Start it without asking.
    pub(crate) start: bool,
}

impl From<PlaceArguments> for Place {
    fn from(arguments: PlaceArguments) -> Self {
        let PlaceArguments { socket, token_file, start } = arguments;
        Self { socket: socket.filter(|text| !text.is_empty()), token_file, start }
    }
}

/// Why there is no daemon to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// The daemon, or the way to it.
    #[error(transparent)]
    Api(#[from] ApiClientError),
    /// The file with the token.
    #[error("no token is in {}: {reason}", file.display())]
    Token {
        /// Which file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is no program to start.
    #[error("torchatd is neither next to this program nor in PATH: install it, or start it yourself")]
    NoProgram,
    /// It did not start.
    #[error("`{command}` did not start: {}", if said.trim().is_empty() { reason } else { said.trim() })]
    Start {
        /// What was run.
        command: String,
        /// Its end, or what the system said.
        reason: String,
        /// What it said itself, if nobody has seen that yet.
        said: String,
    },
}

impl Place {
    /// Where the daemon is now. Looks again each time: it may have another port after a restart.
    ///
    /// # Errors
    /// [`PlaceError::Api`], [`PlaceError::Token`].
    pub(crate) fn address(&self) -> Result<Address, PlaceError> {
        let address = Address::find(self.socket.as_deref())?.named(concat!("torchat/", env!("CARGO_PKG_VERSION")));
        let Some(file) = &self.token_file else { return Ok(address) };
        let wrong = |reason: String| PlaceError::Token { file: file.clone(), reason };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        // Some editors put a byte order mark before everything.
        let token: Token =
            text.trim_start_matches('\u{feff}').trim().parse().map_err(|error| wrong(format!("{error}")))?;
        Ok(address.with_token(token))
    }

    /// Connects to a daemon that runs.
    ///
    /// # Errors
    /// [`PlaceError::Api`], [`PlaceError::Token`].
    pub(crate) fn connect_running(&self) -> Result<Connection, PlaceError> {
        Ok(Connection::open(&self.address()?)?)
    }

    /// Connects. When no daemon runs it is started, if the user said so or says so when asked on the terminal.
    ///
    /// # Errors
    /// Any [`PlaceError`].
    pub(crate) fn connect(&self) -> Result<Connection, PlaceError> {
        let away = match self.connect_running() {
            Err(PlaceError::Api(error)) if error.is_absent() => error,
            result => return result,
        };
        if !self.start && !self.agreed(&away) {
            return Err(away.into());
        }
        self.start()?;
        self.connect_running()
    }

    /// Waits until a daemon that was told to stop answers nobody any more. False: it still does after `limit`.
    pub(crate) fn wait_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.connect_running().is_ok() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Asks on the terminal whether to start it. False without a terminal, or without a torchatd to start.
    fn agreed(&self, away: &ApiClientError) -> bool {
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !terminal || program().is_none() {
            return false;
        }
        // Not `eprint!`: that panics when the terminal has gone.
        let asked = write!(std::io::stderr(), "{away}.\nStart it now with `{}`? [Y/n] ", self.command_line());
        if asked.and_then(|()| std::io::stderr().flush()).is_err() {
            return false;
        }
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && says_yes(&answer)
    }

    /// What is run to start it, for people.
    pub(crate) fn command_line(&self) -> String {
        let mut line = "torchatd".to_owned();
        for argument in self.start_arguments() {
            line.push(' ');
            line.push_str(&argument);
        }
        line
    }

    /// The arguments that make it serve where it is looked for.
    fn start_arguments(&self) -> Vec<String> {
        let mut arguments = vec!["-d".to_owned()];
        let named = self.socket.as_deref().and_then(|text| Address::parse(text).ok());
        match named.map(|address| address.endpoint) {
            Some(Endpoint::Tcp(address)) => arguments.push(address.port().to_string()),
            // The socket of a data directory names that directory.
            Some(Endpoint::Unix(path)) => match (path.file_name(), path.parent()) {
                (Some(name), Some(directory)) if name == "control.sock" && !directory.as_os_str().is_empty() => {
                    arguments.extend(["--data-dir".to_owned(), directory.to_string_lossy().into_owned()]);
                }
                _ => arguments.extend(["--socket".to_owned(), path.to_string_lossy().into_owned()]),
            },
            None => {}
        }
        arguments
    }

    /// As [`Place::start`], for a program that has the terminal: what it says is in the error.
    ///
    /// # Errors
    /// As [`Place::start`].
    pub(crate) fn start_quietly(&self) -> Result<(), PlaceError> {
        self.started().map(drop)
    }

    /// Runs `torchatd -d` and waits until it serves, which is when that returns. What it says goes to stderr.
    ///
    /// # Errors
    /// [`PlaceError::NoProgram`], [`PlaceError::Start`].
    pub(crate) fn start(&self) -> Result<(), PlaceError> {
        // What it says (its port, its errors) is for people; stdout is for what the command answers.
        let tell = |said: &str| drop(std::io::stderr().write_all(said.as_bytes()));
        match self.started() {
            Ok(said) => tell(&said),
            Err(PlaceError::Start { command, reason, said }) => {
                tell(&said);
                return Err(PlaceError::Start { command, reason, said: String::new() });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Starts it, or finds that somebody else does so at the same moment: then it is waited for until it answers. Returns
    /// what was said on stderr.
    fn started(&self) -> Result<String, PlaceError> {
        let deadline = Instant::now() + OTHERS_START;
        loop {
            let (status, said) = self.run_torchatd()?;
            if status.success() {
                return Ok(said);
            }
            if status.code() != Some(ALREADY_RUNS) {
                return Err(self.failed(format!("it ended with {status}"), said));
            }
            // It is there, and perhaps not ready; or it ends just now, and then it is started after all.
            let look_until = (Instant::now() + AGAIN).min(deadline);
            while Instant::now() < look_until {
                match self.connect_running() {
                    Err(PlaceError::Api(error)) if error.is_absent() => {}
                    // Whatever else is wrong with it, it is there.
                    _ => return Ok(String::new()),
                }
                std::thread::sleep(LOOK);
            }
            if Instant::now() >= deadline {
                let reason = format!("it ended with {status}, and the daemon that runs there does not answer");
                return Err(self.failed(reason, said));
            }
        }
    }

    fn run_torchatd(&self) -> Result<(ExitStatus, String), PlaceError> {
        let program = program().ok_or(PlaceError::NoProgram)?;
        let system = |error: std::io::Error| self.failed(error.to_string(), String::new());
        let mut said = tempfile_for_stderr().map_err(system)?;
        let mut command = Command::new(program);
        command.args(self.start_arguments()).stdin(Stdio::null()).stdout(Stdio::null());
        // Not a pipe: the daemon that goes on in the background would keep it open.
        let stderr = said.try_clone().map_err(system)?;
        let status = command.stderr(stderr).status().map_err(system)?;
        let mut text = Vec::new();
        let _ = said.rewind().and_then(|()| said.read_to_end(&mut text));
        Ok((status, String::from_utf8_lossy(&text).into_owned()))
    }

    fn failed(&self, reason: String, said: String) -> PlaceError {
        PlaceError::Start { command: self.command_line(), reason, said }
    }
}

/// Whether a line answers a question that says `[Y/n]`: Enter is yes. The end of the input is no line, and no.
fn says_yes(line: &str) -> bool {
    line.ends_with('\n') && matches!(line.trim(), "" | "y" | "Y" | "yes" | "Yes")
}

/// A file without a name.
fn tempfile_for_stderr() -> std::io::Result<std::fs::File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(rustix::fs::memfd_create("torchatd-stderr", flags)?.into())
}

/// The daemon's program: beside this one, else in PATH.
pub(crate) fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join("torchatd")));
    beside.filter(|program| is_program(program)).or_else(|| in_path(&std::env::var_os("PATH")?, "torchatd"))
}

/// A program in the folders of PATH. Those that are named by where we stand, the empty ones among them, may be anybody's and
/// are passed over.
pub(crate) fn in_path(path: &OsStr, name: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|program| is_program(program))
}

fn is_program(program: &Path) -> bool {
    rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok() && program.is_file()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(socket: Option<&str>) -> String {
        Place { socket: socket.map(str::to_owned), ..Place::default() }.command_line()
    }

    #[test]
    fn it_is_started_where_it_is_looked_for() {
        assert_eq!(line(None), "torchatd -d");
        assert_eq!(line(Some("8000")), "torchatd -d 8000");
        assert_eq!(line(Some("/x/y/control.sock")), "torchatd -d --data-dir /x/y");
        assert_eq!(line(Some("/x/other")), "torchatd -d --socket /x/other");
        assert_eq!(line(Some("control.sock")), "torchatd -d --socket control.sock");
    }

    #[test]
    fn enter_is_yes_and_the_end_of_the_input_is_not() {
        for line in ["\n", "y\n", "Y\r\n", "yes\n"] {
            assert!(says_yes(line), "{line:?}");
        }
        for line in ["", "y", "n\n", "no\n", "what?\n"] {
            assert!(!says_yes(line), "{line:?}");
        }
    }

    #[test]
    fn a_program_is_not_taken_from_where_we_happen_to_stand() {
        use std::os::unix::fs::PermissionsExt;
        let here = std::env::current_dir().unwrap();
        let dir = tempfile::tempdir_in(&here).unwrap();
        let program = dir.path().join("torchatd");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        let relative = dir.path().strip_prefix(&here).unwrap().to_str().unwrap();
        let found = |path: &str| in_path(OsStr::new(path), "torchatd");
        let whole = dir.path().to_str().unwrap();
        assert_eq!(found(whole), None, "it cannot be run");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(found(whole), Some(program.clone()));
        assert_eq!(found(&format!("{relative}::.:{whole}")), Some(program));
        for path in [relative, &format!("./{relative}"), &format!(":{relative}:"), "", ":", "."] {
            assert_eq!(found(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_token_may_stand_behind_a_byte_order_mark() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, format!("\u{feff}torchat-token:cron:{}\r\n", "a".repeat(52))).unwrap();
        let place = Place { socket: Some("8000".into()), token_file: Some(file), start: false };
        assert_eq!(place.address().unwrap().token.unwrap().name(), "cron");
    }

    #[test]
    fn a_file_without_a_token_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "hello\n").unwrap();
        let place = Place { socket: Some("8000".into()), token_file: Some(file), start: false };
        let error = place.address().unwrap_err().to_string();
        assert!(error.contains("token") && error.contains("looks like"), "{error}");
    }
}
