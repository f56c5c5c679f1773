//! Dialling peers: circuits of their own for every attempt, and what arti's errors mean.

use crate::Client;
use crate::report::report;
use crate::status::Board;
use crate::stream::TorStream;
use arti_client::config::BoolOrAuto;
use arti_client::{ErrorKind, HasKind as _, IntoTorAddr as _, StreamPrefs};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use torchat_engine::transport::{BoxStream, DialError, Isolation, NetworkStatus, Transport};
use torchat_protocol::id::PeerId;

/// Peers whose last working circuits are remembered.
const REMEMBERED: usize = 1024;

/// The transport over arti. It owns the client for dialling; a second client could replace it.
pub(crate) struct Arti {
    client: Client,
    port: u16,
    board: Arc<Board>,
    last: Mutex<LastCircuits>,
}

impl Arti {
    pub(crate) fn new(client: Client, port: u16, board: Arc<Board>) -> Self {
        Self { client, port, board, last: Mutex::default() }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, LastCircuits> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, peer: PeerId, isolation: Isolation) -> Result<BoxStream, DialError> {
        if !self.board.is_up() {
            // At once: arti would hold the dial until the start succeeds, for hours if need be.
            return Err(DialError::NoNetwork(self.board.sentence()));
        }
        let remembered = if isolation == Isolation::Last { self.last().get(&peer) } else { None };
        let prefs = remembered.unwrap_or_else(fresh);
        // Arti takes an address only as text, and of the eight spellings of one key it takes every one. Ours is written
        // from the bytes of a checked id, so it is the one that the peer has.
        let address =
            (peer.onion(), self.port).into_tor_addr().map_err(|error| DialError::Permanent(report(&error)))?;
        match self.client.connect_with_prefs(address, &prefs).await {
            Ok(stream) => {
                self.last().insert(peer, prefs);
                self.board.dialled(None);
                Ok(Box::new(TorStream::new(stream, None)))
            }
            Err(error) => {
                let (kind, text) = (error.kind(), report(&error));
                tracing::debug!("a dial failed ({kind:?}): {text}");
                match verdict(kind) {
                    Verdict::NoWayIn => self.board.dialled(Some(text.clone())),
                    Verdict::PeerDown => self.board.dialled(None),
                    Verdict::Unclear | Verdict::NoWayThrough | Verdict::Never => {}
                }
                Err(judge(kind, text))
            }
        }
    }
}

fn fresh() -> StreamPrefs {
    let mut prefs = StreamPrefs::new();
    prefs.connect_to_onion_services(BoolOrAuto::Explicit(true));
    prefs.new_isolation_group();
    prefs
}

impl Transport for Arti {
    fn dial(&self, peer: PeerId, isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
        self.open(peer, isolation).boxed()
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.board.watch()
    }
}

/// What an error says, of the peer and of our own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The network works and the peer does not answer in it.
    PeerDown,
    /// We did not get into the network.
    NoWayIn,
    /// The network did not carry us to where the peer can be asked; our own way in may work.
    NoWayThrough,
    /// Nothing, except that this attempt is over.
    Unclear,
    /// It can never succeed.
    Never,
}

/// As measured: arti calls a dead cached circuit "bad API usage", and a service that died a moment ago "connection
/// failed" first and "not found" later.
fn verdict(kind: ErrorKind) -> Verdict {
    match kind {
        ErrorKind::OnionServiceNotFound
        | ErrorKind::OnionServiceNotRunning
        | ErrorKind::OnionServiceConnectionFailed
        | ErrorKind::OnionServiceProtocolViolation
        // The service is there and refuses our port: something else runs at this address now.
        | ErrorKind::RemoteStreamClosed
        | ErrorKind::RemoteStreamError
        | ErrorKind::RemoteConnectionRefused
        | ErrorKind::ExitPolicyRejected => Verdict::PeerDown,
        ErrorKind::InvalidStreamTarget
        | ErrorKind::ForbiddenStreamTarget
        | ErrorKind::OnionServiceAddressInvalid
        | ErrorKind::OnionServiceMissingClientAuth
        | ErrorKind::OnionServiceWrongClientAuth => Verdict::Never,
        ErrorKind::TorAccessFailed
        | ErrorKind::BootstrapRequired
        | ErrorKind::DirectoryExpired
        | ErrorKind::TorDirectoryUnusable
        | ErrorKind::ClockSkew
        | ErrorKind::NoPath
        | ErrorKind::LocalNetworkError
        | ErrorKind::LocalResourceExhausted
        | ErrorKind::ArtiShuttingDown
        | ErrorKind::ReactorShuttingDown => Verdict::NoWayIn,
        ErrorKind::TorNetworkTimeout => Verdict::NoWayThrough,
        _ => Verdict::Unclear,
    }
}

fn judge(kind: ErrorKind, text: String) -> DialError {
    match verdict(kind) {
        Verdict::PeerDown => DialError::PeerDown(text),
        Verdict::NoWayIn | Verdict::NoWayThrough => DialError::NoNetwork(text),
        Verdict::Unclear => DialError::Timeout,
        Verdict::Never => DialError::Permanent(text),
    }
}

/// The preferences, and so the circuits, of the last dial to each peer that worked. The longest unused entry goes first.
#[derive(Default)]
struct LastCircuits {
    time: u64,
    prefs: HashMap<PeerId, (u64, StreamPrefs)>,
}

impl LastCircuits {
    fn get(&mut self, peer: &PeerId) -> Option<StreamPrefs> {
        self.time += 1;
        let (used, prefs) = self.prefs.get_mut(peer)?;
        *used = self.time;
        Some(prefs.clone())
    }

    fn insert(&mut self, peer: PeerId, prefs: StreamPrefs) {
        self.time += 1;
        self.prefs.insert(peer, (self.time, prefs));
        if self.prefs.len() > REMEMBERED {
            // A look at a thousand entries, after a dial that took half a second.
            let oldest = self.prefs.iter().min_by_key(|(_, (used, _))| *used).map(|(peer, _)| *peer);
            self.prefs.retain(|peer, _| Some(*peer) != oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_mean_what_was_measured() {
        let kind = |kind| judge(kind, String::new());
        assert!(matches!(kind(ErrorKind::OnionServiceNotFound), DialError::PeerDown(_)));
        assert!(matches!(kind(ErrorKind::OnionServiceConnectionFailed), DialError::PeerDown(_)));
        assert!(matches!(kind(ErrorKind::BadApiUsage), DialError::Timeout), "arti's word for a dead circuit");
        assert!(matches!(kind(ErrorKind::RemoteNetworkTimeout), DialError::Timeout));
        assert!(matches!(kind(ErrorKind::CircuitCollapse), DialError::Timeout));
        assert!(matches!(kind(ErrorKind::TorAccessFailed), DialError::NoNetwork(_)));
        assert!(matches!(kind(ErrorKind::TorNetworkTimeout), DialError::NoNetwork(_)));
        assert!(matches!(kind(ErrorKind::BootstrapRequired), DialError::NoNetwork(_)));
        assert!(matches!(kind(ErrorKind::OnionServiceMissingClientAuth), DialError::Permanent(_)));
        assert!(matches!(kind(ErrorKind::InvalidStreamTarget), DialError::Permanent(_)));
    }

    #[test]
    fn only_a_failure_of_our_own_way_in_is_shown_as_one() {
        assert_eq!(verdict(ErrorKind::TorAccessFailed), Verdict::NoWayIn);
        assert_eq!(verdict(ErrorKind::TorNetworkTimeout), Verdict::NoWayThrough, "may be one dead introduction point");
        assert_eq!(verdict(ErrorKind::RemoteStreamClosed), Verdict::PeerDown, "a refused port");
    }

    #[test]
    fn the_memory_of_circuits_is_bounded() {
        let mut last = LastCircuits::default();
        let peers: Vec<_> = (0..=255u8)
            .flat_map(|a| (0..=255u8).map(move |b| [a, b]))
            .filter_map(|[a, b]| {
                let mut key = [0; 32];
                key[0] = a;
                key[1] = b;
                PeerId::from_key(key).ok()
            })
            .take(REMEMBERED + 10)
            .collect();
        assert_eq!(peers.len(), REMEMBERED + 10);
        for peer in &peers[..REMEMBERED] {
            last.insert(*peer, fresh());
        }
        assert!(last.get(&peers[0]).is_some(), "and so it is used again");
        for peer in &peers[REMEMBERED..] {
            last.insert(*peer, fresh());
        }
        assert_eq!(last.prefs.len(), REMEMBERED);
        assert!(last.get(&peers[0]).is_some() && last.get(&peers[REMEMBERED + 9]).is_some());
        assert!((1..=10).all(|n| last.get(&peers[n]).is_none()) && last.get(&peers[11]).is_some());
    }
}
