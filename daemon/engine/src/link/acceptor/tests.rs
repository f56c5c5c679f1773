//! Floods of streams under paused time, with round trips.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::link::chat::Chat;
use crate::link::handshake::FLIGHT_TIME;
use crate::link::router::Limits;
use crate::mailbox::Event;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Semaphore;
use torchat_core::handshake::{Handshake, LocalIdentity};
use torchat_protocol::purpose::Purpose;
use torchat_transport::Callers;
use torchat_transport::clock::Clock;
use torchat_transport::randomness::Randomness;

const NOW_S: u64 = 1_790_000_000;
const ROUND_TRIP: Duration = Duration::from_millis(800);

fn identity(n: u8) -> LocalIdentity {
    LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], NOW_S).unwrap()
}

/// An acceptor at work, and what its engine would hear.
struct Bench {
    streams: mpsc::Sender<Incoming>,
    events: mpsc::Receiver<Event>,
    context: LinkContext,
}

impl Bench {
    fn open() -> Self {
        let (mailbox, events) = mpsc::channel(1024);
        let context = LinkContext {
            identity: Arc::new(identity(1)),
            clock: Clock::simulated(1_790_000_000_000),
            randomness: Randomness::seeded(1),
            mailbox,
            next_link: Arc::default(),
            waiting: Arc::new(Semaphore::new(1024)),
            rejected: Arc::default(),
            stop: CancellationToken::new(),
        };
        let (streams, incoming) = mpsc::channel(16);
        let limit = crate::engine::EngineConfig::default().unauthenticated_streams;
        let router = Router::default().with(Purpose::CHAT, Limits::OF_THE_HANDLER, Chat::new(context.clone()));
        tokio::spawn(run(incoming, limit, None, Arc::new(router), context.clone()));
        Self { streams, events, context }
    }
}

/// A stream on a circuit of its own: the budget of a circuit does not help here.
async fn knock(streams: &mpsc::Sender<Incoming>) -> DuplexStream {
    let (near, far) = duplex(64 * 1024);
    streams.send(Incoming { stream: Box::new(far), circuit: Callers::default().circuit() }).await.unwrap();
    near
}

/// What a stream says before it stops.
#[derive(Clone, Copy, Debug)]
enum Until {
    Nothing,
    Hello,
    FirstMessage,
}

/// Shakes hands with a round trip between each flight and the next, as far as it is told to.
async fn shake(mut stream: DuplexStream, n: u8, until: Option<Until>, round_trip: Duration) -> Option<DuplexStream> {
    let (mut handshake, first) = Handshake::initiator(&identity(n), identity(1).peer_id(), Purpose::CHAT, [n; 32]);
    tokio::time::sleep(round_trip).await;
    if matches!(until, Some(Until::Nothing)) {
        return Some(stream);
    }
    stream.write_all(&first).await.ok()?;
    let mut buffer = [0; 2048];
    let mut flights = 0;
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        tokio::time::sleep(round_trip).await;
        let progress = handshake.receive(&buffer[..n], NOW_S).ok()?;
        if matches!(until, Some(Until::Hello)) {
            return Some(stream);
        }
        if !progress.write.is_empty() {
            stream.write_all(&progress.write).await.ok()?;
            flights += 1;
        }
        if progress.done.is_some() || (flights == 1 && until.is_some()) {
            return Some(stream);
        }
    }
}

/// How many of twelve honest handshakes get through a flow of this many streams a second.
async fn honest_through(until: Until, a_second: u32) -> usize {
    let bench = Bench::open();
    let streams = bench.streams.clone();
    let flood = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / a_second);
        let mut held = tokio::task::JoinSet::new();
        loop {
            ticks.tick().await;
            let stream = knock(&streams).await;
            held.spawn(async move {
                // It says what it says at once, and then waits for the end.
                if let Some(mut stream) = shake(stream, 2, Some(until), Duration::ZERO).await {
                    while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
                }
            });
        }
    });
    tokio::time::sleep(Duration::from_secs(8)).await;
    let mut honest = tokio::task::JoinSet::new();
    for n in 0..12 {
        let stream = knock(&bench.streams).await;
        honest.spawn(async move { shake(stream, 10 + n, None, ROUND_TRIP).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let kept: Vec<_> = honest.join_all().await.into_iter().flatten().collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    flood.abort();
    let mut events = bench.events;
    let mut up = 0;
    while let Ok(event) = events.try_recv() {
        up += usize::from(matches!(event, Event::LinkUp { .. }));
    }
    assert!(up <= kept.len());
    bench.context.stop.cancel();
    up
}

#[tokio::test(start_paused = true)]
async fn a_flow_of_silent_streams_does_not_keep_honest_handshakes_out() {
    for a_second in [10, 100] {
        let up = honest_through(Until::Nothing, a_second).await;
        assert!(up >= 11, "{a_second} a second: {up} of 12");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_of_streams_that_say_a_hello_and_stop_does_not_keep_honest_handshakes_out() {
    let up = honest_through(Until::Hello, 100).await;
    assert!(up >= 11, "{up} of 12");
}

#[tokio::test(start_paused = true)]
async fn a_flow_of_first_messages_does_not_keep_honest_handshakes_out() {
    let up = honest_through(Until::FirstMessage, 100).await;
    assert!(up >= 11, "{up} of 12");
}

/// How long a stream is held that says so much and then stops.
async fn held_for(until: Until) -> Duration {
    let bench = Bench::open();
    let stream = knock(&bench.streams).await;
    let opened = tokio::time::Instant::now();
    let mut stream = shake(stream, 2, Some(until), Duration::ZERO).await.unwrap();
    while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
    bench.context.stop.cancel();
    opened.elapsed()
}

#[tokio::test(start_paused = true)]
async fn each_flight_has_a_time_of_its_own() {
    assert_eq!(held_for(Until::Nothing).await, FIRST_BYTES_TIME);
    assert_eq!(held_for(Until::Hello).await, FLIGHT_TIME);
    assert_eq!(held_for(Until::FirstMessage).await, FLIGHT_TIME);
    // A byte now and then does not make it longer.
    let bench = Bench::open();
    let mut stream = knock(&bench.streams).await;
    let opened = tokio::time::Instant::now();
    let (_, first) = Handshake::initiator(&identity(2), identity(1).peer_id(), Purpose::CHAT, [2; 32]);
    for byte in first.iter().cycle().take(first.len() - 1) {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    assert!(matches!(stream.read(&mut [0; 64]).await, Ok(0)));
    assert!(opened.elapsed() < FLIGHT_TIME + Duration::from_secs(4), "{:?}", opened.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_gives_its_place_and_its_part_of_the_circuit_back() {
    let bench = Bench::open();
    let callers = Callers::default();
    let circuit = callers.circuit();
    for n in 0..20 {
        assert!(circuit.admits(), "{n}");
        let (near, far) = duplex(64 * 1024);
        bench.streams.send(Incoming { stream: Box::new(far), circuit: circuit.clone() }).await.unwrap();
        let stream = shake(near, 2, None, Duration::ZERO).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        drop(stream);
    }
    // Streams that end before they have proven anything have used their part up.
    for _ in 0..4 {
        assert!(circuit.admits());
        let (_, far) = duplex(64);
        bench.streams.send(Incoming { stream: Box::new(far), circuit: circuit.clone() }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!circuit.admits());
    assert_eq!(callers.rejected(), 1);
}
