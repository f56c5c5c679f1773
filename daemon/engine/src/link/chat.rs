//! Links: streams for chat after the handshake, a reading and a writing half until one of them ends.

use super::context::LinkContext;
use super::handle::{LinkHandle, ToLink};
use super::router::{Handler, Proven};
use super::stream::{Written, drain, read, write};
use crate::mailbox::Event;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::{Established, Opener, Sealer};
use torchat_core::input::{Input, LinkId};
use torchat_transport::BoxStream;

/// How long the peer may take to end the stream after our last words. Without this wait they could be lost: a flushed
/// Tor stream has only handed its cells to the circuit's task, and both END and the end of the process overtake them.
const LAST_WORDS_TIME: Duration = Duration::from_millis(1000);
/// How long the peer may take to read what was said before our last words. A link that is over is not waited for as long as
/// one that works: whoever makes many of them and reads nothing would keep the buffers of each.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// Messages that wait to be written. More than what one peer can make us say before it reads: the answers that its account allows
/// at once (2,000), a window of messages, and the acknowledgements and statements between them.
const QUEUE: usize = 4096;

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
    let id: LinkId = context.next_link.fetch_add(1, Ordering::Relaxed);
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
    let mut writing = Box::pin(write(writer, sealer, messages, &context.rejected));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::link::handshake::{Role, shake_hands};
    use crate::mailbox::Mailbox;
    use std::sync::Arc;
    use tokio::io::duplex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Semaphore;
    use torchat_core::handshake::{Handshake, LocalIdentity};
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
        assert!(matches!(events.recv().await, Some(Event::Core { input: Input::LinkDown { .. }, .. })));
        assert_eq!(handle.rejected.not_read.load(Ordering::Relaxed), 1);
        handle.tell(ToLink::Close(None));
        assert_eq!(handle.rejected.not_read.load(Ordering::Relaxed), 1, "it has ended");
        // Fewer: it ends when the write took too long.
        let (handle, mut events, _far) = link_to_a_peer_that_does_not_read().await;
        for n in 0..QUEUE as u64 {
            handle.tell(ToLink::Say(PeerMessage::Ping(Nonce { n })));
        }
        assert!(matches!(events.recv().await, Some(Event::Core { input: Input::LinkDown { .. }, .. })));
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
        let Some(Event::Core { input: Input::LinkDown { reason, .. }, .. }) = events.recv().await else {
            panic!("the link is down")
        };
        assert_eq!(reason, "the peer does not read");
        assert_eq!(begun.elapsed().as_secs(), CLOSING_TIME.as_secs());
    }
}
