//! A link's life: handshake, then a reading and a writing half until one of them ends.
//!
//! The reading half waits for room in the engine's mailbox before it reads on, so a peer that sends faster than the
//! store commits is slowed by the network's own back-pressure. The writing half has a short queue; a peer that does
//! not read what it asked for loses the link, never the daemon's memory.

pub(crate) mod acceptor;
mod places;

use crate::clock::{Clock, Randomness};
use crate::mailbox::{Event, Mailbox};
use crate::transport::BoxStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::{Established, Handshake, LocalIdentity, Opener, Sealer};
use torchat_core::input::{Input, LinkId};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{Bye, ByeReason, PeerMessage};

/// A peer must say who it is within this time.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(60);
/// The first bytes of an incoming stream must come within this time.
pub(crate) const FIRST_BYTES_TIME: Duration = Duration::from_secs(5);
/// Each flight of a handshake must be whole within this time after the one before it. Without it, whoever we dial could hold
/// one of the few places for dials for the whole of a handshake's time with a byte now and then.
pub(crate) const FLIGHT_TIME: Duration = Duration::from_secs(20);
/// One write must end within this time.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// So many bytes are written at once. All that waits was rejected: it can be 256 KiB, and a line of 1 kB/s, which is slow and
/// well, would need four minutes for it.
const WRITE_BYTES: usize = 16 * 1024;
/// Bytes that make no whole message are told to the core as often as this.
const HEARD_STEP: Duration = Duration::from_secs(1);
/// How long the peer may take to end the stream after our last words. Without this wait they could be lost: a flushed
/// Tor stream has only handed its cells to the circuit's task, and both END and the end of the process overtake them.
const LAST_WORDS_TIME: Duration = Duration::from_millis(1000);
/// How long the peer may take to read what was said before our last words. A link that is over is not waited for as long as
/// one that works: whoever makes many of them and reads nothing would keep the buffers of each.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Messages that wait to be written. More than what one peer can make us say before it reads: the answers that its account allows
/// at once (2,000), a window of messages, and the acknowledgements and statements between them.
const QUEUE: usize = 4096;
/// Bytes of received messages that wait for the engine, of one link, in KiB.
const WAITING_KIB: u32 = 1024;

/// How often the engine sent somebody away before the core heard of it, since the start. Nothing here says whom.
#[derive(Debug, Default)]
pub(crate) struct SentAway {
    /// Streams that had to leave the door for another.
    pub(crate) streams: AtomicU64,
    /// Streams that did not prove who they are, or not in time.
    pub(crate) handshakes: AtomicU64,
    /// Links whose peer broke the protocol.
    pub(crate) protocol: AtomicU64,
    /// Links whose peer did not read what was said to it.
    pub(crate) not_read: AtomicU64,
    /// Local programs that came while as many as may be were connected.
    pub(crate) connections: AtomicU64,
}

/// What a link needs of the engine.
#[derive(Clone)]
pub(crate) struct LinkContext {
    pub(crate) identity: Arc<LocalIdentity>,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) mailbox: Mailbox,
    pub(crate) next_link: Arc<AtomicU64>,
    /// Bytes of received messages that wait for the engine, of all links, in KiB.
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) sent_away: Arc<SentAway>,
    pub(crate) stop: CancellationToken,
}

/// Which side of the handshake we are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// We dialled this peer.
    Dialled(PeerId),
    /// Somebody opened a stream to us.
    Accepted,
}

/// What the engine says to a link.
#[derive(Debug)]
pub(crate) enum ToLink {
    Say(PeerMessage),
    /// End, after everything before was written, with last words if there are any.
    Close(Option<ByeReason>),
}

/// The engine's end of a link.
#[derive(Debug)]
pub(crate) struct LinkHandle {
    queue: mpsc::Sender<ToLink>,
    /// Cancelled when the end is queued.
    closing: CancellationToken,
    cancel: CancellationToken,
    sent_away: Arc<SentAway>,
}

impl LinkHandle {
    /// Queues a message. A full queue ends the link: the peer reads nothing.
    pub(crate) fn tell(&self, message: ToLink) {
        if matches!(message, ToLink::Close(_)) {
            self.closing.cancel();
        }
        if let Err(error) = self.queue.try_send(message) {
            // Said in vain to a link that has ended, it is nobody's fault.
            let stalled = matches!(error, mpsc::error::TrySendError::Full(_)) && !self.cancel.is_cancelled();
            self.sent_away.not_read.fetch_add(u64::from(stalled), Ordering::Relaxed);
            self.cancel.cancel();
        }
    }

    /// Ends the link at once.
    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }
}

/// Proves who is at the other end. `said` are bytes that the other end said already. `reached` hears how many flights of the
/// other end were heard, after each.
///
/// # Errors
/// A sentence for people, without onion addresses.
pub(crate) async fn shake_hands(
    stream: &mut BoxStream,
    role: Role,
    said: &[u8],
    context: &LinkContext,
    reached: impl Fn(u8),
) -> Result<Established, String> {
    let begun = Instant::now();
    let entropy = context.randomness.bytes();
    // A daemon may run longer than its first certificate is valid.
    let now_s = context.clock.now_s();
    let renewed = context.identity.wants_renewal(now_s).then(|| context.identity.renewed(now_s));
    let identity = renewed.as_ref().unwrap_or(&context.identity);
    let (mut handshake, first) = match role {
        Role::Dialled(peer) => Handshake::initiator(identity, peer, entropy),
        Role::Accepted => (Handshake::responder(identity, entropy), Vec::new()),
    };
    if !first.is_empty() {
        send(stream, &first).await?;
    }
    let mut buffer = [0; 2048];
    let mut flights = 0;
    let mut flight_until = begun + FLIGHT_TIME;
    let mut until = match role {
        Role::Dialled(_) => flight_until,
        Role::Accepted => begun + FIRST_BYTES_TIME,
    };
    let mut said = (!said.is_empty()).then_some(said);
    loop {
        let bytes = match said.take() {
            Some(said) => said,
            None => hear(stream, &mut buffer, until).await?,
        };
        let progress =
            handshake.receive(bytes, context.clock.now_s()).map_err(|error| format!("handshake: {error}"))?;
        if !progress.write.is_empty() {
            send(stream, &progress.write).await?;
        }
        if let Some(established) = progress.done {
            return Ok(established);
        }
        if handshake.flights() > flights {
            flights = handshake.flights();
            flight_until = Instant::now() + FLIGHT_TIME;
            reached(flights);
        }
        until = flight_until;
    }
}

/// Speaks to a service as far as its hello, which shows that somebody serves it who speaks the protocol.
///
/// # Errors
/// A sentence for people, without onion addresses.
pub(crate) async fn hear_hello(stream: &mut BoxStream, peer: PeerId, context: &LinkContext) -> Result<(), String> {
    let (mut handshake, first) = Handshake::initiator(&context.identity, peer, context.randomness.bytes());
    send(stream, &first).await?;
    let mut buffer = [0; 2048];
    let until = Instant::now() + FLIGHT_TIME;
    loop {
        let bytes = hear(stream, &mut buffer, until).await?;
        let progress =
            handshake.receive(bytes, context.clock.now_s()).map_err(|error| format!("handshake: {error}"))?;
        // What we would say next follows a whole hello. It is not said: nothing more is to be learnt from ourselves.
        if !progress.write.is_empty() {
            return Ok(());
        }
    }
}

/// The next bytes of a handshake.
///
/// # Errors
/// A sentence for people, without onion addresses.
pub(crate) async fn hear<'a>(stream: &mut BoxStream, buffer: &'a mut [u8], until: Instant) -> Result<&'a [u8], String> {
    match tokio::time::timeout_at(until, stream.read(buffer)).await {
        Err(_) => Err("the handshake took too long".into()),
        Ok(Err(error)) => Err(format!("the stream broke in the handshake: {error}")),
        Ok(Ok(0)) => Err("the stream ended in the handshake".into()),
        Ok(Ok(n)) => Ok(buffer.get(..n).unwrap_or_default()),
    }
}

async fn send(stream: &mut BoxStream, bytes: &[u8]) -> Result<(), String> {
    let write = async {
        stream.write_all(bytes).await?;
        // A Tor stream keeps small writes back until it is flushed.
        stream.flush().await
    };
    match tokio::time::timeout(WRITE_TIME, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the stream broke: {error}")),
        Err(_) => Err("the peer does not read".into()),
    }
}

/// Serves an authenticated stream until it ends, and tells the engine of both.
pub(crate) async fn serve(stream: BoxStream, established: Established, outgoing: bool, context: LinkContext) {
    let id: LinkId = context.next_link.fetch_add(1, Ordering::Relaxed);
    let (queue, messages) = mpsc::channel(QUEUE);
    let cancel = context.stop.child_token();
    let closing = CancellationToken::new();
    let sent_away = context.sent_away.clone();
    let handle = LinkHandle { queue, closing: closing.clone(), cancel: cancel.clone(), sent_away };
    let Established { peer, binding, epoch, .. } = established;
    let up = Event::LinkUp { link: id, peer, outgoing, binding, epoch, handle };
    if context.mailbox.send(up).await.is_err() {
        return;
    }
    let (mut reader, mut writer) = tokio::io::split(stream);
    let life = live(&mut reader, &mut writer, established.opener, established.sealer, messages, id, &context, &closing);
    let reason = tokio::select! {
        biased;
        reason = life => reason,
        () = cancel.cancelled() => "closed here".to_owned(),
    };
    let down = Input::LinkDown { link: id, reason };
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
) -> String {
    let mut writing = Box::pin(write(writer, sealer, messages, &context.sent_away));
    let ended = {
        // Dropped at the end of this block, with what it holds of an unfinished message: a link that is over must not cost
        // memory, or whoever makes many of them, each over the limit, has this much of each for the times below.
        let mut reading = Box::pin(read(reader, opener, id, context));
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
                ended.unwrap_or_else(|_| Written::Broken("the peer does not read".into()))
            }
            () = drain(reader) => return "the peer ended the link".into(),
        },
    };
    drop(writing);
    match ended {
        Written::Broken(reason) => reason,
        Written::Closed { last_words } => {
            if last_words {
                let _ = tokio::time::timeout(LAST_WORDS_TIME, drain(reader)).await;
            }
            let _ = tokio::time::timeout(LAST_WORDS_TIME, writer.shutdown()).await;
            "closed here".into()
        }
    }
}

/// Reads until the peer ends the stream, for nothing else.
async fn drain(reader: &mut ReadHalf<BoxStream>) {
    let mut buffer = [0; 4 * 1024];
    while matches!(reader.read(&mut buffer).await, Ok(1..)) {}
}

async fn read(reader: &mut ReadHalf<BoxStream>, mut opener: Opener, id: LinkId, context: &LinkContext) -> String {
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
    context.sent_away.protocol.fetch_add(1, Ordering::Relaxed);
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
enum Written {
    /// As the engine asked for.
    Closed { last_words: bool },
    /// By itself, and why.
    Broken(String),
}

/// Writes what the engine says.
async fn write(
    writer: &mut WriteHalf<BoxStream>,
    mut sealer: Sealer,
    mut messages: mpsc::Receiver<ToLink>,
    sent_away: &SentAway,
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
                    sent_away.not_read.fetch_add(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::duplex;
    use torchat_protocol::message::Nonce;

    const NOW_S: u64 = 1_790_000_000;

    fn context(n: u8, mailbox: Mailbox) -> LinkContext {
        LinkContext {
            identity: Arc::new(LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], NOW_S).unwrap()),
            clock: Clock::simulated(1_790_000_000_000),
            randomness: Randomness::seeded(u64::from(n)),
            mailbox,
            next_link: Arc::default(),
            waiting: Arc::new(Semaphore::new(1024)),
            sent_away: Arc::default(),
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
            let established = shake_hands(&mut near, Role::Dialled(peer), &[], &ours, |_| ()).await.unwrap();
            serve(near, established, true, ours).await;
        });
        let mut handshake = Handshake::responder(&theirs.identity, theirs.randomness.bytes());
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
        assert!(matches!(events.recv().await, Some(Event::Core { input: Input::LinkDown { .. }, .. })));
        assert_eq!(handle.sent_away.not_read.load(Ordering::Relaxed), 1);
        handle.tell(ToLink::Close(None));
        assert_eq!(handle.sent_away.not_read.load(Ordering::Relaxed), 1, "it has ended");
        // Fewer: it ends when the write took too long.
        let (handle, mut events, _far) = link_to_a_peer_that_does_not_read().await;
        for n in 0..QUEUE as u64 {
            handle.tell(ToLink::Say(PeerMessage::Ping(Nonce { n })));
        }
        assert!(matches!(events.recv().await, Some(Event::Core { input: Input::LinkDown { .. }, .. })));
        assert_eq!(handle.sent_away.not_read.load(Ordering::Relaxed), 1);
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
        let Some(Event::Core { input: Input::LinkDown { reason, .. }, .. }) = events.recv().await else {
            panic!("the link is down")
        };
        assert_eq!(reason, "the peer does not read");
        assert_eq!(begun.elapsed().as_secs(), CLOSING_TIME.as_secs());
    }
}
