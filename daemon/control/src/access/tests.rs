#![allow(clippy::unwrap_used)]
use super::*;
use futures::future::BoxFuture;
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use torchat_core::handshake::LocalIdentity;
use torchat_engine::handle::TokenRow;
use torchat_engine::{Engine, EngineConfig, Storage, World};
use torchat_protocol::control::token::Token;
use torchat_protocol::id::PeerId;
use torchat_transport::clock::Clock;
use torchat_transport::randomness::Randomness;
use torchat_transport::{BoxStream, Callers, DialError, Incoming, Isolation, Network, NetworkStatus, Transport};

const START_MS: i64 = 1_790_000_000_000;
const CLIENT_NONCE: &str = "AAECAwQFBgcICQoLDA0ODxAR";
const HERE: &str = "127.0.0.1:8000";

/// Nobody is there.
struct Nobody(watch::Receiver<NetworkStatus>);

impl Transport for Nobody {
    fn dial(&self, _: PeerId, _: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        Box::pin(async { Err(DialError::PeerDown("nobody is there".into())) })
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.0.clone()
    }
}

struct Place {
    gate: Gate,
    clock: Clock,
    _incoming: mpsc::Sender<Incoming>,
}

/// A running engine with a clock that can be set, and a gate with room for two.
async fn place() -> Place {
    let clock = Clock::simulated(START_MS);
    let identity = LocalIdentity::from_seeds(&[1; 32], &[2; 32], clock.now_s()).unwrap();
    let (_incoming, incoming) = mpsc::channel(1);
    let (_, status) = watch::channel(NetworkStatus::default());
    let network = Network { transport: Arc::new(Nobody(status)), incoming, callers: Callers::default() };
    let storage = Storage::in_memory().unwrap();
    let world = World { clock: clock.clone(), randomness: Randomness::seeded(1) };
    let running = Engine::start(EngineConfig::default(), identity, storage, network, world).unwrap();
    Place { gate: Gate::open(running.handle, 2).await, clock, _incoming }
}

fn token(name: &str) -> Token {
    Token::new(name, [7; 32]).unwrap()
}

impl Place {
    /// Makes a token known as a start with it in the store does.
    fn knows(&self, token: &Token, rights: &[Right], expires_ms: Option<i64>) {
        let verifier = token.verifier();
        self.gate.insert(TokenRow {
            name: token.name().to_owned(),
            rights: rights.to_vec(),
            peers: None,
            stored_key: verifier.stored_key,
            server_key: verifier.server_key,
            created_ms: START_MS,
            expires_ms,
        });
    }

    fn stranger(&self) -> Visitor {
        Visitor::stranger(&self.gate, HERE.to_owned()).unwrap()
    }
}

/// Proves a token as a program does that has dialled `address`. The daemon's proof is checked.
async fn prove(visitor: &mut Visitor, token: &Token, address: &str) -> Result<(), ApiError> {
    let server_nonce = visitor.begin_proof(token.name(), CLIENT_NONCE)?;
    let exchange = Exchange { client_nonce: CLIENT_NONCE, server_nonce: &server_nonce, address };
    let answer = visitor.end_proof(&token.client_proof(&exchange).to_string()).await?;
    assert!(token.accepts(&exchange, &answer.parse().unwrap()));
    Ok(())
}

fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>) {
    assert_eq!(result.unwrap_err().code, "not-authenticated");
}

#[tokio::test]
async fn rights_are_those_of_the_token_and_nothing_before_it() {
    let place = place().await;
    assert!(Visitor::stranger(&place.gate, HERE.into()).is_none(), "there is nothing to prove");
    place.knows(&token("cron"), &[Right::Send], None);
    let mut visitor = place.stranger();
    refused(visitor.access());
    prove(&mut visitor, &token("cron"), HERE).await.unwrap();
    let access = visitor.access().unwrap();
    assert_eq!((access.who.to_string().as_str(), access.namespace.as_str()), ("token cron", "token:cron/"));
    assert!(access.allows(Some(Right::Send)) && access.allows(None));
    assert!(!access.allows(Some(Right::Read)) && !access.allows(Some(Right::Admin)) && !access.is_classic());
    refused(visitor.begin_proof("cron", CLIENT_NONCE));
    refused(visitor.access());

    // The own user's program that wants less gets less, from HELLO on.
    let mut own = Visitor::free(&place.gate, token::UNIX.into(), Access::own_user());
    assert!(own.access().unwrap().is_classic());
    let nonce = own.begin_proof("cron", CLIENT_NONCE).unwrap();
    refused(own.access());
    let exchange = Exchange { client_nonce: CLIENT_NONCE, server_nonce: &nonce, address: token::UNIX };
    own.end_proof(&token("cron").client_proof(&exchange).to_string()).await.unwrap();
    assert!(!own.access().unwrap().allows(Some(Right::Read)));
}

#[tokio::test(start_paused = true)]
async fn wrong_replayed_and_relayed_proofs_are_refused() {
    let place = place().await;
    place.knows(&token("cron"), &[Right::Read], None);
    let wrong = Token::new("cron", [8; 32]).unwrap();
    refused(prove(&mut place.stranger(), &wrong, HERE).await);
    refused(prove(&mut place.stranger(), &token("cron"), "127.0.0.1:9000").await);
    refused(prove(&mut place.stranger(), &token("cron"), token::UNIX).await);
    for proof in ["", "AAAA", &"A".repeat(43), &"x".repeat(2000)] {
        let mut visitor = place.stranger();
        visitor.begin_proof("cron", CLIENT_NONCE).unwrap();
        refused(visitor.end_proof(proof).await);
    }
    // Recorded on one connection, played on another with the same nonce of the client's.
    let (mut first, mut second) = (place.stranger(), place.stranger());
    let nonce = first.begin_proof("cron", CLIENT_NONCE).unwrap();
    assert_ne!(nonce, second.begin_proof("cron", CLIENT_NONCE).unwrap());
    let exchange = Exchange { client_nonce: CLIENT_NONCE, server_nonce: &nonce, address: HERE };
    let proof = token("cron").client_proof(&exchange).to_string();
    first.end_proof(&proof).await.unwrap();
    refused(second.end_proof(&proof).await);
    // One try for each HELLO, one HELLO for each connection.
    refused(second.end_proof(&proof).await);
    refused(second.begin_proof("cron", CLIENT_NONCE));
    refused(place.stranger().end_proof(&proof).await);
}

#[tokio::test]
async fn names_and_nonces_are_checked_and_names_cannot_be_probed() {
    let place = place().await;
    place.knows(&token("cron"), &[Right::Read], None);
    place.knows(&token("old"), &[Right::Read], Some(START_MS));
    for (name, nonce) in [("", CLIENT_NONCE), ("a b", CLIENT_NONCE), ("cron", "AAAA"), ("cron", "?"), ("cron", "")] {
        assert_eq!(place.stranger().begin_proof(name, nonce).unwrap_err().code, "bad-request", "{name:?} {nonce:?}");
    }
    let mut answers = Vec::new();
    for name in ["cron", "old", "nobody"] {
        let mut visitor = place.stranger();
        let nonce = visitor.begin_proof(name, CLIENT_NONCE).unwrap();
        assert_eq!(nonce.len(), 43);
        answers.push(visitor.end_proof(&"A".repeat(43)).await.unwrap_err());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    refused(prove(&mut place.stranger(), &token("nobody"), HERE).await);
}

#[tokio::test(start_paused = true)]
async fn few_may_try_and_not_for_long() {
    let place = place().await;
    place.knows(&token("cron"), &[Right::Read], None);
    let mut first = place.stranger();
    prove(&mut first, &token("cron"), HERE).await.unwrap();
    // It needs no place any more. Of those that come now, two stay: any two.
    let crowd: Vec<_> = (0..40)
        .map(|_| {
            let visitor = place.stranger();
            let (near, far) = tokio::io::duplex(64);
            (visitor.guard(near), far, visitor)
        })
        .collect();
    let (mut open, mut ended) = (Vec::new(), 0);
    for (n, (mut stream, far, visitor)) in crowd.into_iter().enumerate() {
        match tokio::time::timeout(Duration::from_millis(1), stream.read_u8()).await {
            Ok(read) => {
                assert!(read.is_err());
                ended += 1;
            }
            Err(_) => open.push((n, stream, far, visitor)),
        }
    }
    assert_eq!((open.len(), ended), (2, 38));
    let counted = place.gate.handle().status().to_json()["refused"]["clients"].clone();
    assert_eq!(counted, 38);
    assert!(open.iter().any(|(n, ..)| *n == 39), "the new one has its place");
    drop(open);
    let third = place.stranger();
    let (near, _far) = tokio::io::duplex(64);
    let mut stream = third.guard(near);
    let begun = Instant::now();
    assert!(stream.read_u8().await.is_err(), "nothing was proven in time");
    assert_eq!(begun.elapsed().as_secs(), PROOF_TIME.as_secs());
    // The one that has proven its token is still there.
    first.access().unwrap();
}

#[tokio::test(start_paused = true)]
async fn little_is_read_before_the_proof() {
    let place = place().await;
    place.knows(&token("cron"), &[Right::Read], None);
    let mut visitor = place.stranger();
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let mut stream = visitor.guard(near);
    tokio::io::AsyncWriteExt::write_all(&mut far, &vec![b'{'; 10_000]).await.unwrap();
    let mut buffer = vec![0; UNPROVEN_BYTES];
    stream.read_exact(&mut buffer).await.unwrap();
    assert!(stream.read_u8().await.is_err());
    prove(&mut visitor, &token("cron"), HERE).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'{');
}

#[tokio::test(start_paused = true)]
async fn failures_slow_down_the_port_and_never_the_socket() {
    let place = place().await;
    place.knows(&token("cron"), &[Right::Read], None);
    let wrong = Token::new("cron", [8; 32]).unwrap();
    let begun = Instant::now();
    for _ in 0..5 {
        refused(prove(&mut place.stranger(), &wrong, HERE).await);
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "five are free");
    prove(&mut place.stranger(), &token("cron"), HERE).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    let mut own = Visitor::free(&place.gate, token::UNIX.into(), Access::own_user());
    prove(&mut own, &token("cron"), token::UNIX).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "the socket waits for nobody");
    for _ in 0..9 {
        let mut own = Visitor::free(&place.gate, token::UNIX.into(), Access::own_user());
        refused(prove(&mut own, &wrong, token::UNIX).await);
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    let begun = Instant::now();
    prove(&mut place.stranger(), &token("cron"), HERE).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO, "failures on the socket do not count, those on the port are old");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_or_expired_token_breaks_its_connections() {
    let place = place().await;
    place.knows(&token("revoked"), &[Right::Read], None);
    place.knows(&token("short"), &[Right::Read], Some(START_MS + 3 * 3_600_000));
    let (near, _far) = tokio::io::duplex(64);
    let mut visitor = place.stranger();
    prove(&mut visitor, &token("revoked"), HERE).await.unwrap();
    let mut stream = visitor.guard(near);
    let reading = tokio::spawn(async move { stream.read_u8().await });
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert!(!reading.is_finished(), "proven, it may be silent forever");
    let known = place.gate.tokens().remove("revoked").unwrap();
    known.ended.cancel();
    refused(visitor.access());
    assert!(reading.await.unwrap().is_err());
    refused(prove(&mut place.stranger(), &token("revoked"), HERE).await);

    let (near, _far) = tokio::io::duplex(64);
    let mut visitor = place.stranger();
    prove(&mut visitor, &token("short"), HERE).await.unwrap();
    let mut stream = visitor.guard(near);
    let begun = Instant::now();
    assert!(stream.read_u8().await.is_err());
    assert!(begun.elapsed() <= Duration::from_secs(3600) + EXPIRY_LOOK, "{:?}", begun.elapsed());
    refused(visitor.access());
    assert!(Visitor::stranger(&place.gate, HERE.into()).is_none(), "no token is good any more");

    // The clock is set while a connection is open.
    place.knows(&token("later"), &[Right::Read], Some(START_MS + 1000 * 3_600_000));
    let mut visitor = place.stranger();
    prove(&mut visitor, &token("later"), HERE).await.unwrap();
    place.clock.jump_wall(2000 * 3_600_000);
    refused(visitor.access());
}

#[test]
fn the_classic_contract_is_for_all_rights_only() {
    assert!(Access::own_user().is_classic() && Access::own_user().allows(Some(Right::Contacts)));
    assert!(Access::group_user(1001, [Right::Admin]).is_classic());
    let some = Access::group_user(1001, [Right::Read, Right::Send, Right::Contacts]);
    assert!(!some.is_classic() && !some.allows(Some(Right::Admin)) && some.namespace == "uid:1001/");
    let peer = LocalIdentity::from_seeds(&[3; 32], &[4; 32], 1_790_000_000).unwrap().peer_id();
    let scoped = Access::token("x", [Right::Read], Some(Arc::new(BTreeSet::new())));
    assert!(!scoped.sees(peer) && some.sees(peer));
    assert_eq!(
        [None, Some(Right::Read), Some(Right::Send), Some(Right::Contacts), Some(Right::Admin)].map(is_audited),
        [false, false, false, true, true]
    );
}
