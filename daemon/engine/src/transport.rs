//! How the engine reaches other daemons: a trait with three implementations, the simulated network ([`memory`]), arti
//! (the crate `torchat-tor`) and plain loopback TCP (only in a test daemon).

use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use torchat_protocol::id::PeerId;

pub mod memory;

/// A byte stream to or from another daemon. Nothing is known of who is at the other end of an incoming one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A boxed [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// Streams on one circuit that may come and prove nothing, in the circuit's life.
const UNPROVEN_STREAMS: u32 = 4;

/// Those who come to our service, as far as circuits tell them apart. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    rejected: Arc<AtomicU64>,
}

impl Callers {
    /// A circuit that somebody has built to us.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        Circuit(Arc::new(Budget { unproven: AtomicU32::new(0), callers: self.clone() }))
    }

    /// How many circuits were closed because too many streams on them proved nothing.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

/// A circuit to our service. What comes on it comes from one caller; nobody knows whether two circuits have the same one.
///
/// It has a budget: a stream that comes costs a part of it, and gives it back when it proves who it is. Without one, a few
/// circuits were enough to open streams at any rate, because only introductions are limited, and those are for circuits.
#[derive(Debug, Clone)]
pub struct Circuit(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    unproven: AtomicU32,
    callers: Callers,
}

impl Circuit {
    /// A stream comes on it. `false`: it has brought too many already that proved nothing (4); the stream is not to be accepted
    /// and the circuit is to be closed. That is counted, so it is to be asked once then.
    #[must_use]
    pub fn admits(&self) -> bool {
        let take = |count| (count < UNPROVEN_STREAMS).then_some(count + 1);
        let admitted = self.0.unproven.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.0.callers.rejected.fetch_add(u64::from(!admitted), Ordering::Relaxed);
        admitted
    }

    /// A stream of it has proven who it is.
    pub(crate) fn used_well(&self) {
        self.0.unproven.fetch_sub(1, Ordering::Relaxed);
    }

    /// The same for clones, and for no other circuit while one of them is held.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// A stream that somebody opened to our service, and where it came from.
pub struct Incoming {
    /// The stream.
    pub stream: BoxStream,
    /// Its circuit, which admitted it.
    pub circuit: Circuit,
}

/// Which circuits a dial may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Circuits of its own: after a dial timed out every later dial that shares its circuits hangs with it, for minutes.
    Fresh,
    /// Those of the last dial to this peer that succeeded, whose cached descriptor may outlive a fetch.
    Last,
}

/// Why a dial failed, as far as it decides what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The peer's service is not published or does not answer: the peer is down. Fast (1 to 4 s), dear (24 circuits).
    #[error("the peer is not reachable: {0}")]
    PeerDown(String),
    /// Our own way into the network does not work (yet); says nothing about the peer.
    #[error("Tor is not usable now: {0}")]
    NoNetwork(String),
    /// No answer in time; says nothing about the peer.
    #[error("no answer in time")]
    Timeout,
    /// This can never succeed.
    #[error("cannot be dialled: {0}")]
    Permanent(String),
}

/// What the transport says of itself, for STATUS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkStatus {
    /// Whether dials make sense now.
    pub usable: bool,
    /// Progress of the start, 0 to 100.
    pub percent: u8,
    /// One sentence for people, without onion addresses.
    pub sentence: String,
    /// What happened to the transport that people should know even when it is over, the youngest last. Few.
    pub notices: Vec<NetworkNotice>,
}

/// What befell a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkNotice {
    /// When, in milliseconds since 1970.
    pub wall_ms: u64,
    /// What, for people, without onion addresses.
    pub sentence: String,
}

/// Reaches other daemons and takes their streams.
pub trait Transport: Send + Sync + 'static {
    /// Opens a stream to a peer's service. The engine gives every attempt a limit of its own and drops the future then.
    fn dial(&self, peer: PeerId, isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>>;

    /// Gives later dials a new way into the network of their own, because the old one seems to be broken. Our service,
    /// its streams and the dials under way stay as they are. At most one renewal runs at a time; returns at once.
    fn renew(&self) {}

    /// The state of the network, kept current.
    fn status(&self) -> watch::Receiver<NetworkStatus>;
}

/// What the engine is given to reach others.
pub struct Network {
    /// Dials.
    pub transport: Arc<dyn Transport>,
    /// Streams that others opened to our service. The engine reads it only while it has room for another
    /// unauthenticated stream or can drop one.
    pub incoming: mpsc::Receiver<Incoming>,
    /// Where their circuits are made.
    pub callers: Callers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_brings_four_streams_that_prove_nothing_and_no_more() {
        let callers = Callers::default();
        let (circuit, other) = (callers.circuit(), callers.circuit());
        assert_ne!(circuit.id(), other.id());
        assert_eq!(circuit.id(), circuit.clone().id());
        // Any number of streams that prove who they are.
        for _ in 0..100 {
            assert!(circuit.admits());
            circuit.used_well();
        }
        assert!((0..4).all(|_| circuit.admits()));
        assert_eq!(callers.rejected(), 0);
        assert!(!circuit.clone().admits(), "whichever clone is asked");
        assert_eq!(callers.rejected(), 1);
        assert!(other.admits());
    }
}
