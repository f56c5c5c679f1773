//! The acceptor: streams that others open to our service, until they have proven who they are.
//!
//! Anybody can open a stream. At most [`EngineConfig::unauthenticated_streams`](crate::engine::EngineConfig) are held; who
//! leaves when another comes is [`Places`]' decision. Each flight of a handshake has a time of its own, and a circuit may
//! bring only so many streams that prove nothing ([`Circuit`]), so that a flood costs its maker introductions.

use super::context::LinkContext;
use super::failure::Failure;
use super::handshake::{FIRST_BYTES_TIME, HANDSHAKE_TIME, Role, hear, shake_hands};
use super::places::{Places, Stage};
use super::router::{Proven, Router};
use crate::legacy::LegacyAcceptor;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::Established;
use torchat_protocol::legacy::{self, OldMessage};
use torchat_transport::{BoxStream, Circuit, Incoming};

/// Who came.
enum Arrival {
    Peer(Box<Established>),
    /// An old daemon, with its message or without one, which its own counters tell.
    Legacy(LegacyAcceptor, Result<OldMessage, &'static str>),
}

/// The streams that are held, and how each is ended.
struct Held {
    places: Places,
    ends: HashMap<u64, CancellationToken>,
}

/// One stream's place. It is free again when this is dropped.
struct Place {
    number: u64,
    held: Arc<Mutex<Held>>,
}

impl Place {
    fn reached(&self, stage: Stage) {
        self.held.lock().places.reached(self.number, stage);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        held.places.leave(self.number);
        held.ends.remove(&self.number);
    }
}

/// Takes streams until the engine stops. `legacy_acceptor`: what old daemons bring is taken too.
pub(crate) async fn run(
    mut incoming: mpsc::Receiver<Incoming>,
    limit: usize,
    legacy_acceptor: Option<LegacyAcceptor>,
    router: Arc<Router>,
    context: LinkContext,
) {
    let held = Arc::new(Mutex::new(Held { places: Places::new(limit), ends: HashMap::new() }));
    loop {
        let Incoming { stream, circuit } = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            came = incoming.recv() => match came {
                Some(came) => came,
                None => return,
            },
        };
        let end = context.stop.child_token();
        let place = {
            let mut open = held.lock();
            let (number, leaves) = open.places.enter(circuit.id(), |choices| context.randomness.below(choices));
            if let Some(unlucky) = leaves.and_then(|number| open.ends.remove(&number)) {
                unlucky.cancel();
            }
            open.ends.insert(number, end.clone());
            Place { number, held: held.clone() }
        };
        tokio::spawn(admit(stream, circuit, place, end, legacy_acceptor.clone(), router.clone(), context.clone()));
    }
}

async fn admit(
    mut stream: BoxStream,
    circuit: Circuit,
    place: Place,
    end: CancellationToken,
    legacy_acceptor: Option<LegacyAcceptor>,
    router: Arc<Router>,
    context: LinkContext,
) {
    let hands = tokio::time::timeout(HANDSHAKE_TIME, meet(&mut stream, legacy_acceptor, &router, &context, &place));
    let result = tokio::select! {
        biased;
        () = end.cancelled() => None,
        result = hands => Some(result),
    };
    drop(place);
    match &result {
        // A caller that proves who it is, or brings what an old daemon may bring, has used its circuit well.
        Some(Ok(Ok(Arrival::Peer(_) | Arrival::Legacy(_, Ok(_))))) => circuit.used_well(),
        Some(Ok(Ok(Arrival::Legacy(_, Err(_))))) => {}
        Some(_) => drop(context.rejected.handshakes.fetch_add(1, Ordering::Relaxed)),
        None => drop(context.rejected.streams.fetch_add(1, Ordering::Relaxed)),
    }
    match result {
        Some(Ok(Ok(Arrival::Peer(established)))) => {
            let proven = Proven { stream, established: *established, outgoing: false };
            if !router.serve(proven).await {
                context.rejected.crowded.fetch_add(1, Ordering::Relaxed);
                tracing::debug!("a stream was closed: its purpose has no room for another one");
            }
        }
        Some(Ok(Ok(Arrival::Legacy(_, Err(reason))))) => {
            tracing::debug!(reason, "a stream was rejected by the acceptor");
        }
        Some(Ok(Ok(Arrival::Legacy(acceptor, Ok(message))))) => {
            // Before anything is decided: the end of the stream tells nothing of the decision.
            drop(stream);
            acceptor.hand_in(message, &context.mailbox).await;
        }
        // The caller learns nothing by a failure: the stream is closed without a word.
        Some(Ok(Err(failure))) => tracing::debug!(%failure, "a stream was rejected by the acceptor"),
        Some(Err(_)) => tracing::debug!("a stream did not prove its identity in time"),
        None => tracing::debug!("a stream had to make room for another"),
    }
}

/// The first byte tells a peer from an old daemon. Without leave for old daemons it is the handshake's to judge, like
/// every other.
async fn meet(
    stream: &mut BoxStream,
    legacy_acceptor: Option<LegacyAcceptor>,
    router: &Router,
    context: &LinkContext,
    place: &Place,
) -> Result<Arrival, Failure> {
    let opened = Instant::now();
    let mut buffer = [0; 2048];
    let mut said: &[u8] = &[];
    if let Some(acceptor) = legacy_acceptor {
        said = hear(stream, &mut buffer, opened + FIRST_BYTES_TIME).await?;
        if said.first().is_some_and(|byte| legacy::is_meant(*byte)) {
            let message = acceptor.read(stream, said, opened).await;
            return Ok(Arrival::Legacy(acceptor, message));
        }
    }
    let reached = |flights| place.reached(Stage::after(flights));
    let established = shake_hands(stream, Role::Accepted(router.served()), said, context, reached).await?;
    Ok(Arrival::Peer(Box::new(established)))
}

#[cfg(test)]
mod tests;
