//! One dial: circuits of its own, a limit, one hedge, the handshake; then the link it became.
//!
//! When to dial is the core's decision (`torchat_core::node`), how long one dial may take is decided here.

use crate::engine::Event;
use crate::link::{self, LinkContext, Role};
use crate::transport::{BoxStream, DialError, Isolation, Transport};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use torchat_core::input::{DialFailure, Input};
use torchat_protocol::id::PeerId;

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

/// Dials and serves what comes of it. Always ends in `LinkUp` or `DialFailed`, unless the daemon stops.
pub(crate) async fn dial(
    transport: Arc<dyn Transport>,
    peer: PeerId,
    isolation: Isolation,
    times: DialTimes,
    context: LinkContext,
    dropped: CancellationToken,
) {
    let stop = context.stop.clone();
    let attempt = async {
        let mut stream = match tokio::time::timeout(times.attempt, hedged(&*transport, peer, isolation, times)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failure(&error)),
            Err(_) => return Err(failure(&DialError::Timeout)),
        };
        let hands = link::shake_hands(&mut stream, Role::Dialled(peer), &[], &context);
        let established = met(tokio::time::timeout(link::HANDSHAKE_TIME, hands).await)?;
        Ok((stream, established))
    };
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        () = dropped.cancelled() => Err((DialFailure::Timeout, "given up after a sleep of the machine".to_owned())),
        result = attempt => result,
    };
    match result {
        Ok((stream, established)) => link::serve(stream, established, true, context).await,
        Err((failure, reason)) => {
            let input = Input::DialFailed { peer, failure, reason };
            // The engine is gone only when the daemon stops.
            let _ = context.mailbox.send(Event::Core { input, room: Vec::new() }).await;
        }
    }
}

/// Dials our own service as a stranger would, and hangs up.
pub(crate) async fn check(transport: Arc<dyn Transport>, own: PeerId, times: DialTimes, context: LinkContext) {
    let dial = tokio::time::timeout(times.attempt, transport.dial(own, Isolation::Fresh));
    let result = tokio::select! {
        biased;
        () = context.stop.cancelled() => return,
        result = dial => result,
    };
    let failure = match result {
        Ok(Ok(_stream)) => None,
        Ok(Err(error)) => Some(failure(&error)),
        Err(_) => Some(failure(&DialError::Timeout)),
    };
    // The engine is gone only when the daemon stops.
    let event = Event::Core { input: Input::SelfChecked { failure }, room: Vec::new() };
    let _ = context.mailbox.send(event).await;
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
    let mut second = transport.dial(peer, Isolation::Fresh);
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
fn met<T>(hands: Result<Result<T, String>, Elapsed>) -> Result<T, (DialFailure, String)> {
    match hands {
        Ok(result) => result.map_err(|reason| (DialFailure::Handshake, reason)),
        Err(_) => Err((DialFailure::Handshake, "the peer did not finish the handshake".to_owned())),
    }
}

fn failure(error: &DialError) -> (DialFailure, String) {
    let failure = match error {
        DialError::PeerDown(_) => DialFailure::PeerDown,
        DialError::NoNetwork(_) => DialFailure::NoNetwork,
        DialError::Timeout => DialFailure::Timeout,
        DialError::Permanent(_) => DialFailure::Permanent,
    };
    (failure, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_drags_its_handshake_says_nothing_against_our_network() {
        let hands = std::future::pending::<Result<(), String>>();
        let ended = met(tokio::time::timeout(Duration::ZERO, hands).await);
        assert!(matches!(ended, Err((DialFailure::Handshake, _))), "{ended:?}");
    }
}
