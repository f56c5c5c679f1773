//! A transport around another one: it lets only one side dial, counts what its links carry, can be a slow line, can give the
//! second dial the circuits of the first one, and carries raw bytes beside a link.
//!
//! An engine that nobody dials dials itself now and then, to see whether its service is reached. That is none of the links.

use crate::streams::{Cuttable, begun};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_protocol::id::PeerId;
use torchat_transport::{BoxStream, DialError, Group, Incoming, Isolation, Network, NetworkStatus, Transport};

/// The first byte of a stream that wants raw bytes; how many, it says next. One that wants an engine begins with a T.
const RAW: u8 = b'R';
/// Streams that wait for the engine, as in the transport over arti.
const INCOMING: usize = 16;
/// Bytes of a cell of Tor that carry a stream.
const CELL: u64 = 498;
/// Bytes that are read and written at once.
const CHUNK: usize = 16 * 1024;
/// Chunks that are on their way on a slow line at most: more than its length holds.
const ON_THE_WAY: usize = 64;

/// A slow line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Bytes a second, in each direction.
    pub(super) bytes_per_s: u32,
    /// How long they are on their way.
    pub(super) delay: Duration,
}

/// What the engine of one side does with its network.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct How {
    /// It dials. Else it only waits.
    pub(super) dials: bool,
    /// All streams that it dials are such a line.
    pub(super) line: Option<Line>,
    /// After a cut, and at first, the first dial gets circuits of its own and the others get the same.
    pub(super) one_circuit: bool,
}

/// The transport.
pub(super) struct Wire {
    inner: Arc<dyn Transport>,
    own: PeerId,
    how: How,
    counts: Arc<Counts>,
    state: Mutex<State>,
    /// Dials that are to share circuits go one after the other.
    order: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    cut: CancellationToken,
    opened: Option<Instant>,
    streams: u64,
}

/// What the links that this side dialled have carried.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) written: AtomicU64,
    pub(super) read: AtomicU64,
    /// Cells of Tor that it would take, in both directions.
    pub(super) cells: AtomicU64,
}

impl Wire {
    /// Puts itself between an engine and its network.
    pub(super) fn around(mut network: Network, own: PeerId, how: How) -> (Arc<Self>, Network) {
        let (counts, state, order) = (Arc::default(), Mutex::default(), tokio::sync::Mutex::default());
        let wire = Arc::new(Self { inner: network.transport, own, how, counts, state, order });
        let (acceptor, incoming) = mpsc::channel(INCOMING);
        let callers = network.callers;
        tokio::spawn(async move {
            while let Some(stream) = network.incoming.recv().await {
                tokio::spawn(sort(stream, acceptor.clone()));
            }
        });
        (wire.clone(), Network { transport: wire, incoming, callers })
    }

    /// When the newest link was opened.
    pub(super) fn opened(&self) -> Option<Instant> {
        self.state.lock().opened
    }

    /// How many were opened.
    pub(super) fn streams(&self) -> u64 {
        self.state.lock().streams
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Breaks the links; the engine dials again, on other circuits.
    #[cfg(feature = "tor")]
    pub(super) fn cut(&self) {
        std::mem::take(&mut *self.state.lock()).cut.cancel();
    }

    /// How long so many raw bytes take on the circuits of the newest link, from when their stream is open until the last one is here.
    pub(super) async fn raw(&self, peer: PeerId, bytes: u64) -> anyhow::Result<Duration> {
        let mut stream = self.lined(self.inner.dial(peer, Isolation::Last(Group::CHAT)).await?);
        let begun = Instant::now();
        stream.write_all(&[RAW]).await?;
        stream.write_all(&bytes.to_le_bytes()).await?;
        stream.flush().await?;
        let mut buffer = vec![0; CHUNK];
        let mut left = bytes;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => anyhow::bail!("the raw stream ended {left} bytes early"),
                n => left = left.saturating_sub(n as u64),
            }
        }
        Ok(begun.elapsed())
    }

    fn lined(&self, stream: BoxStream) -> BoxStream {
        match self.how.line {
            Some(line) => line.carry(stream),
            None => stream,
        }
    }

    async fn open(&self, peer: PeerId, wanted: Isolation) -> Result<BoxStream, DialError> {
        if peer == self.own {
            return self.inner.dial(peer, wanted).await;
        }
        if !self.how.dials {
            return Err(DialError::PeerDown("this side only waits".into()));
        }
        let _turn = if self.how.one_circuit { Some(self.order.lock().await) } else { None };
        let isolation = match (self.how.one_circuit, self.streams()) {
            (false, _) => wanted,
            (true, 0) => Isolation::Fresh(Group::CHAT),
            (true, _) => Isolation::Last(Group::CHAT),
        };
        let stream = self.inner.dial(peer, isolation).await?;
        let stream = self.lined(stream);
        let mut state = self.state.lock();
        state.opened = Some(Instant::now());
        state.streams += 1;
        let stream = Cuttable::new(stream, &state.cut);
        Ok(Box::new(Counted { stream, counts: self.counts.clone(), heard: 0 }))
    }
}

impl Transport for Wire {
    fn dial(&self, peer: PeerId, isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        self.open(peer, isolation).boxed()
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
    if first == RAW {
        let _ = say_raw(stream).await;
    } else {
        let _ = acceptor.send(Incoming { stream: begun(first, stream), circuit }).await;
    }
}

async fn say_raw(mut stream: BoxStream) -> io::Result<()> {
    let mut left = stream.read_u64_le().await?;
    let chunk = vec![b'x'; CHUNK];
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        stream.write_all(&chunk[..n]).await?;
        left -= n as u64;
    }
    stream.flush().await?;
    stream.shutdown().await
}

impl Line {
    /// The near end of a line to a stream.
    fn carry(self, stream: BoxStream) -> BoxStream {
        let (near, far) = tokio::io::duplex(4 * CHUNK);
        let (stream_read, stream_write) = tokio::io::split(stream);
        let (far_read, far_write) = tokio::io::split(far);
        tokio::spawn(self.one_way(stream_read, far_write));
        tokio::spawn(self.one_way(far_read, stream_write));
        Box::new(near)
    }

    async fn one_way(self, mut from: impl AsyncRead + Unpin + Send + 'static, mut to: impl AsyncWrite + Unpin) {
        let (way, mut arrivals) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
        let reading = async move {
            let mut free = Instant::now();
            let mut chunk = vec![0; CHUNK];
            while let Ok(n @ 1..) = from.read(&mut chunk).await {
                free = free.max(Instant::now()) + Duration::from_secs(n as u64) / self.bytes_per_s;
                tokio::time::sleep_until(free).await;
                if way.send((free + self.delay, chunk[..n].to_vec())).await.is_err() {
                    return;
                }
            }
        };
        let writing = async move {
            while let Some((at, chunk)) = arrivals.recv().await {
                tokio::time::sleep_until(at).await;
                if to.write_all(&chunk).await.is_err() || to.flush().await.is_err() {
                    return;
                }
            }
            let _ = to.shutdown().await;
        };
        futures::join!(reading, writing);
    }
}

/// A stream that is counted.
struct Counted {
    stream: Cuttable,
    counts: Arc<Counts>,
    /// Bytes that came one after the other without a pause: what one cell may have brought.
    heard: u64,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        self.counts.read.fetch_add(read, Ordering::Relaxed);
        self.heard += read;
        if polled.is_pending() {
            let heard = std::mem::take(&mut self.heard);
            self.counts.cells.fetch_add(heard.div_ceil(CELL), Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = polled {
            self.counts.written.fetch_add(n as u64, Ordering::Relaxed);
            self.counts.cells.fetch_add((n as u64).div_ceil(CELL), Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_carries_so_many_bytes_a_second_and_the_first_ones_late() {
        let (mut far, stream) = tokio::io::duplex(CHUNK);
        let line = Line { bytes_per_s: 100_000, delay: Duration::from_millis(200) };
        let mut near = line.carry(Box::new(stream));
        let begun = Instant::now();
        tokio::spawn(async move {
            far.write_all(&[7; 300_000]).await.unwrap();
            far.shutdown().await.unwrap();
        });
        near.read_u8().await.unwrap();
        assert!(begun.elapsed() >= line.delay, "{:?}", begun.elapsed());
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), 299_999);
        assert_eq!(begun.elapsed().as_millis() / 100, 32, "3 s, and the way");
    }
}
