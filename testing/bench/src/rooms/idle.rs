//! What an idle link carries in a day: a room's and a contact's.
//!
//! Two real engines with stores in memory, and a network in memory; the day is simulated, so it is over within a second and has
//! no noise. Bytes are those of both directions. Tor puts them into cells of 514 bytes each, of which 498 carry
//! them: the row judges what the cells take, because a short answer takes as much of Tor as a long one.

use super::cast::{Cast, SAID_MS};
use super::wire::{How, Wire};
use crate::report::{Aim, Report, Row};
use crate::stats::Summary;
use anyhow::ensure;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ContactOp, Op};
use torchat_engine::store::Store;
use torchat_engine::{Engine, EngineConfig, Running, Storage, World};
use torchat_transport::clock::Clock;
use torchat_transport::memory::{SimulatedNetwork, Weather};
use torchat_transport::randomness::Randomness;

/// Before the day begins: links are made, and rooms told.
const FIRST: Duration = Duration::from_secs(600);
/// The day.
const DAY: Duration = Duration::from_secs(24 * 3_600);
const HOURS: f64 = 24.0;
/// Days of each kind, each with another randomness.
const DAYS: u64 = 5;
/// Bytes of a cell of Tor.
const CELL: f64 = 514.0;

/// What the link carried in an hour, in both directions.
#[derive(Debug, Clone, Copy)]
struct Hourly {
    bytes: f64,
    cells: f64,
}

pub(super) fn run(report: &mut Report) -> anyhow::Result<()> {
    let mut days = Vec::new();
    for seed in 0..DAYS {
        days.push([day(seed, true)?, day(seed, false)?]);
    }
    let row = |what: &str, unit: &str, of: fn(&Hourly) -> f64, aim| {
        let side = |side: usize| crate::stats::median(days.iter().map(|day| of(&day[side])));
        Row {
            what: what.to_owned(),
            ours: format!("{:.1} {unit}", side(0)),
            reference: format!("{:.1} {unit}", side(1)),
            judged: Summary::of(days.iter().map(|[room, contact]| of(room) / of(contact))),
            aim,
        }
    };
    let cells = |hourly: &Hourly| hourly.cells * CELL / 1e3;
    report.add(row(
        "idle traffic of a room link, in cells of Tor (reference: a contact's)",
        "kB/h",
        cells,
        Aim::AtMost(2.2),
    ));
    report.add(row("the same, bytes of the link itself", "bytes/h", |hourly| hourly.bytes, Aim::None));
    Ok(())
}

fn identity(n: u8) -> anyhow::Result<LocalIdentity> {
    Ok(LocalIdentity::from_seeds(&[n + 1; 32], &[n + 51; 32], SAID_MS.unsigned_abs() / 1_000)?)
}

fn day(seed: u64, room: bool) -> anyhow::Result<Hourly> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let network = SimulatedNetwork::new(seed, Weather::default());
        let people = [identity(0)?.peer_id(), identity(1)?.peer_id()];
        let stores = [Arc::new(Mutex::new(Store::in_memory()?)), Arc::new(Mutex::new(Store::in_memory()?))];
        if room {
            let cast = Cast::new(0, &people)?;
            let mut owner = cast.owners_book()?;
            cast.members_book(1, &owner)?.write_into(&mut stores[1].lock())?;
            owner.write_into(&mut stores[0].lock())?;
        } else {
            for (store, peer) in stores.iter().zip([people[1], people[0]]) {
                store.lock().commit(SAID_MS, &[Op::Contacts(ContactOp::Add { peer, at_ms: SAID_MS })])?;
            }
        }
        let (mut wires, mut running) = (Vec::new(), Vec::<Running>::new());
        for (n, store) in stores.iter().enumerate() {
            let how = How { dials: n == 0, ..How::default() };
            let (wire, network) = Wire::around(network.attach(people[n]), people[n], how);
            let world = World {
                clock: Clock::simulated(SAID_MS + 3_600_000),
                randomness: Randomness::seeded(seed * 2 + n as u64),
            };
            let storage = Storage::Shared(store.clone());
            running.push(Engine::start(EngineConfig::default(), identity(u8::try_from(n)?)?, storage, network, world)?);
            wires.push(wire);
        }
        tokio::time::sleep(FIRST).await;
        let linked = |running: &Running| {
            let status = running.handle.status().to_json();
            if room { status["rooms"]["channels"] == 1 } else { status["links"] == 1 }
        };
        ensure!(running.iter().all(linked), "no link within {FIRST:?}");
        // The first one dials.
        let wire = &wires[0];
        let carried = || {
            let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
            let counts = wire.counts();
            (of(&counts.written) + of(&counts.read), of(&counts.cells))
        };
        let (before, streams) = (carried(), wire.streams());
        tokio::time::sleep(DAY).await;
        let after = carried();
        ensure!(running.iter().all(linked) && wire.streams() == streams, "the link was lost");
        for engine in running {
            engine.kill().await;
        }
        let hourly = |before: u64, after: u64| (after - before) as f64 / HOURS;
        Ok(Hourly { bytes: hourly(before.0, after.0), cells: hourly(before.1, after.1) })
    })
}
