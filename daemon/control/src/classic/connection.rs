//! One connection of a local program: requests in order, replies in order, and UPDATE's promise.
//!
//! The session takes one object after the other from its [`Source`]. A message that UPDATE handed out is taken when,
//! after the reply was written, the connection sends another request, ends
//! without a socket error, or stays open for five seconds. A reset, a failed write or the daemon's death puts it back:
//! a crash may repeat the last message and never loses one.

use super::access::Visitor;
use super::commands::{self, Held, Outcome};
use super::pages::{Desk, Pages};
use super::source::{Found, Source};
use super::{ControlConfig, api};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::Handle;
use torchat_protocol::control::finder::Framing;
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::{json, limits};

/// Connections that may hold more than 64 KiB of what is unfinished or waits, at the same time: at most 1 MiB and what
/// waits each.
const LARGE_CONNECTIONS: usize = 32;

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct SharedLimits {
    large: Arc<Semaphore>,
    pages: Pages,
    api: api::Shared,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self {
            large: Arc::new(Semaphore::new(LARGE_CONNECTIONS)),
            pages: Pages::default(),
            api: api::Shared::default(),
        }
    }
}

/// Serves a connection until it ends.
pub(super) async fn run(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    visitor: Visitor,
    handle: Handle,
    config: Arc<ControlConfig>,
    limits: SharedLimits,
    stop: CancellationToken,
) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut requests = Source::new(reader, config.clone(), limits.large);
    // Each in a box of its own, so that a connection holds the memory of what it speaks and no more.
    let desk = limits.pages.desk();
    let hello = Box::pin(classic(&mut requests, &mut writer, &visitor, &handle, &config, &desk, &stop)).await;
    if let Some(hello) = hello {
        Box::pin(api::run(hello, &mut requests, &mut writer, visitor, handle, config, limits.api, desk, stop)).await;
    }
    let _ = writer.shutdown().await;
}

/// Serves the classic contract. Returns the HELLO that ends it.
async fn classic(
    requests: &mut Source<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    visitor: &Visitor,
    handle: &Handle,
    config: &ControlConfig,
    desk: &Desk,
    stop: &CancellationToken,
) -> Option<Vec<u8>> {
    let gate = visitor.gate();
    let mut lease: Option<Held> = None;
    let mut hello = None;
    loop {
        let patience = if lease.is_some() { Some(config.lease_time) } else { config.idle_time };
        let next = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            next = requests.next() => Some(next),
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
            Some(Found::Foreign | Found::Broken) | None => break,
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
            outcome = commands::execute(handle, &gate, &access, desk, request) => outcome,
            // Nobody waits for this answer any more. What was begun (a SEND) goes on in the engine.
            () = requests.until_broken() => break,
        };
        let Outcome { reply, lease: handed_out, room, exit } = outcome;
        lease = handed_out;
        let bytes = reply.frame(framing);
        drop(reply);
        let written = write(writer, &bytes, config).await;
        drop((bytes, room));
        if written.is_err() {
            break;
        }
        if exit {
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
