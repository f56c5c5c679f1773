//! A steady trickle of messages both ways, and when each arrived.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};
use torchat_client::{Client, ClientError, Line};
use torchat_testkit::daemon::eventually;

/// Between two looks, and two attempts to reach a daemon that is being started.
const LOOK: Duration = Duration::from_millis(20);
/// How long a request may take. Longer than any daemon is suspended: a request that was given up might still be executed
/// when it wakes, and would then be taken for a repetition.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a daemon that replaces itself may take until it answers again.
const REPLACED: Duration = Duration::from_secs(60);
/// Messages among which the newest one is looked for.
const RECENT: u32 = 40;
/// Messages among which a text is looked for whose answer was lost. While the daemon was away, its peer's mail queued up,
/// and may stand after it already.
const UNSURE: u32 = 5_000;

/// Both directions of a round. Index 0 is from a to b, index 1 from b to a.
pub(super) struct Traffic {
    round: usize,
    pace: Duration,
    directions: [Direction; 2],
    stop: AtomicBool,
    failed: AtomicBool,
}

struct Direction {
    sender: PathBuf,
    receiver: PathBuf,
    sender_onion: String,
    receiver_onion: String,
    /// Messages that END was the answer to.
    accepted: AtomicUsize,
    arrivals: Mutex<Vec<Arrival>>,
}

/// How many messages the receiver was seen to have.
#[derive(Clone, Copy)]
struct Arrival {
    at: Instant,
    count: usize,
}

/// What had arrived at a moment.
pub(super) struct Baseline([usize; 2]);

/// The threads of a round.
pub(super) struct Threads<'scope> {
    senders: Vec<ScopedJoinHandle<'scope, anyhow::Result<()>>>,
    observers: Vec<ScopedJoinHandle<'scope, ()>>,
}

impl Traffic {
    /// `data` are the data directories of a and b; `round` makes the texts of this round different from all others.
    pub(super) fn new(data: [PathBuf; 2], onions: &[String; 2], round: usize, pace: Duration) -> Self {
        let directions = [(0, 1), (1, 0)].map(|(from, to)| Direction {
            sender: data[from].clone(),
            receiver: data[to].clone(),
            sender_onion: onions[from].clone(),
            receiver_onion: onions[to].clone(),
            accepted: AtomicUsize::new(0),
            arrivals: Mutex::default(),
        });
        Self { round, pace, directions, stop: AtomicBool::new(false), failed: AtomicBool::new(false) }
    }

    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Threads<'scope> {
        let send = |from: usize| {
            scope.spawn(move || {
                let result = self.send(from);
                if result.is_err() {
                    self.failed.store(true, Ordering::Relaxed);
                }
                result
            })
        };
        let observe = |from: usize| scope.spawn(move || self.observe(from));
        Threads { senders: vec![send(0), send(1)], observers: vec![observe(0), observe(1)] }
    }

    /// Lets the threads end, after what they are doing.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// When a sender has ended, which tells why at its join.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            bail!("a sender has ended");
        }
        Ok(())
    }

    /// Every text that was accepted in a direction, in order.
    pub(super) fn accepted(&self, from: usize) -> Vec<String> {
        (0..self.directions[from].accepted.load(Ordering::Acquire)).map(|n| self.text(from, n)).collect()
    }

    /// Whether a text is of this round.
    pub(super) fn is_ours(&self, text: &str) -> bool {
        (0..2).any(|from| text.starts_with(&self.prefix(from)))
    }

    /// What the receivers have now, by their own word: mail may be durable there and not seen by us, when they were
    /// killed. A daemon that is just replacing itself is asked again.
    pub(super) fn baseline(&self) -> anyhow::Result<Baseline> {
        let count = |from: usize| {
            let direction = &self.directions[from];
            let lines = eventually("the receiver answers", REPLACED, || {
                let mut client = connect(&direction.receiver).context("nobody listens")?;
                Ok(Some(client.history(&direction.sender_onion, UNSURE)?))
            })?;
            anyhow::Ok(self.newest(from, &lines).unwrap_or_default())
        };
        Ok(Baseline([count(0)?, count(1)?]))
    }

    /// When more than the baseline was there in both directions.
    pub(super) fn first_after(&self, baseline: &Baseline) -> Option<Instant> {
        let first = |from: usize| {
            let arrivals = self.arrivals(from);
            // The newest are last, and the wanted one is among them.
            let newer = arrivals.iter().rev().take_while(|arrival| arrival.count > baseline.0[from]);
            newer.last().map(|arrival| arrival.at)
        };
        first(0)?.max(first(1)?).into()
    }

    /// The longest time before `at` in which nothing arrived in a direction, of that which lies after `since`.
    pub(super) fn silence_before(&self, at: Instant, since: Instant) -> Duration {
        let silence = |from: usize| {
            let arrivals = self.arrivals(from);
            let last = arrivals.iter().rev().find(|arrival| arrival.at <= at).map_or(since, |arrival| arrival.at);
            at.saturating_duration_since(last.max(since))
        };
        silence(0).max(silence(1))
    }

    fn arrivals(&self, from: usize) -> MutexGuard<'_, Vec<Arrival>> {
        self.directions[from].arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prefix(&self, from: usize) -> String {
        format!("round {} from {} ", self.round, ["a", "b"][from])
    }

    fn text(&self, from: usize, n: usize) -> String {
        format!("{}{n}", self.prefix(from))
    }

    /// The number of received messages, from the newest one among some lines.
    fn newest(&self, from: usize, lines: &[Line]) -> Option<usize> {
        let prefix = self.prefix(from);
        let newest = lines.iter().rev().find(|line| line.dir == "in")?;
        Some(newest.text.strip_prefix(&prefix)?.parse::<usize>().ok()? + 1)
    }

    /// Sends until the end, one message after the other, each acknowledged. What has no answer, because the daemon was
    /// killed, is looked for before it is sent again.
    fn send(&self, from: usize) -> anyhow::Result<()> {
        let direction = &self.directions[from];
        let peer = &direction.receiver_onion;
        let mut client: Option<Client> = None;
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(self.pace);
            let text = self.text(from, direction.accepted.load(Ordering::Relaxed));
            let mut unsure = false;
            loop {
                let Some(connected) = client.as_mut() else {
                    client = connect(&direction.sender);
                    if client.is_none() {
                        std::thread::sleep(LOOK);
                    }
                    continue;
                };
                match send_once(connected, peer, &text, unsure) {
                    Ok(()) => break,
                    Err(ClientError::Refused { code, message, .. }) => bail!("SEND was refused: {message} ({code})"),
                    Err(_) => {
                        unsure = true;
                        client = None;
                    }
                }
            }
            direction.accepted.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    /// Watches what arrives, until the end.
    fn observe(&self, from: usize) {
        let direction = &self.directions[from];
        let mut client: Option<Client> = None;
        let mut last = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if client.is_none() {
                client = connect(&direction.receiver);
            }
            let lines = client.as_mut().map(|client| client.history(&direction.sender_onion, RECENT));
            match lines {
                Some(Ok(lines)) => {
                    let at = Instant::now();
                    if let Some(count) = self.newest(from, &lines).filter(|count| *count > last) {
                        last = count;
                        self.arrivals(from).push(Arrival { at, count });
                    }
                }
                // It was killed; the next look connects again.
                Some(Err(_)) => client = None,
                None => {}
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Threads<'_> {
    /// Waits for their end.
    pub(super) fn join(self) -> anyhow::Result<()> {
        let panicked = || anyhow::anyhow!("a thread of the traffic panicked");
        for observer in self.observers {
            observer.join().map_err(|_| panicked())?;
        }
        self.senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| panicked())?)
    }
}

fn send_once(client: &mut Client, peer: &str, text: &str, unsure: bool) -> Result<(), ClientError> {
    if unsure && client.history(peer, UNSURE)?.iter().any(|line| line.dir == "out" && line.text == text) {
        return Ok(());
    }
    client.send(peer, text)
}

fn connect(data: &Path) -> Option<Client> {
    // Not the port: that of a killed daemon may be another program's by now.
    Client::connect_unix(&data.join("control.sock"), PATIENCE).ok()
}
