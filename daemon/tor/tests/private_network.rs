//! The transport on a real Tor network on loopback. `TORCHAT_TORNET` says where one runs (its directory, or the
//! configuration file in it); without it these tests start one of their own.
#![allow(clippy::unwrap_used)]

#[path = "private_network/renewal.rs"]
mod renewal;
#[path = "private_network/strangers.rs"]
mod strangers;

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use torchat_core::handshake::LocalIdentity;
use torchat_protocol::id::PeerId;
use torchat_tor::TorConfig;
use torchat_tornet::{Config, Network, SocksClient};
use torchat_transport::{BoxStream, DialError, Group, Incoming, Isolation, Transport};

const PORT: u16 = 80;
/// One attempt, as in the engine.
const ATTEMPT: Duration = Duration::from_secs(25);
/// Everything together. An old introduction point alone can hold a dial for 40 s, and a service that starts at the
/// border of two time periods is not found for 72 s.
const LIMIT: Duration = Duration::from_secs(180);

/// A running network.
struct Tornet {
    network: Network,
    _folder: Option<TempDir>,
}

impl Tornet {
    /// All tests that run at the same time share one.
    fn get() -> Arc<Self> {
        static SHARED: Mutex<Weak<Tornet>> = Mutex::new(Weak::new());
        // What one test did not get is the failure of that test alone.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let tornet = Arc::new(Self::find());
            *shared = Arc::downgrade(&tornet);
            tornet
        })
    }

    fn find() -> Self {
        if let Some(place) = std::env::var_os("TORCHAT_TORNET").map(PathBuf::from) {
            let dir = if place.is_dir() { place.as_path() } else { place.parent().unwrap() };
            return Self { network: Network::open(dir).unwrap(), _folder: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("net");
        let config = Config { dir, owner: Some(std::process::id()), ..Config::default() };
        Self { network: Network::start(config).unwrap(), _folder: Some(folder) }
    }

    fn options(&self) -> toml::Table {
        let text = std::fs::read_to_string(self.network.config_path()).unwrap();
        let options = text.parse::<toml::Table>().unwrap()["tor"].as_table().unwrap().clone();
        // With an empty table these tests would go out to the real network.
        for cache in options["tor_network"]["fallback_caches"].as_array().unwrap() {
            for address in cache["orports"].as_array().unwrap() {
                assert!(address.as_str().unwrap().parse::<SocketAddr>().unwrap().ip().is_loopback());
            }
        }
        options
    }
}

fn identity(n: u8) -> LocalIdentity {
    // Never the addresses of an earlier run in the same network: its descriptors may still be there.
    let mut seed = [n; 32];
    seed[..4].copy_from_slice(&std::process::id().to_be_bytes());
    LocalIdentity::from_seeds(&seed, &[n; 32], 1_800_000_000).unwrap()
}

/// A daemon's Tor, whose service sends back what it gets.
struct Echo {
    peer: PeerId,
    transport: Arc<dyn Transport>,
    started: Instant,
    /// How each stream to the service ended.
    ends: mpsc::UnboundedReceiver<std::io::Result<()>>,
    _dir: TempDir,
}

impl Echo {
    /// Started and connected. `n` decides the identity.
    async fn start(tornet: &Tornet, n: u8, virtual_port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let config =
            TorConfig { state_dir: path("state"), cache_dir: path("cache"), virtual_port, options: tornet.options() };
        let identity = identity(n);
        let started = Instant::now();
        let mut network = torchat_tor::start(config, &identity.expanded_secret()).unwrap();
        let (end, ends) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Incoming { stream, circuit: _ }) = network.incoming.recv().await {
                let end = end.clone();
                tokio::spawn(async move { end.send(echo(stream).await) });
            }
        });
        let mut status = network.transport.status();
        let up = tokio::time::timeout(LIMIT, status.wait_for(|status| status.usable)).await;
        assert_eq!(up.expect("no network in time").unwrap().percent, 100);
        println!("service {n}: connected after {} ms, {} MiB", started.elapsed().as_millis(), resident_mib());
        no_keys_on_disk(dir.path());
        Self { peer: identity.peer_id(), transport: network.transport, started, ends, _dir: dir }
    }

    async fn dial(&self, peer: PeerId, isolation: Isolation) -> Result<BoxStream, DialError> {
        let dial = tokio::time::timeout(ATTEMPT, self.transport.dial(peer, isolation));
        dial.await.unwrap_or(Err(DialError::Timeout))
    }

    /// Dials a service until it is reached: it may not be published yet.
    async fn reach(&self, peer: PeerId) -> BoxStream {
        let begun = Instant::now();
        loop {
            match self.dial(peer, Isolation::Fresh(Group::CHAT)).await {
                Ok(stream) => return stream,
                Err(error) => assert!(begun.elapsed() < LIMIT, "not reached in time: {error}"),
            }
        }
    }
}

/// The last word of a talk that the service ends.
const BYE: &[u8] = b"bye";

/// Sends back what it gets, until the dialler ends the stream or says [`BYE`].
async fn echo(mut stream: BoxStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
        stream.flush().await?;
        if &buffer[..n] == BYE {
            return stream.shutdown().await;
        }
    }
}

/// Sends, and gets it back.
async fn exchange(stream: &mut BoxStream, bytes: &[u8]) {
    let mut back = vec![0; bytes.len()];
    let (mut read, mut write) = tokio::io::split(stream);
    let send = async {
        write.write_all(bytes).await?;
        write.flush().await
    };
    let both = async { tokio::join!(send, read.read_exact(&mut back)) };
    let (sent, received) = tokio::time::timeout(LIMIT, both).await.expect("the talk takes too long");
    sent.unwrap();
    received.unwrap();
    assert_eq!(back, bytes);
}

/// Sends, gets it back, and lets the service end the stream. (Tor has no half-closed streams.)
async fn converse(mut stream: BoxStream, bytes: &[u8]) {
    exchange(&mut stream, bytes).await;
    exchange(&mut stream, BYE).await;
    for _ in 0..2 {
        let end = tokio::time::timeout(LIMIT, stream.read(&mut [0; 1])).await.expect("no end");
        assert_eq!(end.unwrap(), 0, "a clean end and not an error, however often one asks");
    }
}

/// The identity's key has one copy on disk, and that is not arti's.
fn no_keys_on_disk(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.to_string_lossy().contains("hs_id"), "{} holds a key", path.display());
        if path.is_dir() {
            no_keys_on_disk(&path);
        }
    }
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, u128) {
    let begun = Instant::now();
    let value = future.await;
    (value, begun.elapsed().as_millis())
}

fn median(times: &mut [u128]) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn tornet() -> Arc<Tornet> {
    tokio::task::spawn_blocking(Tornet::get).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_reach_each_other() {
    let tornet = tornet().await;
    let mut a = Echo::start(&tornet, 1, PORT).await;
    let b = Echo::start(&tornet, 2, PORT).await;
    let stream = b.reach(a.peer).await;
    println!("first dial from outside worked {} ms after the start", a.started.elapsed().as_millis());
    converse(stream, b"there").await;
    converse(a.reach(b.peer).await, b"and back").await;
    let large: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0]).collect();
    converse(b.reach(a.peer).await, &large).await;

    let (mut fresh, mut last) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let (stream, time) = timed(b.reach(a.peer)).await;
        fresh.push(time);
        converse(stream, b"new circuits").await;
        let (stream, time) = timed(b.dial(a.peer, Isolation::Last(Group::CHAT))).await;
        last.push(time);
        converse(stream.unwrap_or_else(|error| panic!("{error}")), b"the same circuit").await;
    }
    let (fresh, last) = (median(&mut fresh), median(&mut last));
    println!("dial: fresh {fresh} ms, last {last} ms (medians of 10); {} MiB with two services", resident_mib());
    assert!(last * 2 < fresh, "the circuits of the last dial were not used again: {last} ms, {fresh} ms");

    // As many streams as a circuit may carry, and each is of its own. A new one, because they prove nothing.
    let mut streams = vec![b.reach(a.peer).await];
    for _ in 1..4 {
        streams.push(b.dial(a.peer, Isolation::Last(Group::CHAT)).await.unwrap_or_else(|error| panic!("{error}")));
    }
    for (n, stream) in (0..).zip(streams) {
        converse(stream, &[n; 100]).await;
    }
    // That the dialler ends a stream is no error at the service either.
    while a.ends.try_recv().is_ok() {}
    let mut stream = b.reach(a.peer).await;
    exchange(&mut stream, b"I end it").await;
    stream.shutdown().await.unwrap();
    tokio::time::timeout(LIMIT, a.ends.recv()).await.unwrap().unwrap().unwrap();
    // Both services were seen to be published meanwhile.
    for node in [&a, &b] {
        let mut status = node.transport.status();
        let published = status.wait_for(|status| status.sentence.ends_with("the onion service is published"));
        tokio::time::timeout(LIMIT, published).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_is_called_down() {
    let tornet = tornet().await;
    let dialler = Echo::start(&tornet, 3, PORT).await;
    let nobody = identity(4).peer_id();
    let (result, time) = timed(dialler.dial(nobody, Isolation::Fresh(Group::CHAT))).await;
    let Err(error) = result else { panic!("nobody answered") };
    println!("nobody after {time} ms: {error}");
    assert!(matches!(error, DialError::PeerDown(_)), "{error}");
    assert!(!error.to_string().contains(nobody.onion().trim_end_matches(".onion")));
    // There are no last circuits to this peer: that is no other answer.
    let last = dialler.dial(nobody, Isolation::Last(Group::CHAT)).await;
    assert!(matches!(last, Err(DialError::PeerDown(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_virtual_port_is_served() {
    let tornet = tornet().await;
    let service = Echo::start(&tornet, 5, PORT).await;
    let friend = Echo::start(&tornet, 6, PORT).await;
    converse(friend.reach(service.peer).await, b"it is there").await;
    let stranger = Echo::start(&tornet, 7, PORT + 1).await;
    let (result, time) = timed(stranger.dial(service.peer, Isolation::Fresh(Group::CHAT))).await;
    let Err(error) = result else { panic!("a port that is not ours was served") };
    println!("wrong port after {time} ms: {error}");
    assert!(matches!(error, DialError::PeerDown(_)), "{error}");
    converse(friend.reach(service.peer).await, b"it is still there").await;
}

/// Asks a SOCKS5 proxy (RFC 1928) for an address by name. The second value is the proxy's reply code.
fn socks(client: &SocksClient, host: &str, port: u16) -> (TcpStream, u8) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, client.port())).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&[5, 1, 0]).unwrap();
    let mut method = [0; 2];
    stream.read_exact(&mut method).unwrap();
    assert_eq!(method, [5, 0]);
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    (stream, reply[1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_tor_reaches_the_service() {
    let tornet = tornet().await;
    let service = Echo::start(&tornet, 8, PORT).await;
    let host = service.peer.onion();
    let client = {
        let tornet = tornet.clone();
        tokio::task::spawn_blocking(move || tornet.network.socks_client().unwrap()).await.unwrap()
    };
    let talk = move || {
        let begun = Instant::now();
        let mut stream = loop {
            let (stream, code) = socks(&client, &host, PORT);
            if code == 0 {
                break stream;
            }
            assert!(begun.elapsed() < LIMIT, "C tor does not reach the service: SOCKS reply {code}");
        };
        println!("C tor reached it after {} ms", begun.elapsed().as_millis());
        stream.write_all(b"from another program").unwrap();
        let mut back = [0; 20];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"from another program");
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let (_, code) = socks(&client, &host, PORT + 1);
        assert_ne!(code, 0, "a port that is not ours was served");
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
}
