//! The door: streams that others open to our service, until they have proven who they are.
//!
//! Anybody can open a stream. At most [`EngineConfig::unauthenticated_streams`](crate::engine::EngineConfig) are held;
//! when another comes, a random one goes. (Dropping the oldest was rejected: a flood would then push out exactly the
//! slow, honest ones; dropping the newest would let idle streams lock the door.)

use crate::link::{self, LinkContext, Role};
use crate::transport::BoxStream;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Takes streams until the engine stops.
pub(crate) async fn run(mut incoming: mpsc::Receiver<BoxStream>, limit: usize, context: LinkContext) {
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
        tokio::spawn(admit(stream, number, cancel, waiting.clone(), context.clone()));
    }
}

async fn admit(
    mut stream: BoxStream,
    number: u64,
    cancel: CancellationToken,
    waiting: Arc<Mutex<Vec<(u64, CancellationToken)>>>,
    context: LinkContext,
) {
    let hands = tokio::time::timeout(link::HANDSHAKE_TIME, link::shake_hands(&mut stream, Role::Accepted, &context));
    let result = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        result = hands => Some(result),
    };
    lock(&waiting).retain(|(other, _)| *other != number);
    match result {
        Some(Ok(Ok(established))) => link::serve(stream, established, false, context).await,
        // Whoever fails learns nothing by it: the stream is closed without a word.
        Some(Ok(Err(reason))) => tracing::debug!(reason, "a stream was refused at the door"),
        Some(Err(_)) => tracing::debug!("a stream did not prove its identity in time"),
        None => tracing::debug!("a stream had to leave the door for another"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
