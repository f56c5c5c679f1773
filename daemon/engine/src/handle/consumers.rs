//! Consumers: named, durable places in the event log.

use super::{EventLog, Handle, Refusal, not_written};
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use torchat_protocol::control::api::record::Cursor;

/// Consumers that may have a cursor.
const CONSUMERS: usize = 1_000;
/// Bytes of a consumer's name, with what the caller puts before it.
const NAME_BYTES: usize = 256;

/// All cursors as they are on the disk, and those that wait for a commit. Acknowledgements that come while a commit runs
/// share the next one.
#[derive(Debug)]
pub(crate) struct Consumers {
    known: Mutex<BTreeMap<String, u64>>,
    waiting: Mutex<Vec<Acknowledgement>>,
}

#[derive(Debug)]
struct Acknowledgement {
    consumer: String,
    seq: u64,
    reply: oneshot::Sender<Result<u64, Refusal>>,
}

fn lock<T>(locked: &Mutex<T>) -> MutexGuard<'_, T> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Consumers {
    pub(crate) fn new(known: Vec<(String, u64)>) -> Self {
        Self { known: Mutex::new(known.into_iter().collect()), waiting: Mutex::default() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.known).len()
    }

    /// Writes everything that waits. Runs on the store's thread, as everything does that changes `known`, so the order of commits
    /// is that of `known`. Nothing is locked while the disk is waited for: STATUS and SUBSCRIBE lock `known` on the threads
    /// of the runtime, and would take links and Tor with them.
    fn write(&self, store: &mut Store, at_ms: i64) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        let mut taken = Vec::new();
        {
            let known = lock(&self.known);
            let mut room = CONSUMERS.saturating_sub(known.len());
            for waiting in waiting {
                let new = !known.contains_key(&waiting.consumer)
                    && !taken.iter().any(|other: &Acknowledgement| other.consumer == waiting.consumer);
                if new && room == 0 {
                    // A client that left does not need its answer.
                    let _ = waiting.reply.send(Err(Refusal::TooManyConsumers(CONSUMERS)));
                    continue;
                }
                room -= usize::from(new);
                taken.push(waiting);
            }
        }
        let cursors: Vec<_> = taken.iter().map(|ack| (ack.consumer.clone(), ack.seq)).collect();
        match store.acknowledge(at_ms, &cursors) {
            Ok(moved) => {
                for (ack, seq) in taken.into_iter().zip(moved) {
                    // Before its answer: whoever has it must find its cursor there.
                    lock(&self.known).insert(ack.consumer, seq);
                    let _ = ack.reply.send(Ok(seq));
                }
            }
            Err(error) => {
                for ack in taken {
                    let _ = ack.reply.send(Err(not_written(&error)));
                }
            }
        }
    }
}

impl Handle {
    /// The event log. Its [`EventLog::changed`] tells of what comes from now on.
    #[must_use]
    pub fn log(&self) -> EventLog {
        self.log.renewed()
    }

    /// The last event that a consumer has acknowledged. `None`: there is no such consumer.
    ///
    /// # Errors
    /// None at present; a store without this table in memory would have some.
    #[allow(clippy::unused_async, reason = "where cursors are kept is no matter of the callers")]
    pub async fn cursor(&self, consumer: &str) -> Result<Option<u64>, Refusal> {
        Ok(lock(&self.consumers.known).get(consumer).copied())
    }

    /// Moves a consumer's cursor forward, never back, and makes the consumer if there is none. Returns where the
    /// cursor is, when that is durable.
    ///
    /// # Errors
    /// [`Refusal::BadValue`] for an event that does not exist yet; [`Refusal::TooManyConsumers`]; [`Refusal::Storage`].
    pub async fn acknowledge(&self, consumer: &str, seq: u64) -> Result<u64, Refusal> {
        let last = self.log.last();
        if seq > last {
            return Err(Refusal::BadValue(format!("there is no event {seq} yet: the last one is {last}")));
        }
        if consumer.is_empty() || consumer.len() > NAME_BYTES {
            return Err(Refusal::BadValue(format!("a consumer's name has 1 to {NAME_BYTES} bytes")));
        }
        if let Some(at) = lock(&self.consumers.known).get(consumer).copied().filter(|at| *at >= seq) {
            return Ok(at);
        }
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = lock(&self.consumers.waiting);
            waiting.push(Acknowledgement { consumer: consumer.to_owned(), seq, reply });
            waiting.len() == 1
        };
        if first {
            let (jobs, consumers, at_ms) = (self.jobs.clone(), self.consumers.clone(), self.clock.now().wall_ms);
            // In a task of its own: a caller that gives up must not leave the others waiting.
            tokio::spawn(async move {
                let shared = Arc::clone(&consumers);
                if jobs.run(move |store| shared.write(store, at_ms)).await.is_err() {
                    lock(&consumers.waiting).clear();
                }
            });
        }
        answer.await.map_err(|_| Refusal::Stopping)?
    }

    /// All consumers by name.
    ///
    /// # Errors
    /// As [`Handle::cursor`].
    #[allow(clippy::unused_async, reason = "where cursors are kept is no matter of the callers")]
    pub async fn cursors(&self) -> Result<Vec<Cursor>, Refusal> {
        let last = self.log.last();
        let known = lock(&self.consumers.known);
        let cursor = |(consumer, seq): (&String, &u64)| Cursor {
            consumer: consumer.clone(),
            seq: *seq,
            behind: last.saturating_sub(*seq),
        };
        Ok(known.iter().map(cursor).collect())
    }

    /// Removes a consumer. `false`: there was none. Durable when it returns.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn forget_cursor(&self, consumer: &str) -> Result<bool, Refusal> {
        let (consumers, consumer) = (self.consumers.clone(), consumer.to_owned());
        self.write(move |store| {
            let was = store.forget_cursor(&consumer)?;
            lock(&consumers.known).remove(&consumer);
            Ok(was)
        })
        .await
    }
}
