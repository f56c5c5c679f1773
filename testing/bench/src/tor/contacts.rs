//! What a connected contact costs while nobody says anything: memory, processor time, bytes.
//!
//! A real torchatd beside a bare process of the same shape: arti, its service, a small control server. The contacts are
//! real identities with real engines and the real protocol, each on circuits of its own; but they live in this process
//! and share one Tor client, because two cores carry no hundred of them. The bare streams come from here as well. So all
//! links are incoming ones for the daemon that is measured. Its contacts' own services do not exist.
//!
//! Memory is the difference that the contacts make to a fresh process. Processor time and bytes are taken in windows at
//! the same time for both, first without any contact, then with all of them.

use super::sockets::{Used, Watched, watch};
use super::{bare, options};
use crate::Setup;
use crate::memory::{Resident, megabytes};
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch as channel};
use torchat_core::handshake::LocalIdentity;
use torchat_engine::store::Store;
use torchat_engine::{Engine, EngineConfig, Running, Storage, World};
use torchat_protocol::id::{PeerId, parse_onion};
use torchat_tornet::{Config, Network};
use torchat_transport::{BoxStream, Callers, DialError, Group, Isolation, Network as Wires, NetworkStatus, Transport};

/// Contacts that are connected at the same time.
const PARALLEL: usize = 8;
/// How long one may take.
const CONNECT_TIME: Duration = Duration::from_secs(240);
/// How long a process rests after its start, or after its last contact, before it counts as idle.
const REST: Duration = Duration::from_secs(45);
/// A window. Eight of them are two pings of every idle link: 215 s and a random part below 15 s each.
const WINDOW: Duration = Duration::from_secs(56);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
/// The identities of the bare service and of the client here.
const SEEDS: [u8; 2] = [31, 32];

pub(crate) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("starting a private Tor network");
    let config = Config { dir: setup.dir.join("contacts-net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = measure(setup, &network, &runtime);
    runtime.shutdown_timeout(Duration::from_secs(2));
    network.stop()?;
    show(report, setup.contacts, &measured?);
    Ok(())
}

/// Ours and the reference's.
type Pair<T> = [T; 2];

#[derive(Default)]
struct Measured {
    /// Resident memory of each pair of processes, without and with contacts.
    memory: Vec<Pair<[Resident; 2]>>,
    /// Windows without contacts.
    alone: Vec<Pair<Used>>,
    /// Windows with contacts.
    connected: Vec<Pair<Used>>,
}

fn measure(setup: &Setup<'_>, network: &Network, runtime: &Runtime) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    for round in 1..=setup.rounds {
        let last = round == setup.rounds;
        let place = |name: &str| setup.dir.join(format!("contacts-{round}-{name}"));
        let daemon = Recipe::torchatd(&place("torchatd"), network.config_path())?.start()?;
        let reference = Recipe::bare(&place("bare"), network.config_path(), SEEDS[0], None)?.start()?;
        // An arti client for each round, because the services are new.
        let options = options(network.config_path())?;
        let wires = runtime.block_on(async { bare::start(&place("client"), &options, &bare::identity(SEEDS[1])?) })?;
        let crowd = Crowd(wires.transport);
        let service = bare::identity(SEEDS[0])?.peer_id();
        // Both are published and have carried something, and rest then.
        runtime.block_on(crowd.stream(service))?;
        let onion = daemon.client()?.host()?;
        runtime.block_on(crowd.probe(parse_onion(&onion)?))?;
        std::thread::sleep(REST);
        let residents = || anyhow::Ok([Resident::of(daemon.pid())?, Resident::of(reference.pid())?]);
        let before = residents()?;
        let mut watched = [&daemon, &reference].map(|process| Watched::new(process.pid(), process.port));
        if last {
            for _ in 0..setup.windows {
                measured.alone.push(watch(&mut watched, WINDOW)?);
            }
        }
        let begun = Instant::now();
        let streams = runtime.block_on(crowd.streams(service, setup.contacts))?;
        eprintln!("round {round}: {} bare streams after {:.1} s", streams.len(), begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let contacts = runtime.block_on(crowd.contacts(&daemon, setup.contacts))?;
        eprintln!("round {round}: {} contacts after {:.1} s", contacts.len(), begun.elapsed().as_secs_f64());
        std::thread::sleep(REST);
        all_connected(&daemon, setup.contacts)?;
        let after = residents()?;
        measured.memory.push([0, 1].map(|side| [before[side], after[side]]));
        if last {
            for n in 0..setup.windows {
                measured.connected.push(watch(&mut watched, WINDOW)?);
                eprintln!("window {} of {}", n + 1, setup.windows);
            }
            all_connected(&daemon, setup.contacts)?;
        }
        // Before the daemon ends, or a hundred engines dial it.
        runtime.block_on(async { stream::iter(contacts).for_each(|contact: Running| contact.kill()).await });
        drop(streams);
        daemon.stop()?;
        drop(reference);
    }
    Ok(measured)
}

/// A link that was lost and dialled again would be counted as idle traffic.
fn all_connected(daemon: &Process, count: u16) -> anyhow::Result<()> {
    let status = daemon.client()?.status()?;
    ensure!(status["links"] == u64::from(count), "{} links instead of {count}: {status}", status["links"]);
    Ok(())
}

/// Contacts and bare streams over one Tor client.
struct Crowd(Arc<dyn Transport>);

impl Crowd {
    async fn stream(&self, service: PeerId) -> anyhow::Result<BoxStream> {
        let stream = tokio::time::timeout(CONNECT_TIME, bare::reach(&self.0, service)).await;
        stream.context("no bare stream in time")?
    }

    /// Waits until a daemon's service can be dialled. The stream is closed without a word.
    async fn probe(&self, daemon: PeerId) -> anyhow::Result<()> {
        let dialled = async {
            while let Err(error) = self.0.dial(daemon, Isolation::Fresh(Group::CHAT)).await {
                eprintln!("the daemon is not reached yet: {error}");
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(CONNECT_TIME, dialled).await.context("the daemon is not reached in time")
    }

    async fn streams(&self, service: PeerId, count: u16) -> anyhow::Result<Vec<BoxStream>> {
        stream::iter(0..count).map(|_| self.stream(service)).buffer_unordered(PARALLEL).try_collect().await
    }

    async fn contacts(&self, daemon: &Process, count: u16) -> anyhow::Result<Vec<Running>> {
        let port = daemon.port;
        let own = parse_onion(&daemon.client()?.host()?)?;
        stream::iter(0..count).map(|n| self.contact(n, own, port)).buffer_unordered(PARALLEL).try_collect().await
    }

    /// A contact that the daemon has accepted, with a link.
    async fn contact(&self, n: u16, daemon: PeerId, port: u16) -> anyhow::Result<Running> {
        let world = World::system();
        let mut seed = [77; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        let identity = LocalIdentity::from_seeds(&seed, &seed, world.clock.now_s())?;
        let onion = identity.peer_id().onion();
        // Nobody can dial a contact: it has no service.
        let (_, incoming) = mpsc::channel(1);
        let network = Wires { transport: Arc::new(Shared(self.0.clone())), incoming, callers: Callers::default() };
        let storage = Storage::Shared(Arc::new(Mutex::new(Store::in_memory()?)));
        let running = Engine::start(EngineConfig::default(), identity, storage, network, world)?;
        let connected = async {
            running.handle.add(daemon).await?;
            // The link first: a daemon that is told of a contact without a link dials it, in vain.
            while running.handle.status().to_json()["links"] != 1 {
                tokio::time::sleep(LOOK).await;
            }
            let asked = tokio::task::spawn_blocking(move || {
                torchat_client::Client::connect_tcp(port, CONNECT_TIME)?.add(&onion)
            });
            asked.await??;
            anyhow::Ok(())
        };
        tokio::time::timeout(CONNECT_TIME, connected).await.with_context(|| format!("contact {n} has no link"))??;
        Ok(running)
    }
}

/// The one Tor client, with circuits of its own for every dial.
struct Shared(Arc<dyn Transport>);

impl Transport for Shared {
    fn dial(&self, peer: PeerId, _: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        // Contacts that share circuits would not be different users.
        self.0.dial(peer, Isolation::Fresh(Group::CHAT)).boxed()
    }

    fn status(&self) -> channel::Receiver<NetworkStatus> {
        self.0.status()
    }
}

fn show(report: &mut Report, contacts: u16, measured: &Measured) {
    let per = f64::from(contacts);
    let memory = |side: usize, of: fn(&Resident) -> u64| {
        let rows = measured.memory.iter();
        rows.map(move |pair| (of(&pair[side][1]) as f64 - of(&pair[side][0]) as f64) / per / 1e3).collect::<Vec<_>>()
    };
    for (what, of) in [("all", (|r| r.all) as fn(&Resident) -> u64), ("not files", |r| r.anonymous)] {
        let (ours, reference) = (memory(0, of), memory(1, of));
        report.add(Row {
            what: format!("memory per contact, {contacts} contacts ({what})"),
            ours: format!("{:.0} kB", median(ours.iter().copied())),
            reference: format!("{:.0} kB", median(reference.iter().copied())),
            judged: Summary::of(ours.iter().zip(&reference).map(|(ours, reference)| ours / reference)),
            aim: if what == "all" { Aim::AtMost(1.3) } else { Aim::None },
        });
    }
    let whole = |side: usize| median(measured.memory.iter().map(|pair| megabytes(pair[side][1].all)));
    report.add(Row {
        what: format!("resident with {contacts} contacts"),
        ours: format!("{:.1} MB", whole(0)),
        reference: format!("{:.1} MB", whole(1)),
        judged: Summary::of(
            measured.memory.iter().map(|[ours, reference]| ours[1].all as f64 / reference[1].all as f64),
        ),
        aim: Aim::AtMost(1.3),
    });
    // Percent of a core.
    let cpu = |used: &Used| used.cpu_ns as f64 / 1e7 / WINDOW.as_secs_f64();
    let share = |rows: &[Pair<Used>], side: usize| median(rows.iter().map(|pair| cpu(&pair[side])));
    for (what, rows, aim) in [
        ("without contacts".to_owned(), &measured.alone, Aim::None),
        (format!("with {contacts} contacts"), &measured.connected, Aim::AtMost(1.3)),
    ] {
        report.add(Row {
            what: format!("idle processor time {what}"),
            ours: format!("{:.3} % of a core", share(rows, 0)),
            reference: format!("{:.3} % of a core", share(rows, 1)),
            judged: Summary::of(rows.iter().map(|[ours, reference]| ours.cpu_ns as f64 / reference.cpu_ns as f64)),
            aim,
        });
    }
    traffic(report, contacts, measured);
}

/// Bytes per hour and contact. What both processes do anyway (directory documents, descriptors, circuits held in
/// reserve) is taken off by the windows without contacts, the rest of it is seen at the reference.
fn traffic(report: &mut Report, contacts: u16, measured: &Measured) {
    let hourly = |rows: &[Pair<Used>], side: usize| {
        let bytes: u64 = rows.iter().map(|pair| pair[side].bytes).sum();
        bytes as f64 / (rows.len() as f64 * WINDOW.as_secs_f64()) * 3600.0 / 1e3
    };
    let per = f64::from(contacts);
    let each = |side: usize| (hourly(&measured.connected, side) - hourly(&measured.alone, side)) / per;
    report.add(Row {
        what: "idle traffic of a process without contacts, kB per hour".into(),
        ours: format!("{:.0} kB/h", hourly(&measured.alone, 0)),
        reference: format!("{:.0} kB/h", hourly(&measured.alone, 1)),
        judged: Summary::of(measured.alone.iter().map(|[ours, reference]| ours.bytes as f64 / reference.bytes as f64)),
        aim: Aim::None,
    });
    // Window by window, against the reference in the same seconds: it had the same directory to fetch.
    let rows = measured.connected.iter();
    let beyond = rows.map(|[ours, reference]| {
        (ours.bytes as f64 - reference.bytes as f64) / WINDOW.as_secs_f64() * 3600.0 / 1e3 / per
    });
    report.add(Row {
        what: "idle traffic of a contact, kB per hour beyond the bare stream's".into(),
        ours: format!("{:.1} kB/h", each(0)),
        reference: format!("{:.1} kB/h", each(1)),
        judged: Summary::of(beyond),
        // 20 bytes a second.
        aim: Aim::AtMost(72.0),
    });
}
