//! Dialling peers: circuits of their own for every attempt, and what arti's errors mean.

use crate::{Client, status};
use arti_client::config::BoolOrAuto;
use arti_client::{ErrorKind, HasKind as _, IntoTorAddr as _, StreamPrefs};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use torchat_engine::transport::{BoxStream, DialError, Isolation, NetworkStatus, Transport};
use torchat_protocol::id::PeerId;

/// Peers whose last working circuits are remembered.
const REMEMBERED: usize = 1024;

/// The transport over arti. It owns the client for dialling; a second client could replace it.
pub(crate) struct Arti {
    client: Client,
    port: u16,
    status: watch::Receiver<NetworkStatus>,
    last: Mutex<LastCircuits>,
}

impl Arti {
    pub(crate) fn new(client: Client, port: u16, status: watch::Receiver<NetworkStatus>) -> Self {
        Self { client, port, status, last: Mutex::default() }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, LastCircuits> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, peer: PeerId, isolation: Isolation) -> Result<BoxStream, DialError> {
        if !self.status.borrow().usable {
            return Err(DialError::NoNetwork(self.status.borrow().sentence.clone()));
        }
        let remembered = if isolation == Isolation::Last { self.last().get(&peer) } else { None };
        let prefs = remembered.unwrap_or_else(fresh);
        // From the 32 bytes of a checked id: arti's own parser takes eight spellings of one key.
        let address =
            (peer.onion(), self.port).into_tor_addr().map_err(|error| DialError::Permanent(status::report(&error)))?;
        match self.client.connect_with_prefs(address, &prefs).await {
            Ok(stream) => {
                self.last().insert(peer, prefs);
                Ok(Box::new(stream))
            }
            Err(error) => Err(judge(error.kind(), status::report(&error))),
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
        self.status.clone()
    }
}

/// What an error says about the peer, as far as measured: arti calls a dead cached circuit "bad API usage", and a
/// service that died a moment ago "connection failed" first and "not found" later.
fn judge(kind: ErrorKind, text: String) -> DialError {
    match kind {
        ErrorKind::OnionServiceNotFound
        | ErrorKind::OnionServiceNotRunning
        | ErrorKind::OnionServiceConnectionFailed => DialError::PeerDown(text),
        ErrorKind::InvalidStreamTarget
        | ErrorKind::ForbiddenStreamTarget
        | ErrorKind::OnionServiceAddressInvalid
        | ErrorKind::OnionServiceMissingClientAuth
        | ErrorKind::OnionServiceWrongClientAuth => DialError::Permanent(text),
        ErrorKind::TorAccessFailed
        | ErrorKind::BootstrapRequired
        | ErrorKind::DirectoryExpired
        | ErrorKind::TorDirectoryUnusable
        | ErrorKind::ClockSkew
        | ErrorKind::NoPath
        | ErrorKind::LocalNetworkError
        | ErrorKind::ArtiShuttingDown
        | ErrorKind::ReactorShuttingDown => DialError::NoNetwork(text),
        _ => DialError::Timeout,
    }
}

/// The preferences, and so the circuits, of the last dial to each peer that worked. The oldest entry goes first.
#[derive(Default)]
struct LastCircuits {
    prefs: HashMap<PeerId, StreamPrefs>,
    order: VecDeque<PeerId>,
}

impl LastCircuits {
    fn get(&self, peer: &PeerId) -> Option<StreamPrefs> {
        self.prefs.get(peer).cloned()
    }

    fn insert(&mut self, peer: PeerId, prefs: StreamPrefs) {
        if self.prefs.insert(peer, prefs).is_none() {
            self.order.push_back(peer);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.prefs.remove(&oldest);
            }
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
        assert!(matches!(kind(ErrorKind::InvalidStreamTarget), DialError::Permanent(_)));
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
        for peer in &peers {
            last.insert(*peer, fresh());
        }
        assert_eq!((last.prefs.len(), last.order.len()), (REMEMBERED, REMEMBERED));
        assert!(last.get(&peers[0]).is_none() && last.get(&peers[REMEMBERED + 9]).is_some());
    }
}
