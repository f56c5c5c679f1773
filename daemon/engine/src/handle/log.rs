//! The event log, as subscriptions read it: the newest events from memory, older ones from the store.

use super::{Refusal, read};
use crate::store::{LogEdges, Reader, size, time};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;
use torchat_protocol::control::api::event::{Event, Filter, What};
use torchat_transport::clock::Clock;

/// Events that are kept in memory.
const RING_EVENTS: usize = 1024;
/// Bytes of them.
const RING_BYTES: usize = 1 << 20;
/// Events that one call looks at, at most.
const LOOK: usize = 1024;
/// Bytes of those that it reads to drop most of them.
const READ_BYTES: usize = 1 << 20;

/// Events, as far as the log was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Those that passed the filter, in order. A gap comes first.
    pub events: Vec<Event>,
    /// Up to here everything was looked at, even if the filter dropped all of it.
    pub next: u64,
}

/// The newest events, without gaps up to the last one.
#[derive(Debug)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    edges: LogEdges,
}

/// Adds to the log what commits have written.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    ring: Arc<Mutex<Ring>>,
    changed: Arc<watch::Sender<u64>>,
}

impl LogWriter {
    pub(crate) fn new(edges: LogEdges) -> Self {
        let ring = Ring { events: VecDeque::new(), bytes: 0, edges };
        Self { ring: Arc::new(Mutex::new(ring)), changed: Arc::new(watch::Sender::new(edges.last)) }
    }

    pub(crate) fn reader(&self, reader: Reader, clock: Clock) -> EventLog {
        EventLog { ring: self.ring.clone(), changed: self.changed.subscribe(), reader, clock }
    }

    /// What a commit has added and removed.
    pub(crate) fn publish(&self, events: Vec<Event>, edges: LogEdges) {
        let mut ring = self.ring.lock();
        let mut keep_from = 0;
        // After a commit whose outcome was not known, its events are missing here; the store has them.
        if events.first().is_some_and(|first| first.seq != ring.edges.last + 1) {
            ring.events.clear();
            ring.bytes = 0;
        }
        // Events that show an erased text are read from the store from now on, where it is not any more.
        if let Some(last) = events.iter().rposition(|event| matches!(event.what, What::Erased { .. })) {
            ring.events.clear();
            ring.bytes = 0;
            keep_from = last;
        }
        ring.edges.oldest = ring.edges.oldest.max(edges.oldest);
        let Some(last) = events.last().map(|last| last.seq) else { return };
        for event in events.into_iter().skip(keep_from) {
            ring.bytes += size(&event.what);
            ring.events.push_back(event);
        }
        while ring.events.len() > RING_EVENTS || ring.bytes > RING_BYTES {
            let Some(oldest) = ring.events.pop_front() else { break };
            ring.bytes -= size(&oldest.what);
        }
        ring.edges.last = last;
        drop(ring);
        self.changed.send_replace(last);
    }
}

/// Reads the event log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventLog {
    ring: Arc<Mutex<Ring>>,
    changed: watch::Receiver<u64>,
    reader: Reader,
    clock: Clock,
}

impl EventLog {
    pub(super) fn renewed(&self) -> Self {
        let mut log = self.clone();
        log.changed.mark_unchanged();
        log
    }

    /// The last event's number; 0 if there never was one.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.ring.lock().edges.last
    }

    /// The oldest event that the log holds; [`EventLog::last`] + 1 if it holds none.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.ring.lock().edges.oldest
    }

    /// Waits until a commit has added events since the last call. A clone waits for what its original waited for. Never
    /// ends when the engine has ended.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// The events after a number, at most `limit`, as far as they pass the filter; a [`What::Gap`] first when events were
    /// removed there. It looks at a bounded part of the log, so an answer with [`Batch::next`] before [`EventLog::last`]
    /// asks for another call from there, also when it is empty.
    ///
    /// # Errors
    /// [`Refusal::BadValue`] when the log has no event with this number yet; [`Refusal::Unreadable`].
    pub async fn after(&self, seq: u64, limit: usize, filter: &Filter) -> Result<Batch, Refusal> {
        self.within(seq, limit, READ_BYTES, filter).await
    }

    /// As [`EventLog::after`], with fewer events when they take more than `bytes` of memory; a single one may.
    ///
    /// # Errors
    /// As [`EventLog::after`].
    pub async fn within(&self, seq: u64, limit: usize, bytes: usize, filter: &Filter) -> Result<Batch, Refusal> {
        let (mut batch, mut room) = (Batch { events: Vec::new(), next: seq }, bytes);
        let limit = limit.max(1);
        let last = {
            let ring = self.ring.lock();
            let last = ring.edges.last;
            if seq > last {
                return Err(Refusal::BadValue(format!("there is no event {seq} yet: the last one is {last}")));
            }
            if seq == last {
                return Ok(batch);
            }
            if let Some(first) = ring.events.front().map(|first| first.seq).filter(|first| *first <= seq + 1) {
                let skip = usize::try_from(seq + 1 - first).unwrap_or(usize::MAX);
                for event in ring.events.iter().skip(skip).take(LOOK) {
                    if filter.passes(&event.what) {
                        let size = size(&event.what);
                        if batch.events.len() == limit || (size > room && !batch.events.is_empty()) {
                            break;
                        }
                        room = room.saturating_sub(size);
                        batch.events.push(event.clone());
                    }
                    batch.next = event.seq;
                }
                return Ok(batch);
            }
            last
        };
        let reader = self.reader.clone();
        // With a filter more may be read than given back; without one no text is read for nothing.
        let all = filter.kinds.is_none() && filter.peers.is_none();
        let look = if all { limit.min(LOOK) } else { LOOK };
        let found =
            read(reader, move |reader| reader.events(seq, last, look, if all { bytes } else { READ_BYTES })).await?;
        let first = found.first().map_or(last + 1, |first| first.seq);
        if first > seq + 1 {
            let (from, to) = (seq + 1, first - 1);
            let at = time(self.clock.now().wall_ms);
            batch.events.push(Event { seq: to, at, what: What::Gap { from, to } });
            batch.next = to;
        }
        for event in found {
            if filter.passes(&event.what) {
                let size = size(&event.what);
                if batch.events.len() >= limit || (size > room && !batch.events.is_empty()) {
                    break;
                }
                room = room.saturating_sub(size);
                batch.next = event.seq;
                batch.events.push(event);
            } else {
                batch.next = event.seq;
            }
        }
        Ok(batch)
    }
}
