//! A line between us and a daemon that is slow, far, or both.

use crate::way::BoxStream;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of a line that are on their way at once, as a small router keeps them.
const WINDOW: usize = 4096;

/// What a line does to the bytes of each direction.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// How long a byte is on its way.
    pub delay: Duration,
    /// Bytes a second; `None`: as many as come.
    pub rate: Option<u32>,
}

impl Line {
    /// The stream, as it looks from the far end of the line. It must be called within a tokio runtime.
    #[must_use]
    pub fn behind(self, stream: BoxStream) -> BoxStream {
        let (near, far) = tokio::io::duplex(WINDOW);
        let (from_us, to_us) = tokio::io::split(far);
        let (from_daemon, to_daemon) = tokio::io::split(stream);
        tokio::spawn(async move {
            tokio::join!(self.carry(from_us, to_daemon), self.carry(from_daemon, to_us));
        });
        Box::new(near)
    }

    /// Carries one direction until it ends.
    pub async fn carry(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let most = self.rate.map_or(WINDOW, |rate| usize::try_from(rate / 4).unwrap_or(WINDOW).clamp(1, WINDOW));
        let mut chunk = vec![0; most];
        while let Ok(n @ 1..) = from.read(&mut chunk).await {
            let on_the_line = self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(n as u64) / rate);
            tokio::time::sleep(self.delay + on_the_line).await;
            if to.write_all(chunk.get(..n).unwrap_or_default()).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    }
}
