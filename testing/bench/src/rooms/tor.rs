//! Rooms over a private Tor network: a text to its delivery beside a message to a contact on the same circuit, and catching up
//! beside a raw stream on the same circuit.

use super::cast::{Cast, SAID_MS};
use super::catchup::Stage;
use super::pair_row;
use super::wire::{How, Wire};
use crate::Setup;
use crate::report::{Aim, Report};
use crate::stats::median;
use crate::tor::{client, options};
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ContactOp, Op};
use torchat_engine::handle::{DeliveryWait, Handle, SendOptions};
use torchat_engine::store::Store;
use torchat_engine::{DialTimes, Engine, EngineConfig, Running, Storage, World};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::PeerId;
use torchat_tornet::{Config, Network};

/// Rooms of the two, in which texts are said in turn: a member may say 20 in one at once, and one a second then.
const ROOMS: u8 = 12;
/// Texts and messages on each circuit.
const PAIRS: usize = 60;
/// Circuits at most.
const CIRCUITS: u32 = 8;
/// Catchings up at most.
const ROUNDS: u32 = 3;
/// How long a first delivery may take: descriptors are published and fetched before it.
const FIRST_TIME: Duration = Duration::from_secs(240);
/// How long another one may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A text.
const TEXT: &str = "a message of some length, as people write them to each other";

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("starting a private Tor network");
    let config = Config { dir: setup.dir.join("rooms-net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let delivered = runtime.block_on(deliveries(setup, network.config_path()));
    let caught_up = match &delivered {
        Ok(_) => runtime.block_on(catchups(setup, network.config_path())),
        Err(_) => Ok(Vec::new()),
    };
    runtime.shutdown_timeout(Duration::from_secs(2));
    network.stop()?;
    let what = "over Tor: a text in a room to its delivery (reference: a message to a contact, same circuit)";
    pair_row(report, what, "ms", &delivered?, Aim::AtMost(1.15));
    let what = "over Tor: 10000 texts of a room caught up (reference: a raw stream of the same bytes, same circuit)";
    pair_row(report, what, "s", &caught_up?, Aim::AtMost(1.5));
    Ok(())
}

fn identity(n: u8) -> anyhow::Result<LocalIdentity> {
    Ok(LocalIdentity::from_seeds(&[n + 81; 32], &[n + 181; 32], World::system().clock.now_s())?)
}

/// One side.
struct Side {
    running: Running,
    wire: Arc<Wire>,
}

async fn deliveries(setup: &Setup<'_>, config: &Path) -> anyhow::Result<Vec<[f64; 2]>> {
    let options = options(config)?;
    let people = [identity(0)?.peer_id(), identity(1)?.peer_id()];
    let places = [0, 1].map(|n| setup.dir.join(format!("rooms-tor-{n}")));
    let mut stores = Vec::new();
    for (place, other) in places.iter().zip([people[1], people[0]]) {
        std::fs::create_dir_all(place)?;
        let mut store = Store::open(&place.join("torchat.db"))?;
        store.commit(SAID_MS, &[Op::Contacts(ContactOp::Add { peer: other, at_ms: SAID_MS })])?;
        stores.push(store);
    }
    let mut rooms: Vec<ConversationId> = Vec::new();
    for n in 0..ROOMS {
        let cast = Cast::new(n, &people)?;
        let mut owner = cast.owners_book()?;
        cast.members_book(1, &owner)?.write_into(&mut stores[1])?;
        owner.write_into(&mut stores[0])?;
        rooms.push(cast.room.conversation());
    }
    drop(stores);
    let [a, b] = [side(&places[0], 0, &options)?, side(&places[1], 1, &options)?];
    let mut circuits = Vec::new();
    for n in 0..setup.circuits.min(CIRCUITS) {
        let pair = circuit(&a, people[1], &rooms).await.with_context(|| format!("circuit {}", n + 1))?;
        eprintln!("circuit {}: a text {:.2} ms, a message {:.2} ms", n + 1, pair[0], pair[1]);
        circuits.push(pair);
        a.wire.cut();
    }
    for side in [a, b] {
        side.running.handle.stop();
        side.running.join.await??;
    }
    Ok(circuits)
}

fn side(dir: &Path, n: u8, options: &toml::Table) -> anyhow::Result<Side> {
    let identity = identity(n)?;
    let how = How { dials: n == 0, line: None, one_circuit: true };
    let (wire, network) = Wire::around(client(dir, options, &identity)?, identity.peer_id(), how);
    let mut config = EngineConfig::default();
    // A link that we cut ourselves leaves no dead service behind, so the next dial need not wait.
    config.policy.dial.loss_min_ms = 100;
    config.policy.dial.loss_max_ms = 200;
    config.policy.dial.start_spread_ms = 100;
    // No second dial beside a slow one: both links are to have one circuit.
    config.dial = DialTimes { hedge: config.dial.attempt, ..config.dial };
    let storage = Storage::File { path: dir.join("torchat.db"), max_bytes: None };
    Ok(Side { running: Engine::start(config, identity, storage, network, World::system())?, wire })
}

/// The median times of a text and of a message, in milliseconds.
async fn circuit(a: &Side, b: PeerId, rooms: &[ConversationId]) -> anyhow::Result<[f64; 2]> {
    let handle = &a.running.handle;
    // Not counted: they wait for the links.
    deliver(handle, b.into(), FIRST_TIME).await?;
    deliver(handle, rooms[0], FIRST_TIME).await?;
    let streams = a.wire.streams();
    ensure!(streams == 2, "{streams} streams instead of two on one circuit");
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..PAIRS {
        for kind in [n % 2, 1 - n % 2] {
            let to = if kind == 0 { rooms[n % rooms.len()] } else { b.into() };
            times[kind].push(deliver(handle, to, PATIENCE).await?.as_secs_f64() * 1e3);
        }
    }
    ensure!(a.wire.streams() == streams, "a link was lost while it was measured");
    Ok(times.map(median))
}

/// From before a text is accepted until the other side has it on disk and says so.
async fn deliver(handle: &Handle, to: ConversationId, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let sending = handle.begin_send(to, TEXT.to_owned(), SendOptions::default()).await?;
    let accepted = sending.accepted().await?;
    match handle.wait_accepted(&accepted, patience).await {
        DeliveryWait::Delivered => Ok(begun.elapsed()),
        DeliveryWait::NotYet { reason } => anyhow::bail!("not delivered within {patience:?}: {}", reason.sentence()),
        DeliveryWait::Failed { reason } => anyhow::bail!("never delivered: {}", reason.sentence()),
    }
}

async fn catchups(setup: &Setup<'_>, config: &Path) -> anyhow::Result<Vec<[f64; 2]>> {
    let options = options(config)?;
    let place = |name: &str| setup.dir.join(format!("rooms-tor-{name}"));
    let stage = Stage::new(&place("catchup"))?;
    let network = |n: u8, name: &str| client(&place(name), &options, &super::catchup::identity(n)?);
    let serving = stage.serve(network(1, "serving")?)?;
    let away = network(0, "away")?;
    let mut pairs = Vec::new();
    for _ in 0..setup.rounds.min(ROUNDS) {
        pairs.push(stage.round(&away.transport, None).await?);
    }
    serving.kill().await;
    Ok(pairs)
}
