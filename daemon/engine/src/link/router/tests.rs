//! Streams for several purposes, over the network in memory.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::link::acceptor;
use crate::link::chat::Chat;
use crate::link::context::LinkContext;
use crate::link::dialer::{DialTimes, Dialer};
use crate::link::rejected::Rejected;
use crate::mailbox::Event;
use futures::FutureExt as _;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{DialFailure, Input, NetworkInput};
use torchat_transport::clock::Clock;
use torchat_transport::memory::{SimulatedNetwork, Weather};
use torchat_transport::randomness::Randomness;
use torchat_transport::{Group, Isolation};

/// A purpose that is served in these tests only, and one that is served nowhere.
const PARCELS: Purpose = Purpose(200);
const UNKNOWN: Purpose = Purpose(201);

/// Says who came, and holds the stream until its other end has gone.
struct Parcels(mpsc::UnboundedSender<(PeerId, [u8; 32])>);

impl Handler for Parcels {
    fn serve(&self, mut proven: Proven) -> BoxFuture<'static, ()> {
        self.0.send((proven.established.peer, proven.established.binding)).unwrap();
        async move { ended(&mut proven).await }.boxed()
    }
}

/// Returns when the other end has gone.
async fn ended(proven: &mut Proven) {
    while matches!(proven.stream.read(&mut [0; 64]).await, Ok(1..)) {}
}

/// A daemon's links without its engine.
struct Side {
    peer: PeerId,
    dialer: Dialer,
    rejected: Arc<Rejected>,
    events: mpsc::Receiver<Event>,
    parcels: mpsc::UnboundedReceiver<(PeerId, [u8; 32])>,
}

impl Side {
    fn on(network: &SimulatedNetwork, n: u8, limits: Limits) -> Self {
        let identity = LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], 1_790_000_000).unwrap();
        let peer = identity.peer_id();
        let (mailbox, events) = mpsc::channel(64);
        let context = LinkContext {
            identity: Arc::new(identity),
            clock: Clock::simulated(1_790_000_000_000),
            randomness: Randomness::seeded(u64::from(n)),
            mailbox,
            next_link: Arc::default(),
            waiting: Arc::new(Semaphore::new(1024)),
            rejected: Arc::default(),
            stop: CancellationToken::new(),
        };
        let (came, parcels) = mpsc::unbounded_channel();
        let router = Router::default().with(Purpose::CHAT, Limits::OF_THE_HANDLER, Chat::new(context.clone())).with(
            PARCELS,
            limits,
            Parcels(came),
        );
        let router = Arc::new(router);
        let way = network.attach(peer);
        tokio::spawn(acceptor::run(way.incoming, 256, None, router.clone(), context.clone()));
        let rejected = context.rejected.clone();
        let dialer = Dialer::new(way.transport, DialTimes::default(), router, context);
        Self { peer, dialer, rejected, events, parcels }
    }

    async fn open(&self, peer: PeerId, purpose: Purpose) -> Proven {
        self.dialer.open(peer, Isolation::Fresh(Group::first(purpose))).await.unwrap_or_else(|end| panic!("{end:?}"))
    }
}

fn calm() -> SimulatedNetwork {
    SimulatedNetwork::new(1, Weather::default())
}

#[tokio::test(start_paused = true)]
async fn each_purpose_goes_to_its_handler() {
    let network = calm();
    let (a, mut b) = (Side::on(&network, 1, Limits::OF_THE_HANDLER), Side::on(&network, 2, Limits::OF_THE_HANDLER));
    let parcel = a.open(b.peer, PARCELS).await;
    assert_eq!(parcel.established.purpose, PARCELS);
    assert_eq!(b.parcels.recv().await, Some((a.peer, parcel.established.binding)), "the same stream at both ends");
    assert!(b.events.try_recv().is_err(), "it is no link, so the core hears nothing of it");
    let chat = a.open(b.peer, Purpose::CHAT).await;
    match b.events.recv().await {
        Some(Event::LinkUp { peer, binding, outgoing: false, .. }) => {
            assert_eq!((peer, binding), (a.peer, chat.established.binding));
        }
        _ => panic!("a stream for chat is a link"),
    }
    assert!(b.parcels.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stream_for_an_unknown_purpose_ends_without_a_word() {
    let network = calm();
    let (a, mut b) = (Side::on(&network, 1, Limits::OF_THE_HANDLER), Side::on(&network, 2, Limits::OF_THE_HANDLER));
    let mut unknown = a.open(b.peer, UNKNOWN).await;
    assert_eq!(unknown.stream.read(&mut [0; 64]).await.unwrap(), 0, "not a byte after the handshake");
    assert!(b.events.try_recv().is_err() && b.parcels.try_recv().is_err());
    assert_eq!(b.rejected.handshakes.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_comes_to_nothing_says_what_it_was_for() {
    let network = calm();
    let (mut a, b) = (Side::on(&network, 1, Limits::OF_THE_HANDLER), Side::on(&network, 2, Limits::OF_THE_HANDLER));
    for (dialled, failure) in [(UNKNOWN, DialFailure::NoRoom), (Purpose::CHAT, DialFailure::PeerDown)] {
        // Served at neither end; then nobody is there.
        a.dialer.clone().dial(b.peer, Isolation::Fresh(Group::first(dialled)), CancellationToken::new()).await;
        match a.events.recv().await {
            Some(Event::Core { input: Input::Network(NetworkInput::DialFailed { peer, purpose, end }), .. }) => {
                assert_eq!((peer, purpose, end.failure), (b.peer, dialled, failure));
            }
            _ => panic!("the dial failed"),
        }
        network.detach(b.peer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purpose_has_its_own_limits_and_takes_nothing_from_others() {
    let network = calm();
    let limits = Limits { all: 3, of_one: 2 };
    let mut service = Side::on(&network, 1, limits);
    let (a, b) = (Side::on(&network, 2, limits), Side::on(&network, 3, limits));
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(a.open(service.peer, PARCELS).await);
        assert_eq!(service.parcels.recv().await.unwrap().0, a.peer);
    }
    // One peer has its share; another one has room until the purpose is full.
    ended(&mut a.open(service.peer, PARCELS).await).await;
    let third = b.open(service.peer, PARCELS).await;
    assert_eq!(service.parcels.recv().await.unwrap().0, b.peer);
    ended(&mut b.open(service.peer, PARCELS).await).await;
    assert!(service.parcels.try_recv().is_err());
    assert_eq!(service.rejected.crowded.load(Ordering::Relaxed), 2);
    // Chat is another purpose.
    let _chat = a.open(service.peer, Purpose::CHAT).await;
    assert!(matches!(service.events.recv().await, Some(Event::LinkUp { .. })));
    // What ends makes room.
    drop(third);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let _fourth = b.open(service.peer, PARCELS).await;
    assert_eq!(service.parcels.recv().await.unwrap().0, b.peer);
}
