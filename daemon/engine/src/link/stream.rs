//! The two halves of a link: sealed messages, read and written until one half ends.
//!
//! The reading half waits for room in the engine's mailbox before it reads on, so a peer that sends faster than the
//! store commits is slowed by the network's own back-pressure. The writing half has a short queue; a peer that does
//! not read what it asked for loses the link, never the daemon's memory.

use super::context::LinkContext;
use super::handle::ToLink;
use super::rejected::Rejected;
use crate::mailbox::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use torchat_core::handshake::{Opener, Sealer};
use torchat_core::input::{Input, LinkId};
use torchat_protocol::message::{Bye, PeerMessage};
use torchat_transport::BoxStream;

/// One write must end within this time.
pub(super) const WRITE_TIME: Duration = Duration::from_secs(60);
/// So many bytes are written at once. All that waits was rejected: it can be 256 KiB, and a line of 1 kB/s, which is slow and
/// well, would need four minutes for it.
const WRITE_BYTES: usize = 16 * 1024;
/// Bytes that make no whole message are told to the core as often as this.
const HEARD_STEP: Duration = Duration::from_secs(1);
/// Bytes of received messages that wait for the engine, of one link, in KiB.
const WAITING_KIB: u32 = 1024;

/// Reads until the peer ends the stream, for nothing else.
pub(super) async fn drain(reader: &mut ReadHalf<BoxStream>) {
    let mut buffer = [0; 4 * 1024];
    while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
}

pub(super) async fn read(
    reader: &mut ReadHalf<BoxStream>,
    mut opener: Opener,
    id: LinkId,
    context: &LinkContext,
) -> String {
    let own_waiting = Arc::new(Semaphore::new(WAITING_KIB as usize));
    let mut buffer = vec![0; 8 * 1024];
    let mut told = Instant::now();
    let mut heard = false;
    loop {
        loop {
            let message = match opener.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => return broke(context, &error),
            };
            let kib = u32::try_from(message.len() / 1024 + 1).unwrap_or(WAITING_KIB).min(WAITING_KIB);
            let message = match PeerMessage::decode(&message) {
                Ok(message) => message,
                Err(error) => return broke(context, &error),
            };
            let Some(room) = take_room([&own_waiting, &context.waiting], kib).await else {
                return "closed here".into();
            };
            let input = Input::Message { link: id, message };
            if context.mailbox.send(Event::Core { input, room }).await.is_err() {
                return "closed here".into();
            }
            told = Instant::now();
        }
        // Bytes without a message in them are a sign of life as well: a long text needs minutes on a slow line.
        if told.elapsed() >= HEARD_STEP && heard {
            let input = Input::Heard { link: id, unfinished: opener.is_unfinished() };
            if context.mailbox.send(Event::Core { input, room: Vec::new() }).await.is_err() {
                return "closed here".into();
            }
            told = Instant::now();
        }
        match reader.read(&mut buffer).await {
            Ok(0) => return "the peer ended the link".into(),
            Ok(n) => opener.push(&buffer[..n]),
            Err(error) => return format!("the link broke: {error}"),
        }
        heard = true;
    }
}

fn broke(context: &LinkContext, error: &dyn std::fmt::Display) -> String {
    context.rejected.protocol.fetch_add(1, Ordering::Relaxed);
    format!("the peer broke the protocol: {error}")
}

async fn take_room(semaphores: [&Arc<Semaphore>; 2], kib: u32) -> Option<Vec<OwnedSemaphorePermit>> {
    let mut room = Vec::with_capacity(2);
    for semaphore in semaphores {
        room.push(semaphore.clone().acquire_many_owned(kib).await.ok()?);
    }
    Some(room)
}

/// How the writing half ended.
pub(super) enum Written {
    /// As the engine asked for.
    Closed { last_words: bool },
    /// By itself, and why.
    Broken(String),
}

/// Writes what the engine says.
pub(super) async fn write(
    writer: &mut WriteHalf<BoxStream>,
    mut sealer: Sealer,
    mut messages: mpsc::Receiver<ToLink>,
    rejected: &Rejected,
) -> Written {
    let mut out = Vec::new();
    loop {
        let Some(mut next) = messages.recv().await else { return Written::Broken("closed here".into()) };
        let mut closing = None;
        // Everything that waits goes out with one flush.
        loop {
            match next {
                ToLink::Say(message) => sealer.seal(&message.encode(), &mut out),
                ToLink::Close(bye) => {
                    if let Some(why) = bye {
                        sealer.seal(&PeerMessage::Bye(Bye { why }).encode(), &mut out);
                    }
                    closing = Some(bye);
                }
            }
            if closing.is_some() || out.len() > 256 * 1024 {
                break;
            }
            match messages.try_recv() {
                Ok(more) => next = more,
                Err(_) => break,
            }
        }
        let mut parts = out.chunks(WRITE_BYTES).peekable();
        while let Some(part) = parts.next() {
            let write = async {
                writer.write_all(part).await?;
                if parts.peek().is_none() { writer.flush().await } else { Ok(()) }
            };
            match tokio::time::timeout(WRITE_TIME, write).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Written::Broken(format!("the link broke: {error}")),
                Err(_) => {
                    rejected.not_read.fetch_add(1, Ordering::Relaxed);
                    return Written::Broken("the peer does not read".into());
                }
            }
        }
        if let Some(bye) = closing {
            return Written::Closed { last_words: bye.is_some() };
        }
        out.clear();
        out.shrink_to(32 * 1024);
    }
}
