//! The simulated network: streams in memory with seeded delays, losses, partitions and absent peers, for paused time.
//!
//! Its bytes are carried by tasks of the runtime in which the network was made. Daemons may live in that runtime or in
//! others: a daemon whose runtime does not run is a stopped process, and what was sent to it waits in its streams.

use crate::randomness::Randomness;
use crate::{BoxStream, Callers, Circuit, DialError, Group, Incoming, Isolation, Network, NetworkStatus, Transport};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use torchat_protocol::id::PeerId;

/// Bytes that a simulated stream holds, as a Tor stream's window does.
const WINDOW: usize = 64 * 1024;
/// Bytes that are carried at once: every chunk has a delay of its own.
const CHUNK: usize = 4096;

/// How a simulated network behaves.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Longest delay of a chunk, in milliseconds.
    pub delay_ms: u64,
    /// Longest time to open a stream, in milliseconds.
    pub dial_ms: u64,
    /// One dial of this many fails although the peer is there; 0: none.
    pub dial_fails_one_in: usize,
    /// One new stream of this many will be lost by itself; 0: none.
    pub cut_one_in: usize,
    /// Such a stream is lost after a random number of bytes (of both directions together) below this one. Small enough,
    /// it is lost within the handshake, at any byte of it.
    pub cut_within_bytes: usize,
    /// Bytes a second that a stream carries in each direction; 0: as many as come.
    pub bytes_per_s: usize,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay_ms: 300, dial_ms: 2_000, dial_fails_one_in: 0, cut_one_in: 0, cut_within_bytes: 0, bytes_per_s: 0 }
    }
}

/// A network that many engines of one process share. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedNetwork {
    shared: Arc<Mutex<Shared>>,
    carried: Arc<AtomicU64>,
    randomness: Randomness,
    carrier: Handle,
}

struct Shared {
    weather: Weather,
    services: BTreeMap<PeerId, Service>,
    partitions: BTreeSet<(PeerId, PeerId)>,
    offline: BTreeSet<PeerId>,
    streams: Vec<Carried>,
}

struct Service {
    streams: mpsc::Sender<Incoming>,
    callers: Callers,
    /// The circuits of each caller, one for each group of its dials. Stricter than Tor's: it is used again for every dial of
    /// the group, also for a fresh one, until it is closed.
    circuits: BTreeMap<(PeerId, Group), Circuit>,
    status: watch::Sender<NetworkStatus>,
}

/// A stream that is carried from one daemon to another.
#[derive(Clone)]
struct Carried {
    ends: (PeerId, PeerId),
    cancel: CancellationToken,
    /// Nothing passes any more, and neither end is told.
    swallowed: Arc<AtomicBool>,
    /// Bytes that may still pass before it is lost.
    left: Arc<AtomicU64>,
}

impl Carried {
    /// How many of `n` bytes may pass.
    fn spend(&self, n: usize) -> usize {
        // Both directions run on one thread, so that nothing comes between the two steps.
        let left = self.left.load(Ordering::Relaxed);
        let passed = left.min(n as u64);
        self.left.store(left - passed, Ordering::Relaxed);
        usize::try_from(passed).unwrap_or(n)
    }
}

impl SimulatedNetwork {
    /// A network whose behaviour follows from the seed, carried by the present runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        let shared = Shared {
            weather,
            services: BTreeMap::new(),
            partitions: BTreeSet::new(),
            offline: BTreeSet::new(),
            streams: Vec::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            carried: Arc::default(),
            randomness: Randomness::seeded(seed),
            carrier: Handle::current(),
        }
    }

    /// A peer's way into the network. A second call for the same peer replaces the first, as a restart does.
    #[must_use]
    pub fn attach(&self, peer: PeerId) -> Network {
        let (service, incoming) = mpsc::channel(16);
        let mut shared = self.shared.lock();
        let (status, seen) = watch::channel(status(!shared.offline.contains(&peer)));
        let callers = Callers::default();
        let circuits = BTreeMap::new();
        shared.services.insert(peer, Service { streams: service, callers: callers.clone(), circuits, status });
        let transport = Arc::new(Simulated { network: self.clone(), own: peer, status: seen });
        Network { transport, incoming, callers }
    }

    /// The peer is gone: its streams break and dials find nobody.
    pub fn detach(&self, peer: PeerId) {
        self.leave(peer);
        self.cut(|a, b| a == peer || b == peer);
    }

    /// The peer takes no streams any more. Those that it has end as it ends them, after what it wrote.
    pub fn leave(&self, peer: PeerId) {
        self.shared.lock().services.remove(&peer);
    }

    /// The peer's machine has no network: its streams break, its dials fail at once, nobody finds it; or it has one again.
    pub fn set_offline(&self, peer: PeerId, offline: bool) {
        {
            let mut shared = self.shared.lock();
            if offline {
                shared.offline.insert(peer);
            } else {
                shared.offline.remove(&peer);
            }
            if let Some(service) = shared.services.get(&peer) {
                service.status.send_replace(status(!offline));
            }
        }
        if offline {
            self.cut(|a, b| a == peer || b == peer);
        }
    }

    /// Nothing passes between the two any more, without a word to either; or everything passes again.
    pub fn partition(&self, a: PeerId, b: PeerId, apart: bool) {
        let mut shared = self.shared.lock();
        for pair in [(a, b), (b, a)] {
            if apart {
                shared.partitions.insert(pair);
            } else {
                shared.partitions.remove(&pair);
            }
        }
    }

    /// Breaks the streams between the two.
    pub fn cut_between(&self, a: PeerId, b: PeerId) {
        self.cut(|x, y| (x, y) == (a, b) || (x, y) == (b, a));
    }

    /// The present streams of the peer carry nothing any more, and neither end is told: a power cut, or a relay
    /// that vanished. New streams are not concerned.
    pub fn swallow(&self, peer: PeerId) {
        for stream in self.shared.lock().streams.iter().filter(|s| s.ends.0 == peer || s.ends.1 == peer) {
            stream.swallowed.store(true, Ordering::Relaxed);
        }
    }

    /// Changes the weather for what comes.
    pub fn set_weather(&self, weather: Weather) {
        self.shared.lock().weather = weather;
    }

    /// Counts dials and carried chunks. As long as it does not change, nothing moves.
    #[must_use]
    pub fn activity(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    fn cut(&self, which: impl Fn(PeerId, PeerId) -> bool) {
        self.shared.lock().streams.retain(|stream| {
            let hit = which(stream.ends.0, stream.ends.1);
            if hit {
                stream.cancel.cancel();
            }
            !hit && !stream.cancel.is_cancelled()
        });
    }

    fn pause(&self, limit_ms: u64) -> Duration {
        let limit = usize::try_from(limit_ms).unwrap_or(usize::MAX).saturating_add(1);
        Duration::from_millis(self.randomness.below(limit) as u64)
    }

    fn one_in(&self, n: usize) -> bool {
        n > 0 && self.randomness.below(n) == 0
    }

    fn is_apart(&self, a: PeerId, b: PeerId) -> bool {
        self.shared.lock().partitions.contains(&(a, b))
    }

    async fn open(&self, own: PeerId, peer: PeerId, group: Group) -> Result<BoxStream, DialError> {
        self.carried.fetch_add(1, Ordering::Relaxed);
        let weather = self.shared.lock().weather.clone();
        tokio::time::sleep(self.pause(weather.dial_ms)).await;
        if self.is_apart(own, peer) {
            // As on the real network: no answer, only the caller's patience ends.
            std::future::pending::<()>().await;
        }
        let down = || DialError::PeerDown("nobody listens there".into());
        let (service, circuit) = {
            let mut shared = self.shared.lock();
            if shared.offline.contains(&own) {
                return Err(DialError::NoNetwork("no way into the network".into()));
            }
            let found = !shared.offline.contains(&peer);
            let service = shared.services.get_mut(&peer).filter(|_| found).ok_or_else(down)?;
            let circuit = service.circuits.entry((own, group)).or_insert_with(|| service.callers.circuit());
            if !circuit.admits() {
                // It is closed; the next dial builds another.
                service.circuits.remove(&(own, group));
                return Err(down());
            }
            (service.streams.clone(), circuit.clone())
        };
        if self.one_in(weather.dial_fails_one_in) {
            return Err(match self.randomness.below(3) {
                0 => DialError::PeerDown("the service was not found".into()),
                1 => DialError::NoNetwork("no circuit could be built".into()),
                _ => DialError::Timeout,
            });
        }
        let (near, near_end) = tokio::io::duplex(WINDOW);
        let (far, far_end) = tokio::io::duplex(WINDOW);
        service.send(Incoming { stream: Box::new(far), circuit }).await.map_err(|_| down())?;
        let left = match self.one_in(weather.cut_one_in) {
            true => self.randomness.below(weather.cut_within_bytes) as u64,
            false => u64::MAX,
        };
        let stream = Carried {
            ends: (own, peer),
            cancel: CancellationToken::new(),
            swallowed: Arc::default(),
            left: Arc::new(AtomicU64::new(left)),
        };
        self.shared.lock().streams.push(stream.clone());
        self.carrier.spawn(self.clone().carry(near_end, far_end, stream));
        Ok(Box::new(near))
    }

    async fn carry(self, near: DuplexStream, far: DuplexStream, stream: Carried) {
        let (near_read, near_write) = tokio::io::split(near);
        let (far_read, far_write) = tokio::io::split(far);
        let there = self.carry_one_way(near_read, far_write, &stream);
        let back = self.carry_one_way(far_read, near_write, &stream);
        tokio::select! {
            biased;
            () = stream.cancel.cancelled() => {}
            () = async { futures::join!(there, back); } => {}
        }
        stream.cancel.cancel();
    }

    async fn carry_one_way(&self, mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>, stream: &Carried) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let Weather { delay_ms, bytes_per_s, .. } = self.shared.lock().weather.clone();
            // A slow line carries little at once, or its bytes would come in bursts.
            let most = if bytes_per_s > 0 { (bytes_per_s / 4).clamp(1, CHUNK) } else { CHUNK };
            let Ok(n @ 1..) = from.read(&mut chunk[..most]).await else { break };
            if bytes_per_s > 0 {
                tokio::time::sleep(Duration::from_secs(n as u64) / u32::try_from(bytes_per_s).unwrap_or(u32::MAX))
                    .await;
            }
            tokio::time::sleep(self.pause(delay_ms)).await;
            while self.is_apart(stream.ends.0, stream.ends.1) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            if stream.swallowed.load(Ordering::Relaxed) {
                continue;
            }
            self.carried.fetch_add(1, Ordering::Relaxed);
            let passed = stream.spend(n);
            let written = to.write_all(&chunk[..passed]).await;
            if passed < n {
                stream.cancel.cancel();
            }
            if passed < n || written.is_err() {
                return;
            }
        }
        if stream.swallowed.load(Ordering::Relaxed) {
            // The other end must not learn of this end's end either. A cut ends the wait.
            std::future::pending::<()>().await;
        }
        let _ = to.shutdown().await;
    }
}

fn status(usable: bool) -> NetworkStatus {
    let percent = if usable { 100 } else { 0 };
    NetworkStatus { usable, percent, sentence: "simulated".into(), ..NetworkStatus::default() }
}

struct Simulated {
    network: SimulatedNetwork,
    own: PeerId,
    status: watch::Receiver<NetworkStatus>,
}

impl Transport for Simulated {
    fn dial(&self, peer: PeerId, isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        self.network.open(self.own, peer, isolation.group()).boxed()
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.status.clone()
    }
}
