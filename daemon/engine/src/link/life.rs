//! The life of a link: a reading and a writing half until one of them ends. What is said on it is its purpose's matter.
//!
//! The reading half waits for room in the engine's mailbox before it reads on, so a peer that sends faster than the
//! store commits is slowed by the network's own back-pressure. The writing half has a short queue; a peer that does
//! not read what it asked for loses the link, never the daemon's memory.

use super::context::LinkContext;
use super::failure::{Failure, PeerFault};
use super::handle::{LinkHandle, ToLink};
use super::stream::{MessageReader, MessageWriter, drain};
use crate::mailbox::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::{Opener, Sealer};
use torchat_core::input::Input;
use torchat_protocol::frame::Framed;
use torchat_transport::BoxStream;

/// How long the peer may take to end the stream after our last words. Without this wait they could be lost: a flushed
/// Tor stream has only handed its cells to the circuit's task, and both END and the end of the process overtake them.
const LAST_WORDS_TIME: Duration = Duration::from_millis(1000);
/// How long the peer may take to read what was said before our last words. A link that is over is not waited for as long as
/// one that works: a peer that makes many of them and reads nothing would keep the buffers of each.
pub(super) const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Messages that wait to be written. More than what one peer can make us say before it reads: the answers that its account allows
/// at once (2,000), a window of messages, and the acknowledgements and statements between them.
pub(super) const QUEUE: usize = 4096;
/// Bytes that make no whole message are told to the core as often as this.
const HEARD_STEP: Duration = Duration::from_secs(1);
/// Sealed bytes from which on they are written before more is sealed.
const SEALED_BYTES: usize = 256 * 1024;

/// What a purpose makes of the messages of its links.
pub(super) trait Talk: Sync {
    /// What the engine says to the peer.
    type Said: Send;

    /// Seals it.
    fn seal(&self, said: &Self::Said, out: &mut MessageWriter<'_>);

    /// What the engine is told of a message that came; `None`: nothing but that bytes came.
    ///
    /// # Errors
    /// A [`PeerFault`]: the link ends.
    fn hear(&self, framed: Framed) -> impl Future<Output = Result<Option<Input>, PeerFault>> + Send;

    /// What the engine is told of bytes in which no message became whole, at most once a second. `unfinished`: the peer is in
    /// the middle of something long.
    fn hear_bytes(&self, unfinished: bool) -> Input;

    /// Pays for what was heard since the last payment. The link is read on when it is paid.
    ///
    /// # Errors
    /// When to try again.
    fn pay(&self) -> Result<(), Duration> {
        Ok(())
    }
}

/// Room for received messages that wait for the engine.
#[derive(Debug, Clone)]
pub(super) struct WaitingRoom {
    free: Arc<Semaphore>,
    kib: u32,
}

impl WaitingRoom {
    /// For so many KiB.
    pub(super) fn new(kib: u32) -> Self {
        Self::of(Arc::new(Semaphore::new(kib as usize)), kib)
    }

    /// This room, of so many KiB.
    pub(super) fn of(free: Arc<Semaphore>, kib: u32) -> Self {
        Self { free, kib }
    }

    /// Waits for as much room, at most for all of it. `None`: the daemon stops.
    async fn take(&self, kib: u32) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_many_owned(kib.min(self.kib)).await.ok()
    }
}

/// The link's end of its [`LinkHandle`].
pub(super) struct Ears<Said> {
    queue: mpsc::Receiver<ToLink<Said>>,
    closing: CancellationToken,
    cancel: CancellationToken,
}

/// Both ends of what the engine says to a link.
pub(super) fn handle<Said>(context: &LinkContext) -> (LinkHandle<Said>, Ears<Said>) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let (closing, cancel) = (CancellationToken::new(), context.stop.child_token());
    let handle = LinkHandle {
        queue: sender,
        closing: closing.clone(),
        cancel: cancel.clone(),
        rejected: context.rejected.clone(),
    };
    (handle, Ears { queue, closing, cancel })
}

/// A link that is up.
pub(super) struct Life<'a, T: Talk> {
    pub(super) talk: T,
    pub(super) ears: Ears<T::Said>,
    /// Where a received message waits for the engine: in each of these, in this order.
    pub(super) waiting: &'a [WaitingRoom],
    pub(super) context: &'a LinkContext,
}

/// The writing half ended as the engine asked for.
struct Closed {
    last_words: bool,
}

impl<T: Talk> Life<'_, T> {
    /// Reads and writes until either half ends, or the engine wants it. Returns why. The caller keeps the halves until the engine
    /// knows: a peer that sees the end of a link and dials again must not be up before that.
    pub(super) async fn live(
        self,
        reader: &mut ReadHalf<BoxStream>,
        writer: &mut WriteHalf<BoxStream>,
        opener: Opener,
        sealer: Sealer,
    ) -> Failure {
        let Self { talk, ears: Ears { queue, closing, cancel }, waiting, context } = self;
        let halves = async {
            let mut writing = Box::pin(write(&talk, MessageWriter::new(writer, sealer), queue, context));
            let ended = {
                // Dropped at the end of this block, with what it holds of an unfinished message: a link that is over must not
                // cost memory, or a peer that makes many of them, each over the limit, has this much of each for the times
                // below.
                let mut reading = Box::pin(read(&talk, MessageReader::new(reader, opener), waiting, context));
                tokio::select! {
                    biased;
                    end = &mut writing => Some(end),
                    reason = &mut reading => return reason,
                    () = closing.cancelled() => None,
                }
            };
            let ended = match ended {
                Some(ended) => ended,
                // Drained meanwhile: a peer that waits until we read does not read either.
                None => tokio::select! {
                    biased;
                    ended = tokio::time::timeout(CLOSING_TIME, &mut writing) => {
                        ended.unwrap_or_else(|_| Err(PeerFault::NotRead.into()))
                    }
                    () = drain(reader) => return PeerFault::Ended.into(),
                },
            };
            drop(writing);
            match ended {
                Err(failure) => failure,
                Ok(closed) => close(closed, reader, writer).await,
            }
        };
        tokio::select! {
            biased;
            ended = halves => ended,
            () = cancel.cancelled() => Failure::Ours,
        }
    }
}

async fn close(closed: Closed, reader: &mut ReadHalf<BoxStream>, writer: &mut WriteHalf<BoxStream>) -> Failure {
    if closed.last_words {
        let _ = tokio::time::timeout(LAST_WORDS_TIME, drain(reader)).await;
    }
    let _ = tokio::time::timeout(LAST_WORDS_TIME, writer.shutdown()).await;
    Failure::Ours
}

/// Reads until the link ends. Returns why.
async fn read<T: Talk>(
    talk: &T,
    mut messages: MessageReader<'_>,
    waiting: &[WaitingRoom],
    context: &LinkContext,
) -> Failure {
    let mut told = Instant::now();
    let mut heard = false;
    loop {
        loop {
            let heard = match next(talk, &mut messages).await {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(fault) => {
                    context.rejected.protocol.fetch_add(1, Ordering::Relaxed);
                    return fault.into();
                }
            };
            if let (Some(input), kib) = heard {
                let Some(room) = take_room(waiting, kib).await else { return Failure::Ours };
                if context.mailbox.send(Event::Core { input, room }).await.is_err() {
                    return Failure::Ours;
                }
                told = Instant::now();
            }
            while let Err(wait) = talk.pay() {
                tokio::time::sleep(wait.min(HEARD_STEP)).await;
                // What makes it wait has come: the peer is there, although it is not listened to.
                if told.elapsed() >= HEARD_STEP {
                    let input = talk.hear_bytes(messages.is_unfinished());
                    if context.mailbox.send(Event::Core { input, room: Vec::new() }).await.is_err() {
                        return Failure::Ours;
                    }
                    told = Instant::now();
                }
            }
        }
        // Bytes without a message in them are a sign of life as well: a long text needs minutes on a slow line.
        if told.elapsed() >= HEARD_STEP && heard {
            let input = talk.hear_bytes(messages.is_unfinished());
            if context.mailbox.send(Event::Core { input, room: Vec::new() }).await.is_err() {
                return Failure::Ours;
            }
            told = Instant::now();
        }
        if let Err(failure) = messages.fill().await {
            return failure;
        }
        heard = true;
    }
}

/// What the engine is told of the next message, and the KiB of room that it takes.
async fn next<T: Talk>(talk: &T, messages: &mut MessageReader<'_>) -> Result<Option<(Option<Input>, u32)>, PeerFault> {
    let Some(framed) = messages.next()? else { return Ok(None) };
    let kib = u32::try_from(framed.bytes.len() / 1024 + 1).unwrap_or(u32::MAX);
    Ok(Some((talk.hear(framed).await?, kib)))
}

async fn take_room(waiting: &[WaitingRoom], kib: u32) -> Option<Vec<OwnedSemaphorePermit>> {
    let mut room = Vec::with_capacity(waiting.len());
    for part in waiting {
        room.push(part.take(kib).await?);
    }
    Some(room)
}

/// Writes what the engine says.
async fn write<T: Talk>(
    talk: &T,
    mut out: MessageWriter<'_>,
    mut queue: mpsc::Receiver<ToLink<T::Said>>,
    context: &LinkContext,
) -> Result<Closed, Failure> {
    loop {
        let Some(mut next) = queue.recv().await else { return Err(Failure::Ours) };
        let mut closed = None;
        // Everything that waits goes out with one flush.
        loop {
            match next {
                ToLink::Say(said) => talk.seal(&said, &mut out),
                ToLink::Close(last_words) => {
                    closed = Some(Closed { last_words: last_words.is_some() });
                    if let Some(said) = last_words {
                        talk.seal(&said, &mut out);
                    }
                }
            }
            if closed.is_some() || out.waiting() > SEALED_BYTES {
                break;
            }
            match queue.try_recv() {
                Ok(more) => next = more,
                Err(_) => break,
            }
        }
        if let Err(failure) = out.flush().await {
            let not_read = matches!(failure, Failure::Peer(PeerFault::NotRead));
            context.rejected.not_read.fetch_add(u64::from(not_read), Ordering::Relaxed);
            return Err(failure);
        }
        if let Some(closed) = closed {
            return Ok(closed);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
