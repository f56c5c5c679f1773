//! A place for one daemon: directories of its own, a configuration that keeps Tor on loopback, and its processes.

use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Relays that do not exist: port 1 of this machine is closed. The identities are made up.
const NO_NETWORK: &str = r#"
[tor.tor_network]
authorities = { v3idents = ["97D003816DA48701E171BE2C5B6AFC2AE9C2F346", "BC5AF6B72300FFFE918F54A08E1E99692B6D6AD0"] }
fallback_caches = [
  { rsa_identity = "F0ED5FF25D6859D6CDEBFF3734D22F1279923A78", ed_identity = "B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18", orports = ["127.0.0.1:1"] },
]
[tor.address_filter]
allow_local_addrs = true
"#;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The directories of one daemon. Whatever still runs with them is killed at the end.
pub(crate) struct House {
    root: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("t").tempdir().unwrap();
        fs::write(root.path().join("no-network.toml"), NO_NETWORK).unwrap();
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("d")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root().join("logs")
    }

    pub(crate) fn config(&self) -> String {
        self.root().join("no-network.toml").to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.data().join(name)).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_torchatd"));
        command
            .current_dir(self.root())
            .env_clear()
            .env("HOME", self.root())
            .env("XDG_DATA_HOME", self.root().join("share"))
            .env("XDG_CONFIG_HOME", self.root().join("config"))
            .env("XDG_STATE_HOME", self.root().join("state"))
            .stdin(Stdio::null());
        command
    }

    /// The daemon's own directories and the network that does not exist, then `line`.
    fn ours(&self, line: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("--data-dir").arg(self.data());
        if !line.contains(&"--stop") {
            command.arg("--log-dir").arg(self.logs()).arg("--config").arg(self.config());
        }
        command.args(line);
        command
    }

    /// As [`House::run`], by another program, which ends with executing its last arguments.
    pub(crate) fn run_by(&self, by: &[&str], line: &[&str]) -> Ended {
        finish(self.ours_by(by, line))
    }

    fn ours_by(&self, by: &[&str], line: &[&str]) -> Command {
        let ours = self.ours(line);
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg(ours.get_program()).args(ours.get_args());
        command.current_dir(self.root()).env_clear().stdin(Stdio::null());
        for (key, value) in ours.get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// The process of the daemon that runs.
    pub(crate) fn running(&self) -> Background {
        Background { pid: self.read("pid").trim().parse().unwrap(), stdout: String::new() }
    }

    /// Runs a command that ends, with this house's directories.
    pub(crate) fn run(&self, line: &[&str]) -> Ended {
        finish(self.ours(line))
    }

    /// As [`House::run`], with exactly these arguments.
    pub(crate) fn run_bare(&self, line: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(line);
        finish(command)
    }

    pub(crate) fn run_in(&self, dir: &Path, line: &[&str]) -> Ended {
        let ended = {
            let mut command = self.command();
            command.current_dir(dir).args(line);
            finish(command)
        };
        if ended.code != 0 {
            eprintln!("{ended:?}");
        }
        ended
    }
}

impl Ended {
    /// For comparisons in one line.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl House {
    /// Whether a process of this directory has its lock open.
    pub(crate) fn waits_for_the_lock(&self) -> bool {
        let (data, lock) = (self.data(), self.data().join("lock"));
        let of_us = |process: &Path| {
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_encoded_bytes())
        };
        let opened = |process: &Path| {
            let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
            files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file == lock)
        };
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        processes.into_iter().any(|process| of_us(&process) && opened(&process))
    }

    pub(crate) fn run_with_config(&self, config: &Path, line: &[&str]) -> Ended {
        let mut command = self.command();
        command.arg("--data-dir").arg(self.data()).arg("--log-dir").arg(self.logs());
        command.arg("--config").arg(config).args(line);
        finish(command)
    }

    /// A start by user 65534 with a data directory of that user and this mode; `None` if that cannot be done, because root may
    /// write everywhere and there is no setpriv: the caller says it.
    pub(crate) fn run_as_another_user(&self, data: &Path, mode: u32) -> Option<Ended> {
        if !self.is_root() {
            fs::set_permissions(data, Permissions::from_mode(mode)).unwrap();
            let ended = self.run(&["-d"]);
            fs::set_permissions(data, Permissions::from_mode(0o700)).unwrap();
            return Some(ended);
        }
        if Command::new("setpriv").arg("--version").output().is_err() {
            return None;
        }
        // A copy where the other user can reach it.
        let binary = self.root().join("torchatd");
        fs::copy(env!("CARGO_BIN_EXE_torchatd"), &binary).unwrap();
        for (path, mode) in [(binary.as_path(), 0o755), (self.root(), 0o755), (data, mode)] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::chown(data, Some(65_534), Some(65_534)).unwrap();
        let mut command = self.command();
        let line = self.ours(&["-d"]);
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary).args(line.get_args());
        setpriv.current_dir(self.root()).env_clear().stdin(Stdio::null());
        for (key, value) in command.env_remove("PATH").get_envs() {
            if let Some(value) = value {
                setpriv.env(key, value);
            }
        }
        Some(finish(setpriv))
    }

    pub(crate) fn is_root(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.root().metadata().unwrap().uid() == 0
    }

    /// Starts in the background and checks that it answers.
    pub(crate) fn background(&self, line: &[&str]) -> Background {
        let ended = self.run(&[&["-d"], line].concat()).expect(0);
        let pid = self.read("pid").trim().parse().unwrap();
        Background { pid, stdout: ended.stdout }
    }

    /// As [`House::background`], with one more variable in the environment.
    pub(crate) fn background_with(&self, line: &[&str], name: &str, value: &str) -> Background {
        let mut command = self.ours(&[&["-d"], line].concat());
        command.env(name, value);
        let ended = finish(command).expect(0);
        Background { pid: self.read("pid").trim().parse().unwrap(), stdout: ended.stdout }
    }

    pub(crate) fn foreground(&self, line: &[&str]) -> Foreground {
        let child = self.ours(line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Foreground { child }
    }

    /// Asks on the default socket.
    pub(crate) fn ask(&self, request: &str) -> Value {
        ask_socket(&self.data().join("control.sock"), request)
    }

    pub(crate) fn stop(&self) {
        self.run(&["--stop"]).expect(0);
    }

    /// Nothing beside what the test itself made: a refusal changes nothing.
    pub(crate) fn nothing_was_made(&self) {
        for dir in [self.data(), self.logs(), self.root().join("share"), self.root().join("state")] {
            assert!(!dir.exists(), "{}", dir.display());
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // Only what holds our own pid file, and only a torchatd: a failed test must not leave daemons behind.
        for data in [self.data(), self.root().join("by-torrc"), self.root().join("share/torchatd")] {
            let Ok(pid) = fs::read_to_string(data.join("pid")) else { continue };
            let pid = pid.trim();
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() == "torchatd" {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
        }
    }
}

/// A daemon in the background.
pub(crate) struct Background {
    pid: u32,
    /// What its starter printed.
    pub(crate) stdout: String,
}

impl Background {
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
        // A zombie has ended; in a container nobody may collect it. One that has threads (proc(5): the twentieth field)
        // holds its files until these end too, the lock and the socket among them.
        let threads = rest.split_ascii_whitespace().nth(17).unwrap_or_default();
        !rest.starts_with(['Z', 'X']) || threads.parse().is_ok_and(|threads: u32| threads > 1)
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid, name);
    }
}

/// A daemon in the foreground. It is killed when dropped.
pub(crate) struct Foreground {
    child: Child,
}

impl Foreground {
    /// The line that says where it serves; it comes when it answers.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// The exit status; `None` if a signal ended it.
    pub(crate) fn wait_code(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until(|| match self.child.try_wait().unwrap() {
            Some(status) => {
                code = status.code();
                true
            }
            None => false,
        });
        code
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

/// Runs a command to its end. What it leaves in the background must not hold its output open.
fn finish(mut command: Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let deadline = std::thread::spawn(move || {
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(2));
        }
        child.wait().unwrap().code().unwrap_or(-1)
    });
    err.read_to_string(&mut stderr).unwrap();
    out.read_to_string(&mut stdout).unwrap();
    Ended { code: deadline.join().unwrap(), stdout, stderr }
}

/// Waits for a condition.
pub(crate) fn wait_until(condition: impl FnMut() -> bool) {
    assert!(within_patience(condition), "it did not happen within {PATIENCE:?}");
}

/// Waits for a condition, and says whether it came.
pub(crate) fn within_patience(mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() >= PATIENCE {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    true
}

pub(crate) fn exists_within(path: &Path) -> bool {
    wait_until(|| path.exists());
    true
}

pub(crate) fn ask_socket(socket: &Path, request: &str) -> Value {
    ask(&mut UnixStream::connect(socket).unwrap(), request)
}

/// One request and its reply.
pub(crate) fn ask(stream: &mut (impl Read + Write), request: &str) -> Value {
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).unwrap();
    serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{reply:?}: {error}"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A valid onion that no test daemon has.
pub(crate) fn another_onion() -> String {
    // The address of a well-known search engine: well-formed, and never dialled, since there is no network here.
    "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion".to_owned()
}
