//! Links: streams for chat, of which the core knows.

use super::context::LinkContext;
use super::failure::PeerFault;
use super::life::{self, Life, Talk, WaitingRoom};
use super::router::{Handler, Proven};
use super::stream::MessageWriter;
use crate::mailbox::Event;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::atomic::Ordering;
use torchat_core::handshake::Established;
use torchat_core::input::{Input, LinkId, LinkInput};
use torchat_protocol::frame::{Framed, TYPE_JSON};
use torchat_protocol::message::PeerMessage;

/// Bytes of received messages that wait for the engine, of one link, in KiB.
const WAITING_KIB: u32 = 1024;

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

/// Peers' messages in JSON, on the one channel that there is.
struct Messages(LinkId);

impl Talk for Messages {
    type Said = PeerMessage;

    fn seal(&self, said: &PeerMessage, out: &mut MessageWriter<'_>) {
        out.seal(TYPE_JSON, 0, &said.encode());
    }

    async fn hear(&self, framed: Framed) -> Result<Option<Input>, PeerFault> {
        let message = PeerMessage::decode(&framed.bytes)?;
        Ok(Some(Input::Link(LinkInput::Message { link: self.0, message })))
    }

    fn hear_bytes(&self, unfinished: bool) -> Input {
        Input::Link(LinkInput::Heard { link: self.0, unfinished })
    }
}

/// Serves a link until it ends, and tells the engine of both.
async fn serve(proven: Proven, context: LinkContext) {
    let Proven { stream, established, outgoing } = proven;
    let id = LinkId(context.next_link.fetch_add(1, Ordering::Relaxed));
    let (handle, ears) = life::handle(&context);
    let Established { peer, binding, epoch, opener, sealer, .. } = established;
    let up = Event::LinkUp { link: id, peer, outgoing, binding, epoch, handle };
    if context.mailbox.send(up).await.is_err() {
        return;
    }
    let all = WaitingRoom::of(context.waiting.clone(), WAITING_KIB);
    let life = Life { talk: Messages(id), ears, waiting: &[WaitingRoom::new(WAITING_KIB), all], context: &context };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let ended = life.live(&mut reader, &mut writer, opener, sealer).await;
    let down = Input::Link(LinkInput::Down { link: id, end: ended.end() });
    // The engine is gone only when the daemon stops.
    let _ = context.mailbox.send(Event::Core { input: down, room: Vec::new() }).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::link::handle::{LinkHandle, ToLink};
    use crate::link::handshake::{Role, shake_hands};
    use crate::link::life::tests::{NOW_S, context};
    use crate::link::life::{CLOSING_TIME, QUEUE};
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::sync::mpsc;
    use torchat_core::handshake::Handshake;
    use torchat_core::input::{EndedBy, PeerDid};
    use torchat_protocol::message::{Bye, ByeReason, Nonce};
    use torchat_protocol::purpose::Purpose;
    use torchat_transport::BoxStream;

    /// A link whose peer has shaken hands and reads nothing from then on, with the engine's end of it.
    async fn link_to_a_peer_that_does_not_read()
    -> (LinkHandle<PeerMessage>, mpsc::Receiver<Event>, tokio::io::DuplexStream) {
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
        handle.tell(ToLink::Close(Some(PeerMessage::Bye(Bye { why: ByeReason::Shutdown }))));
        let Some(Event::Core { input: Input::Link(LinkInput::Down { end, .. }), .. }) = events.recv().await else {
            panic!("the link is down")
        };
        assert_eq!(end.by, EndedBy::Peer(PeerDid::NotRead));
        assert_eq!(begun.elapsed().as_secs(), CLOSING_TIME.as_secs());
    }
}
