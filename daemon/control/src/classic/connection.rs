//! One connection of the classic contract: requests in order, replies in order, and UPDATE's promise.
//!
//! A message that UPDATE handed out is taken when, after the reply was written, the connection sends another request, ends
//! without a socket error, or stays open for five seconds. A reset, a failed write or the daemon's death puts it back:
//! a crash may repeat the last message and never loses one. The other commands that came whole before a reset are executed,
//! but for those that do nothing but answer.

use super::execute::{Context, HandedOut, Outcome, execute};
use crate::ControlConfig;
use crate::access::{Visitor, gone};
use crate::api;
use crate::objects::{Found, Objects};
use crate::page_budget::PageShare;
use futures::FutureExt as _;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_engine::handle::Handle;
use torchat_protocol::control::code::Code;
use torchat_protocol::control::finder::Framing;
use torchat_protocol::control::{Reply, Request};
use torchat_protocol::{json, limits};

/// How often a connection that has no deadline looks whether it has one.
const TICK: Duration = Duration::from_secs(3600);

/// Serves the classic contract. Returns the HELLO that ends it.
pub(crate) async fn run(
    objects: &mut Objects<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    visitor: &Visitor,
    handle: &Handle,
    config: &ControlConfig,
    share: &PageShare,
    stop: &CancellationToken,
) -> Option<Vec<u8>> {
    let gate = visitor.gate();
    // Who has closed its socket reads nothing, and the first answer would reset the connection.
    let mut answers = !visitor.access().is_ok_and(|access| access.is_gone());
    // Whose commands are refused and counted, all of them.
    let unknown = visitor.access().is_ok_and(|access| access.is_unknown());
    let context = Context { handle: handle.clone(), share: share.clone(), own: handle.own().onion() };
    let mut lease: Option<HandedOut> = None;
    let mut hello = None;
    // Both are made once. A timer that is too early is only looked at again: most requests need not touch it, and all
    // connections share the lock that setting one takes.
    let mut timer = std::pin::pin!(tokio::time::sleep(config.idle_time.unwrap_or(TICK)));
    let mut stopped = std::pin::pin!(stop.cancelled());
    let mut since = Instant::now();
    loop {
        let patience = if lease.is_some() { Some(config.lease_time) } else { config.idle_time };
        let deadline = patience.map(|time| since + time);
        if let Some(deadline) = deadline.filter(|deadline| *deadline < timer.deadline()) {
            timer.as_mut().reset(deadline);
        }
        let next = tokio::select! {
            biased;
            () = stopped.as_mut() => None,
            next = objects.next() => Some(next),
            () = timer.as_mut() => {
                let now = Instant::now();
                match deadline {
                    Some(deadline) if deadline <= now && lease.is_none() => break,
                    Some(deadline) if deadline <= now => {
                        take(handle, &mut lease).await;
                        since = Instant::now();
                    }
                    Some(deadline) => timer.as_mut().reset(deadline),
                    None => timer.as_mut().reset(now + TICK),
                }
                continue;
            }
        };
        let (bytes, framing) = match next {
            Some(Found::Request { bytes, framing, .. }) => (bytes, framing),
            Some(Found::Bad { error, framing }) => {
                take(handle, &mut lease).await;
                let reply = Reply::error(Code::BadObject, "", error.to_string(), 0);
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
                let reply = Reply::error(Code::BadObject, "", format!("bad request: {error}"), 0);
                let _ = write(writer, &reply.frame(framing), config).await;
                break;
            }
        };
        if !answers && !unknown && gone::only_answers(&request.cmd) {
            continue;
        }
        match wants_api(&request, &bytes, framing) {
            Wants::Classic => {}
            // Of what somebody unknown may do, API 1 has nothing.
            Wants::Api if unknown => {
                handle.note_lost_command();
                break;
            }
            Wants::Api => {
                hello = Some(bytes);
                break;
            }
            Wants::Other(reply) => {
                if answers && write(writer, &reply.frame(framing), config).await.is_err() {
                    break;
                }
                since = Instant::now();
                continue;
            }
        }
        let access = match visitor.access() {
            Ok(access) => access,
            Err(error) => {
                let reply = Reply::error(Code::NotAuthenticated, &request.id, error.message, request.portno.clone());
                let _ = write(writer, &reply.frame(framing), config).await;
                break;
            }
        };
        let mut work = std::pin::pin!(execute(&context, &gate, &access, request));
        let outcome = tokio::select! {
            biased;
            outcome = work.as_mut() => outcome,
            () = objects.until_broken() => {
                answers = false;
                // Nobody waits for this answer any more. What was begun (a SEND) goes on in the engine; but a command behind it
                // must not overtake it.
                if !objects.have_requests() {
                    break;
                }
                work.await
            }
        };
        let Outcome { reply, lease: handed_out, room, exit } = outcome;
        lease = handed_out;
        let bytes = reply.frame(framing);
        drop(reply);
        let written = if answers { write(writer, &bytes, config).await } else { Err(Unwritten::Gone) };
        drop((bytes, room));
        match written {
            Ok(()) => {}
            // What came whole is done to its end: a program that closed at once did not take its later commands back.
            Err(Unwritten::Gone) => {
                answers = false;
                if let Some(unread) = lease.take() {
                    unread.put_back(handle);
                }
            }
            Err(Unwritten::Unread) => break,
        }
        since = Instant::now();
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

/// What a HELLO asks for.
#[derive(serde::Deserialize)]
struct Wanted {
    /// The version; absent: nothing, the request is no HELLO.
    #[serde(default)]
    api: Option<i64>,
}

/// Which contract a request is of.
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
    let error = |code, text: String| Wants::Other(Reply::error(code, &request.id, text, request.portno.clone()));
    match json::from_slice::<Wanted>(bytes, limits::CONTROL_OBJECT_BYTES, limits::JSON_DEPTH) {
        Ok(Wanted { api: None }) => Wants::Classic,
        Ok(_) if framing == Framing::Digits => {
            error(Code::BadValue, "API 1 has one object a line: connect again and begin with a plain object".into())
        }
        Ok(Wanted { api: Some(1) }) => Wants::Api,
        Ok(Wanted { api: Some(other) }) => error(Code::UnsupportedApi, api::unsupported(other).message),
        Err(_) => error(Code::BadValue, "\"api\" must be the number of a version: this daemon speaks API 1".into()),
    }
}

async fn take(handle: &Handle, lease: &mut Option<HandedOut>) {
    if let Some(lease) = lease.take() {
        lease.take(handle).await;
    }
}

/// Why an answer was not written.
enum Unwritten {
    /// Nobody is there to read it.
    Gone,
    /// The client does not read.
    Unread,
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8], config: &ControlConfig) -> Result<(), Unwritten> {
    let mut write = std::pin::pin!(async {
        writer.write_all(bytes).await?;
        writer.flush().await
    });
    // Mostly the kernel takes it at once: then no timer is made, for which all connections share a counter.
    let written = match write.as_mut().now_or_never() {
        Some(written) => Ok(written),
        None => tokio::time::timeout(config.write_time, write).await,
    };
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Unwritten::Gone),
        // A client that does not read loses its connection, not the daemon its memory.
        Err(_) => Err(Unwritten::Unread),
    }
}
