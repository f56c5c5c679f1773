//! The keys that clients give their messages: one key is one message, also for programs that ask at the same time.
//!
//! A handle looks a key up in the store before it asks the engine. What is committed between the look and the moment at
//! which the engine takes the request is known here: the keys in flight, and the last ones that were committed. A handle
//! that looked before those is sent to look again, so no gap is left between the two, however long a request waits.

use crate::refusal::Refusal;
use crate::request::{Answer, Reply};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::MessageId;

/// Committed keys that are remembered.
const KEPT: usize = 4096;

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct ClientIds {
    entries: HashMap<String, Entry>,
    /// The committed ones, oldest first.
    order: VecDeque<String>,
    /// How many were committed in this run.
    commits: Arc<AtomicU64>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry {
    /// Of the conversation and the text. Local programs that sought two texts with one digest would only fool themselves.
    digest: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// In this turn; these wait for the same answer.
    InFlight(Vec<Reply>),
    Done {
        mid: MessageId,
        row: i64,
    },
}

impl ClientIds {
    /// How many keys were committed: to be read before the look into the store.
    pub(crate) fn commits(&self) -> Arc<AtomicU64> {
        self.commits.clone()
    }

    /// A request comes under a key. Gives the reply back if it is to be carried out; else it was answered, or will be
    /// with the one that is in flight.
    pub(crate) fn begin(
        &mut self,
        client: &str,
        conversation: ConversationId,
        text: &str,
        looked_at: u64,
        reply: Reply,
    ) -> Option<Reply> {
        let digest = self.hasher.hash_one((conversation.as_bytes(), text));
        match self.entries.get_mut(client) {
            // A client that left does not need its answer.
            Some(entry) if entry.digest != digest => drop(reply.send(Err(Refusal::ClientIdReused))),
            Some(Entry { state: State::InFlight(waiting), .. }) => waiting.push(reply),
            Some(Entry { state: State::Done { mid, row }, .. }) => {
                drop(reply.send(Ok(Answer::Accepted { mid: *mid, row: *row, duplicate: true })));
            }
            None if self.commits.load(Ordering::Acquire).saturating_sub(looked_at) > KEPT as u64 => {
                drop(reply.send(Ok(Answer::LookAgain)));
            }
            None => {
                self.entries.insert(client.to_owned(), Entry { digest, state: State::InFlight(Vec::new()) });
                return Some(reply);
            }
        }
        None
    }

    /// The message under a key is durable.
    pub(crate) fn committed(&mut self, client: String, mid: MessageId, row: i64) {
        let Some(entry) = self.entries.get_mut(&client) else { return };
        if let State::InFlight(waiting) = std::mem::replace(&mut entry.state, State::Done { mid, row }) {
            for reply in waiting {
                let _ = reply.send(Ok(Answer::Accepted { mid, row, duplicate: true }));
            }
        }
        self.order.push_back(client);
        self.commits.fetch_add(1, Ordering::Release);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    /// The message under a key was not accepted.
    pub(crate) fn refused(&mut self, client: &str, refusal: &Refusal) {
        if let Some(Entry { state: State::InFlight(waiting), .. }) = self.entries.remove(client) {
            for reply in waiting {
                let _ = reply.send(Err(refusal.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::sync::oneshot;

    fn peer() -> ConversationId {
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid".parse().unwrap()
    }

    #[test]
    fn a_key_is_one_message_and_an_old_look_is_repeated() {
        let mut ids = ClientIds::default();
        let ask = |ids: &mut ClientIds, client: &str, text: &str, looked_at| {
            let (reply, answer) = oneshot::channel();
            (ids.begin(client, peer(), text, looked_at, reply), answer)
        };
        let (first, _) = ask(&mut ids, "a", "x", 0);
        assert!(first.is_some());
        let (second, mut waits) = ask(&mut ids, "a", "x", 0);
        assert!(second.is_none() && waits.try_recv().is_err(), "it waits for the first");
        let (_, mut other) = ask(&mut ids, "a", "y", 0);
        assert_eq!(other.try_recv().unwrap(), Err(Refusal::ClientIdReused));
        let mid = MessageId([1; 16]);
        ids.committed("a".into(), mid, 7);
        let again = Ok(Answer::Accepted { mid, row: 7, duplicate: true });
        assert_eq!(waits.try_recv().unwrap(), again);
        assert_eq!(ask(&mut ids, "a", "x", 0).1.try_recv().unwrap(), again);
        for n in 0..KEPT as u64 {
            let client = format!("{n}");
            assert!(ask(&mut ids, &client, "x", n + 1).0.is_some());
            ids.committed(client, mid, 8);
        }
        assert_eq!(ask(&mut ids, "a", "x", 0).1.try_recv().unwrap(), Ok(Answer::LookAgain));
        assert!(ask(&mut ids, "a", "x", 1).0.is_some(), "the store would have told");
        ids.refused("a", &Refusal::ToSelf);
        assert!(ask(&mut ids, "a", "x", 1).0.is_some(), "what was refused may be tried again");
        assert!(ids.entries.len() <= KEPT + 1);
    }
}
