//! Daemons that each have a runtime, a clock and a disk of their own, and a network between them.
//!
//! The present passes in short steps: in each, every daemon runs for the step's length by its own paused time, then the
//! network does. So a daemon can be left out (a stopped or suspended process: none of its tasks run, its monotonic clock
//! stands or jumps, bytes wait in its streams), and a killed one vanishes in whatever its tasks were doing, because its
//! runtime is dropped. The price is that two daemons may see each other's bytes up to a step early or late, which is
//! within what a network does. All runs on the caller's thread; the order follows from the seed.
//!
//! What a suspend does: see [`Pause`].

use super::disk::{Disk, Held, Image};
use super::identity;
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use torchat_engine::handle::Handle;
use torchat_engine::store::Store;
use torchat_engine::{Engine, EngineConfig, Running, Storage, World as Senses};
use torchat_protocol::id::PeerId;
use torchat_transport::clock::Clock;
use torchat_transport::memory::{SimulatedNetwork, Weather};
use torchat_transport::randomness::Randomness;

/// The shortest step: while bytes move.
const SHORTEST_MS: u64 = 100;
/// The longest step: while nothing moves. Well below the time for the answer to a ping.
const LONGEST_MS: u64 = 2_000;

/// A process: what kill -9 ends.
struct Process {
    runtime: Runtime,
    running: Running,
    store: Arc<Mutex<Store>>,
    clock: Clock,
}

/// In which way a daemon does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Its monotonic clock goes on: SIGSTOP and SIGCONT, or a virtual machine that was paused. Afterwards all its timers
    /// fire at once.
    Stopped,
    /// Its monotonic clock stands still: what Linux does in a suspend. Afterwards its timers go on where they were, and
    /// only the wall clock tells of it.
    Suspended,
}

/// A daemon's machine.
struct Machine {
    id: PeerId,
    disk: Disk,
    /// Its wall clock at this moment, in milliseconds since 1970.
    wall_ms: i64,
    process: Option<Process>,
    /// How, and since which moment of the simulation, its process does not run.
    frozen: Option<(Pause, u64)>,
    /// The disk takes nothing more.
    full: bool,
}

/// See the module's description.
pub struct World {
    /// The network, for faults.
    pub network: SimulatedNetwork,
    /// Randomness of the scenario.
    pub dice: Randomness,
    carrier: Runtime,
    config: EngineConfig,
    machines: Vec<Machine>,
    keys: Vec<[u8; 32]>,
    step_ms: u64,
    now_ms: u64,
    activity: u64,
}

impl World {
    /// `count` machines whose daemons do not run yet.
    ///
    /// # Panics
    /// When the operating system refuses a runtime.
    #[must_use]
    pub fn new(seed: u64, count: u8, config: EngineConfig) -> Self {
        watch_panics();
        let carrier = paused_runtime();
        let network = carrier.block_on(async { SimulatedNetwork::new(seed ^ 0x5eed, Weather::default()) });
        let machines: Vec<_> = (0..count)
            .map(|n| Machine {
                id: identity(n, super::START_MS).peer_id(),
                disk: Disk::new(),
                wall_ms: super::START_MS,
                process: None,
                frozen: None,
                full: false,
            })
            .collect();
        let keys = machines.iter().map(|machine| *machine.id.as_bytes()).collect();
        let dice = Randomness::seeded(seed);
        Self { network, dice, carrier, config, machines, keys, step_ms: SHORTEST_MS, now_ms: 0, activity: 0 }
    }

    /// How many machines there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.machines.len()
    }

    /// Simulated milliseconds since the start.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// A daemon's identity.
    #[must_use]
    pub fn id(&self, n: usize) -> PeerId {
        self.machines[n].id
    }

    /// Whether its process exists, frozen or not.
    #[must_use]
    pub fn is_running(&self, n: usize) -> bool {
        self.machines[n].process.is_some()
    }

    /// Whether its process exists and does not run.
    #[must_use]
    pub fn is_frozen(&self, n: usize) -> bool {
        self.machines[n].frozen.is_some()
    }

    /// Whether clients get answers of it.
    #[must_use]
    pub fn is_awake(&self, n: usize) -> bool {
        self.is_running(n) && !self.is_frozen(n)
    }

    /// A running daemon's handle.
    #[must_use]
    pub fn handle(&self, n: usize) -> Option<Handle> {
        self.machines[n].process.as_ref().map(|process| process.running.handle.clone())
    }

    /// Gives a running daemon a client, which dies with it.
    pub fn spawn(&self, n: usize, client: impl Future<Output = ()> + Send + 'static) {
        if let Some(process) = &self.machines[n].process {
            process.runtime.spawn(client);
        }
    }

    /// Gives the network a peer that is none of the daemons. It lives by the network's time.
    pub fn spawn_outside(&self, peer: impl Future<Output = ()> + Send + 'static) {
        self.carrier.spawn(peer);
    }

    /// What a daemon's disk holds of any peer, with its events after number `after`.
    #[must_use]
    pub fn held(&self, n: usize, peer: &[u8; 32], after: u64) -> Held {
        self.machines[n].disk.held(peer, after)
    }

    /// Runs something of a daemon's clients to its end, while nobody else moves.
    pub fn block_on<T>(&self, n: usize, client: impl Future<Output = T>) -> Option<T> {
        self.machines[n].process.as_ref().map(|process| process.runtime.block_on(client))
    }

    /// Starts a daemon on its disk.
    ///
    /// # Panics
    /// When the store is damaged.
    pub fn start(&mut self, n: usize) {
        let machine = &mut self.machines[n];
        let runtime = paused_runtime();
        let store = machine.disk.open();
        let inside = runtime.enter();
        let clock = Clock::simulated(machine.wall_ms);
        let senses =
            Senses { clock: clock.clone(), randomness: Randomness::seeded(u64::from_le_bytes(self.dice.bytes())) };
        let identity = identity(u8::try_from(n).unwrap_or(u8::MAX), machine.wall_ms);
        let storage = Storage::Shared(store.clone());
        let network = self.network.attach(machine.id);
        let running =
            Engine::start(self.config.clone(), identity, storage, network, senses).expect("the store is whole");
        drop(inside);
        machine.process = Some(Process { runtime, running, store, clock });
        machine.frozen = None;
        let full = machine.full;
        self.set_full(n, full);
    }

    /// Ends a daemon as kill -9 does, or as the end of its machine, which tells nobody (`silent`).
    pub fn kill(&mut self, n: usize, silent: bool) {
        let machine = &mut self.machines[n];
        machine.frozen = None;
        if silent {
            self.network.swallow(machine.id);
            self.network.leave(machine.id);
        } else {
            self.network.detach(machine.id);
        }
        // The runtime drops every task wherever it waits.
        machine.process = None;
    }

    /// Stops a daemon cleanly.
    ///
    /// # Panics
    /// When its engine panicked or lost its store.
    pub fn stop(&mut self, n: usize) {
        self.thaw(n);
        let machine = &mut self.machines[n];
        self.network.leave(machine.id);
        let Some(process) = machine.process.take() else { return };
        process.running.handle.stop();
        let end = process.runtime.block_on(process.running.join);
        end.expect("the engine ends without a panic").expect("it was asked to");
    }

    /// From now on none of the daemon's tasks run and its clients get no answer, while the rest goes on; what it is sent
    /// waits in its streams, as in the buffers of the system. [`World::thaw`] ends it.
    pub fn freeze(&mut self, n: usize, pause: Pause) {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[n];
        if machine.process.is_some() {
            machine.frozen.get_or_insert((pause, now_ms));
        }
    }

    /// The daemon runs again. Its wall clock has gone on in either [`Pause`].
    pub fn thaw(&mut self, n: usize) {
        let machine = &mut self.machines[n];
        let (Some((pause, since)), Some(process)) = (machine.frozen.take(), &machine.process) else { return };
        let missed_ms = self.now_ms - since;
        match pause {
            Pause::Stopped => {
                process.runtime.block_on(async { tokio::time::advance(Duration::from_millis(missed_ms)).await })
            }
            Pause::Suspended => process.clock.jump_wall(signed(missed_ms)),
        }
    }

    /// All machines are suspended for so long, and nothing of the network moves: a night, which costs no steps.
    pub fn night(&mut self, ms: u64) {
        self.now_ms += ms;
        for machine in &mut self.machines {
            machine.wall_ms += signed(ms);
            if let Some(process) = machine.process.as_ref().filter(|_| machine.frozen.is_none()) {
                process.clock.jump_wall(signed(ms));
            }
        }
    }

    /// Sets a machine's clock by `by_ms` milliseconds, whether its daemon runs or not.
    pub fn set_clock(&mut self, n: usize, by_ms: i64) {
        let machine = &mut self.machines[n];
        machine.wall_ms += by_ms;
        if let Some(process) = &machine.process {
            process.clock.jump_wall(by_ms);
        }
    }

    /// How far a machine's clock is from the true time, in milliseconds.
    #[must_use]
    pub fn clock_error_ms(&self, n: usize) -> i64 {
        self.machines[n].wall_ms - super::START_MS - signed(self.now_ms)
    }

    /// The disk takes nothing that it has no room for already; or takes everything again.
    ///
    /// # Panics
    /// When SQLite refuses.
    pub fn set_full(&mut self, n: usize, full: bool) {
        let machine = &mut self.machines[n];
        machine.full = full;
        if let Some(process) = &machine.process {
            let bytes = if full { 1 } else { 1 << 30 };
            process.store.lock().set_max_bytes(bytes).expect("a limit");
        }
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self, n: usize) -> bool {
        self.machines[n].full
    }

    /// A copy of a daemon's disk as it is now: a backup, made while the daemon runs or not.
    #[must_use]
    pub fn backup(&self, n: usize) -> Disk {
        self.machines[n].disk.copy()
    }

    /// Gives a daemon that does not run another disk; returns its old one.
    pub fn swap(&mut self, n: usize, disk: Disk) -> Disk {
        debug_assert!(self.machines[n].process.is_none(), "the disk of a running daemon");
        std::mem::replace(&mut self.machines[n].disk, disk)
    }

    /// What a disk holds.
    #[must_use]
    pub fn image(&self, n: usize) -> Image {
        self.machines[n].disk.image(&self.keys)
    }

    /// What all disks hold, of one moment.
    #[must_use]
    pub fn images(&self) -> Vec<Image> {
        (0..self.count()).map(|n| self.image(n)).collect()
    }

    /// Lets one daemon run alone, for some milliseconds and then some yields: to be killed anywhere in a turn.
    pub fn run_alone(&mut self, n: usize, ms: u64, yields: usize) {
        let machine = &mut self.machines[n];
        let Some(process) = machine.process.as_ref().filter(|_| machine.frozen.is_none()) else { return };
        process.runtime.block_on(async {
            asleep(ms).await;
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
        });
        machine.wall_ms += signed(ms);
    }

    /// Lets time pass. `after` is called after every step, with the length of it.
    pub fn pass(&mut self, ms: u64, mut after: impl FnMut(&mut Self)) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            let step = self.step_ms.min(end - self.now_ms);
            let first = self.dice.below(self.count());
            for n in 0..self.count() {
                self.run_for((first + n) % self.count(), step);
            }
            self.carrier.block_on(asleep(step));
            self.now_ms += step;
            after(self);
            let activity = self.network.activity();
            let moved = std::mem::replace(&mut self.activity, activity) != activity;
            self.step_ms = if moved { SHORTEST_MS } else { (self.step_ms * 2).min(LONGEST_MS) };
        }
    }

    fn run_for(&mut self, n: usize, ms: u64) {
        let machine = &mut self.machines[n];
        machine.wall_ms += signed(ms);
        if let Some(process) = machine.process.as_ref().filter(|_| machine.frozen.is_none()) {
            process.runtime.block_on(asleep(ms));
        }
    }

    /// The next step is a short one, because a client did something.
    pub fn stir(&mut self) {
        self.step_ms = SHORTEST_MS;
    }

    /// The daemons whose engine ended although nobody stopped it.
    #[must_use]
    pub fn fallen(&self) -> Vec<usize> {
        let fallen = |machine: &Machine| machine.process.as_ref().is_some_and(|p| p.running.join.is_finished());
        (0..self.count()).filter(|n| fallen(&self.machines[*n])).collect()
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn paused_runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// Lets a runtime run for so long by its own time.
async fn asleep(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A task that panics only ends its task: without this count nobody would learn of it.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}

/// Panics on this thread since the last call, in tasks or elsewhere.
pub fn take_panics() -> u32 {
    PANICS.take()
}
