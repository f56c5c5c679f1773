//! A scripted talk between a daemon that suffers faults and one that does not, and what must hold at its end.

mod room;

use crate::ledger::{Fate, Findings, Ledger};
use crate::node::{Node, Started, direction};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;
use torchat_client::{Client, ClientError};
use torchat_testkit::daemon::eventually;

pub use room::Part;

/// How long everything may take to be delivered, and how long a daemon may take to write again. The engine tries a store
/// that failed every 5 s.
pub const SETTLE: Duration = Duration::from_secs(40);

/// The codes of ERR that say: nothing was stored. Damage is not among them: a disk that fails once must not look like that.
const NOT_STORED: [&str; 3] = ["storage", "storage-failing", "storage-read-only"];

/// What the faulty daemon does after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The fault kills: it is started again at once and the script goes on.
    Killed,
    /// The fault is over by itself: the same process must recover.
    Once,
    /// The fault stays until the process ends.
    Lasting,
}

/// What happened in one run of the script.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// It was killed by the fault.
    pub killed: bool,
    /// It refused to start, with this status.
    pub refused_to_start: Option<i32>,
    /// Requests that were answered by ERR with one of [`NOT_STORED`].
    pub refused: usize,
    /// What the histories hold.
    pub findings: Findings,
    /// Decisions in the room that were answered as done.
    pub decided: usize,
}

/// The two daemons, their directory, and what was said.
pub struct Script {
    dir: TempDir,
    faulty: Node,
    friend: Node,
    /// By clients of the faulty one, and by clients of its friend.
    said: [Ledger; 2],
    number: [u64; 2],
    read: Vec<String>,
    outcome: Outcome,
    /// The room, if they keep one together beside their mail.
    stage: Option<room::Stage>,
}

enum Reply {
    Fine(Value),
    /// ERR with one of [`NOT_STORED`].
    Refused,
    /// The daemon is gone.
    Gone,
}

impl Script {
    /// Two daemons, the friend running. With `used` the faulty one has been started, befriended and stopped before, so
    /// that faults meet its daily work and not the making of its store. With a `part` there is a third daemon, and a room of all.
    ///
    /// # Errors
    /// When a daemon does not start.
    pub fn new(program: &Path, used: bool, part: Option<Part>) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut faulty = Node::new(program, dir.path(), 1)?;
        let mut friend = Node::new(program, dir.path(), 2)?;
        friend.start_plain()?;
        if used {
            faulty.start_plain()?;
            let (own, other) = (faulty.address()?.onion, friend.address()?.onion);
            faulty.client()?.add(&other)?;
            friend.client()?.add(&own)?;
        }
        let stage =
            part.map(|part| room::Stage::new(program, dir.path(), part, &mut faulty, &friend, used)).transpose()?;
        if used {
            faulty.stop()?;
        }
        Ok(Self {
            dir,
            faulty,
            friend,
            said: Default::default(),
            number: [0; 2],
            read: Vec::new(),
            outcome: Outcome::default(),
            stage,
        })
    }

    /// The files of the faulty daemon that faults may be limited to.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        ["torchat.db", "torchat.db-wal", "torchat.db-shm", "torchat.db-journal", ".port", ""]
            .map(|name| self.faulty.data().join(name).to_string_lossy().trim_end_matches('/').to_owned())
            .to_vec()
    }

    /// A file beside the data directories.
    #[must_use]
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the whole script with the faulty daemon under strace: contact, `messages` each way with and without waiting
    /// for the delivery, reads, a clean stop; then restarts it without strace, waits until everything is delivered and
    /// checks.
    ///
    /// # Errors
    /// Whatever must not happen.
    pub fn run(mut self, tracer: &[String], messages: usize, mode: Mode) -> anyhow::Result<Outcome> {
        match self.faulty.start(Some(tracer))? {
            Started::Serves => {}
            Started::Ended(status) => {
                self.ended_early(status, mode)?;
                self.faulty.start_plain()?;
            }
        }
        self.talk(messages, mode)?;
        if mode == Mode::Once && self.faulty.runs() {
            self.recovers_by_itself()?;
        }
        self.end(mode)?;
        self.faulty.start_plain().context("the start after the faults")?;
        self.settle()?;
        Ok(self.outcome)
    }

    fn ended_early(&mut self, status: ExitStatus, mode: Mode) -> anyhow::Result<()> {
        let log = self.faulty.log()?;
        if mode == Mode::Killed {
            ensure!(status.code().is_none(), "it ended with {status} instead of by the signal: {log}");
            self.outcome.killed = true;
            return Ok(());
        }
        let code = status.code().with_context(|| format!("a failed call ended it with {status}: {log}"))?;
        ensure!(code != 0 && code != 101, "it refused to start with the exit code {code}: {log}");
        ensure!(log.contains("Error: "), "it refused to start without a word: {log:?}");
        self.outcome.refused_to_start = Some(code);
        Ok(())
    }

    /// One request to the faulty daemon. If that is gone afterwards, it is started again, plainly.
    fn ask(&mut self, client: &mut Option<Client>, request: &Value, mode: Mode) -> anyhow::Result<Reply> {
        if client.is_none() {
            *client = self.faulty.address()?.connect();
        }
        let reply = match client.as_mut() {
            Some(client) => client.request(request),
            None => Err(ClientError::Reply("no connection".into())),
        };
        match reply {
            Ok(reply) => Ok(Reply::Fine(reply)),
            // Queued is stored, and that is what is asked here.
            Err(ClientError::Refused { queued: true, .. }) => Ok(Reply::Fine(Value::Null)),
            Err(ClientError::Refused { code, message, .. }) => self
                .refused(code.as_str(), mode)
                .with_context(|| format!("{} was refused by {message:?} ({code})", request["cmd"])),
            Err(error) => {
                *client = None;
                self.ended(mode).with_context(|| format!("{request}: {error}"))?;
                Ok(Reply::Gone)
            }
        }
    }

    /// What a refusal says about what was asked.
    fn refused(&mut self, code: &str, mode: Mode) -> anyhow::Result<Reply> {
        ensure!(mode != Mode::Killed, "nothing but a kill was to happen");
        // The disk failed in the middle, and the daemon does not pretend to know.
        let unsure = code == "storage-unsure";
        ensure!(unsure || NOT_STORED.contains(&code), "not for the fault");
        self.outcome.refused += 1;
        Ok(if unsure { Reply::Gone } else { Reply::Refused })
    }

    /// A request broke: the daemon is gone, and is started again.
    fn ended(&mut self, mode: Mode) -> anyhow::Result<()> {
        let status = self.faulty.wait().context("a request broke, but the daemon lives")?;
        let log = self.faulty.log()?;
        if mode == Mode::Killed {
            ensure!(status.code().is_none(), "it ended with {status} instead of by the signal: {log}");
            self.outcome.killed = true;
        } else {
            // The one honest end: the store can neither be written nor read.
            let honest = status.code().is_some_and(|code| code != 0 && code != 101);
            ensure!(honest && log.contains("the store can"), "it ended with {status}: {log}");
        }
        self.faulty.start_plain()
    }

    fn talk(&mut self, messages: usize, mode: Mode) -> anyhow::Result<()> {
        let (own, friend) = (self.faulty.address()?.onion, self.friend.address()?.onion);
        let mut client = None;
        self.friend.client()?.add(&own)?;
        // Not accepted is an answer too; the sends below make a contact of the friend as well.
        self.ask(&mut client, &json!({"cmd": "ADD", "id": friend}), mode)?;
        for n in 0..messages {
            if self.stage.is_some() {
                self.talk_in_room(n, mode)?;
                // The daemon may have been started again in there.
                client = None;
            }
            self.friend_says(&own, n % 3 == 2)?;
            self.say(&mut client, &friend, n % 3 == 1, mode)?;
            if n % 2 == 1 {
                self.read_one(&mut client, &friend, mode)?;
            }
        }
        for _ in 0..messages {
            self.read_one(&mut client, &friend, mode)?;
        }
        // Reading goes on, whatever writes do.
        let reply = self.ask(&mut client, &json!({"cmd": "HISTORY", "id": friend, "msg": "100"}), mode)?;
        ensure!(!matches!(reply, Reply::Refused), "HISTORY was refused");
        self.ask(&mut client, &json!({"cmd": "STATUS"}), mode)?;
        Ok(())
    }

    fn say(&mut self, client: &mut Option<Client>, friend: &str, wait: bool, mode: Mode) -> anyhow::Result<bool> {
        self.number[0] += 1;
        let text = format!("faulty {}", self.number[0]);
        let mut request = json!({"cmd": "SEND", "id": friend, "msg": text});
        if wait && mode == Mode::Killed {
            request["wait"] = "delivered".into();
            request["timeout"] = 10.into();
        }
        let fate = match self.ask(client, &request, mode)? {
            Reply::Fine(_) => Fate::Acked,
            Reply::Refused => Fate::Refused,
            Reply::Gone => Fate::Unsure,
        };
        self.said[0].note(text, fate);
        Ok(fate == Fate::Acked)
    }

    fn friend_says(&mut self, own: &str, wait: bool) -> anyhow::Result<()> {
        self.number[1] += 1;
        let text = format!("friend {}", self.number[1]);
        let mut client = self.friend.client()?;
        // A second is enough for a healthy pair, and a faulty one does not hold up the script.
        let sent = if wait { client.send_and_wait(own, &text, 1) } else { client.send(own, &text) };
        match sent {
            Ok(()) | Err(ClientError::Refused { queued: true, .. }) => {}
            Err(error) => return Err(error).context("the friend's own daemon refused"),
        }
        self.said[1].note(text, Fate::Acked);
        Ok(())
    }

    fn read_one(&mut self, client: &mut Option<Client>, friend: &str, mode: Mode) -> anyhow::Result<()> {
        let reply = self.ask(client, &json!({"cmd": "UPDATE", "msg": friend}), mode)?;
        ensure!(!matches!(reply, Reply::Refused), "UPDATE was refused");
        if let Reply::Fine(reply) = reply
            && reply["cmd"] == "UPDATE"
        {
            self.read.push(reply["msg"].as_str().unwrap_or_default().to_owned());
        }
        Ok(())
    }

    /// The fault was one call: the same process takes mail again and delivers.
    fn recovers_by_itself(&mut self) -> anyhow::Result<()> {
        let friend = self.friend.address()?.onion;
        let before = self.outcome.refused;
        let mut client = None;
        eventually("the same process takes mail again", SETTLE, || {
            Ok(self.say(&mut client, &friend, false, Mode::Once)?.then_some(()))
        })?;
        // How often it was asked meanwhile says nothing about the fault.
        self.outcome.refused = self.outcome.refused.min(before + 1);
        self.settle().context("in the process that had the fault")
    }

    fn end(&mut self, mode: Mode) -> anyhow::Result<()> {
        let mut client = None;
        // A daemon that is gone by now was started again by `ask`.
        if matches!(self.ask(&mut client, &json!({"cmd": "EXIT"}), mode)?, Reply::Fine(_)) {
            let status = self.faulty.wait()?;
            match mode {
                Mode::Killed if status.code().is_none() => self.outcome.killed = true,
                _ => ensure!(status.success(), "asked to end, it ended with {status}: {}", self.faulty.log()?),
            }
        } else {
            self.faulty.stop()?;
        }
        let log = self.faulty.log()?;
        ensure!(!log.contains("panicked"), "it panicked: {log}");
        Ok(())
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        let (own, friend) = (self.faulty.address()?.onion, self.friend.address()?.onion);
        let findings = eventually("everything acknowledged is delivered", SETTLE, || {
            let (mut here, mut there) = (self.faulty.client()?, self.friend.client()?);
            let mut findings = self.said[0].check(&direction(there.history(&own, 1000)?, "in"))?;
            findings += self.said[1].check(&direction(here.history(&friend, 1000)?, "in"))?;
            // What waits at the sender is not settled yet; a refused message that is stored all the same comes here.
            let sent = self.said[0].check(&direction(here.history(&friend, 1000)?, "out"))?;
            let settled = sent.messages + direction(here.history(&friend, 1000)?, "in").len() == findings.messages;
            Ok(settled.then_some(findings))
        })?;
        self.outcome.findings = findings;
        self.settle_room()?;
        self.drain(&friend)
    }

    fn drain(&mut self, friend: &str) -> anyhow::Result<()> {
        let mut client = self.faulty.client()?;
        eventually("everything is read", SETTLE, || {
            while let Some(message) = client.update(friend)? {
                self.read.push(message.text);
            }
            Ok((!client.peers()?.contains(&friend.to_owned())).then_some(()))
        })?;
        // UPDATE lost none: each was handed out at least once.
        let missing = self.said[1].missing(&self.read);
        ensure!(missing.is_empty(), "UPDATE never handed out {missing:?}");
        Ok(())
    }
}
