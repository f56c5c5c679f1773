//! The door: streams that others open to our service, until they have proven who they are.
//!
//! Anybody can open a stream. At most [`EngineConfig::unauthenticated_streams`](crate::engine::EngineConfig) are held;
//! when another comes, a random one goes. (Dropping the oldest was rejected: a flood would then push out exactly the
//! slow, honest ones; dropping the newest would let idle streams lock the door.)

use crate::legacy::OldDoor;
use crate::link::{self, LinkContext, Role};
use crate::transport::BoxStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use torchat_core::handshake::Established;
use torchat_protocol::legacy::{self, OldMessage};

/// Who came.
enum Came {
    Peer(Box<Established>),
    /// An old daemon, with its message or without one, which its own counters tell.
    Old(OldDoor, Result<OldMessage, &'static str>),
}

/// Takes streams until the engine stops. `old`: what old daemons bring is taken too.
pub(crate) async fn run(
    mut incoming: mpsc::Receiver<BoxStream>,
    limit: usize,
    old: Option<OldDoor>,
    context: LinkContext,
) {
    let waiting: Arc<Mutex<Vec<(u64, CancellationToken)>>> = Arc::default();
    let mut number = 0u64;
    loop {
        let stream = tokio::select! {
            biased;
            () = context.stop.cancelled() => return,
            stream = incoming.recv() => match stream {
                Some(stream) => stream,
                None => return,
            },
        };
        number += 1;
        let cancel = context.stop.child_token();
        {
            let mut waiting = lock(&waiting);
            if waiting.len() >= limit.max(1) {
                let unlucky = context.randomness.below(waiting.len());
                waiting.swap_remove(unlucky).1.cancel();
            }
            waiting.push((number, cancel.clone()));
        }
        tokio::spawn(admit(stream, number, cancel, waiting.clone(), old.clone(), context.clone()));
    }
}

async fn admit(
    mut stream: BoxStream,
    number: u64,
    cancel: CancellationToken,
    waiting: Arc<Mutex<Vec<(u64, CancellationToken)>>>,
    old: Option<OldDoor>,
    context: LinkContext,
) {
    let hands = tokio::time::timeout(link::HANDSHAKE_TIME, meet(&mut stream, old, &context));
    let result = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        result = hands => Some(result),
    };
    lock(&waiting).retain(|(other, _)| *other != number);
    match &result {
        Some(Ok(Ok(_))) => {}
        Some(_) => drop(context.sent_away.handshakes.fetch_add(1, Ordering::Relaxed)),
        None => drop(context.sent_away.streams.fetch_add(1, Ordering::Relaxed)),
    }
    match result {
        Some(Ok(Ok(Came::Peer(established)))) => link::serve(stream, *established, false, context).await,
        Some(Ok(Ok(Came::Old(_, Err(reason))))) => tracing::debug!(reason, "a stream was refused at the door"),
        Some(Ok(Ok(Came::Old(door, Ok(message))))) => {
            // Before anything is decided: the end of the stream tells nothing of the decision.
            drop(stream);
            door.hand_in(message, &context.mailbox).await;
        }
        // Whoever fails learns nothing by it: the stream is closed without a word.
        Some(Ok(Err(reason))) => tracing::debug!(reason, "a stream was refused at the door"),
        Some(Err(_)) => tracing::debug!("a stream did not prove its identity in time"),
        None => tracing::debug!("a stream had to leave the door for another"),
    }
}

/// The first byte tells a peer from an old daemon. Without leave for old daemons it is the handshake's to judge, like
/// every other.
async fn meet(stream: &mut BoxStream, old: Option<OldDoor>, context: &LinkContext) -> Result<Came, String> {
    let opened = Instant::now();
    let mut buffer = [0; 2048];
    let mut said: &[u8] = &[];
    if let Some(door) = old {
        said = link::hear(stream, &mut buffer, link::FIRST_BYTES_TIME).await?;
        if said.first().is_some_and(|byte| legacy::is_meant(*byte)) {
            let message = door.read(stream, said, opened).await;
            return Ok(Came::Old(door, message));
        }
    }
    Ok(Came::Peer(Box::new(link::shake_hands(stream, Role::Accepted, said, context).await?)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
