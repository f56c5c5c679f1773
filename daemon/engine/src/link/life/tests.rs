//! Links of another purpose than chat, over a stream in memory.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::link::handshake::{Role, shake_hands};
use crate::mailbox::Mailbox;
use tokio::io::duplex;
use tokio::task::JoinHandle;
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{EndedBy, LinkEnd, LinkId, LinkInput, PeerDid};
use torchat_protocol::frame::{TYPE_JSON, Takes};
use torchat_protocol::message::{Nonce, PeerMessage};
use torchat_protocol::purpose::Purpose;
use torchat_transport::clock::Clock;
use torchat_transport::randomness::Randomness;

pub(in crate::link) const NOW_S: u64 = 1_790_000_000;

/// What the links of one daemon need.
pub(in crate::link) fn context(n: u8, mailbox: Mailbox) -> LinkContext {
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

/// Says frames as they are, and tells of one that came in the words of chat: its channel as the link, its type and length as
/// the number of a ping.
struct Frames;

impl Talk for Frames {
    type Said = Framed;

    fn seal(&self, said: &Framed, out: &mut MessageWriter<'_>) {
        out.seal(said.kind, said.channel, &said.bytes);
    }

    async fn hear(&self, framed: Framed) -> Result<Option<Input>, PeerFault> {
        Ok(Some(told(&framed)))
    }

    fn hear_bytes(&self, unfinished: bool) -> Input {
        Input::Link(LinkInput::Heard { link: LinkId(0), unfinished })
    }
}

fn told(framed: &Framed) -> Input {
    let message = PeerMessage::Ping(Nonce { n: (u64::from(framed.kind) << 32) + framed.bytes.len() as u64 });
    Input::Link(LinkInput::Message { link: LinkId(framed.channel.into()), message })
}

fn frame(kind: u8, channel: u16, length: usize) -> Framed {
    Framed { kind, channel, bytes: vec![b'x'; length] }
}

/// One end of a link for rooms.
struct End {
    handle: LinkHandle<Framed>,
    events: mpsc::Receiver<Event>,
    context: LinkContext,
    ended: JoinHandle<LinkEnd>,
}

impl End {
    async fn up(mut stream: BoxStream, context: LinkContext, events: mpsc::Receiver<Event>, role: Role<'_>) -> Self {
        let established = shake_hands(&mut stream, role, &[], &context, |_| ()).await.unwrap();
        let (handle, ears) = handle(&context);
        let lived = context.clone();
        let ended = tokio::spawn(async move {
            // As much as three of the messages below, whatever there is for mail.
            let waiting = [WaitingRoom::new(64)];
            let life = Life { talk: Frames, ears, waiting: &waiting, context: &lived };
            let (mut reader, mut writer) = tokio::io::split(stream);
            let opener = established.opener.taking(Takes::ROOM);
            life.live(&mut reader, &mut writer, opener, established.sealer).await.end()
        });
        Self { handle, events, context, ended }
    }

    /// Both ends of a link.
    async fn pair() -> (Self, Self) {
        let (near, far) = duplex(4096);
        let ((mailbox, events), (other_mailbox, other_events)) = (mpsc::channel(16), mpsc::channel(16));
        let (ours, theirs) = (context(1, mailbox), context(2, other_mailbox));
        let dialled = Role::Dialled(theirs.identity.peer_id(), Purpose::ROOM);
        let accepted = Role::Accepted(&[Purpose::ROOM]);
        tokio::join!(
            Self::up(Box::new(near), ours, events, dialled),
            Self::up(Box::new(far), theirs, other_events, accepted)
        )
    }

    /// What comes next, with the room that it takes until that is dropped.
    async fn next(&mut self) -> Option<(Input, Vec<OwnedSemaphorePermit>)> {
        match tokio::time::timeout(Duration::from_secs(30), self.events.recv()).await.ok()? {
            Some(Event::Core { input, room }) => Some((input, room)),
            _ => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_of_many_channels_ends_with_last_words_as_one_for_chat_does() {
    let (ours, mut theirs) = End::pair().await;
    let said = [frame(0x40, 1, 37), frame(0x46, 7, 20_000), frame(TYPE_JSON, 0, 18), frame(0x46, 2, 0)];
    for framed in &said {
        ours.handle.tell(ToLink::Say(framed.clone()));
    }
    ours.handle.tell(ToLink::Close(Some(frame(TYPE_JSON, 0, 25))));
    for framed in said.iter().chain([&frame(TYPE_JSON, 0, 25)]) {
        assert_eq!(theirs.next().await.unwrap().0, told(framed));
    }
    assert_eq!(ours.ended.await.unwrap().by, EndedBy::Us);
    assert_eq!(theirs.ended.await.unwrap().by, EndedBy::Peer(PeerDid::End));
    assert_eq!(theirs.context.rejected.protocol.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_purpose_has_its_own_room_for_what_waits() {
    let (ours, mut theirs) = End::pair().await;
    for _ in 0..5 {
        ours.handle.tell(ToLink::Say(frame(0x46, 1, 20_000)));
    }
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(theirs.next().await.unwrap().1);
    }
    assert!(theirs.next().await.is_none(), "the fourth waits, and with it the stream");
    held.pop();
    held.push(theirs.next().await.unwrap().1);
    held.clear();
    assert!(theirs.next().await.is_some());
    assert_eq!(theirs.context.waiting.available_permits(), 1024, "nothing of it was taken from the room for mail");
}

#[tokio::test(start_paused = true)]
async fn a_frame_on_a_channel_that_is_not_for_it_ends_the_link() {
    for wrong in [frame(TYPE_JSON, 1, 2), frame(0x46, 0, 2), frame(0xc6, 1, 2)] {
        let (ours, mut theirs) = End::pair().await;
        ours.handle.tell(ToLink::Say(wrong));
        assert_eq!(theirs.ended.await.unwrap().by, EndedBy::Peer(PeerDid::BreakProtocol));
        assert_eq!(theirs.context.rejected.protocol.load(Ordering::Relaxed), 1);
        assert!(theirs.events.try_recv().is_err());
    }
}
