//! A Tor stream as the engine wants it: its end is an end, and not an error.

use arti_client::DataStream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tor_cell::relaycell::msg::EndReason;

/// A stream to or from another daemon.
///
/// Small writes wait in it until they are flushed. Tor has no half-closed streams: who shuts it down gets nothing more
/// to read.
pub(crate) struct TorStream {
    stream: DataStream,
    ended: bool,
    /// By this a circuit knows that it is still in use.
    _open: Option<OwnedSemaphorePermit>,
}

impl TorStream {
    pub(crate) fn new(stream: DataStream, open: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, ended: false, _open: open }
    }
}

impl AsyncRead for TorStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Arti reports an error when it is asked again after the end.
        if self.ended || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = match ready!(AsyncRead::poll_read(Pin::new(&mut self.stream), cx, buf)) {
            Err(error) if is_end(&error) => Ok(()),
            result => result,
        };
        self.ended = result.is_ok() && buf.filled().len() == before;
        Poll::Ready(result)
    }
}

impl AsyncWrite for TorStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.stream), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.stream), cx)
    }
}

/// Whether the other side ended the stream. Arti 0.47 knows no other reason than MISC for ending one, after a shutdown
/// and after a drop alike (tor-proto, `CloseStreamBehavior::default`), and calls that an error; for DONE, which C tor
/// sends, it reports the end by itself. Whether everything arrived that should have is known by what is in the stream.
fn is_end(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<tor_proto::Error>());
    matches!(cause, Some(tor_proto::Error::EndReceived(EndReason::MISC)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_other_sides_end_is_an_end() {
        let told = |error: tor_proto::Error| is_end(&io::Error::from(error));
        assert!(told(tor_proto::Error::EndReceived(EndReason::MISC)));
        assert!(!told(tor_proto::Error::EndReceived(EndReason::CONNRESET)));
        assert!(!told(tor_proto::Error::CircuitClosed));
        assert!(!told(tor_proto::Error::NotConnected));
        assert!(!is_end(&io::ErrorKind::ConnectionReset.into()));
    }
}
