//! The two halves of a proven stream: whole messages, sealed in records. What a message means is its purpose's matter.

use super::failure::{Failure, PeerFault};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use torchat_core::handshake::{Opener, Sealer};
use torchat_protocol::frame::Framed;
use torchat_transport::BoxStream;

/// One write must end within this time.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(60);
/// How many bytes are written at once. All that waits was rejected: it can be 256 KiB, and a line of 1 kB/s, which is slow and
/// well, would need four minutes for it.
const WRITE_BYTES: usize = 16 * 1024;

/// Reads until the peer ends the stream, for nothing else.
pub(super) async fn drain(reader: &mut ReadHalf<BoxStream>) {
    let mut buffer = [0; 4 * 1024];
    while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
}

/// The reading half.
pub(super) struct MessageReader<'a> {
    reader: &'a mut ReadHalf<BoxStream>,
    opener: Opener,
    buffer: Vec<u8>,
}

impl<'a> MessageReader<'a> {
    pub(super) fn new(reader: &'a mut ReadHalf<BoxStream>, opener: Opener) -> Self {
        Self { reader, opener, buffer: vec![0; 8 * 1024] }
    }

    /// The next message of the bytes that are here.
    pub(super) fn next(&mut self) -> Result<Option<Framed>, PeerFault> {
        Ok(self.opener.next_frame()?)
    }

    /// Whether the peer is in the middle of something long.
    pub(super) fn is_unfinished(&self) -> bool {
        self.opener.is_unfinished()
    }

    /// Waits for more bytes. To be called when [`MessageReader::next`] has no message any more.
    pub(super) async fn fill(&mut self) -> Result<(), Failure> {
        match self.reader.read(&mut self.buffer).await {
            Ok(0) => Err(PeerFault::Ended.into()),
            Ok(n) => {
                self.opener.push(self.buffer.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(error) => Err(Failure::Network(error)),
        }
    }
}

/// The writing half.
pub(super) struct MessageWriter<'a> {
    writer: &'a mut WriteHalf<BoxStream>,
    sealer: Sealer,
    sealed: Vec<u8>,
}

impl<'a> MessageWriter<'a> {
    pub(super) fn new(writer: &'a mut WriteHalf<BoxStream>, sealer: Sealer) -> Self {
        Self { writer, sealer, sealed: Vec::new() }
    }

    /// Seals a message, for the next [`MessageWriter::flush`].
    pub(super) fn seal(&mut self, kind: u8, channel: u16, message: &[u8]) {
        self.sealer.seal(kind, channel, message, &mut self.sealed);
    }

    /// Sealed bytes that are not written.
    pub(super) fn waiting(&self) -> usize {
        self.sealed.len()
    }

    /// Writes what is sealed.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        let mut parts = self.sealed.chunks(WRITE_BYTES).peekable();
        while let Some(part) = parts.next() {
            let write = async {
                self.writer.write_all(part).await?;
                if parts.peek().is_none() { self.writer.flush().await } else { Ok(()) }
            };
            match tokio::time::timeout(WRITE_TIME, write).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(Failure::Network(error)),
                Err(_) => return Err(PeerFault::NotRead.into()),
            }
        }
        self.sealed.clear();
        self.sealed.shrink_to(32 * 1024);
        Ok(())
    }
}
