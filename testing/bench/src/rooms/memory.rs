//! Memory of a room link, beside that of a contact's link: what links add to a fresh process.
//!
//! A loopback daemon as a process of its own, whose store has all rooms and contacts from the beginning. The peers are real
//! engines in this process, with stores in memory. They come after the process was looked at, the daemon dials them, and it is
//! looked at again when all links are up. The rooms have as many members as a room may have, and each link serves one room.

use super::cast::{Cast, SAID_MS};
use super::wire::{How, Wire};
use crate::Setup;
use crate::friends::until;
use crate::memory::Resident;
use crate::process::{Process, Recipe, sibling};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::ensure;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ContactOp, Op};
use torchat_engine::store::Store;
use torchat_engine::{Engine, EngineConfig, Running, Storage, World};
use torchat_harness::loopback;
use torchat_protocol::id::PeerId;
use torchat_room::replica::MESH_MEMBERS;

/// Rooms.
const ROOMS: u8 = 14;
/// Members of each, beside the daemon that is looked at.
const OTHERS: usize = MESH_MEMBERS - 1;
/// How long a process rests before it is looked at.
const REST: Duration = Duration::from_secs(4);
/// The daemon's identity.
const SEED: u8 = 9;
/// What a bare stream over Tor takes, in kB: of what a contact over Tor takes, it is the part that is no part of torchat
/// (BENCHMARKS.md, "What idle contacts cost").
const BARE_KB: f64 = 93.0;

/// What a room link or a contact's link takes in a round, in kB: all, and what is not a file's.
type Links = [f64; 2];

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut sides = [Side::new(setup, true)?, Side::new(setup, false)?];
    let mut rounds: Vec<[Links; 2]> = Vec::new();
    for round in 0..setup.rounds as usize {
        let mut pair = [[0.0; 2]; 2];
        for at in [round % 2, 1 - round % 2] {
            pair[at] = sides[at].round(&runtime)?;
        }
        eprintln!("round {}: a room link {:?} kB, a contact's {:?} kB", round + 1, pair[0], pair[1]);
        rounds.push(pair);
    }
    runtime.shutdown_timeout(Duration::from_secs(2));
    let count = OTHERS * usize::from(ROOMS);
    let mut row = |what: String, of: fn(&Links) -> f64, aim| {
        let side = |side: usize| format!("{:.1} kB", median(rounds.iter().map(|pair| of(&pair[side]))));
        let judged = Summary::of(rounds.iter().map(|[room, contact]| of(room) / of(contact)));
        report.add(Row { what, ours: side(0), reference: side(1), judged, aim });
    };
    row(
        format!("memory of a room link, with {BARE_KB} kB that a bare stream takes over Tor (reference: a contact's)"),
        |links| links[0] + BARE_KB,
        Aim::AtMost(1.2),
    );
    row(format!("memory of a room link without Tor, one of {count}"), |links| links[0], Aim::None);
    row("the same, not files".into(), |links| links[1], Aim::None);
    Ok(())
}

/// A daemon, and those whom it knows.
struct Side {
    rooms: bool,
    recipe: Recipe,
    peers: std::path::PathBuf,
    crowd: Vec<(LocalIdentity, Arc<Mutex<Store>>)>,
}

fn somebody(n: usize) -> anyhow::Result<LocalIdentity> {
    let mut seed = [77; 32];
    seed[..2].copy_from_slice(&u16::try_from(n)?.to_be_bytes());
    Ok(LocalIdentity::from_seeds(&seed, &seed, World::system().clock.now_s())?)
}

impl Side {
    fn new(setup: &Setup<'_>, rooms: bool) -> anyhow::Result<Self> {
        let place = |name: &str| setup.dir.join(format!("links-{}-{name}", if rooms { "rooms" } else { "contacts" }));
        let (data, peers) = (place("daemon"), place("peers"));
        let recipe = Recipe::loopback_of(&sibling("loopback-daemon")?, &data, &peers, SEED)?;
        std::fs::create_dir_all(&data)?;
        let me = LocalIdentity::from_seeds(&[SEED + 1; 32], &[SEED + 51; 32], World::system().clock.now_s())?.peer_id();
        let mut crowd = Vec::new();
        for n in 0..OTHERS * usize::from(ROOMS) {
            crowd.push((somebody(n)?, Arc::new(Mutex::new(Store::in_memory()?))));
        }
        let mut store = Store::open(&data.join("torchat.db"))?;
        if rooms {
            for (n, others) in (0..ROOMS).zip(crowd.chunks(OTHERS)) {
                let people = std::iter::once(me).chain(others.iter().map(|(identity, _)| identity.peer_id()));
                let cast = Cast::new(n, &people.collect::<Vec<_>>())?;
                let mut owner = cast.owners_book()?;
                for (member, (_, store)) in (1..).zip(others) {
                    cast.members_book(member, &owner)?.write_into(&mut store.lock())?;
                }
                owner.write_into(&mut store)?;
            }
        } else {
            let add = |peer: PeerId| Op::Contacts(ContactOp::Add { peer, at_ms: SAID_MS });
            store.commit(SAID_MS, &crowd.iter().map(|(other, _)| add(other.peer_id())).collect::<Vec<_>>())?;
            for (_, store) in &crowd {
                store.lock().commit(SAID_MS, &[add(me)])?;
            }
        }
        store.checkpoint()?;
        Ok(Self { rooms, recipe, peers, crowd })
    }

    fn links(&self, daemon: &Process) -> anyhow::Result<u64> {
        let status = daemon.client()?.status()?;
        let links = if self.rooms { &status["rooms"]["channels"] } else { &status["links"] };
        Ok(links.as_u64().unwrap_or_default())
    }

    fn round(&mut self, runtime: &Runtime) -> anyhow::Result<Links> {
        let daemon = self.recipe.start()?;
        std::thread::sleep(REST);
        let before = Resident::of(daemon.pid())?;
        let crowd = runtime.block_on(self.come())?;
        let count = self.crowd.len() as u64;
        until("everybody has a link", || Ok(self.links(&daemon)? == count))?;
        std::thread::sleep(REST);
        let after = Resident::of(daemon.pid())?;
        ensure!(self.links(&daemon)? == count, "a link was lost");
        runtime.block_on(async {
            for one in crowd {
                one.kill().await;
            }
        });
        for (identity, _) in &self.crowd {
            // Nobody listens there any more.
            std::fs::remove_file(self.peers.join(identity.peer_id().onion()))?;
        }
        daemon.stop()?;
        let each = |before: u64, after: u64| (after as f64 - before as f64) / count as f64 / 1e3;
        Ok([each(before.all, after.all), each(before.anonymous, after.anonymous)])
    }

    /// Everybody comes, and waits to be dialled.
    async fn come(&self) -> anyhow::Result<Vec<Running>> {
        let mut crowd = Vec::new();
        for (n, (identity, store)) in self.crowd.iter().enumerate() {
            crowd.push(comes(&self.peers, n, identity.peer_id(), store.clone()).await?);
        }
        Ok(crowd)
    }
}

async fn comes(peers: &Path, n: usize, peer: PeerId, store: Arc<Mutex<Store>>) -> anyhow::Result<Running> {
    let (_, network) = Wire::around(loopback::start(peers, peer).await?, peer, How::default());
    let storage = Storage::Shared(store);
    Ok(Engine::start(EngineConfig::default(), somebody(n)?, storage, network, World::system())?)
}
