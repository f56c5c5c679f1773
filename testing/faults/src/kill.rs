//! kill -9 at random moments under load.

use crate::ledger::{Fate, Ledger};
use crate::node::{Address, Node, direction};
use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use torchat_client::{Client, ClientError};
use torchat_testkit::daemon::eventually;

/// Clients that send, on each side.
const SENDERS: usize = 4;
/// Between two texts of a client: a load that a user could make. At full speed a run of 1,000 kills would be judged by its queues alone.
pub(crate) const PACE: Duration = Duration::from_millis(2);
/// A round's daemon lives at most so long, in milliseconds. A link comes up within some 100 ms after a kill, so that
/// about half of the kills hit daemons that are talking.
pub(crate) const LIFE_MS: u64 = 160;
/// How long everything may take to be delivered after the last kill.
pub(crate) const SETTLE: Duration = Duration::from_secs(120);

/// What a run found.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Kills.
    pub rounds: usize,
    /// Messages acknowledged by END, both directions.
    pub acked: usize,
    /// Messages whose answer was lost with a daemon.
    pub unsure: usize,
    /// Messages that had crossed before the last kill.
    pub crossed_under_fire: usize,
    /// Messages that readers had taken by UPDATE.
    pub taken: usize,
    /// Of them those handed out again after a crash, which the contract allows.
    pub handed_out_again: usize,
    /// The start that half of the starts were faster than: from exec to the first answer.
    pub median_start: Duration,
    /// The longest start.
    pub slowest_start: Duration,
    /// The whole run.
    pub time: Duration,
    /// From the last kill until everything was delivered.
    pub settled: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} kills in {:.1} s: {} messages acknowledged, 0 lost, 0 repeated, 0 out of order; {} crossed under fire, \
             {} answers lost with their daemon, {} messages taken by UPDATE and {} of them handed out again after a \
             crash; starts {:.0} ms (median) and {:.0} ms (slowest); all delivered {:.1} s after the last kill",
            self.rounds,
            self.time.as_secs_f64(),
            self.acked,
            self.crossed_under_fire,
            self.unsure,
            self.taken,
            self.handed_out_again,
            self.median_start.as_secs_f64() * 1e3,
            self.slowest_start.as_secs_f64() * 1e3,
            self.settled.as_secs_f64(),
        )
    }
}

/// Kills one of two daemons `rounds` times. Victims and moments follow from the seed; what the daemons did then does not.
///
/// # Errors
/// Any loss, repetition or disorder, or a daemon that does not come back.
pub fn run(program: &Path, rounds: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let begun = Instant::now();
    let mut nodes = [Node::new(program, dir.path(), 1)?, Node::new(program, dir.path(), 2)?];
    for node in &mut nodes {
        node.start_plain()?;
    }
    let addresses = [nodes[0].address()?, nodes[1].address()?];
    nodes[0].client()?.add(&addresses[1].onion)?;
    nodes[1].client()?.add(&addresses[0].onion)?;

    let stop = AtomicBool::new(false);
    let mut starts = Vec::new();
    // [0]: what the first one's clients sent.
    let (ledgers, reads, crossed) = std::thread::scope(|scope| -> anyhow::Result<_> {
        let mut sending = Vec::new();
        let mut reading = Vec::new();
        for side in 0..2 {
            let (own, peer) = (&addresses[side], addresses[1 - side].onion.as_str());
            for n in 0..SENDERS {
                let stop = &stop;
                sending.push((side, scope.spawn(move || send_until(own, peer, &format!("{side}-{n}"), PACE, stop))));
            }
            let stop = &stop;
            reading.push(scope.spawn(move || read_until(own, peer, stop)));
        }
        let mut random = StdRng::seed_from_u64(seed);
        let killing = (|| -> anyhow::Result<usize> {
            for round in 0..rounds {
                // The moment is what is tested; nothing is waited for.
                std::thread::sleep(Duration::from_millis(random.random_range(0..LIFE_MS)));
                let victim = &mut nodes[random.random_range(0..2)];
                victim.kill()?;
                let start = Instant::now();
                victim.start_plain().with_context(|| format!("after kill {round}"))?;
                starts.push(start.elapsed());
            }
            let mut crossed = 0;
            for side in 0..2 {
                crossed += nodes[side].stored(&addresses[1 - side].onion, "in")?.len();
            }
            Ok(crossed)
        })();
        stop.store(true, Ordering::Relaxed);
        let mut ledgers = [Ledger::default(), Ledger::default()];
        for (side, thread) in sending {
            ledgers[side].merge(thread.join().map_err(|_| anyhow::anyhow!("a sending thread panicked"))??);
        }
        let mut reads = Vec::new();
        for thread in reading {
            reads.push(thread.join().map_err(|_| anyhow::anyhow!("a reading thread panicked"))??);
        }
        Ok((ledgers, reads, killing?))
    })?;

    let last = Instant::now();
    let acked = ledgers[0].acked() + ledgers[1].acked();
    let mut stored = 0;
    for side in 0..2 {
        let peer = &addresses[1 - side].onion;
        let sent = eventually("everything is delivered", SETTLE, || {
            let sent = nodes[side].stored(peer, "out")?;
            let arrived = nodes[1 - side].stored(&addresses[side].onion, "in")?;
            ensure!(arrived.len() >= sent.len(), "{} of {} arrived", arrived.len(), sent.len());
            Ok(Some(sent))
        })?;
        let arrived = nodes[1 - side].stored(&addresses[side].onion, "in")?;
        ledgers[side].check(&arrived).with_context(|| format!("messages of side {side}"))?;
        ensure!(sent == arrived, "sender and receiver remember different conversations");
        // The same through the door that users have, as far back as it shows.
        let shown = direction(nodes[1 - side].client()?.history(&addresses[side].onion, 10_000)?, "in");
        ensure!(arrived.ends_with(&shown) && !shown.is_empty(), "HISTORY shows something else than the store holds");
        stored += arrived.len();
    }
    let settled = last.elapsed();
    let mut taken = 0;
    let mut handed_out_again = 0;
    for (side, mut read) in reads.into_iter().enumerate() {
        drain(&nodes[side], &addresses[1 - side].onion, &mut read)?;
        let arrived = nodes[side].stored(&addresses[1 - side].onion, "in")?;
        let again = read.judge(&arrived)?;
        taken += read.texts.len();
        handed_out_again += again;
    }
    for node in &mut nodes {
        ensure!(!node.log()?.contains("panicked"), "a daemon panicked: {}", node.log()?);
        node.stop()?;
    }
    let unsure = stored.saturating_sub(acked);
    let time = begun.elapsed();
    starts.sort_unstable();
    Ok(Report {
        rounds,
        acked,
        unsure,
        crossed_under_fire: crossed,
        taken,
        handed_out_again,
        median_start: starts.get(starts.len() / 2).copied().unwrap_or_default(),
        slowest_start: starts.last().copied().unwrap_or_default(),
        time,
        settled,
    })
}

/// Sends texts to a peer or a room until `stop`, on a new connection whenever the daemon was killed.
pub(crate) fn send_until(
    own: &Address,
    peer: &str,
    name: &str,
    pace: Duration,
    stop: &AtomicBool,
) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::default();
    let mut connection: Option<Client> = None;
    let mut number = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let Some(client) = connection.as_mut() else {
            connection = own.connect();
            if connection.is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            continue;
        };
        number += 1;
        let text = format!("{name} {number}");
        let fate = match client.send(peer, &text) {
            Ok(()) => Fate::Acked,
            Err(ClientError::Refused { code, .. }) if code == "outbox-full" => {
                std::thread::sleep(Duration::from_millis(5));
                Fate::Refused
            }
            Err(ClientError::Refused { code, message, .. }) => bail!("SEND was refused: {message} ({code})"),
            Err(_) => {
                connection = None;
                Fate::Unsure
            }
        };
        ledger.note(text, fate);
        std::thread::sleep(pace);
    }
    Ok(ledger)
}

/// What a reader was handed out by UPDATE, and how often its connection broke.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) texts: Vec<String>,
    broken: usize,
}

impl Reads {
    /// Everything that arrived was handed out, in order; again only after a broken connection, and only the last one.
    pub(crate) fn judge(&self, arrived: &[(String, String)]) -> anyhow::Result<usize> {
        let mut expected = arrived.iter().map(|(_, text)| text);
        let mut again = 0;
        let mut last: Option<&String> = None;
        for text in &self.texts {
            if last == Some(text) {
                again += 1;
                continue;
            }
            let next = expected.next();
            ensure!(next == Some(text), "UPDATE handed out {text:?} where {next:?} was next, after {last:?}");
            last = Some(text);
        }
        ensure!(expected.next().is_none(), "UPDATE never handed out something that arrived");
        ensure!(again <= self.broken, "{again} messages were handed out again with {} crashes", self.broken);
        Ok(again)
    }
}

/// Takes messages and looks at the history, on a new connection whenever the daemon was killed.
pub(crate) fn read_until(own: &Address, peer: &str, stop: &AtomicBool) -> anyhow::Result<Reads> {
    let mut reads = Reads::default();
    let mut connection: Option<Client> = None;
    let mut turn = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let Some(client) = connection.as_mut() else {
            connection = own.connect();
            if connection.is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            continue;
        };
        turn += 1;
        let answer = client.update(peer).map(|message| {
            let nothing = message.is_none();
            reads.texts.extend(message.map(|message| message.text));
            nothing
        });
        let answer = match answer {
            Ok(nothing) if nothing || turn.is_multiple_of(20) => client.history(peer, 50).map(Some),
            other => other.map(|_| None),
        };
        match answer {
            Ok(None) => {}
            Ok(Some(lines)) => {
                let ids: HashSet<_> = lines.iter().map(|line| (&line.dir, &line.mid)).collect();
                ensure!(ids.len() == lines.len(), "HISTORY shows a message id twice");
            }
            Err(ClientError::Refused { code, message, .. }) => bail!("reading was refused: {message} ({code})"),
            Err(_) => {
                connection = None;
                reads.broken += 1;
            }
        }
    }
    // The connection's last message was taken by the connection's orderly end or is handed out once more.
    reads.broken += 1;
    Ok(reads)
}

/// Takes the rest.
pub(crate) fn drain(node: &Node, peer: &str, reads: &mut Reads) -> anyhow::Result<()> {
    let mut client = node.client()?;
    // An UPDATE that meets a message still held by another connection answers END after a while, so GET_PEERS decides.
    eventually("everything is read", Duration::from_secs(60), || {
        while let Some(message) = client.update(peer)? {
            reads.texts.push(message.text);
        }
        Ok((!client.peers()?.contains(&peer.to_owned())).then_some(()))
    })
}
