//! A connection's stream, which can be cut from outside and gives little to a program that has proven nothing.

use futures::task::AtomicWaker;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection's stream asks before it lets anything through, and how a visitor cuts it.
#[derive(Debug)]
pub(crate) struct Guard {
    cut: AtomicBool,
    /// Bytes that may still be read; `usize::MAX`: any number.
    allowance: AtomicUsize,
    /// One reader and one writer wait at most: the halves of the stream.
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Guard {
    pub(crate) fn new(allowance: usize) -> Arc<Self> {
        Arc::new(Self {
            cut: AtomicBool::new(false),
            allowance: AtomicUsize::new(allowance),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        })
    }

    /// Any number of bytes may be read from now on.
    pub(crate) fn open(&self) {
        self.allowance.store(usize::MAX, Ordering::Release);
    }

    /// Breaks the stream: both directions fail from now on, also what waits.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    fn check(&self) -> io::Result<()> {
        if self.cut.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Polls one direction; what waits is woken by [`Guard::cut`].
    fn poll<T>(
        &self,
        context: &mut Context<'_>,
        waker: &AtomicWaker,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.check()?;
        let polled = poll(context);
        if polled.is_pending() {
            waker.register(context.waker());
            // Cut between the first look and the registration: nobody would wake us.
            self.check()?;
        }
        polled
    }
}

/// A stream that its [`Guard`] can cut.
#[derive(Debug)]
pub(crate) struct Guarded<S> {
    stream: S,
    guard: Arc<Guard>,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, guard: Arc<Guard>) -> Self {
        Self { stream, guard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        let guard = &this.guard;
        guard.poll(context, &guard.reader, |context| {
            let allowance = guard.allowance.load(Ordering::Acquire);
            if allowance == usize::MAX {
                return stream.poll_read(context, buffer);
            }
            if allowance == 0 {
                return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
            }
            let room = allowance.min(buffer.remaining());
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
            let polled = stream.poll_read(context, &mut part);
            let count = part.filled().len();
            buffer.advance(count);
            // Not a subtraction: the guard may have been opened meanwhile.
            let _ = guard.allowance.compare_exchange(allowance, allowance - count, Ordering::AcqRel, Ordering::Acquire);
            polled
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        this.guard.poll(context, &this.guard.writer, |context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        this.guard.poll(context, &this.guard.writer, |context| stream.poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        this.guard.poll(context, &this.guard.writer, |context| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Also of a stream that was cut: the other side is to see the end.
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_cut_wakes_whoever_waits_in_both_directions() {
        let (near, _far) = tokio::io::duplex(4);
        let guard = Guard::new(usize::MAX);
        let (mut reader, mut writer) = tokio::io::split(Guarded::new(near, guard.clone()));
        let reading = tokio::spawn(async move { reader.read_u8().await });
        let writing = tokio::spawn(async move { writer.write_all(&[0; 64]).await });
        tokio::task::yield_now().await;
        assert!(!reading.is_finished() && !writing.is_finished());
        guard.cut();
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn what_was_there_before_a_cut_is_not_read_after_it() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"late").await.unwrap();
        let guard = Guard::new(usize::MAX);
        let mut stream = Guarded::new(near, guard.clone());
        guard.cut();
        assert!(stream.read_u8().await.is_err() && stream.write_all(b"x").await.is_err());
        stream.shutdown().await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "the other side sees the end");
    }

    #[tokio::test]
    async fn an_allowance_ends_and_is_lifted() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(&[7; 64]).await.unwrap();
        let guard = Guard::new(10);
        let mut stream = Guarded::new(near, guard.clone());
        let mut buffer = [0; 64];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 10);
        assert_eq!(stream.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        guard.open();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 54);
    }
}
