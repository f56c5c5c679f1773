//! Room links over a stream in memory.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::link::handle::ToLink;
use crate::link::handshake::{Role, shake_hands};
use crate::link::life::tests::context;
use crate::link::router::Handler;
use tokio::io::duplex;
use tokio::sync::mpsc;
use torchat_protocol::message::{Bye, ByeReason, Nonce};
use torchat_protocol::purpose::Purpose;
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{Author, Close, CloseCode, Open, OpenAs, RoomId};
use torchat_transport::BoxStream;

const ROOM: RoomId = RoomId([7; 32]);

/// One end of a room link, as the engine has it.
struct End {
    handle: RoomHandle,
    link: LinkId,
    events: mpsc::Receiver<Event>,
    context: LinkContext,
}

/// What came.
#[derive(Debug, PartialEq)]
enum Came {
    Frame(u16, Frame),
    Newer(u16),
    Message(PeerMessage),
    Heard,
    Down,
}

impl End {
    async fn up(
        mut stream: BoxStream,
        context: LinkContext,
        mut events: mpsc::Receiver<Event>,
        role: Role<'_>,
    ) -> Self {
        let outgoing = matches!(role, Role::Dialled(..));
        let established = shake_hands(&mut stream, role, &[], &context, |_| ()).await.unwrap();
        let rooms = Rooms::new(context.clone(), PublishedKeys::default());
        tokio::spawn(rooms.serve(Proven { stream, established, outgoing }));
        let Some(Event::Room(RoomEvent::Up { link, handle, .. })) = events.recv().await else { panic!("it is up") };
        Self { handle, link, events, context }
    }

    /// Both ends of a link.
    async fn pair() -> (Self, Self) {
        let (near, far) = duplex(64 * 1024);
        let ((mailbox, events), (other_mailbox, other_events)) = (mpsc::channel(4096), mpsc::channel(4096));
        let (ours, theirs) = (context(1, mailbox), context(2, other_mailbox));
        let dialled = Role::Dialled(theirs.identity.peer_id(), Purpose::ROOM);
        tokio::join!(
            Self::up(Box::new(near), ours, events, dialled),
            Self::up(Box::new(far), theirs, other_events, Role::Accepted(&[Purpose::ROOM]))
        )
    }

    fn say(&self, channel: u16, frame: &Frame) {
        self.handle.tell(ToLink::Say(RoomSaid::Frame { channel, frame: Arc::new(frame.into()) }));
    }

    /// Says bytes as a frame of a type.
    fn say_raw(&self, channel: u16, kind: u8, bytes: Vec<u8>) {
        let frame = Arc::new(Encoded { kind, bytes, begins: None, ends: false });
        self.handle.tell(ToLink::Say(RoomSaid::Frame { channel, frame }));
    }

    fn open(&self, channel: u16) {
        self.say(channel, &open());
    }

    async fn next(&mut self) -> Option<Came> {
        let event = tokio::time::timeout(Duration::from_secs(3_600), self.events.recv()).await.ok()??;
        let of = |link: LinkId| assert_eq!(link, self.link);
        Some(match event {
            Event::Core { input: Input::Room(RoomInput::Frame { link, channel, frame, checked }), .. } => {
                of(link);
                let events = match &frame {
                    Frame::Events(events) => events.len(),
                    _ => 0,
                };
                assert_eq!(checked.len(), events);
                Came::Frame(channel, frame)
            }
            Event::Core { input: Input::Room(RoomInput::Newer { link, channel }), .. } => {
                of(link);
                Came::Newer(channel)
            }
            Event::Core { input: Input::Room(RoomInput::Message { link, message }), .. } => {
                of(link);
                Came::Message(message)
            }
            Event::Core { input: Input::Room(RoomInput::Heard { link }), .. } => {
                of(link);
                Came::Heard
            }
            Event::Room(RoomEvent::Down(link)) => {
                of(link);
                Came::Down
            }
            _ => panic!("nothing else comes of a room link"),
        })
    }
}

fn open() -> Frame {
    Frame::Open(Open { room: ROOM, role: OpenAs::Member(None) })
}

fn close() -> Frame {
    Frame::Close(Close { code: CloseCode::Done, retry_s: 0, words: BoundedText::default() })
}

fn need(upto: u64) -> Frame {
    Frame::Need(Author::ACTS, upto)
}

#[tokio::test(start_paused = true)]
async fn frames_come_on_their_channels_and_messages_on_the_first() {
    let (ours, mut theirs) = End::pair().await;
    ours.open(1);
    ours.say(1, &need(3));
    let ping = PeerMessage::Ping(Nonce { n: 5 });
    ours.handle.tell(ToLink::Say(RoomSaid::Message(ping.clone())));
    let bye = PeerMessage::Bye(Bye { why: ByeReason::Idle });
    ours.handle.tell(ToLink::Close(Some(RoomSaid::Message(bye.clone()))));
    let expected =
        [Came::Frame(1, open()), Came::Frame(1, need(3)), Came::Message(ping), Came::Message(bye), Came::Down];
    for one in expected {
        assert_eq!(theirs.next().await.unwrap(), one);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_on_a_channel_that_either_side_has_closed_is_skipped() {
    let (mut ours, mut theirs) = End::pair().await;
    ours.open(1);
    assert_eq!(theirs.next().await.unwrap(), Came::Frame(1, open()));
    theirs.say(1, &close());
    assert_eq!(ours.next().await.unwrap(), Came::Frame(1, close()));
    // One end has closed it, the other has heard it, and neither minds what still comes, even if it is broken.
    theirs.say(1, &need(1));
    theirs.say_raw(1, 0x47, vec![1, 2, 3]);
    ours.say_raw(1, 0x4c, vec![0; 3]);
    ours.open(3);
    assert_eq!(theirs.next().await.unwrap(), Came::Frame(3, open()));
    theirs.say(3, &need(2));
    assert_eq!(ours.next().await.unwrap(), Came::Frame(3, need(2)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_frame_ends_the_link_without_a_word() {
    let wrong: [(u16, u8, Vec<u8>); 7] = [
        // A length, a value, and a list out of order.
        (1, 0x4c, vec![0; 11]),
        (1, 0x4c, vec![0; 12]),
        (1, 0x48, [[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]].concat()),
        // A first frame that opens nothing, a frame of rooms on channel 0, JSON beside it, and what must be understood.
        (5, 0x4e, vec![0, 0, 0, 1]),
        (0, 0x40, vec![0; 37]),
        (1, TYPE_JSON, b"{}".to_vec()),
        (1, 0xc6, vec![]),
    ];
    for (channel, kind, bytes) in wrong {
        let (mut ours, mut theirs) = End::pair().await;
        ours.open(1);
        assert_eq!(theirs.next().await.unwrap(), Came::Frame(1, open()));
        ours.say_raw(channel, kind, bytes);
        assert_eq!(theirs.next().await.unwrap(), Came::Down, "{channel} {kind:#x}");
        assert_eq!(theirs.context.rejected.protocol.load(Ordering::Relaxed), 1);
        assert_eq!(ours.next().await.unwrap(), Came::Down, "nothing was said");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_later_version_says_ends_its_channel_or_is_skipped() {
    let (ours, mut theirs) = End::pair().await;
    ours.open(1);
    ours.open(3);
    // A frame type of a later version, then an event of another suite, and what follows it on that channel.
    ours.say_raw(1, 0x4f, vec![1; 9]);
    let mut event = vec![0; 169];
    event[1..3].copy_from_slice(&[1, 1]);
    ours.say_raw(1, 0x46, event.clone());
    ours.say_raw(1, 0x46, event);
    ours.say(3, &need(1));
    let expected = [Came::Frame(1, open()), Came::Frame(3, open()), Came::Newer(1), Came::Frame(3, need(1))];
    for one in expected {
        assert_eq!(theirs.next().await.unwrap(), one);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_costs_so_much_memory_and_no_more() {
    let (ours, mut theirs) = End::pair().await;
    // The other end's reader stands still: its engine takes nothing.
    theirs.events.close();
    let mut said = 0;
    while !ours.context.stop.is_cancelled() && ours.context.rejected.not_read.load(Ordering::Relaxed) == 0 {
        ours.say_raw(1, 0x46, vec![0; 100_000]);
        said += 1;
        assert!(said < 1_000, "it is never enough");
    }
    assert_eq!(said, (8 << 20) / 100_000 + 1);
    assert!(!ours.handle.room().wait().await, "the link is over, and nothing is read for it");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_read_slowly_and_the_peer_counts_as_there() {
    let (ours, mut theirs) = End::pair().await;
    ours.open(1);
    let begun = tokio::time::Instant::now();
    let (mut frames, mut heard) = (0_u32, 0_u32);
    // 300 events each, so that some hundred are more than a purse.
    let stored: Vec<_> = (1..300).map(|n| (Author::new(n << 8).unwrap(), 1)).collect();
    let body = Frame::Body(stored);
    for _ in 0..400 {
        ours.say(1, &body);
    }
    while frames < 401 {
        match theirs.next().await.unwrap() {
            Came::Frame(..) => frames += 1,
            Came::Heard => heard += 1,
            other => panic!("{other:?}"),
        }
    }
    let seconds = begun.elapsed().as_secs();
    assert!((300..500).contains(&seconds), "{seconds} s");
    assert!(heard > 100, "a sign of life in every second of it: {heard}");
}
