//! How long the node is locked while 500 texts a second arrive in rooms, beside 500 messages of a contact.
//!
//! The daemon that says them is a process of its own; the engine that takes them is in this process, so that a subscriber hears how
//! long each turn of it holds the lock: STATUS and other readers of the node wait so long. The texts come in 60 rooms, because a
//! member may say 20 in a room at once and one a second then, so each turn looks at 60 rooms.

use super::party;
use crate::Setup;
use crate::process::{Process, Recipe, sibling};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median, percentile};
use anyhow::{Context as _, ensure};
use parking_lot::Mutex;
use rusqlite::OpenFlags;
use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use torchat_client::api::command::Send;
use torchat_client::api::{Connection, ConversationId};
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::RoomCommand;
use torchat_engine::{Engine, EngineConfig, Running, Storage, World};
use torchat_harness::loopback;
use torchat_protocol::id::parse_onion;
use torchat_protocol::room::body::BoundedText;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Rooms: fewer than a link may have.
const ROOMS: usize = 60;
/// Texts a second.
const RATE: u32 = 500;
/// Texts of the rounds: as many as the members may say at once, and as many as they may say again after a pause.
const TEXTS: [usize; 3] = [1_080, 840, 840];
/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(16);
/// How long it may take until all have arrived.
const LIMIT: Duration = Duration::from_secs(60);
/// The identities of the two.
const SEEDS: [u8; 2] = [3, 4];

/// The times for which the node was locked, in nanoseconds, while they are collected.
static TIMES: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static COLLECTS: AtomicBool = AtomicBool::new(false);

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let dir = setup.dir.join("rooms-lock");
    std::fs::create_dir_all(&dir)?;
    tracing::subscriber::set_global_default(Probe::default()).context("somebody else listens to the spans")?;
    let recipe = Recipe::loopback_of(&sibling("loopback-daemon")?, &dir.join("says"), &dir.join("peers"), SEEDS[0])?;
    let daemon = recipe.start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = dir.join("hears.db");
    let running = runtime.block_on(hears(&dir, &store))?;
    let rounds = measure(&daemon, &running, &runtime, &store);
    runtime.block_on(running.kill());
    runtime.shutdown_timeout(Duration::from_secs(2));
    daemon.stop()?;
    show(report, &rounds?);
    Ok(())
}

/// The engine that takes them.
async fn hears(dir: &Path, store: &Path) -> anyhow::Result<Running> {
    let world = World::system();
    let identity = LocalIdentity::from_seeds(&[SEEDS[1] + 1; 32], &[SEEDS[1] + 51; 32], world.clock.now_s())?;
    let network = loopback::start(&dir.join("peers"), identity.peer_id()).await?;
    let storage = Storage::File { path: store.to_owned(), max_bytes: None };
    let mut config = EngineConfig::default();
    config.policy.dial.start_spread_ms = 50;
    Ok(Engine::start(config, identity, storage, network, world)?)
}

/// The times of a round, in microseconds.
type Times = Vec<f64>;

/// Rounds of rooms, and of mail.
fn measure(
    daemon: &Process,
    running: &Running,
    runtime: &tokio::runtime::Runtime,
    store: &Path,
) -> anyhow::Result<Vec<[Times; 2]>> {
    let connection = party::connect(daemon)?;
    let me = LocalIdentity::from_seeds(&[SEEDS[1] + 1; 32], &[SEEDS[1] + 51; 32], World::system().clock.now_s())?;
    let contact: ConversationId = me.peer_id().into();
    let mut client = daemon.client()?;
    runtime.block_on(running.handle.add(parse_onion(&client.host()?)?))?;
    client.add(&me.peer_id().onion())?;
    party::deliver(&connection, contact, "the first one")?;
    let made = party::make(&connection, ROOMS)?;
    for (_, invite) in &made {
        let (invite, text) = (invite.parse()?, BoundedText::default());
        let join = RoomCommand::Join { invite, nick: None, text, want: None, client: None };
        runtime.block_on(running.handle.begin_room(join))?;
    }
    let rooms: Vec<ConversationId> = made.into_iter().map(|(room, _)| room).collect();
    for room in &rooms {
        party::deliver(&connection, *room, "the first one")?;
    }
    let mut rounds = Vec::new();
    for (n, count) in TEXTS.into_iter().enumerate() {
        if n > 0 {
            // The members may say something again then.
            std::thread::sleep(PAUSE);
        }
        let mut pair = [Vec::new(), Vec::new()];
        for kind in [n % 2, 1 - n % 2] {
            let to = if kind == 0 { &rooms[..] } else { &[contact][..] };
            pair[kind] = round(&connection, to, count, store)?;
        }
        rounds.push(pair);
    }
    Ok(rounds)
}

/// Says so many texts, and returns for how long the node was locked each time while they arrived.
fn round(connection: &Connection, to: &[ConversationId], count: usize, store: &Path) -> anyhow::Result<Times> {
    let db = rusqlite::Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let received = || db.query_row("SELECT max(id) FROM message", [], |row| row.get::<_, i64>(0));
    let before = received()?;
    let begun = Instant::now();
    COLLECTS.store(true, Ordering::Relaxed);
    let mut pending = Vec::with_capacity(count);
    for n in 0..count {
        let at = begun + Duration::from_secs(n as u64) / RATE;
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let send = Send {
            peer: to[n % to.len()],
            text: "a message of some length, as people write them to each other".into(),
            client_id: None,
            wait: None,
            timeout: None,
            expire: None,
            re: None,
            to: Vec::new(),
        };
        pending.push(connection.start(&send)?);
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    for one in pending {
        one.wait(LIMIT)?;
    }
    while received()? < before + i64::try_from(count)? {
        ensure!(begun.elapsed() < LIMIT, "only {} of {count} texts arrived within {LIMIT:?}", received()? - before);
        std::thread::sleep(Duration::from_millis(2));
    }
    COLLECTS.store(false, Ordering::Relaxed);
    let took = begun.elapsed().as_secs_f64();
    let times: Times = std::mem::take(&mut *TIMES.lock()).into_iter().map(|ns| ns as f64 / 1e3).collect();
    eprintln!("{count} texts said at {rate:.0}/s, there after {took:.2} s, {} turns", times.len());
    ensure!(!times.is_empty(), "no turn was heard of");
    Ok(times)
}

fn show(report: &mut Report, rounds: &[[Times; 2]]) {
    let p99 = |times: &Times| percentile(times, 99);
    let side = |side: usize| {
        let all: Vec<f64> = rounds.iter().flat_map(|pair| pair[side].iter().copied()).collect();
        let (p50, most) = (median(all.iter().copied()), percentile(&all, 100));
        format!("p50 {p50:.0}, p99 {:.0}, most {most:.0} us; {} turns", p99(&all), all.len())
    };
    report.add(Row {
        what: format!(
            "node locked in a turn, {RATE} texts/s in {ROOMS} rooms, p99 in ms (reference: {RATE} messages/s)"
        ),
        ours: side(0),
        reference: side(1),
        judged: Summary::of(rounds.iter().map(|pair| p99(&pair[0]) / 1e3)),
        aim: Aim::AtMost(1.0),
    });
    report.add(Row {
        what: "the same, p99 of rooms / p99 of mail".into(),
        ours: side(0),
        reference: side(1),
        judged: Summary::of(rounds.iter().map(|pair| p99(&pair[0]) / p99(&pair[1]))),
        aim: Aim::None,
    });
}

/// Hears of one kind of span: that the engine holds the node's lock.
#[derive(Default)]
struct Probe(AtomicU64);

thread_local! {
    static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

impl Subscriber for Probe {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "node locked"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {
        SINCE.set(Some(Instant::now()));
    }

    fn exit(&self, _: &Id) {
        let held = SINCE.take().map(|since| since.elapsed());
        if let Some(held) = held.filter(|_| COLLECTS.load(Ordering::Relaxed)) {
            TIMES.lock().push(u64::try_from(held.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}
