//! Dialling peers: circuits of their own for every attempt, and what arti's errors mean.

use crate::client::DialClients;
use crate::report::report;
use crate::status::Status;
use crate::stream::TorStream;
use crate::trouble::Cause;
use arti_client::config::BoolOrAuto;
use arti_client::{ErrorKind, HasKind as _, IntoTorAddr as _, StreamPrefs};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;
use torchat_protocol::id::PeerId;
use torchat_transport::{BoxStream, DialError, Isolation, NetworkStatus, Transport};

/// The transport over arti.
pub(crate) struct Arti {
    clients: Arc<DialClients>,
    port: u16,
    status: Arc<Status>,
}

impl Arti {
    pub(crate) fn new(clients: Arc<DialClients>, port: u16, status: Arc<Status>) -> Self {
        Self { clients, port, status }
    }

    async fn open(&self, peer: PeerId, isolation: Isolation) -> Result<BoxStream, DialError> {
        if !self.status.is_up() {
            // At once: arti would hold the dial until the start succeeds, for hours if need be.
            return Err(DialError::NoNetwork(self.status.sentence()));
        }
        // Held to the end of the dial, so that a renewal meanwhile does not end it.
        let Some(dial_client) = self.clients.current() else {
            return Err(DialError::NoNetwork(self.status.sentence()));
        };
        let remembered = match isolation {
            Isolation::Last(group) => dial_client.last().get(peer, group),
            Isolation::Fresh(_) => None,
        };
        let prefs = remembered.unwrap_or_else(fresh);
        // Arti takes an address only as text, and of the eight spellings of one key it takes every one. Ours is written
        // from the bytes of a checked id, so it is the one that the peer has.
        let address =
            (peer.onion(), self.port).into_tor_addr().map_err(|error| DialError::Permanent(report(&error)))?;
        let result = dial_client.client.connect_with_prefs(address, &prefs).await;
        // How a client fares by which nobody dials any more is no news.
        let tell = |trouble| {
            if self.clients.is_current(&dial_client) {
                self.status.dialled(trouble);
            }
        };
        match result {
            Ok(stream) => {
                dial_client.last().insert(peer, isolation.group(), prefs);
                tell(None);
                Ok(Box::new(TorStream::new(stream, None)))
            }
            Err(error) => {
                let (kind, text) = (error.kind(), report(&error));
                tracing::debug!("a dial failed ({kind:?}): {text}");
                let text = match verdict(kind) {
                    Verdict::NoWayIn => {
                        let cause = Cause::of(&error, &dial_client.client.bootstrap_status());
                        tell(Some(cause.clone()));
                        cause.whole()
                    }
                    Verdict::PeerDown => {
                        tell(None);
                        text
                    }
                    Verdict::Unclear | Verdict::NoWayThrough | Verdict::Never => text,
                };
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

    fn renew(&self) {
        self.clients.renew();
    }

    fn status(&self) -> watch::Receiver<NetworkStatus> {
        self.status.watch()
    }
}

/// What an error says, of the peer and of our own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
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
pub(crate) fn verdict(kind: ErrorKind) -> Verdict {
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
}
