//! The simulated network: streams in memory with seeded delays, losses, partitions and absent peers, for paused time.

use super::{BoxStream, DialError, Isolation, Network, NetworkStatus, Transport};
use crate::clock::Randomness;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use torchat_protocol::id::PeerId;

/// Bytes that a simulated stream holds, as a Tor stream's window does.
const WINDOW: usize = 64 * 1024;

/// How a simulated network behaves.
#[derive(Debug, Clone)]
pub struct Weather {
    /// Longest delay of a chunk, in milliseconds.
    pub delay_ms: u64,
    /// Longest time to open a stream, in milliseconds.
    pub dial_ms: u64,
    /// One chunk in so many cuts the stream; 0: none.
    pub cut_one_in: usize,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay_ms: 300, dial_ms: 2_000, cut_one_in: 0 }
    }
}

/// A network that many engines of one process share. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedNetwork {
    shared: Arc<Mutex<Shared>>,
    randomness: Randomness,
}

struct Shared {
    weather: Weather,
    doors: BTreeMap<PeerId, mpsc::Sender<BoxStream>>,
    partitions: BTreeSet<(PeerId, PeerId)>,
    streams: Vec<(PeerId, PeerId, CancellationToken)>,
}

impl SimulatedNetwork {
    /// A network whose behaviour follows from the seed.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        let shared = Shared { weather, doors: BTreeMap::new(), partitions: BTreeSet::new(), streams: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)), randomness: Randomness::seeded(seed) }
    }

    /// A peer's way into the network. A second call for the same peer replaces the first, as a restart does.
    #[must_use]
    pub fn attach(&self, peer: PeerId) -> Network {
        let (door, incoming) = mpsc::channel(16);
        self.lock().doors.insert(peer, door);
        let usable = NetworkStatus { usable: true, percent: 100, sentence: "simulated".into() };
        let (_, status) = watch::channel(usable);
        Network { transport: Arc::new(Simulated { network: self.clone(), own: peer, status }), incoming }
    }

    /// The peer is gone: its streams break and dials find nobody.
    pub fn detach(&self, peer: PeerId) {
        self.lock().doors.remove(&peer);
        self.cut(|a, b| a == peer || b == peer);
    }

    /// Nothing passes between the two any more, without a word to either; or everything passes again.
    pub fn partition(&self, a: PeerId, b: PeerId, apart: bool) {
        let mut shared = self.lock();
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

    /// Changes the weather for what comes.
    pub fn set_weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    fn cut(&self, which: impl Fn(PeerId, PeerId) -> bool) {
        self.lock().streams.retain(|(a, b, cancel)| {
            let hit = which(*a, *b);
            if hit {
                cancel.cancel();
            }
            !hit && !cancel.is_cancelled()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self, limit_ms: u64) -> Duration {
        let limit = usize::try_from(limit_ms).unwrap_or(usize::MAX).saturating_add(1);
        Duration::from_millis(self.randomness.below(limit) as u64)
    }

    fn is_apart(&self, a: PeerId, b: PeerId) -> bool {
        self.lock().partitions.contains(&(a, b))
    }

    async fn open(&self, own: PeerId, peer: PeerId) -> Result<BoxStream, DialError> {
        let dial_ms = self.lock().weather.dial_ms;
        tokio::time::sleep(self.pause(dial_ms)).await;
        if self.is_apart(own, peer) {
            // As on the real network: no answer, only the caller's patience ends.
            std::future::pending::<()>().await;
        }
        let down = || DialError::PeerDown("nobody listens there".into());
        let door = self.lock().doors.get(&peer).cloned().ok_or_else(down)?;
        let (near, near_end) = tokio::io::duplex(WINDOW);
        let (far, far_end) = tokio::io::duplex(WINDOW);
        door.send(Box::new(far)).await.map_err(|_| down())?;
        let cancel = CancellationToken::new();
        self.lock().streams.push((own, peer, cancel.clone()));
        tokio::spawn(self.clone().carry(near_end, far_end, (own, peer), cancel));
        Ok(Box::new(near))
    }

    async fn carry(self, near: DuplexStream, far: DuplexStream, ends: (PeerId, PeerId), cancel: CancellationToken) {
        let (near_read, near_write) = tokio::io::split(near);
        let (far_read, far_write) = tokio::io::split(far);
        let there = self.carry_one_way(near_read, far_write, ends, &cancel);
        let back = self.carry_one_way(far_read, near_write, ends, &cancel);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = async { futures::join!(there, back); } => {}
        }
        cancel.cancel();
    }

    async fn carry_one_way(
        &self,
        mut from: tokio::io::ReadHalf<DuplexStream>,
        mut to: tokio::io::WriteHalf<DuplexStream>,
        (a, b): (PeerId, PeerId),
        cancel: &CancellationToken,
    ) {
        let mut chunk = vec![0; 4096];
        while let Ok(n @ 1..) = from.read(&mut chunk).await {
            let Weather { delay_ms, cut_one_in, .. } = self.lock().weather.clone();
            tokio::time::sleep(self.pause(delay_ms)).await;
            if cut_one_in > 0 && self.randomness.below(cut_one_in) == 0 {
                // Part of the chunk may have passed: a link is lost at any byte.
                let passed = self.randomness.below(n + 1);
                let _ = to.write_all(&chunk[..passed]).await;
                cancel.cancel();
                return;
            }
            while self.is_apart(a, b) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            if to.write_all(&chunk[..n]).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    }
}

struct Simulated {
    network: SimulatedNetwork,
    own: PeerId,
    status: watch::Receiver<NetworkStatus>,
}

impl Transport for Simulated {
    fn dial(&self, peer: PeerId, _isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        self.network.open(self.own, peer).boxed()
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.status.clone()
    }
}
