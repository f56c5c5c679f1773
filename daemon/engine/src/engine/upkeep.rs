//! What is done beside the turns: old events go, and a store that did not end cleanly is looked through.

use crate::handle::LogWriter;
use crate::mailbox::{Event, Mailbox};
use crate::store::{Jobs, Reader, Trouble};
use parking_lot::Mutex;
use std::sync::Arc;
use torchat_core::node::Node;
use torchat_transport::clock::Clock;

/// Old events that are removed at once after a start.
const TRIM_STEP: u64 = 2048;

/// Removes what is too old in the event log of a daemon that was off for long, in small steps between the turns' commits,
/// as long as the clock is believed.
pub(super) async fn trim_log(jobs: Jobs, node: Arc<Mutex<Node>>, clock: Clock, log: LogWriter) {
    loop {
        let Some(believed) = node.lock().believed(clock.now()) else { return };
        match jobs.run(move |store| store.trim(Some(believed), TRIM_STEP)).await {
            Ok(Ok((more, edges))) => {
                log.publish(Vec::new(), edges);
                if !more {
                    return;
                }
            }
            // It is tried again with later commits.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Looks through a large store whose last end was not clean, beside the daemon's work.
pub(super) async fn look_through(reader: Reader, mailbox: Mailbox) {
    let begun = std::time::Instant::now();
    let bad = match reader.run(Reader::check).await {
        None => return,
        Some(Ok(())) => None,
        Some(Err(error)) if error.trouble() == Trouble::Damaged => Some(error.to_string()),
        Some(Err(error)) => {
            tracing::warn!(%error, "the store could not be checked after a stop that was not clean");
            return;
        }
    };
    tracing::info!(ms = begun.elapsed().as_millis(), "the store was checked after a stop that was not clean");
    if let Some(why) = bad {
        drop(mailbox.send(Event::Condemned(why)).await);
    }
}
