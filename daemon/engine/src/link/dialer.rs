//! One dial: circuits of its own, a limit, one hedge, the handshake; then the link it became.
//!
//! When to dial is the core's decision (`torchat_core::node`), how long one dial may take is decided here.

use super::context::LinkContext;
use super::failure::Failure;
use super::handshake::{HANDSHAKE_TIME, Role, hear_hello, shake_hands};
use super::router::{Proven, Router};
use crate::codes;
use crate::mailbox::Event;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use torchat_core::input::{DialEnd, DialFailure, EndedBy, Input, LinkEnd, NetworkInput, PeerDid};
use torchat_protocol::control::reason::NotReached;
use torchat_protocol::id::PeerId;
use torchat_transport::{BoxStream, DialError, Group, Isolation, Transport};

/// The times of one dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialTimes {
    /// A dial that opened no stream after this time is given up. Tor's own patience is minutes.
    pub attempt: Duration,
    /// A second dial with other circuits starts after this time; the first to succeed wins. Never more than two.
    pub hedge: Duration,
}

impl Default for DialTimes {
    fn default() -> Self {
        Self { attempt: Duration::from_secs(25), hedge: Duration::from_secs(8) }
    }
}

/// Dials peers, and serves what comes of it.
#[derive(Clone)]
pub(crate) struct Dialer {
    transport: Arc<dyn Transport>,
    times: DialTimes,
    router: Arc<Router>,
    context: LinkContext,
}

impl Dialer {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        times: DialTimes,
        router: Arc<Router>,
        context: LinkContext,
    ) -> Self {
        Self { transport, times, router, context }
    }

    /// Dials for the purpose of the group and hands the stream to its handler. Always ends in what the handler tells of its
    /// link, for chat [`Event::LinkUp`], or in [`NetworkInput::DialFailed`], unless the daemon stops.
    pub(crate) async fn dial(self, peer: PeerId, isolation: Isolation, dropped: CancellationToken) {
        let result = tokio::select! {
            biased;
            () = self.context.stop.cancelled() => return,
            () = dropped.cancelled() => Err(DialFailure::GivenUp.into()),
            result = self.open(peer, isolation) => result,
        };
        let end = match result {
            Ok(proven) => {
                if self.router.serve(proven).await {
                    return;
                }
                DialFailure::NoRoom.into()
            }
            Err(end) => end,
        };
        // People are told a few words; these are for the search of a fault.
        tracing::debug!(peer = %peer.short(), why = codes::dial_end(&end), "a dial failed");
        let purpose = isolation.group().purpose;
        let input = Input::Network(NetworkInput::DialFailed { peer, purpose, end });
        // The engine is gone only when the daemon stops.
        let _ = self.context.mailbox.send(Event::Core { input, room: Vec::new() }).await;
    }

    /// Opens a stream to a peer for the purpose of the group, and proves who is at its other end.
    pub(crate) async fn open(&self, peer: PeerId, isolation: Isolation) -> Result<Proven, DialEnd> {
        let times = self.times;
        let mut stream =
            match tokio::time::timeout(times.attempt, hedged(&*self.transport, peer, isolation, times)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(not_opened(error)),
                Err(_) => return Err(DialFailure::Timeout.into()),
            };
        let hands =
            shake_hands(&mut stream, Role::Dialled(peer, isolation.group().purpose), &[], &self.context, |_| ());
        let established = met(tokio::time::timeout(HANDSHAKE_TIME, hands).await)?;
        Ok(Proven { stream, established, outgoing: true })
    }
}

/// Dials our own service as a stranger would, up to its first words, hangs up, and tells the core.
///
/// # Errors
/// What was wrong; `None`: the daemon is stopping.
pub(crate) async fn check(
    transport: Arc<dyn Transport>,
    own: PeerId,
    times: DialTimes,
    context: LinkContext,
) -> Result<(), Option<NotReached>> {
    let dial = async {
        let mut stream =
            match tokio::time::timeout(times.attempt, transport.dial(own, Isolation::Fresh(Group::CHAT))).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(not_opened(error)),
                Err(_) => return Err(DialFailure::Timeout.into()),
            };
        met(tokio::time::timeout(times.attempt, hear_hello(&mut stream, own, &context)).await)
    };
    let result = tokio::select! {
        biased;
        () = context.stop.cancelled() => return Err(None),
        result = dial => result,
    };
    let failure = result.err();
    let why = failure.as_ref().map(codes::not_reached);
    if let Some(why) = &why {
        tracing::debug!(why = why.detail, "a dial of our own onion failed");
    }
    // The engine is gone only when the daemon stops.
    let event = Event::Core { input: Input::Network(NetworkInput::SelfChecked { failure }), room: Vec::new() };
    let _ = context.mailbox.send(event).await;
    why.map_or(Ok(()), |why| Err(Some(why)))
}

/// How long the result of a check stands before a client's wish makes another one: dials are expensive, and a guard sees them.
const CHECK_PAUSE_MS: u64 = 60_000;

/// What the last check of our own service that a client wished for came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was wrong; `None`: it was reached.
    pub failure: Option<NotReached>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How long ago it ended, in milliseconds.
    pub ago_ms: u64,
}

/// Checks of our own service that clients wish for: one at a time, and one a minute.
pub(crate) struct Checker {
    /// Weak: a program that holds a handle does not keep the way into the network open.
    transport: Weak<dyn Transport>,
    own: PeerId,
    times: DialTimes,
    context: LinkContext,
    /// The last one, and when it ended by the monotonic clock. Locked while one runs.
    last: Arc<tokio::sync::Mutex<Option<(Checked, u64)>>>,
}

impl Checker {
    pub(crate) fn new(transport: &Arc<dyn Transport>, own: PeerId, times: DialTimes, context: LinkContext) -> Self {
        Self { transport: Arc::downgrade(transport), own, times, context, last: Arc::default() }
    }

    /// Checks, or says what the last check came to if that is not long ago. `None`: the daemon is stopping.
    pub(crate) async fn check(&self) -> Option<Checked> {
        let mut last = self.last.clone().lock_owned().await;
        let clock = self.context.clock.clone();
        let begun = clock.now().mono_ms;
        if let Some((checked, at)) = last.as_ref() {
            let ago_ms = begun.saturating_sub(*at);
            if ago_ms < CHECK_PAUSE_MS {
                return Some(Checked { ago_ms, ..checked.clone() });
            }
        }
        let check = check(self.transport.upgrade()?, self.own, self.times, self.context.clone());
        // A task of its own: a client that leaves in the middle does not make room for another dial.
        let task = tokio::spawn(async move {
            let failure = match check.await {
                Ok(()) => None,
                Err(why) => Some(why?),
            };
            let ended = clock.now().mono_ms;
            let checked = Checked { failure, took_ms: ended.saturating_sub(begun), ago_ms: 0 };
            *last = Some((checked.clone(), ended));
            Some(checked)
        });
        task.await.ok()?
    }
}

async fn hedged(
    transport: &dyn Transport,
    peer: PeerId,
    isolation: Isolation,
    times: DialTimes,
) -> Result<BoxStream, DialError> {
    let mut first = transport.dial(peer, isolation);
    match tokio::time::timeout(times.hedge, &mut first).await {
        Ok(result) => return result,
        Err(_) => tracing::debug!(peer = %peer.short(), "no answer yet, dialling a second time"),
    }
    let mut second = transport.dial(peer, Isolation::Fresh(isolation.group()));
    tokio::select! {
        biased;
        result = &mut first => match result {
            Ok(stream) => Ok(stream),
            Err(_) => second.await,
        },
        result = &mut second => match result {
            Ok(stream) => Ok(stream),
            Err(_) => first.await,
        },
    }
}

/// What a handshake came to. One that does not end in time is the peer's failure: the stream was open, so Tor works.
/// Counted as Tor's, one contact that takes streams and says nothing could make us renew our way into the network again
/// and again.
fn met<T>(hands: Result<Result<T, Failure>, Elapsed>) -> Result<T, DialEnd> {
    match hands {
        Ok(result) => result.map_err(|failure| {
            let LinkEnd { by, detail } = failure.end();
            DialEnd { failure: DialFailure::Handshake(by), detail }
        }),
        Err(_) => Err(DialFailure::Handshake(EndedBy::Peer(PeerDid::TakeTooLong)).into()),
    }
}

/// What a dial came to that opened no stream.
fn not_opened(error: DialError) -> DialEnd {
    let (failure, detail) = match error {
        DialError::PeerDown(detail) => (DialFailure::PeerDown, Some(detail)),
        DialError::NoNetwork(detail) => (DialFailure::NoNetwork, Some(detail)),
        DialError::Timeout => (DialFailure::Timeout, None),
        DialError::Permanent(detail) => (DialFailure::Permanent, Some(detail)),
    };
    DialEnd { failure, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use parking_lot::Mutex;
    use tokio::sync::watch;
    use torchat_core::handshake::LocalIdentity;
    use torchat_protocol::purpose::Purpose;
    use torchat_transport::NetworkStatus;

    /// A network in which no dial ends.
    #[derive(Default)]
    struct Silent(Mutex<Vec<Isolation>>);

    impl Transport for Silent {
        fn dial(&self, _: PeerId, isolation: Isolation) -> BoxFuture<'_, Result<BoxStream, DialError>> {
            self.0.lock().push(isolation);
            std::future::pending().boxed()
        }

        fn status(&self) -> watch::Receiver<NetworkStatus> {
            watch::channel(NetworkStatus::default()).1
        }
    }

    #[tokio::test(start_paused = true)]
    async fn both_ways_of_a_dial_belong_to_its_group() {
        let (silent, group, times) = (Silent::default(), Group::first(Purpose::ROOM), DialTimes::default());
        let peer = LocalIdentity::from_seeds(&[1; 32], &[2; 32], 1_790_000_000).map(|identity| identity.peer_id());
        let dial = hedged(&silent, peer.expect("an identity"), Isolation::Last(group), times);
        assert!(tokio::time::timeout(times.attempt, dial).await.is_err());
        assert_eq!(*silent.0.lock(), [Isolation::Last(group), Isolation::Fresh(group)]);
    }

    #[tokio::test]
    async fn a_service_that_drags_its_handshake_says_nothing_against_our_network() {
        let hands = std::future::pending::<Result<(), Failure>>();
        let ended = met(tokio::time::timeout(Duration::ZERO, hands).await);
        assert_eq!(ended, Err(DialFailure::Handshake(EndedBy::Peer(PeerDid::TakeTooLong)).into()));
    }
}
