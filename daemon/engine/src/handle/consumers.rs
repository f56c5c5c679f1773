//! Consumers: named, durable places in the event log.

use super::{EventLog, Handle, Refusal};
use crate::refusal::not_written;
use crate::store::Store;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::oneshot;
use torchat_protocol::control::api::record::Cursor;

/// Consumers that may have a cursor.
const CONSUMERS: usize = 1_000;
/// Of them those of one token or one other user: what stands before the `/` of a name.
const CONSUMERS_OF_ONE: usize = 100;
/// And of all tokens and other users together: the rest is the own user's, whatever they do.
const CONSUMERS_OF_OTHERS: usize = 500;
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

impl Consumers {
    pub(crate) fn new(known: Vec<(String, u64)>) -> Self {
        Self { known: Mutex::new(known.into_iter().collect()), waiting: Mutex::default() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.known.lock().len()
    }

    /// Writes everything that waits. Runs on the store's thread, as everything does that changes `known`, so the order of commits
    /// is that of `known`. Nothing is locked while the disk is waited for: STATUS and SUBSCRIBE lock `known` on the threads
    /// of the runtime, and would take links and Tor with them.
    fn write(&self, store: &mut Store, at_ms: i64) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        let mut taken = Vec::new();
        {
            let known = self.known.lock();
            let mut fresh = BTreeSet::new();
            for waiting in waiting {
                let name = &waiting.consumer;
                if !known.contains_key(name) && !fresh.contains(name) {
                    if let Some(limit) = no_room(known.keys().chain(&fresh), name) {
                        // A client that left does not need its answer.
                        let _ = waiting.reply.send(Err(Refusal::TooManyConsumers(limit)));
                        continue;
                    }
                    fresh.insert(name.clone());
                }
                taken.push(waiting);
            }
        }
        let cursors: Vec<_> = taken.iter().map(|ack| (ack.consumer.clone(), ack.seq)).collect();
        match store.acknowledge(at_ms, &cursors) {
            Ok(moved) => {
                for (ack, seq) in taken.into_iter().zip(moved) {
                    // Before its answer: a program that has it must find its cursor there.
                    self.known.lock().insert(ack.consumer, seq);
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

/// Whose a consumer is; `None`: the own user's.
fn owner(name: &str) -> Option<&str> {
    name.split_once('/').map(|(owner, _)| owner)
}

/// The limit that a new consumer would go beyond.
fn no_room<'a>(names: impl Iterator<Item = &'a String>, new: &str) -> Option<usize> {
    let (mut all, mut others, mut own) = (0, 0, 0);
    for name in names {
        all += 1;
        others += usize::from(owner(name).is_some());
        own += usize::from(owner(name) == owner(new));
    }
    let mut limits = vec![(all, CONSUMERS)];
    if owner(new).is_some() {
        limits.extend([(own, CONSUMERS_OF_ONE), (others, CONSUMERS_OF_OTHERS)]);
    }
    limits.into_iter().find(|(count, limit)| count >= limit).map(|(_, limit)| limit)
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
        Ok(self.consumers.known.lock().get(consumer).copied())
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
        if let Some(at) = self.consumers.known.lock().get(consumer).copied().filter(|at| *at >= seq) {
            return Ok(at);
        }
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.consumers.waiting.lock();
            waiting.push(Acknowledgement { consumer: consumer.to_owned(), seq, reply });
            waiting.len() == 1
        };
        if first {
            let (jobs, consumers, at_ms) = (self.jobs.clone(), self.consumers.clone(), self.clock.now().wall_ms);
            // In a task of its own: a caller that gives up must not leave the others waiting.
            tokio::spawn(async move {
                let shared = Arc::clone(&consumers);
                if jobs.run(move |store| shared.write(store, at_ms)).await.is_err() {
                    consumers.waiting.lock().clear();
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
        let known = self.consumers.known.lock();
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
            consumers.known.lock().remove(&consumer);
            Ok(was)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_other_users_have_a_share_of_the_consumers_and_the_own_user_the_rest() {
        let mut names = BTreeSet::new();
        let mut add = |name: String| match no_room(names.iter(), &name) {
            Some(limit) => Err(limit),
            None => {
                names.insert(name);
                Ok(())
            }
        };
        for n in 0..CONSUMERS_OF_ONE {
            assert_eq!(add(format!("token:cron/{n}")), Ok(()));
        }
        assert_eq!(add("token:cron/more".into()), Err(CONSUMERS_OF_ONE));
        // Another one of the same beginning has its own share, and all together have theirs.
        for n in 0..CONSUMERS_OF_OTHERS - CONSUMERS_OF_ONE {
            assert_eq!(add(format!("token:cron{}/{n}", n / CONSUMERS_OF_ONE)), Ok(()));
        }
        assert_eq!(add("uid:1001/bot".into()), Err(CONSUMERS_OF_OTHERS));
        for n in 0..CONSUMERS - CONSUMERS_OF_OTHERS {
            assert_eq!(add(format!("own{n}")), Ok(()), "what others did takes nothing from the own user");
        }
        assert_eq!(add("one more".into()), Err(CONSUMERS));
    }
}
