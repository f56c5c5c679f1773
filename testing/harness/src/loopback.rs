//! Peers over plain loopback TCP: for thousands of process kills, and for the daemon's own memory without Tor's.
//!
//! Exists only here: it hides nothing from anybody. Who listens where stands in a directory that all daemons of a test
//! share, one file for each onion with the port in it.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use torchat_protocol::id::PeerId;
use torchat_transport::{
    BoxStream, Callers, Circuit, DialError, Incoming, Isolation, Network, NetworkStatus, Transport,
};

struct Loopback {
    directory: PathBuf,
    status: watch::Receiver<NetworkStatus>,
}

impl Loopback {
    async fn open(&self, peer: PeerId) -> Result<BoxStream, DialError> {
        let down = |error: &dyn std::fmt::Display| DialError::PeerDown(error.to_string());
        let port = std::fs::read_to_string(self.directory.join(peer.onion())).map_err(|error| down(&error))?;
        let port: u16 = port.trim().parse().map_err(|error| down(&error))?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| down(&error))?;
        stream.set_nodelay(true).map_err(|error| down(&error))?;
        Ok(Box::new(stream))
    }
}

impl Transport for Loopback {
    fn dial(&self, peer: PeerId, _isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        self.open(peer).boxed()
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.status.clone()
    }
}

/// What stands for circuits here: a caller with an address of its own (127.1.2.3) has one circuit as long as that is not
/// closed; who comes from 127.0.0.1, as all programs do that do not care, has a new one for each stream.
struct Circuits {
    callers: Callers,
    open: HashMap<IpAddr, Circuit>,
}

impl Circuits {
    fn new(callers: Callers) -> Self {
        Self { callers, open: HashMap::new() }
    }

    /// The circuit of a stream; `None`: its circuit is closed for it.
    fn of(&mut self, from: IpAddr) -> Option<Circuit> {
        if from == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            let circuit = self.callers.circuit();
            return circuit.admits().then_some(circuit);
        }
        let circuit = self.open.entry(from).or_insert_with(|| self.callers.circuit());
        if circuit.admits() {
            return Some(circuit.clone());
        }
        self.open.remove(&from);
        None
    }
}

/// Listens on a free loopback port and tells the directory.
///
/// # Errors
/// When no port or no file can be had.
pub async fn start(directory: &Path, own: PeerId) -> io::Result<Network> {
    let sentence = "loopback, without Tor".into();
    start_as(directory, own, NetworkStatus { usable: true, percent: 100, sentence, ..NetworkStatus::default() }).await
}

/// As [`start`]; the way into the network is said to be so, and stays so.
///
/// # Errors
/// When no port or no file can be had.
pub async fn start_as(directory: &Path, own: PeerId, said: NetworkStatus) -> io::Result<Network> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    // Renamed into place, so that nobody reads half a number.
    let temporary = directory.join(format!(".{}", own.onion()));
    std::fs::write(&temporary, listener.local_addr()?.port().to_string())?;
    std::fs::rename(&temporary, directory.join(own.onion()))?;
    let (acceptor, incoming) = mpsc::channel(16);
    let callers = Callers::default();
    let mut circuits = Circuits::new(callers.clone());
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    let _ = stream.set_nodelay(true);
                    let Some(circuit) = circuits.of(from.ip()) else { continue };
                    if acceptor.send(Incoming { stream: Box::new(stream), circuit }).await.is_err() {
                        return;
                    }
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    });
    // The sender may go: nothing changes.
    let (_, status) = watch::channel(said);
    Ok(Network { transport: Arc::new(Loopback { directory: directory.to_owned(), status }), incoming, callers })
}
