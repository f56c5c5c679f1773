//! One connection of a local program: requests in order, replies in order, and UPDATE's promise.
//!
//! A reading task finds the objects and stops reading when 16 wait; the session takes one after the other. A message
//! that UPDATE handed out is taken when, after the reply was written, the connection sends another request, ends
//! without a socket error, or stays open for five seconds. A reset, a failed write or the daemon's death puts it back:
//! a crash may repeat the last message and never loses one.

use super::access::Visitor;
use super::commands::{self, Held};
use super::{ControlConfig, api};
use crate::handle::Handle;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use torchat_protocol::control::finder::{FindError, Finder, Framing};
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::{json, limits};

/// Requests of one connection that wait; then reading stops.
const WAITING: usize = 16;
/// What a connection may hold of unfinished and waiting objects without asking.
const FREE_BYTES: usize = 64 * 1024;
/// Connections that may hold more than that at the same time, at most 1 MiB and what waits each.
const LARGE_CONNECTIONS: usize = 32;

/// Bytes that are read at once, as long as few come.
const SMALL_READ: usize = 256;
/// Bytes that are read at once when many come.
const LARGE_READ: usize = 8 * 1024;

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct SharedLimits {
    large: Arc<Semaphore>,
    api: api::Shared,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_CONNECTIONS)), api: api::Shared::default() }
    }
}

/// What the reading task found.
pub(super) enum Found {
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
    visitor: Visitor,
    handle: Handle,
    config: Arc<ControlConfig>,
    limits: SharedLimits,
    stop: CancellationToken,
) {
    let (reader, mut writer) = tokio::io::split(stream);
    let (found, mut requests) = mpsc::channel(WAITING);
    let broken = CancellationToken::new();
    let shared = limits.api.clone();
    let reading = tokio::spawn(read(reader, found, config.clone(), limits, broken.clone()));
    // Each in a box of its own, so that a connection holds the memory of what it speaks and no more.
    let hello = Box::pin(classic(&mut requests, &mut writer, &visitor, &handle, &config, &broken, &stop)).await;
    if let Some(hello) = hello {
        Box::pin(api::run(hello, &mut requests, &mut writer, visitor, handle, config, shared, broken, stop)).await;
    }
    let _ = writer.shutdown().await;
    reading.abort();
}

/// Serves the classic contract. Returns the HELLO that ends it.
async fn classic(
    requests: &mut mpsc::Receiver<Found>,
    writer: &mut (impl AsyncWrite + Unpin),
    visitor: &Visitor,
    handle: &Handle,
    config: &ControlConfig,
    broken: &CancellationToken,
    stop: &CancellationToken,
) -> Option<Vec<u8>> {
    let mut lease: Option<Held> = None;
    let mut hello = None;
    loop {
        let patience = if lease.is_some() { Some(config.lease_time) } else { config.idle_time };
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            next = requests.recv() => next,
            () = tokio::time::sleep(patience.unwrap_or_default()), if patience.is_some() => {
                if lease.is_none() {
                    break;
                }
                take(handle, &mut lease).await;
                continue;
            }
        };
        let (bytes, framing) = match next {
            Some(Found::Request { bytes, framing, .. }) => (bytes, framing),
            Some(Found::Bad { error, framing }) => {
                take(handle, &mut lease).await;
                let reply = Reply::error("bad-object", "", error.to_string(), 0);
                let _ = write(writer, &reply.frame(framing), config).await;
                break;
            }
            Some(Found::End) => {
                take(handle, &mut lease).await;
                break;
            }
            // Broken, or the daemon stops: what was handed out may not have been seen.
            Some(Found::Broken) | None => break,
        };
        take(handle, &mut lease).await;
        let request = match Request::parse(&bytes) {
            Ok(request) => request,
            Err(error) => {
                let reply = Reply::error("bad-object", "", format!("bad request: {error}"), 0);
                let _ = write(writer, &reply.frame(framing), config).await;
                break;
            }
        };
        match wants_api(&request, &bytes, framing) {
            Wants::Classic => {}
            Wants::Api => {
                hello = Some(bytes);
                break;
            }
            Wants::Other(reply) => {
                if write(writer, &reply.frame(framing), config).await.is_err() {
                    break;
                }
                continue;
            }
        }
        let access = match visitor.access() {
            Ok(access) => access,
            Err(error) => {
                let reply = Reply::error("not-authenticated", &request.id, error.message, request.portno);
                let _ = write(writer, &reply.frame(framing), config).await;
                break;
            }
        };
        let outcome = tokio::select! {
            biased;
            // Nobody waits for this answer any more. What was begun (a SEND) goes on in the engine.
            () = broken.cancelled() => break,
            outcome = commands::execute(handle, &access, request) => outcome,
        };
        lease = outcome.lease;
        if write(writer, &outcome.reply.frame(framing), config).await.is_err() {
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
        lease.put_back(handle);
    }
    hello
}

/// What a request of the classic contract asks for.
enum Wants {
    Classic,
    Api,
    /// A HELLO that gets an error; the connection stays as it is.
    Other(Reply),
}

/// A HELLO without `api` is what it always was: an unknown command.
fn wants_api(request: &Request, bytes: &[u8], framing: Framing) -> Wants {
    if request.cmd != "HELLO" {
        return Wants::Classic;
    }
    let error = |code, text: String| Wants::Other(Reply::error(code, &request.id, text, request.portno));
    match json::from_slice::<api::Wanted>(bytes, limits::CONTROL_OBJECT_BYTES, limits::JSON_DEPTH) {
        Ok(api::Wanted { api: None }) => Wants::Classic,
        Ok(_) if framing == Framing::Digits => {
            error("bad-value", "API 1 has one object a line: connect again and begin with a plain object".into())
        }
        Ok(api::Wanted { api: Some(1) }) => Wants::Api,
        Ok(api::Wanted { api: Some(other) }) => error("unsupported-api", api::unsupported(other).message),
        Err(_) => error("bad-value", "\"api\" must be the number of a version: this daemon speaks API 1".into()),
    }
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
    config: Arc<ControlConfig>,
    limits: SharedLimits,
    broken: CancellationToken,
) {
    let mut finder = Finder::default();
    // A connection that waits costs little; one that brings much gets more room.
    let mut buffer = vec![0; SMALL_READ];
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
            Ok(n) => {
                finder.push(buffer.get(..n).unwrap_or_default());
                if n == buffer.len() && n < LARGE_READ {
                    buffer = vec![0; LARGE_READ];
                } else if n < SMALL_READ && buffer.len() > SMALL_READ {
                    buffer = vec![0; SMALL_READ];
                }
            }
            Err(_) => {
                broken.cancel();
                let _ = found.send(Found::Broken).await;
                return;
            }
        }
    }
}
