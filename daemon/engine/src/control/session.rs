//! One connection of a local program: requests in order, replies in order, and UPDATE's promise.
//!
//! A reading task finds the objects and stops reading when 16 wait; the session takes one after the other. A message
//! that UPDATE handed out is taken when, after the reply was written, the connection sends another request, ends
//! without a socket error, or stays open for five seconds. A reset, a failed write or the daemon's death puts it back:
//! a crash may repeat the last message and never loses one.

use super::ControlConfig;
use super::commands::{self, Held};
use crate::handle::Handle;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use torchat_protocol::control::finder::{FindError, Finder, Framing};
use torchat_protocol::control::{Reply, Request};

/// Requests of one connection that wait; then reading stops.
const WAITING: usize = 16;
/// What a connection may hold of unfinished and waiting objects without asking.
const FREE_BYTES: usize = 64 * 1024;
/// Connections that may hold more than that at the same time, at most 1 MiB and what waits each.
const LARGE_CONNECTIONS: usize = 32;

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct SharedLimits {
    large: Arc<Semaphore>,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_CONNECTIONS)) }
    }
}

/// What the reading task found.
enum Found {
    Request {
        bytes: Vec<u8>,
        framing: Framing,
        _room: Option<Arc<OwnedSemaphorePermit>>,
    },
    /// Answered by ERR, then the end.
    Bad {
        error: FindError,
        framing: Framing,
    },
    /// The client ends without a socket error; it may still read.
    End,
    /// The connection broke.
    Broken,
}

/// Serves a connection until it ends.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    handle: Handle,
    config: ControlConfig,
    limits: SharedLimits,
    stop: CancellationToken,
) {
    let (reader, mut writer) = tokio::io::split(stream);
    let (found, mut requests) = mpsc::channel(WAITING);
    let broken = CancellationToken::new();
    let reading = tokio::spawn(read(reader, found, config.clone(), limits, broken.clone()));
    let mut lease: Option<Held> = None;
    loop {
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            next = requests.recv() => next,
            () = tokio::time::sleep(config.lease_time), if lease.is_some() => {
                take(&handle, &mut lease).await;
                continue;
            }
        };
        let (request, framing) = match next {
            Some(Found::Request { bytes, framing, .. }) => (Request::parse(&bytes), framing),
            Some(Found::Bad { error, framing }) => {
                take(&handle, &mut lease).await;
                let reply = Reply::error("bad-object", "", error.to_string(), 0);
                let _ = write(&mut writer, &reply.frame(framing), &config).await;
                break;
            }
            Some(Found::End) => {
                take(&handle, &mut lease).await;
                break;
            }
            // Broken, or the daemon stops: what was handed out may not have been seen.
            Some(Found::Broken) | None => break,
        };
        take(&handle, &mut lease).await;
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                let reply = Reply::error("bad-object", "", format!("bad request: {error}"), 0);
                let _ = write(&mut writer, &reply.frame(framing), &config).await;
                break;
            }
        };
        let outcome = tokio::select! {
            biased;
            // Nobody waits for this answer any more. What was begun (a SEND) goes on in the engine.
            () = broken.cancelled() => break,
            outcome = commands::execute(&handle, request) => outcome,
        };
        lease = outcome.lease;
        if write(&mut writer, &outcome.reply.frame(framing), &config).await.is_err() {
            break;
        }
        if outcome.exit {
            // The reply is with the kernel; a client that keeps its socket open will read it.
            let _ = writer.shutdown().await;
            handle.stop();
            break;
        }
    }
    if let Some(lease) = lease {
        lease.put_back(&handle);
    }
    let _ = writer.shutdown().await;
    reading.abort();
}

async fn take(handle: &Handle, lease: &mut Option<Held>) {
    if let Some(lease) = lease.take() {
        lease.take(handle).await;
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8], config: &ControlConfig) -> Result<(), ()> {
    let write = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    match tokio::time::timeout(config.write_time, write).await {
        Ok(Ok(())) => Ok(()),
        // A client that does not read loses its connection, not the daemon its memory.
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

async fn read(
    mut reader: ReadHalf<impl AsyncRead>,
    found: mpsc::Sender<Found>,
    config: ControlConfig,
    limits: SharedLimits,
    broken: CancellationToken,
) {
    let mut finder = Finder::default();
    let mut buffer = vec![0; 4 * 1024];
    let mut begun: Option<tokio::time::Instant> = None;
    let mut room: Option<Arc<OwnedSemaphorePermit>> = None;
    loop {
        loop {
            match finder.next_object() {
                Ok(Some(bytes)) => {
                    begun = None;
                    let framing = finder.framing().unwrap_or(Framing::Plain);
                    if found.send(Found::Request { bytes, framing, _room: room.clone() }).await.is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(FindError::Foreign) => {
                    let _ = found.send(Found::Broken).await;
                    return;
                }
                Err(error) => {
                    let framing = finder.framing().unwrap_or(Framing::Plain);
                    let _ = found.send(Found::Bad { error, framing }).await;
                    return;
                }
            }
        }
        if finder.unfinished() == 0 {
            begun = None;
            room = None;
        } else if begun.is_none() {
            begun = Some(tokio::time::Instant::now() + config.object_time);
        }
        if finder.unfinished() > FREE_BYTES && room.is_none() {
            room = limits.large.clone().acquire_owned().await.ok().map(Arc::new);
        }
        let read = reader.read(&mut buffer);
        let read = match begun {
            Some(deadline) => tokio::time::timeout_at(deadline, read).await.unwrap_or_else(|_| {
                tracing::debug!("a local client did not finish its object");
                Err(std::io::ErrorKind::TimedOut.into())
            }),
            None => read.await,
        };
        match read {
            Ok(0) => {
                let _ = found.send(Found::End).await;
                return;
            }
            Ok(n) => finder.push(buffer.get(..n).unwrap_or_default()),
            Err(_) => {
                broken.cancel();
                let _ = found.send(Found::Broken).await;
                return;
            }
        }
    }
}
