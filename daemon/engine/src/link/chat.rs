//! Links: streams for chat after the handshake, a reading and a writing half until one of them ends.
//!
//! The reading half waits for room in the engine's mailbox before it reads on, so a peer that sends faster than the
//! store commits is slowed by the network's own back-pressure. The writing half has a short queue; a peer that does
//! not read what it asked for loses the link, never the daemon's memory.

use super::context::LinkContext;
use super::failure::{Failure, PeerFault};
use super::handle::{LinkHandle, ToLink};
use super::router::{Handler, Proven};
use super::stream::{MessageReader, MessageWriter, drain};
use crate::mailbox::Event;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::{Established, Opener, Sealer};
use torchat_core::input::{Input, LinkId, LinkInput};
use torchat_protocol::message::{Bye, PeerMessage};
use torchat_transport::BoxStream;

/// How long the peer may take to end the stream after our last words. Without this wait they could be lost: a flushed
/// Tor stream has only handed its cells to the circuit's task, and both END and the end of the process overtake them.
const LAST_WORDS_TIME: Duration = Duration::from_millis(1000);
/// How long the peer may take to read what was said before our last words. A link that is over is not waited for as long as
/// one that works: a peer that makes many of them and reads nothing would keep the buffers of each.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Messages that wait to be written. More than what one peer can make us say before it reads: the answers that its account allows
/// at once (2,000), a window of messages, and the acknowledgements and statements between them.
const QUEUE: usize = 4096;
/// Bytes that make no whole message are told to the core as often as this.
const HEARD_STEP: Duration = Duration::from_secs(1);
/// Bytes of received messages that wait for the engine, of one link, in KiB.
const WAITING_KIB: u32 = 1024;
/// Sealed bytes from which on they are written before more is sealed.
const SEALED_BYTES: usize = 256 * 1024;

/// Serves streams for chat: each is a link, of which the core knows.
pub(crate) struct Chat(LinkContext);

impl Chat {
    pub(crate) fn new(context: LinkContext) -> Self {
        Self(context)
    }
}

impl Handler for Chat {
    fn serve(&self, proven: Proven) -> BoxFuture<'static, ()> {
        serve(proven, self.0.clone()).boxed()
    }
}

/// Serves a link until it ends, and tells the engine of both.
async fn serve(proven: Proven, context: LinkContext) {
    let Proven { stream, established, outgoing } = proven;
    let id = LinkId(context.next_link.fetch_add(1, Ordering::Relaxed));
    let (queue, messages) = mpsc::channel(QUEUE);
    let cancel = context.stop.child_token();
    let closing = CancellationToken::new();
    let rejected = context.rejected.clone();
    let handle = LinkHandle { queue, closing: closing.clone(), cancel: cancel.clone(), rejected };
    let Established { peer, binding, epoch, .. } = established;
    let up = Event::LinkUp { link: id, peer, outgoing, binding, epoch, handle };
    if context.mailbox.send(up).await.is_err() {
        return;
    }
    let (mut reader, mut writer) = tokio::io::split(stream);
    let life = live(&mut reader, &mut writer, established.opener, established.sealer, messages, id, &context, &closing);
    let ended = tokio::select! {
        biased;
        ended = life => ended,
        () = cancel.cancelled() => Failure::Ours,
    };
    let down = Input::Link(LinkInput::Down { link: id, end: ended.end() });
    // The engine is gone only when the daemon stops.
    let _ = context.mailbox.send(Event::Core { input: down, room: Vec::new() }).await;
}

/// Reads and writes until either half ends. Returns why.
#[allow(clippy::too_many_arguments, reason = "called once, by serve, of which it is a part")]
async fn live(
    reader: &mut ReadHalf<BoxStream>,
    writer: &mut WriteHalf<BoxStream>,
    opener: Opener,
    sealer: Sealer,
    messages: mpsc::Receiver<ToLink>,
    id: LinkId,
    context: &LinkContext,
    closing: &CancellationToken,
) -> Failure {
    let mut writing = Box::pin(write(MessageWriter::new(writer, sealer), messages, context));
    let ended = {
        // Dropped at the end of this block, with what it holds of an unfinished message: a link that is over must not cost
        // memory, or a peer that makes many of them, each over the limit, has this much of each for the times below.
        let mut reading = Box::pin(read(MessageReader::new(reader, opener), id, context));
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
        Ok(Closed { last_words }) => {
            if last_words {
                let _ = tokio::time::timeout(LAST_WORDS_TIME, drain(reader)).await;
            }
            let _ = tokio::time::timeout(LAST_WORDS_TIME, writer.shutdown()).await;
            Failure::Ours
        }
    }
}

/// Reads until the link ends. Returns why.
async fn read(mut messages: MessageReader<'_>, id: LinkId, context: &LinkContext) -> Failure {
    let own_waiting = Arc::new(Semaphore::new(WAITING_KIB as usize));
    let mut told = Instant::now();
    let mut heard = false;
    loop {
        loop {
            let (message, kib) = match next(&mut messages) {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(fault) => {
                    context.rejected.protocol.fetch_add(1, Ordering::Relaxed);
                    return fault.into();
                }
            };
            let Some(room) = take_room([&own_waiting, &context.waiting], kib).await else { return Failure::Ours };
            let input = Input::Link(LinkInput::Message { link: id, message });
            if context.mailbox.send(Event::Core { input, room }).await.is_err() {
                return Failure::Ours;
            }
            told = Instant::now();
        }
        // Bytes without a message in them are a sign of life as well: a long text needs minutes on a slow line.
        if told.elapsed() >= HEARD_STEP && heard {
            let input = Input::Link(LinkInput::Heard { link: id, unfinished: messages.is_unfinished() });
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

/// The next message, and the KiB of room that it takes.
fn next(messages: &mut MessageReader<'_>) -> Result<Option<(PeerMessage, u32)>, PeerFault> {
    let Some(bytes) = messages.next()? else { return Ok(None) };
    let kib = u32::try_from(bytes.len() / 1024 + 1).unwrap_or(WAITING_KIB).min(WAITING_KIB);
    Ok(Some((PeerMessage::decode(&bytes)?, kib)))
}

async fn take_room(semaphores: [&Arc<Semaphore>; 2], kib: u32) -> Option<Vec<OwnedSemaphorePermit>> {
    let mut room = Vec::with_capacity(2);
    for semaphore in semaphores {
        room.push(semaphore.clone().acquire_many_owned(kib).await.ok()?);
    }
    Some(room)
}

/// The writing half ended as the engine asked for.
struct Closed {
    last_words: bool,
}

/// Writes what the engine says.
async fn write(
    mut out: MessageWriter<'_>,
    mut messages: mpsc::Receiver<ToLink>,
    context: &LinkContext,
) -> Result<Closed, Failure> {
    loop {
        let Some(mut next) = messages.recv().await else { return Err(Failure::Ours) };
        let mut closing = None;
        // Everything that waits goes out with one flush.
        loop {
            match next {
                ToLink::Say(message) => out.seal(&message.encode()),
                ToLink::Close(bye) => {
                    if let Some(why) = bye {
                        out.seal(&PeerMessage::Bye(Bye { why }).encode());
                    }
                    closing = Some(bye);
                }
            }
            if closing.is_some() || out.waiting() > SEALED_BYTES {
                break;
            }
            match messages.try_recv() {
                Ok(more) => next = more,
                Err(_) => break,
            }
        }
        if let Err(failure) = out.flush().await {
            let not_read = matches!(failure, Failure::Peer(PeerFault::NotRead));
            context.rejected.not_read.fetch_add(u64::from(not_read), Ordering::Relaxed);
            return Err(failure);
        }
        if let Some(bye) = closing {
            return Ok(Closed { last_words: bye.is_some() });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::link::handshake::{Role, shake_hands};
    use crate::mailbox::Mailbox;
    use tokio::io::AsyncReadExt as _;
    use tokio::io::duplex;
    use torchat_core::handshake::{Handshake, LocalIdentity};
    use torchat_core::input::{EndedBy, PeerDid};
    use torchat_protocol::message::Nonce;
    use torchat_protocol::message::{ByeReason, PeerMessage};
    use torchat_protocol::purpose::Purpose;
    use torchat_transport::clock::Clock;
    use torchat_transport::randomness::Randomness;

    const NOW_S: u64 = 1_790_000_000;

    fn context(n: u8, mailbox: Mailbox) -> LinkContext {
        LinkContext {
            identity: Arc::new(LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], NOW_S).unwrap()),
            clock: Clock::simulated(1_790_000_000_000),
            randomness: Randomness::seeded(u64::from(n)),
            mailbox,
            next_link: Arc::default(),
            waiting: Arc::new(Semaphore::new(1024)),
            rejected: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// A link whose peer has shaken hands and reads nothing from then on, with the engine's end of it.
    async fn link_to_a_peer_that_does_not_read() -> (LinkHandle, mpsc::Receiver<Event>, tokio::io::DuplexStream) {
        let (mailbox, mut events) = mpsc::channel(16);
        let (near, mut far) = duplex(4096);
        let (ours, theirs) = (context(1, mailbox.clone()), context(2, mailbox));
        let peer = theirs.identity.peer_id();
        tokio::spawn(async move {
            let mut near: BoxStream = Box::new(near);
            let established =
                shake_hands(&mut near, Role::Dialled(peer, Purpose::CHAT), &[], &ours, |_| ()).await.unwrap();
            serve(Proven { stream: near, established, outgoing: true }, ours).await;
        });
        let mut handshake = Handshake::responder(&theirs.identity, &[Purpose::CHAT], theirs.randomness.bytes());
        let mut buffer = [0; 2048];
        loop {
            let n = far.read(&mut buffer).await.unwrap();
            let progress = handshake.receive(&buffer[..n], NOW_S).unwrap();
            far.write_all(&progress.write).await.unwrap();
            if progress.done.is_some() {
                break;
            }
        }
        let Some(Event::LinkUp { handle, .. }) = events.recv().await else { panic!("the link is up") };
        (handle, events, far)
    }

    #[tokio::test(start_paused = true)]
    async fn links_whose_peer_does_not_read_are_counted_once() {
        // More than may wait: it ends at once.
        let (handle, mut events, _far) = link_to_a_peer_that_does_not_read().await;
        for n in 0..2 * QUEUE as u64 {
            handle.tell(ToLink::Say(PeerMessage::Ping(Nonce { n })));
        }
        assert!(matches!(events.recv().await, Some(Event::Core { input: Input::Link(LinkInput::Down { .. }), .. })));
        assert_eq!(handle.rejected.not_read.load(Ordering::Relaxed), 1);
        handle.tell(ToLink::Close(None));
        assert_eq!(handle.rejected.not_read.load(Ordering::Relaxed), 1, "it has ended");
        // Fewer: it ends when the write took too long.
        let (handle, mut events, _far) = link_to_a_peer_that_does_not_read().await;
        for n in 0..QUEUE as u64 {
            handle.tell(ToLink::Say(PeerMessage::Ping(Nonce { n })));
        }
        assert!(matches!(events.recv().await, Some(Event::Core { input: Input::Link(LinkInput::Down { .. }), .. })));
        assert_eq!(handle.rejected.not_read.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_over_does_not_wait_for_a_peer_that_does_not_read() {
        let (handle, mut events, _far) = link_to_a_peer_that_does_not_read().await;
        // More than the stream holds.
        for n in 0..40 {
            handle.tell(ToLink::Say(PeerMessage::Ping(Nonce { n })));
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(events.try_recv().is_err(), "it is waited for");
        let begun = tokio::time::Instant::now();
        handle.tell(ToLink::Close(Some(ByeReason::Shutdown)));
        let Some(Event::Core { input: Input::Link(LinkInput::Down { end, .. }), .. }) = events.recv().await else {
            panic!("the link is down")
        };
        assert_eq!(end.by, EndedBy::Peer(PeerDid::NotRead));
        assert_eq!(begun.elapsed().as_secs(), CLOSING_TIME.as_secs());
    }
}
