//! The power goes while two daemons talk: images of both disks of the same moment, opened again.

use crate::image::{Disk, Image, write};
use crate::ledger::{Fate, Ledger};
use crate::node::{Address, Node, Started, stored, strace};
use crate::record::{self, Call};
use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::Connection;
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};
use torchat_client::ClientError;
use torchat_engine::store::{Reader, Store};
use torchat_testkit::daemon::eventually;

/// How long strace may take to end, and a talk to settle.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Pairs of images, each opened and checked.
    pub images: usize,
    /// Of them those that real daemons were started on, and talked until everything was delivered.
    pub with_daemons: usize,
    /// System calls in both logs.
    pub calls: usize,
    /// Acknowledged messages that were looked for, all images together.
    pub acked: usize,
    /// The whole run.
    pub time: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} power cuts of two daemons ({} changes of files in the log) in {:.1} s: {} acknowledged messages looked \
             for, 0 lost, 0 repeated, 0 out of order, 0 damaged stores; on {} of them both daemons were started and \
             delivered all the rest",
            self.images,
            self.calls,
            self.time.as_secs_f64(),
            self.acked,
            self.with_daemons,
        )
    }
}

/// A text, and when its sender had END.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) acked: u64,
    /// It waited for the delivery, so its END is the peer's ACK.
    pub(crate) delivered: bool,
}

/// What a ledger says of them at a moment. `at_peer`: of what must be there by then.
pub(crate) fn ledger(said: &[Said], moment: u64, at_peer: bool) -> Ledger {
    let mut ledger = Ledger::default();
    for one in said {
        let acked = one.acked <= moment && (one.delivered || !at_peer);
        ledger.note(one.text.clone(), if acked { Fate::Acked } else { Fate::Unsure });
    }
    ledger
}

/// Whether a disk does what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disks {
    /// A sync returns when everything is durable.
    Honest,
    /// A sync returns at once and does nothing, which no daemon can survive: to show that losses are found.
    Lying,
}

/// Records two daemons under load, then cuts their power at `images` moments; on every `sample`th image both daemons run.
///
/// # Errors
/// The first violation, with its image's number: `seed` gives the same choices over another recording.
pub fn run(
    program: &Path,
    disks: Disks,
    messages: usize,
    images: usize,
    sample: usize,
    seed: u64,
) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let dir = tempfile::tempdir()?;
    let mut nodes = [Node::new(program, dir.path(), 1)?, Node::new(program, dir.path(), 2)?];
    let recorder = Recorder::start(&mut nodes, dir.path(), disks)?;
    let said = load(&nodes, messages)?;
    let onions = [nodes[0].address()?.onion, nodes[1].address()?.onion];
    let recordings = recorder.stop(&mut nodes)?;
    let mut report = Report { calls: recordings.iter().map(Vec::len).sum(), ..Report::default() };
    cut(&recordings, images, seed, |number, moment, place| {
        let with_daemons = number % sample == sample - 1;
        report.acked += judge(program, place, &said, moment, &onions, with_daemons)?;
        report.images += 1;
        report.with_daemons += usize::from(with_daemons);
        Ok(())
    })?;
    report.time = begun.elapsed();
    ensure!(report.acked > 0, "no image held an acknowledged message: nothing was tested");
    Ok(report)
}

/// Daemons that run under strace.
pub(crate) struct Recorder(Vec<PathBuf>);

impl Recorder {
    /// Starts them, with their logs in `dir`.
    pub(crate) fn start(nodes: &mut [Node], dir: &Path, disks: Disks) -> anyhow::Result<Self> {
        let mut logs = Vec::new();
        for (n, node) in nodes.iter_mut().enumerate() {
            let log = dir.join(format!("log{}", n + 1));
            let mut tracer = record::tracer(&log);
            if disks == Disks::Lying {
                tracer.extend(["-e", "inject=fsync,fdatasync:retval=0"].map(Into::into));
            }
            if let Started::Ended(status) = node.start(Some(&tracer))? {
                anyhow::bail!("it ended with {status}: {}", node.log()?);
            }
            logs.push(log);
        }
        Ok(Self(logs))
    }

    /// Stops them. Returns what each did to its files.
    pub(crate) fn stop(self, nodes: &mut [Node]) -> anyhow::Result<Vec<Vec<Call>>> {
        let mut recordings = Vec::new();
        for (node, log) in nodes.iter_mut().zip(&self.0) {
            let pid = node.pid().context("it does not run")?;
            node.stop()?;
            eventually("strace has ended", PATIENCE, || Ok(record::is_complete(log, pid)?.then_some(())))?;
            recordings.push(record::read(log, node.data())?);
        }
        Ok(recordings)
    }
}

/// Cuts the power of all daemons at `images` moments. `judge` gets the number of the image, its moment, and where it is: one data directory
/// for each, `node1` and so on.
///
/// # Errors
/// The first violation, with its image's number.
pub(crate) fn cut(
    recordings: &[Vec<Call>],
    images: usize,
    seed: u64,
    mut judge: impl FnMut(usize, u64, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let all: Vec<&Call> = recordings.iter().flatten().collect();
    let moments = moments(&all, images, &mut random)?;
    let mut disks: Vec<_> = recordings.iter().map(|calls| Cursor::new(calls)).collect();
    for (number, moment) in moments.into_iter().enumerate() {
        let place = tempfile::tempdir()?;
        for (side, disk) in disks.iter_mut().enumerate() {
            write(&disk.at(moment, &mut random), &place.path().join(format!("node{}", side + 1)))?;
        }
        judge(number, moment, place.path()).with_context(|| format!("image {number} of seed {seed}"))?;
    }
    Ok(())
}

/// Both sides send and read at the same time. `[0]`: what the first one's clients said.
fn load(nodes: &[Node; 2], messages: usize) -> anyhow::Result<[Vec<Said>; 2]> {
    let addresses = [nodes[0].address()?, nodes[1].address()?];
    nodes[0].client()?.add(&addresses[1].onion)?;
    nodes[1].client()?.add(&addresses[0].onion)?;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut readers = Vec::new();
        for side in 0..2 {
            let (own, peer) = (&addresses[side], addresses[1 - side].onion.as_str());
            for sender in 0..3 {
                let name = format!("{side}-{sender}");
                threads.push((side, scope.spawn(move || say(own, peer, &name, messages, sender == 0))));
            }
            readers.push(scope.spawn(move || -> anyhow::Result<()> {
                let mut client = own.connect().context("it does not answer")?;
                let mut read = 0;
                eventually("everything is read", PATIENCE, || {
                    while client.update(peer)?.is_some() {
                        read += 1;
                    }
                    Ok((read >= 3 * messages).then_some(()))
                })
            }));
        }
        let mut said = [Vec::new(), Vec::new()];
        for (side, thread) in threads {
            said[side].extend(thread.join().map_err(|_| anyhow::anyhow!("a sending thread panicked"))??);
        }
        for reader in readers {
            reader.join().map_err(|_| anyhow::anyhow!("a reading thread panicked"))??;
        }
        Ok(said)
    })
}

/// Sends messages to a peer or a room; `delivered`: waits for each until it is delivered.
pub(crate) fn say(
    own: &Address,
    peer: &str,
    name: &str,
    messages: usize,
    delivered: bool,
) -> anyhow::Result<Vec<Said>> {
    let mut client = own.connect().context("it does not answer")?;
    let mut said = Vec::new();
    for n in 0..messages {
        // Some are longer than a page.
        let text = format!("{name}{} {n}", "x".repeat(if n % 7 == 0 { 5_000 } else { 0 }));
        let sent = if delivered { client.send_and_wait(peer, &text, 60) } else { client.send(peer, &text) };
        sent.map_err(|error: ClientError| anyhow::anyhow!("SEND: {error}"))?;
        said.push(Said { text, acked: now(), delivered });
    }
    Ok(said)
}

/// Nanoseconds since 1970, as strace counts.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Ascending: half of them anywhere, half at the very begin or end of a change, where an order would be wrong.
fn moments(calls: &[&Call], images: usize, random: &mut StdRng) -> anyhow::Result<Vec<u64>> {
    let first = calls.iter().map(|call| call.start).min().context("the log holds no change")?;
    let last = calls.iter().map(|call| call.end).filter(|end| *end != u64::MAX).max().unwrap_or(first);
    let mut moments: Vec<u64> = (0..images)
        .map(|n| {
            let call = calls.get(random.random_range(0..calls.len()));
            match (n % 4, call) {
                (0, Some(call)) => call.start,
                (1, Some(call)) => call.end.min(last),
                _ => random.random_range(first..=last),
            }
        })
        .collect();
    moments.sort_unstable();
    Ok(moments)
}

/// A disk that goes forward through a recording.
struct Cursor<'a> {
    calls: &'a [Call],
    next: usize,
    disk: Disk,
}

impl<'a> Cursor<'a> {
    fn new(calls: &'a [Call]) -> Self {
        Self { calls, next: 0, disk: Disk::default() }
    }

    /// An image of a moment; moments must not go back.
    fn at(&mut self, moment: u64, random: &mut StdRng) -> Image {
        while let Some(call) = self.calls.get(self.next).filter(|call| call.end <= moment) {
            self.disk.apply(call);
            self.next += 1;
        }
        let rest = self.calls.get(self.next..).unwrap_or_default();
        let under_way: Vec<&Call> = rest.iter().filter(|call| call.start < moment).collect();
        self.disk.cut(&under_way, random)
    }
}

/// A store opens, and is whole.
pub(crate) fn opens(database: &Path) -> anyhow::Result<()> {
    // As the daemon opens it, which makes a new one where none was durable yet.
    drop(Store::open(database).context("the store does not open")?);
    integrity(database)?;
    Reader::of_file(database.to_owned()).snapshot().context("the store is not consistent")?;
    Ok(())
}

fn integrity(database: &Path) -> anyhow::Result<()> {
    let db = Connection::open(database)?;
    let answer: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(answer == "ok", "integrity_check of {}: {answer}", database.display());
    Ok(())
}

/// Opens both images. Returns how many acknowledged messages were looked for.
pub(crate) fn judge(
    program: &Path,
    place: &Path,
    said: &[Vec<Said>; 2],
    moment: u64,
    onions: &[String; 2],
    with_daemons: bool,
) -> anyhow::Result<usize> {
    let database = |side: usize| place.join(format!("node{}", side + 1)).join("torchat.db");
    let mut looked_for = 0;
    let mut lists = Vec::new();
    for side in 0..2 {
        let path = database(side);
        opens(&path).with_context(|| format!("side {side}"))?;
        let (sent, arrived) = (stored(&path, &onions[1 - side], "out")?, stored(&path, &onions[1 - side], "in")?);
        looked_for +=
            ledger(&said[side], moment, false).check(&sent).with_context(|| format!("sent by side {side}"))?.acked;
        let there = ledger(&said[1 - side], moment, true)
            .check(&arrived)
            .with_context(|| format!("received by side {side}"))?;
        looked_for += there.acked;
        lists.push((sent, arrived));
    }
    for side in 0..2 {
        let (sent, arrived) = (&lists[side].0, &lists[1 - side].1);
        ensure!(sent.starts_with(arrived), "side {side} has forgotten something that its peer has");
    }
    if with_daemons {
        let mut nodes = [Node::new(program, place, 1)?, Node::new(program, place, 2)?];
        nodes[0].start_plain()?;
        nodes[1].start_plain()?;
        // A contact that was not durable at the moment is made again: without it nothing is to be delivered.
        nodes[0].client()?.add(&onions[1])?;
        nodes[1].client()?.add(&onions[0])?;
        for side in 0..2 {
            let sent = nodes[side].stored(&onions[1 - side], "out")?;
            ensure!(sent == lists[side].0, "the daemon found other messages than the store");
            eventually("the rest is delivered", PATIENCE, || {
                let arrived = nodes[1 - side].stored(&onions[side], "in")?;
                ensure!(arrived.len() >= sent.len(), "{} of {} arrived", arrived.len(), sent.len());
                ensure!(arrived == sent, "another conversation than the sender's");
                Ok(Some(()))
            })?;
            ledger(&said[side], moment, false).check(&nodes[1 - side].stored(&onions[side], "in")?)?;
        }
        for node in &mut nodes {
            node.stop()?;
            ensure!(!node.log()?.contains("panicked"), "it panicked: {}", node.log()?);
        }
    }
    Ok(looked_for)
}

/// What the same tool finds in a database that is written with SQLite's setting `synchronous`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// Images.
    pub images: usize,
    /// Of them those that had lost rows.
    pub with_losses: usize,
    /// Rows that were acknowledged and lost, all images together.
    pub lost: usize,
}

/// Commits `rows` rows one by one and says the number of each on stdout after its commit.
///
/// # Errors
/// When SQLite or stdout fails.
pub fn write_rows(database: &Path, synchronous: &str, rows: u32) -> anyhow::Result<()> {
    let db = Connection::open(database)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS line (n INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
    let mut out = std::io::stdout().lock();
    for n in 0..rows {
        db.execute("INSERT INTO line VALUES (?1, ?2)", rusqlite::params![n, "x".repeat(300)])?;
        writeln!(out, "{n}")?;
        out.flush()?;
    }
    Ok(())
}

/// Shows that the tool can find a fault: `faults rows` as the writer, recorded and cut as the daemons are.
///
/// # Errors
/// When the recording fails or an image is damaged, which neither setting allows.
pub fn rows(faults: &Path, synchronous: &str, rows: u32, images: usize, seed: u64) -> anyhow::Result<Rows> {
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    std::fs::create_dir(&data)?;
    let mut command = strace()?;
    command.arg("-D").args(record::tracer(&log)).arg(faults).arg("rows");
    command.args(["--synchronous", synchronous, "--rows", &rows.to_string()]).arg(data.join("torchat.db"));
    let mut child = Guard(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let mut acked = Vec::new();
    for line in BufReader::new(child.0.stdout.take().context("no output")?).lines() {
        acked.push((line?.parse::<u32>()?, now()));
    }
    let status = child.0.wait()?;
    ensure!(status.success() && acked.len() == rows as usize, "the writer ended with {status}");
    let pid = child.0.id();
    eventually("strace has ended", PATIENCE, || Ok(record::is_complete(&log, pid)?.then_some(())))?;
    let calls = record::read(&log, &data)?;
    let mut random = StdRng::seed_from_u64(seed);
    let moments = moments(&calls.iter().collect::<Vec<_>>(), images, &mut random)?;
    let mut disk = Cursor::new(&calls);
    let mut found = Rows { images, ..Rows::default() };
    for moment in moments {
        let place = tempfile::tempdir()?;
        write(&disk.at(moment, &mut random), place.path())?;
        let database = place.path().join("torchat.db");
        integrity(&database)?;
        let db = Connection::open(&database)?;
        let there: HashSet<u32> = match db.prepare("SELECT n FROM line") {
            Ok(mut query) => query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?,
            // The table itself was not durable yet.
            Err(_) => HashSet::new(),
        };
        let lost = acked.iter().filter(|(n, at)| *at <= moment && !there.contains(n)).count();
        found.with_losses += usize::from(lost > 0);
        found.lost += lost;
    }
    Ok(found)
}

/// Ends a process whatever happens.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
