//! Streams that the benches put between an engine and its network.

use futures::FutureExt as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use torchat_transport::BoxStream;

/// A stream whose first byte was read already: it comes once more.
pub(crate) fn begun(first: u8, stream: BoxStream) -> BoxStream {
    let (read, write) = tokio::io::split(stream);
    Box::new(tokio::io::join(io::Cursor::new([first]).chain(read), write))
}

/// A stream that breaks when it is told to.
pub(crate) struct Cuttable {
    stream: BoxStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cuttable {
    pub(crate) fn new(stream: BoxStream, cut: &CancellationToken) -> Self {
        Self { stream, cut: Box::pin(cut.clone().cancelled_owned()) }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll_unpin(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn the_first_byte_comes_once_more_and_a_cut_stream_breaks() {
        let (mut far, near) = tokio::io::duplex(64);
        let cut = CancellationToken::new();
        let mut near = begun(b'T', Box::new(Cuttable::new(Box::new(near), &cut)));
        far.write_all(b"CHT").await.unwrap();
        let mut heard = [0; 4];
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"TCHT");
        near.write_all(b"back").await.unwrap();
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"back");
        cut.cancel();
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
