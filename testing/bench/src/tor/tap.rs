//! A transport around arti's: it cuts links when asked to, and carries a second stream on a link's own circuit.

use crate::streams::{Cuttable, begun};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use torchat_protocol::id::PeerId;
use torchat_transport::{BoxStream, DialError, Group, Incoming, Isolation, Network, NetworkStatus, Transport};

/// The first byte of a stream that wants an echo. One that wants an engine begins with the letter T of its magic.
const ECHO: u8 = b'E';
/// Streams that wait for the engine, as in the transport over arti.
const INCOMING: usize = 16;

/// The transport.
pub(super) struct Tap {
    inner: Arc<dyn Transport>,
    /// Only one side dials, so that it is known which link carries the messages.
    dials: bool,
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    opened: u64,
    took: Duration,
    cut: CancellationToken,
}

impl Tap {
    /// Puts itself between an engine and its network.
    pub(super) fn around(mut network: Network, dials: bool) -> (Arc<Self>, Network) {
        let tap = Arc::new(Self { inner: network.transport, dials, links: Mutex::default() });
        let (acceptor, incoming) = mpsc::channel(INCOMING);
        let callers = network.callers;
        tokio::spawn(async move {
            while let Some(stream) = network.incoming.recv().await {
                tokio::spawn(sort(stream, acceptor.clone()));
            }
        });
        (tap.clone(), Network { transport: tap, incoming, callers })
    }

    /// Links that were opened so far.
    pub(super) fn links(&self) -> u64 {
        self.lock().opened
    }

    /// How long the dial of the newest link took.
    pub(super) fn last_dial(&self) -> Duration {
        self.lock().took
    }

    /// Breaks the links; the engine dials again, on other circuits.
    pub(super) fn cut(&self) {
        std::mem::take(&mut self.lock().cut).cancel();
    }

    /// A stream that sends back what it gets, with the isolation of the newest link: on its circuit.
    pub(super) async fn echo(&self, peer: PeerId) -> anyhow::Result<BoxStream> {
        let mut stream = self.inner.dial(peer, Isolation::Last(Group::CHAT)).await?;
        stream.write_all(&[ECHO]).await?;
        stream.flush().await?;
        Ok(stream)
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, peer: PeerId) -> Result<BoxStream, DialError> {
        if !self.dials {
            return Err(DialError::PeerDown("this side only waits".into()));
        }
        let begun = Instant::now();
        // Whatever the engine asks for: every link is to have circuits of its own.
        let stream = self.inner.dial(peer, Isolation::Fresh(Group::CHAT)).await?;
        let mut links = self.lock();
        links.opened += 1;
        links.took = begun.elapsed();
        Ok(Box::new(Cuttable::new(stream, &links.cut)))
    }
}

impl Transport for Tap {
    fn dial(&self, peer: PeerId, _isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        self.open(peer).boxed()
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.inner.status()
    }
}

/// The first byte says who gets the stream.
async fn sort(incoming: Incoming, acceptor: mpsc::Sender<Incoming>) {
    let Incoming { mut stream, circuit } = incoming;
    // An end here, or a broken stream, is the dialler's to notice.
    let Ok(first) = stream.read_u8().await else { return };
    if first == ECHO {
        let _ = send_back(stream).await;
    } else {
        let _ = acceptor.send(Incoming { stream: begun(first, stream), circuit }).await;
    }
}

async fn send_back(mut stream: BoxStream) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..n]).await?;
        stream.flush().await?;
    }
}
