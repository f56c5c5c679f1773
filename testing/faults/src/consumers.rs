//! Programs that follow the events, killed with -9 at random together with the daemons.
//!
//! Five consumers of one daemon: a fast one that acknowledges each message, one that acknowledges in batches, a slow one,
//! a slow one with the Python client, and one that subscribes and then never reads. Each is a process of its own. Their
//! diaries are judged by [`Diary::read`].

use crate::diary::Diary;
use crate::node::Node;
use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};
use torchat_harness::api::Api;
use torchat_testkit::daemon::eventually;

/// Name, pause for each message in microseconds, and messages for each acknowledgement.
const CONSUMERS: [(&str, u32, u32); 4] = [("fast", 0, 1), ("batches", 0, 16), ("slow", 3_000, 4), ("python", 1_000, 3)];
/// The one that never reads.
const DEAF: &str = "deaf";
/// How long everything may take to be worked off after the last kill, for each message.
const SETTLE_EACH: Duration = Duration::from_millis(20);
/// The same, at least.
const SETTLE: Duration = Duration::from_secs(60);
/// Between two kills, at most; at least a fifth of it.
const LIFE_MS: u64 = 250;

/// The programs of a run.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The loopback daemon.
    pub daemon: PathBuf,
    /// `faults-consumer`.
    pub consumer: PathBuf,
}

/// What a run found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Messages, each seen by five consumers.
    pub messages: usize,
    /// Kills of a consumer alone.
    pub consumer_kills: usize,
    /// Kills of the consumers' daemon alone.
    pub daemon_kills: usize,
    /// Kills of both at the same time.
    pub both: usize,
    /// Kills of the sender's daemon.
    pub sender_kills: usize,
    /// Name and diary of each consumer.
    pub diaries: Vec<(String, Diary)>,
    /// How long messages were sent.
    pub sending: Duration,
    /// From then on, until everything was worked off.
    pub settled: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} messages to {} consumers: 0 lost, 0 twice after acknowledgement, in order; {} consumers killed, {} times \
             their daemon, {} times both at once, {} times the sender's daemon; sent in {:.1} s, worked off {:.1} s later",
            self.messages,
            self.diaries.len(),
            self.consumer_kills,
            self.daemon_kills,
            self.both,
            self.sender_kills,
            self.sending.as_secs_f64(),
            self.settled.as_secs_f64(),
        )?;
        for (name, diary) in &self.diaries {
            write!(f, "\n  {name}: {} runs, {} messages came again unacknowledged", diary.runs, diary.again)?;
        }
        Ok(())
    }
}

/// One consumer process with its diary. Killed when it is dropped.
struct Consumer {
    name: &'static str,
    command: Box<dyn Fn() -> Command + Send>,
    diary: PathBuf,
    child: Option<Child>,
}

impl Consumer {
    fn start(&mut self) -> anyhow::Result<()> {
        let mut command = (self.command)();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        self.child = Some(child);
        Ok(())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            // It has no reason to end by itself: a consumer that was refused would go unnoticed.
            let ended = child.try_wait()?;
            ensure!(ended.is_none(), "the consumer {} ended by itself: {ended:?}", self.name);
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    fn diary(&self, expected: &[String]) -> anyhow::Result<Diary> {
        let text = std::fs::read(&self.diary).unwrap_or_default();
        Diary::read(&String::from_utf8(text)?, expected).with_context(|| format!("the consumer {}", self.name))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn consumers(programs: &Programs, node: &Node, dir: &Path) -> Vec<Consumer> {
    let socket = node.data().join("control.sock");
    let python = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/python"));
    let all = CONSUMERS.iter().copied().chain([(DEAF, 0, 8)]);
    all.map(|(name, pace, batch)| {
        let diary = dir.join(format!("{name}.diary"));
        let (program, socket, path) = (programs.consumer.clone(), socket.clone(), diary.clone());
        let command = move || {
            let mut command = if name == "python" {
                let mut python3 = Command::new("python3");
                python3.args(["-B", "-c", include_str!("consumer.py")]).env("PYTHONPATH", python);
                python3
            } else {
                Command::new(&program)
            };
            command.arg(&socket).arg(name).arg(&path).arg(pace.to_string()).arg(batch.to_string());
            command
        };
        Consumer { name, command: Box::new(command), diary, child: None }
    })
    .collect()
}

/// Sends `messages` messages from one daemon to the other while daemons and consumers are killed. Victims and moments
/// follow from the seed; what the processes did then does not.
///
/// # Errors
/// Any loss, repetition after acknowledgement, or disorder; or a process that does not come back.
pub fn run(programs: &Programs, messages: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let mut nodes = [Node::new(&programs.daemon, dir.path(), 1)?, Node::new(&programs.daemon, dir.path(), 2)?];
    for node in &mut nodes {
        node.start_plain()?;
    }
    let onions = [nodes[0].address()?.onion, nodes[1].address()?.onion];
    nodes[0].client()?.add(&onions[1])?;
    nodes[1].client()?.add(&onions[0])?;
    let ports = [AtomicU16::new(port(&nodes[0])?), AtomicU16::new(port(&nodes[1])?)];
    let mut consumers = consumers(programs, &nodes[1], dir.path());
    let Some(mut deaf) = consumers.pop() else { anyhow::bail!("no consumers") };
    for consumer in &mut consumers {
        consumer.start()?;
    }
    let subscribe = json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": DEAF, "filter": {"kinds": ["received"]}});
    let mut never_read = Api::connect(port(&nodes[1])?)?;
    never_read.ok(subscribe.clone())?;
    // Before the first message, so that every cursor is before it.
    eventually("all consumers have subscribed", SETTLE, || {
        let cursors = Api::connect(port(&nodes[1])?)?.ok(json!({"cmd": "CURSORS"}))?;
        Ok((cursors["cursors"].as_array().is_some_and(|list| list.len() == CONSUMERS.len() + 1)).then_some(()))
    })?;

    let texts: Vec<String> = (0..messages).map(|n| format!("letter {n}")).collect();
    let stop = AtomicBool::new(false);
    let mut report = Report { messages, ..Report::default() };
    let begun = Instant::now();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let sending = scope.spawn(|| send_all(&ports[0], &onions[1], &texts, &stop));
        let mut random = StdRng::seed_from_u64(seed);
        let killing = (|| -> anyhow::Result<()> {
            while !sending.is_finished() {
                // The moment is what is tested; nothing is waited for.
                std::thread::sleep(Duration::from_millis(random.random_range(LIFE_MS / 5..LIFE_MS)));
                let victim = random.random_range(0..consumers.len());
                let (daemon, consumer) = match random.random_range(0..6) {
                    0 => (Some(0), None),
                    1 | 2 => (Some(1), None),
                    3 | 4 => (None, Some(victim)),
                    _ => (Some(1), Some(victim)),
                };
                match (daemon, consumer) {
                    (Some(0), _) => report.sender_kills += 1,
                    (Some(_), None) => report.daemon_kills += 1,
                    (Some(_), Some(_)) => report.both += 1,
                    (None, _) => report.consumer_kills += 1,
                }
                if let Some(consumer) = consumer.and_then(|n| consumers.get_mut(n)) {
                    consumer.kill()?;
                }
                if let Some(n) = daemon {
                    nodes[n].kill()?;
                    nodes[n].start_plain()?;
                    ports[n].store(port(&nodes[n])?, Ordering::Relaxed);
                    if n == 1 {
                        never_read = Api::connect(port(&nodes[1])?)?;
                        never_read.begin(subscribe.clone())?;
                    }
                }
                if let Some(consumer) = consumer.and_then(|n| consumers.get_mut(n)) {
                    consumer.start()?;
                }
            }
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        sending.join().map_err(|_| anyhow::anyhow!("the sending thread panicked"))?.and(killing)
    })?;
    report.sending = begun.elapsed();
    let last = Instant::now();
    let limit = SETTLE + SETTLE_EACH * u32::try_from(messages)?;
    let mut finish = |consumer: &mut Consumer| -> anyhow::Result<()> {
        let done = eventually("everything is worked off", limit, || {
            let diary = consumer.diary(&texts)?;
            Ok(diary.is_complete(messages, cursor(&nodes[1], consumer.name)?).then_some(diary))
        });
        let diary = done.with_context(|| format!("the consumer {}: {:?}", consumer.name, consumer.diary(&texts)))?;
        consumer.kill()?;
        report.diaries.push((consumer.name.to_owned(), diary));
        Ok(())
    };
    for consumer in &mut consumers {
        finish(consumer)?;
    }
    // It has not read a line so far. What was pushed to it was not acknowledged, so it has all of it still before it.
    drop(never_read);
    deaf.start()?;
    finish(&mut deaf)?;
    report.settled = last.elapsed();
    for node in &mut nodes {
        ensure!(!node.log()?.contains("panicked"), "a daemon panicked: {}", node.log()?);
        node.stop()?;
    }
    Ok(report)
}

/// Up to which event a consumer has acknowledged, by the daemon's word.
fn cursor(node: &Node, consumer: &str) -> anyhow::Result<u64> {
    let cursors = Api::connect(port(node)?)?.ok(json!({"cmd": "CURSORS"}))?;
    let known = cursors["cursors"].as_array().into_iter().flatten().find(|cursor| cursor["consumer"] == consumer);
    Ok(known.and_then(|cursor| cursor["seq"].as_u64()).unwrap_or_default())
}

fn port(node: &Node) -> anyhow::Result<u16> {
    Ok(std::fs::read_to_string(node.data().join("port"))?.trim().parse()?)
}

/// Sends each text once: the same key is the same message, whatever became of the first answer.
fn send_all(port: &AtomicU16, to: &str, texts: &[String], stop: &AtomicBool) -> anyhow::Result<()> {
    let mut connection: Option<Api> = None;
    for text in texts {
        let send = json!({"cmd": "SEND", "peer": to, "text": text, "client_id": text});
        // `stop` comes before the end only when a process did not come back.
        while !stop.load(Ordering::Relaxed) {
            if connection.is_none() {
                connection = Api::connect(port.load(Ordering::Relaxed)).ok();
            }
            match connection.as_mut().map(|api| api.ask(send.clone())) {
                Some(Ok(Ok(_))) => break,
                Some(Ok(Err(error))) if error["code"] == "outbox-full" => std::thread::sleep(Duration::from_millis(20)),
                Some(Ok(Err(error))) if error["code"] != "stopping" => anyhow::bail!("SEND was refused: {error}"),
                _ => {
                    connection = None;
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        // A pace at which kills fall into the talk, in the long run as in the short one.
        std::thread::sleep(Duration::from_millis(3));
    }
    Ok(())
}
