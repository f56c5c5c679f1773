//! Two daemons that know each other, and torchat as a process in front of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use torchat_client::api::record::MessageState;
use torchat_client::api::{Address, Connection, Onion, command};
use torchat_testkit::loopback::Loopback;
use torchat_testkit::pty::{self, Screen};

/// The program under test.
pub(crate) const TORCHAT: &str = env!("CARGO_BIN_EXE_torchat");
/// Longer than anything here takes on a busy machine; reached only when a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

/// Alice's and Bob's daemons. Their onions are always the same: they follow from the seeds.
pub(crate) struct House {
    pub(crate) alice: Loopback,
    pub(crate) bob: Loopback,
    dir: tempfile::TempDir,
}

/// What a run of torchat gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl House {
    /// Strangers to each other.
    pub(crate) fn strangers() -> Self {
        Self::with(&[])
    }

    /// Strangers to each other; the words are for the command line of Alice's daemon.
    pub(crate) fn with(words: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let alice = Loopback::start_with(dir.path(), "alice", 1, words).unwrap();
        let bob = Loopback::start(dir.path(), "bob", 2).unwrap();
        Self { alice, bob, dir }
    }

    /// Contacts of each other; Alice calls Bob `bob`.
    pub(crate) fn friends() -> Self {
        let house = Self::strangers();
        let (alice, bob) = (house.onion(&house.alice), house.onion(&house.bob));
        let (a, b) = (house.api(&house.alice), house.api(&house.bob));
        a.call(&command::Add { peer: bob.0.onion(), text: String::new() }).unwrap();
        b.call(&command::Add { peer: alice.0.onion(), text: String::new() }).unwrap();
        a.call(&command::Rename { peer: bob.into(), name: "bob".into() }).unwrap();
        house
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn api(&self, daemon: &Loopback) -> Connection {
        Connection::open(&Address::unix(daemon.socket())).unwrap()
    }

    pub(crate) fn onion(&self, daemon: &Loopback) -> Onion {
        self.api(daemon).call(&command::Host {}).unwrap().onion
    }

    /// Bob writes to Alice; returns when she has it.
    pub(crate) fn bob_says(&self, texts: &[&str]) {
        let (bob, alice) = (self.api(&self.bob), self.onion(&self.alice));
        for text in texts {
            let send = command::Send {
                peer: alice.conversation(),
                text: (*text).to_owned(),
                client_id: None,
                wait: Some(command::Wait::Delivered),
                timeout: Some(60),
                expire: None,
                re: None,
                to: Vec::new(),
            };
            assert_eq!(bob.call_within(&send, PATIENCE).unwrap().state, MessageState::Delivered);
        }
    }

    /// A command with Alice's daemon.
    pub(crate) fn torchat(&self, arguments: &[&str]) -> Ran {
        self.run(self.command(TORCHAT).args(arguments), b"")
    }

    /// As [`House::torchat`], with input.
    pub(crate) fn torchat_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.run(self.command(TORCHAT).args(arguments), input)
    }

    /// A line of a shell, with Alice's daemon, and torchat in PATH. What hangs is killed, which is exit 124.
    pub(crate) fn shell(&self, line: &str) -> Ran {
        self.shell_of("", line)
    }

    /// The same, with the daemon of somebody: `bob`, or nothing for Alice.
    pub(crate) fn shell_of(&self, who: &str, line: &str) -> Ran {
        let mut command = self.command("timeout");
        if who == "bob" {
            command.env("TORCHAT_SOCKET", self.bob.socket());
        }
        self.run(command.args(["30", "bash", "-c", line]), b"")
    }

    /// A program in Alice's place, at a terminal.
    pub(crate) fn at_terminal(&self, program: &str, arguments: &[&str]) -> Screen {
        let mut command = pty::command(program);
        self.placed(command.args(arguments));
        Screen::start(command, (120, 24))
    }

    /// A program in Alice's place.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.placed(&mut command);
        command
    }

    fn placed(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder(TORCHAT).display()))
            .env("HOME", self.dir.path())
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("TORCHAT_SOCKET", self.alice.socket())
            .env("BOB", self.bob.socket())
            .current_dir(self.dir.path());
    }

    pub(crate) fn run(&self, command: &mut Command, input: &[u8]) -> Ran {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // On a thread: it may answer before it has read everything, or read nothing.
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.into()
    }
}

fn folder(program: &str) -> PathBuf {
    Path::new(program).parent().unwrap().to_owned()
}
