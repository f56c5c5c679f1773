//! A member that was away catches up over one link, beside a raw stream of the same bytes.
//!
//! Two real engines with stores on disk. One has 10,000 texts of eight members, the other one, which owns the room, only its acts.
//! It starts, dials, and takes everything; then as many raw bytes as its link carried come over another stream of the same line, or
//! of the same circuit. Between two rounds it gets its old store again.

use super::cast::Cast;
use super::pair_row;
use super::wire::{How, Line, Wire};
use crate::Setup;
use crate::api::Words;
use crate::report::{Aim, Report, Row};
use crate::stats::Summary;
use anyhow::{Context as _, ensure};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::{DialTimes, Engine, EngineConfig, Running, Storage, World};
use torchat_harness::loopback;
use torchat_protocol::id::PeerId;
use torchat_room::replica::MESH_MEMBERS;
use torchat_transport::{Callers, Network, Transport};

/// Texts.
const TEXTS: usize = 10_000;
/// Rounds at most, of each kind of line.
const ROUNDS: u32 = 5;
/// A line like a good one over Tor.
const LINE: Line = Line { bytes_per_s: 1_000_000, delay: Duration::from_millis(100) };
/// How long catching up may take.
const LIMIT: Duration = Duration::from_secs(240);
/// Between two looks into the store.
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let dir = setup.dir.join("catchup");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stage = Stage::new(&dir)?;
    let peers = dir.join("peers");
    std::fs::create_dir_all(&peers)?;
    let rounds = setup.rounds.min(ROUNDS);
    let [quick, slow] = runtime.block_on(async {
        let serving = stage.serve(loopback::start(&peers, stage.people[1]).await?)?;
        let away = loopback::start(&peers, stage.people[0]).await?;
        let mut both = [Vec::new(), Vec::new()];
        for (pairs, line) in both.iter_mut().zip([None, Some(LINE)]) {
            for _ in 0..rounds {
                pairs.push(stage.round(&away.transport, line).await?);
            }
        }
        serving.kill().await;
        anyhow::Ok(both)
    })?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    let what = format!("{TEXTS} texts of a room caught up");
    let (rate, delay) = (LINE.bytes_per_s / 1_000, LINE.delay.as_millis());
    let raw = "(reference: a raw stream of the same bytes)";
    pair_row(report, &format!("{what}, {rate} kB/s and {delay} ms each way {raw}"), "s", &slow, Aim::AtMost(1.5));
    // Loopback carries them in no time: this is the processors' part, and no ratio says anything.
    let judged = Summary::of(quick.iter().map(|[took, _]| *took));
    report.add(Row {
        what: format!("{what}, loopback, s"),
        ours: judged.map_or_else(String::new, |s| format!("{:.2} s, {:.0}/s", s.median, TEXTS as f64 / s.median)),
        reference: String::new(),
        judged,
        aim: Aim::None,
    });
    Ok(())
}

/// The stores of both.
pub(super) struct Stage {
    dir: PathBuf,
    /// The one that was away, and the one that serves.
    pub(super) people: [PeerId; 2],
    texts: i64,
}

/// The identity of one of the members.
pub(super) fn identity(n: u8) -> anyhow::Result<LocalIdentity> {
    Ok(LocalIdentity::from_seeds(&[n + 61; 32], &[n + 161; 32], World::system().clock.now_s())?)
}

impl Stage {
    pub(super) fn new(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let all = (0..MESH_MEMBERS).map(|n| Ok(identity(u8::try_from(n)?)?.peer_id()));
        let all = all.collect::<anyhow::Result<Vec<_>>>()?;
        let cast = Cast::new(0, &all)?;
        let mut owner = cast.owners_book()?;
        let mut book = cast.members_book(1, &owner)?;
        owner.write(&dir.join("away.db"))?;
        // The owner says nothing, so what comes over its own link is nobody's own but one other's.
        book.talk(&(1..MESH_MEMBERS).collect::<Vec<_>>(), TEXTS, &Words::new())?;
        book.write(&dir.join("serving.db"))?;
        Ok(Self { dir: dir.to_owned(), people: [all[0], all[1]], texts: i64::try_from(TEXTS)? })
    }

    /// The engine that has everything. It dials nobody.
    pub(super) fn serve(&self, network: Network) -> anyhow::Result<Running> {
        let (_, network) = Wire::around(network, self.people[1], How::default());
        let path = self.dir.join("serving.db");
        start(identity(1)?, &path, network)
    }

    /// One catching up and one raw stream, in seconds.
    pub(super) async fn round(&self, transport: &Arc<dyn Transport>, line: Option<Line>) -> anyhow::Result<[f64; 2]> {
        let path = self.dir.join("round.db");
        for more in ["", "-wal", "-shm"] {
            let file = self.dir.join(format!("round.db{more}"));
            if file.exists() {
                std::fs::remove_file(file)?;
            }
        }
        std::fs::copy(self.dir.join("away.db"), &path)?;
        // Nobody dials this side.
        let (_nobody, incoming) = mpsc::channel(1);
        let network = Network { transport: transport.clone(), incoming, callers: Callers::default() };
        let (wire, network) = Wire::around(network, self.people[0], How { dials: true, line, one_circuit: true });
        let running = start(identity(0)?, &path, network)?;
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let begun = tokio::time::Instant::now();
        let mut last = 0;
        while last < self.texts {
            ensure!(begun.elapsed() < LIMIT, "only {last} of {} texts came within {LIMIT:?}", self.texts);
            tokio::time::sleep(LOOK).await;
            // Behind the acts.
            last = db.query_row("SELECT next FROM room", [], |row| row.get::<_, i64>(0))? - 3;
        }
        let took = wire.opened().context("there is no link")?.elapsed();
        let bytes = wire.counts().read.load(Ordering::Relaxed);
        ensure!(wire.streams() == 1, "the link was lost");
        let raw = wire.raw(self.people[1], bytes).await?;
        running.kill().await;
        eprintln!("{TEXTS} texts, {bytes} bytes: {:.2} s, raw {:.3} s", took.as_secs_f64(), raw.as_secs_f64());
        Ok([took.as_secs_f64(), raw.as_secs_f64()])
    }
}

fn start(identity: LocalIdentity, path: &Path, network: Network) -> anyhow::Result<Running> {
    let mut config = EngineConfig::default();
    config.policy.dial.start_spread_ms = 100;
    // No second dial beside a slow one.
    config.dial = DialTimes { hedge: config.dial.attempt, ..config.dial };
    let storage = Storage::File { path: path.to_owned(), max_bytes: None };
    Ok(Engine::start(config, identity, storage, network, World::system())?)
}
