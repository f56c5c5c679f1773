//! Figures of the screen: the real client on a terminal, a real daemon with many conversations behind it.
//!
//! Aims: a key on the screen within 5 ms (p50) and 16 ms (p99), the first screen within 100 ms, 20 MB of memory, no
//! processor time while nothing happens.

use crate::process::{Recipe, sibling};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_client::api::{Address, Connection, Onion, command};
use torchat_core::op::{ChatOp, ContactOp, Op};
use torchat_engine::store::{Retention, Store};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_testkit::pty::{PATIENCE, Screen, framed};

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Sizes {
    /// Conversations in the store.
    #[arg(default_value_t = 100)]
    conversations: usize,
    /// Messages in the store.
    #[arg(default_value_t = 1_000_000)]
    messages: usize,
    /// Where the store is, and stays: filled if it is not there.
    store: Option<PathBuf>,
}

const KEYS: usize = 500;
/// Messages of a commit.
const COMMIT: usize = 10_000;
/// Texts that are indexed in one commit.
const INDEX: u32 = 10_000;
/// When the first message came.
const FIRST_MS: i64 = 1_750_000_000_000;
/// Between two messages.
const STEP_MS: i64 = 10_000;
/// How long nothing happens, to see that nothing happens.
const IDLE: Duration = Duration::from_secs(30);

/// Measures, and prints.
pub(crate) fn run(folder: &Path, sizes: &Sizes) -> anyhow::Result<()> {
    let Sizes { conversations, messages, store } = sizes;
    let (conversations, messages) = (*conversations, *messages);
    let program = sibling("torchat")?;
    let home = store.as_deref().unwrap_or(folder).join("ann");
    let data = home.join("data/torchatd");
    std::fs::create_dir_all(&data)?;
    let (store, filled) = (data.join("torchat.db"), Instant::now());
    if !store.exists() {
        fill(&store, conversations, messages)?;
    }
    println!("{conversations} conversations, {messages} messages (filled in {:.0?})", filled.elapsed());
    let recipe = Recipe::loopback_of(&sibling("loopback-daemon")?, &data, &home.with_extension("peers"), 21)?;
    let daemon = recipe.start()?;
    name(daemon.port, conversations)?;
    let open = || Screen::at_home(&home, &program, (120, 40), PATIENCE);

    let mut starts = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut screen = open();
        screen.see("message number");
        starts.push(begun.elapsed());
        screen.keys("\x11");
        screen.end();
    }
    print("start to the first full screen (with setsid and the terminal)", &mut starts);

    let mut screen = open();
    screen.see("message number");
    let mut typed = Vec::new();
    for n in 0..KEYS {
        let key = char::from(b'a' + u8::try_from(n % 26)?);
        let count = |screen: &vt100::Screen| cursor_column(screen);
        let before = screen.wait("a cursor", |screen| Some(count(screen)));
        if n % 60 == 59 {
            screen.keys("\x15");
            screen.wait("an empty input", |screen| (cursor_column(screen) < before).then_some(()));
            continue;
        }
        let begun = Instant::now();
        screen.keys(&key.to_string());
        screen.wait("the key", |screen| (count(screen) != before).then_some(()));
        typed.push(begun.elapsed());
    }
    print("a typed key on the screen", &mut typed);

    screen.keys("\x15");
    let pid = screen.pid();
    let (mut scrolled, mut shares) = (Vec::new(), Shares::default());
    for n in 0..200 {
        quiet(&screen, 40);
        let before = screen.frame();
        let spent = Spent::of(pid)?;
        let begun = Instant::now();
        // Up and down again: there is always a page in this direction.
        screen.keys(if n % 2 == 0 { "\x1b[5~" } else { "\x1b[6~" });
        screen.wait("another page", |screen| (framed(screen) != before).then_some(()));
        scrolled.push(begun.elapsed());
        shares.add(spent, Spent::of(pid)?);
    }
    print("a page scrolled", &mut scrolled);
    shares.print();
    let (mut switched, mut shares) = (Vec::new(), Shares::default());
    for n in 0..200 {
        quiet(&screen, 40);
        let before = screen.frame();
        let spent = Spent::of(pid)?;
        let begun = Instant::now();
        screen.keys(if n % 60 < 40 { "\x0e" } else { "\x10" });
        screen.wait("another conversation", |screen| (framed(screen) != before).then_some(()));
        switched.push(begun.elapsed());
        shares.add(spent, Spent::of(pid)?);
    }
    print("another conversation (its first change on the screen)", &mut switched);
    shares.print();

    println!("memory: {:.1} MB resident", resident_mb(pid)?);
    // What was asked last is answered.
    quiet(&screen, 1_000);
    let (before, written) = (cpu_ticks(pid)?, screen.output().len());
    std::thread::sleep(IDLE);
    println!(
        "idle for {IDLE:?}: {} ticks of 10 ms of processor time, {} bytes written to the terminal",
        cpu_ticks(pid)? - before,
        screen.output().len() - written
    );
    screen.keys("\x11");
    screen.end();
    daemon.stop()
}

/// Waits until nothing was drawn for this many milliseconds: what is measured next is not the rest of something else.
fn quiet(screen: &Screen, ms: u64) {
    let mut last = screen.pieces();
    loop {
        std::thread::sleep(Duration::from_millis(ms));
        let now = screen.pieces();
        if now == last {
            return;
        }
        last = now;
    }
}

/// Fills a store that is not there yet, by the store's own commits: half of the messages received and read, half sent and
/// delivered, and every text in the search's index.
fn fill(path: &Path, conversations: usize, messages: usize) -> anyhow::Result<()> {
    let mut store = Store::open(path)?;
    store.set_retention(Retention { events: 1_000, ..Retention::default() });
    let mut lanes: Vec<(PeerId, Lane)> = onions().map(|onion| onion.0).zip(lanes()).take(conversations).collect();
    let ops: Vec<Op> =
        lanes.iter().map(|(peer, _)| Op::Contacts(ContactOp::Add { peer: *peer, at_ms: FIRST_MS })).collect();
    store.commit(FIRST_MS, &ops)?;
    for first in (0..messages).step_by(COMMIT) {
        let mut ops = Vec::new();
        for n in first..messages.min(first + COMMIT) {
            // Each conversation gets both directions, whatever their number.
            let (at, sent) = (n % conversations, (n / conversations).is_multiple_of(2));
            let (peer, lane) = lanes.get_mut(at).context("a peer")?;
            let text = format!("message number {n}: {}", "some words of a text ".repeat(n % 7));
            ops.push(lane.message(*peer, n, sent, text)?);
        }
        let at_ms = moment(first + COMMIT)?;
        for (peer, lane) in &lanes {
            let (peer, upto, chain) = (*peer, lane.sent, lane.sent_chain);
            ops.push(Op::Chat(ChatOp::Delivered { peer, lane: lane.lane, upto, chain, late: Vec::new(), at_ms }));
            ops.push(Op::Chat(ChatOp::ReadUpto { peer, upto: i64::MAX, limit: u32::MAX }));
        }
        store.commit(at_ms, &ops)?;
        while store.index(INDEX)? {}
    }
    store.checkpoint()?;
    Ok(())
}

/// Both directions of a conversation.
struct Lane {
    lane: LaneId,
    sent: u64,
    sent_chain: Chain,
    received: u64,
    received_chain: Chain,
}

fn lanes() -> impl Iterator<Item = Lane> {
    let (sent_chain, received_chain) = (Chain::EMPTY, Chain::EMPTY);
    (1_u64..).map(move |n| Lane { lane: LaneId(n.to_be_bytes()), sent: 0, sent_chain, received: 0, received_chain })
}

impl Lane {
    fn message(&mut self, peer: PeerId, n: usize, sent: bool, text: String) -> anyhow::Result<Op> {
        let (lane, at_ms, mid) = (self.lane, moment(n)?, MessageId((n as u128).to_be_bytes()));
        Ok(if sent {
            self.sent += 1;
            self.sent_chain = self.sent_chain.next(mid);
            let (seq, chain) = (self.sent, self.sent_chain);
            Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, at_ms, until_ms: None, client: None, text })
        } else {
            self.received += 1;
            self.received_chain = self.received_chain.next(mid);
            let (seq, chain) = (self.received, self.received_chain);
            Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid, sent_s: at_ms.unsigned_abs() / 1000, at_ms, text })
        })
    }
}

fn moment(n: usize) -> anyhow::Result<i64> {
    Ok(FIRST_MS + STEP_MS * i64::try_from(n)?)
}

/// Names the contacts, as a user would.
fn name(port: u16, conversations: usize) -> anyhow::Result<()> {
    let connection = Connection::open(&Address::tcp(port))?;
    for (n, peer) in onions().take(conversations).enumerate() {
        connection.call(&command::Rename { peer: peer.into(), name: format!("friend no. {n}") })?;
    }
    Ok(())
}

/// Onions of nobody: points of the curve, counted up.
fn onions() -> impl Iterator<Item = Onion> {
    (0u32..).filter_map(|n| {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&n.to_le_bytes());
        PeerId::from_key(key).ok().map(Onion)
    })
}

fn cursor_column(screen: &vt100::Screen) -> u16 {
    screen.cursor_position().1
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let ms = |part: usize| {
        let at = (times.len() * part / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, of {}", ms(50), ms(99), times.len());
}

/// What all threads of a process have had of the processors, and how long they waited for one although they could have run.
#[derive(Clone, Copy)]
struct Spent {
    ran: Duration,
    waited: Duration,
}

impl Spent {
    fn of(pid: u32) -> anyhow::Result<Self> {
        let (mut ran, mut waited) = (0, 0);
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end meanwhile.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let mut fields = text.split_whitespace().map(str::parse::<u64>);
            ran += fields.next().context("a field")??;
            waited += fields.next().context("a field")??;
        }
        Ok(Self { ran: Duration::from_nanos(ran), waited: Duration::from_nanos(waited) })
    }
}

/// The client's share of what was measured: on a machine that others use, the rest is theirs.
#[derive(Default)]
struct Shares {
    ran: Vec<Duration>,
    waited: Vec<Duration>,
}

impl Shares {
    fn add(&mut self, before: Spent, after: Spent) {
        self.ran.push(after.ran.saturating_sub(before.ran));
        self.waited.push(after.waited.saturating_sub(before.waited));
    }

    fn print(mut self) {
        print("  of that, the client's processor time", &mut self.ran);
        print("  of that, the client waited for a processor", &mut self.waited);
    }
}

fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb / 1024.0)
}

fn cpu_ticks(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = text.rsplit_once(')').context("a stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |n: usize| fields.get(n).context("a field").and_then(|text| Ok(text.parse::<u64>()?));
    Ok(field(11)? + field(12)?)
}
