//! Many daemons in one process: real core, real engine, real store, a simulated network and paused time.
//!
//! Two kinds: a [`Sim`] for scenarios that a test tells step by step, in one runtime; and the storms of [`storm`], drawn
//! from a seed, whose daemons each have a runtime of their own ([`world`]) and whose promises one [`checker`] watches.
//!
//! Time passes only when every task waits, so hours of faults run in a second, and the same seed gives the same run. A
//! killed daemon loses everything but its store, which is kept in memory with its last commit, as a disk keeps it.

pub mod checker;
pub mod crowd;
pub mod disk;
pub mod rooms;
pub mod storm;
pub mod world;

use disk::Disk;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::handle::Handle;
use torchat_engine::store::Store;
use torchat_engine::{Engine, EngineConfig, Running, Storage, World};
use torchat_protocol::id::PeerId;
use torchat_transport::clock::Clock;
use torchat_transport::memory::{SimulatedNetwork, Weather};
use torchat_transport::randomness::Randomness;

/// The wall clock at the start of every simulation: 2026-09-21, in milliseconds since 1970.
const START_MS: i64 = 1_790_000_000_000;

/// A daemon of a simulation.
pub struct SimDaemon {
    seed: u8,
    id: PeerId,
    disk: Disk,
    store: Arc<Mutex<Store>>,
    running: Option<Running>,
}

/// A simulation.
pub struct Sim {
    /// The network, for faults.
    pub network: SimulatedNetwork,
    /// Randomness for the scenario.
    pub randomness: Randomness,
    config: EngineConfig,
    clock: Clock,
    daemons: Vec<SimDaemon>,
}

impl Sim {
    /// Starts `count` daemons that do not know each other. Must run within a paused runtime: see [`run`].
    ///
    /// # Panics
    /// When a store in memory cannot be made.
    #[must_use]
    pub fn new(seed: u64, count: u8, config: EngineConfig) -> Self {
        let mut sim = Self {
            network: SimulatedNetwork::new(seed ^ 0x5eed, Weather::default()),
            randomness: Randomness::seeded(seed),
            config,
            clock: Clock::simulated(START_MS),
            daemons: Vec::new(),
        };
        for n in 0..count {
            let identity = identity(n, START_MS);
            let disk = Disk::new();
            let store = disk.open();
            sim.daemons.push(SimDaemon { seed: n, id: identity.peer_id(), disk, store, running: None });
            sim.start(usize::from(n));
        }
        sim
    }

    /// A daemon's identity.
    #[must_use]
    pub fn id(&self, n: usize) -> PeerId {
        self.daemons[n].id
    }

    /// A running daemon.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn handle(&self, n: usize) -> Handle {
        self.daemons[n].running.as_ref().expect("the daemon runs").handle.clone()
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self, n: usize) -> bool {
        self.daemons[n].running.is_some()
    }

    /// A daemon's store, to look into or to limit it.
    #[must_use]
    pub fn store(&self, n: usize) -> Arc<Mutex<Store>> {
        self.daemons[n].store.clone()
    }

    /// A copy of what a daemon has on its disk.
    #[must_use]
    pub fn copy_of(&self, n: usize) -> Disk {
        self.daemons[n].disk.copy()
    }

    /// Gives a daemon that does not run another disk; returns its old one.
    ///
    /// # Panics
    /// When it runs.
    pub fn swap(&mut self, n: usize, disk: Disk) -> Disk {
        assert!(!self.is_running(n), "a running daemon holds its disk");
        let daemon = &mut self.daemons[n];
        daemon.store = disk.open();
        std::mem::replace(&mut daemon.disk, disk)
    }

    /// Starts a daemon on its store.
    ///
    /// # Panics
    /// When the store is damaged.
    pub fn start(&mut self, n: usize) {
        let daemon = &mut self.daemons[n];
        let identity = identity(daemon.seed, self.clock.now().wall_ms);
        let world = World { clock: self.clock.clone(), randomness: self.randomness.clone() };
        let network = self.network.attach(daemon.id);
        let storage = Storage::Shared(daemon.store.clone());
        let running = Engine::start(self.config.clone(), identity, storage, network, world);
        daemon.running = Some(running.expect("the store is whole"));
    }

    /// Sets the wall clock of all by a number of milliseconds, as a user does.
    pub fn set_clock(&self, by_ms: i64) {
        self.clock.jump_wall(by_ms);
    }

    /// Kills a daemon as kill -9 does.
    pub async fn kill(&mut self, n: usize) {
        if let Some(running) = self.daemons[n].running.take() {
            running.kill().await;
        }
        self.network.detach(self.daemons[n].id);
    }

    /// Stops a daemon cleanly.
    ///
    /// # Panics
    /// When its engine panicked.
    pub async fn stop(&mut self, n: usize) {
        if let Some(running) = self.daemons[n].running.take() {
            running.handle.stop();
            running.join.await.expect("the engine ends without a panic").expect("it was asked to");
        }
        self.network.detach(self.daemons[n].id);
    }

    /// Everybody adds everybody.
    ///
    /// # Panics
    /// When a daemon refuses.
    pub async fn befriend_all(&self) {
        for a in 0..self.daemons.len() {
            for b in 0..self.daemons.len() {
                if a != b {
                    self.handle(a).add(self.id(b)).await.expect("added");
                }
            }
        }
    }

    /// The texts that `to` has from `from`, in their order.
    ///
    /// # Panics
    /// When the store cannot be read.
    pub async fn received(&self, to: usize, from: usize) -> Vec<String> {
        let history = self.handle(to).history(self.id(from), u32::MAX).await.expect("history");
        history.into_iter().filter(|line| line.dir == "in").map(|line| line.text).collect()
    }

    /// Waits, in simulated time and in the smallest steps, until `to` has `count` texts from `from`.
    ///
    /// # Panics
    /// When that does not come true within `limit`.
    pub async fn received_at_least(&self, to: usize, from: usize, count: usize, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        while self.received(to, from).await.len() < count {
            assert!(tokio::time::Instant::now() < deadline, "not {count} texts within {limit:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Messages that wait to be delivered, of all running daemons.
    #[must_use]
    pub fn queued(&self) -> u64 {
        (0..self.daemons.len())
            .filter(|n| self.is_running(*n))
            .map(|n| self.handle(n).status().to_json()["queue"]["messages"].as_u64().unwrap_or(u64::MAX))
            .sum()
    }

    /// Waits, in simulated time, until nothing is queued. Returns whether that came true within `limit`.
    pub async fn settled(&self, limit: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + limit;
        while tokio::time::Instant::now() < deadline {
            if self.queued() == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        false
    }
}

fn identity(n: u8, now_ms: i64) -> LocalIdentity {
    LocalIdentity::from_seeds(&[n + 1; 32], &[n + 101; 32], (now_ms / 1000).unsigned_abs()).expect("an identity")
}

/// Runs a scenario in paused time, on one thread, so that its order follows from its seed.
///
/// # Panics
/// When the scenario does.
pub fn run<T>(scenario: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(scenario)
}
