//! How a daemon reaches others: a trait with three implementations, the simulated network ([`memory`]), arti (the crate
//! `torchat-tor`) and plain loopback TCP (only in a test daemon). With it, the clocks and the randomness that a simulation
//! replaces together with the network.

mod circuit;
pub mod clock;
mod isolation;
pub mod memory;
pub mod randomness;
mod status;

pub use circuit::{Callers, Circuit, Incoming};
pub use isolation::{Group, Isolation};
pub use status::{NetworkDown, NetworkNotice, NetworkStatus};

use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use torchat_protocol::id::PeerId;

/// A byte stream to or from another daemon. Nothing is known of who is at the other end of an incoming one.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A boxed [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// Why a dial failed, as far as it decides what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The peer's service is not published or does not answer: the peer is down. Fast (1 to 4 s), expensive (24 circuits).
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
