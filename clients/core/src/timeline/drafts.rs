//! What was typed and is not with the daemon: drafts, and messages that it has not got yet.
//!
//! A draft belongs to a conversation, a message that was sent off to its `client_id`: sent again with the same one, it is
//! one message. Messages are given to the daemon one at a time, so that they arrive in the order in which they were typed
//! whatever happens between.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use torchat_protocol::control::api::ConversationId;

/// What outlives the program. It has no file and no bound of its own: it is what the user has typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drafts {
    /// By [`Drafts::key`].
    #[serde(default, rename = "drafts")]
    texts: BTreeMap<String, String>,
    #[serde(default)]
    unsent: VecDeque<Unsent>,
}

/// A message that the daemon has not got yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsent {
    /// The conversation that it is for.
    pub peer: ConversationId,
    /// The text.
    pub text: String,
    /// Its `client_id`.
    pub key: String,
    /// When it was typed, in milliseconds since 1970.
    pub at: i64,
}

impl Drafts {
    /// Under which the draft of a conversation is kept; of none, what was typed when none was open.
    fn key(conversation: Option<ConversationId>) -> String {
        conversation.map(|id| id.onion()).unwrap_or_default()
    }

    /// A conversation's draft; empty if there is none.
    #[must_use]
    pub fn draft(&self, conversation: Option<ConversationId>) -> &str {
        self.texts.get(&Self::key(conversation)).map(String::as_str).unwrap_or_default()
    }

    /// Keeps a conversation's draft; an empty one is none.
    pub fn keep(&mut self, conversation: Option<ConversationId>, text: &str) {
        let key = Self::key(conversation);
        if text.is_empty() {
            self.texts.remove(&key);
        } else {
            self.texts.insert(key, text.to_owned());
        }
    }

    /// What the daemon has not got, in order.
    #[must_use]
    pub fn unsent(&self) -> &VecDeque<Unsent> {
        &self.unsent
    }

    /// A message is to be sent after all others.
    pub fn send(&mut self, message: Unsent) {
        self.unsent.push_back(message);
    }

    /// The daemon has it, or it was taken back.
    pub fn settle(&mut self, key: &str) {
        self.unsent.retain(|unsent| unsent.key != key);
    }

    /// What this program has changed since `base`, done to `theirs`: several clients of one user keep one file.
    #[must_use]
    pub fn merge(base: &Self, ours: &Self, theirs: Self) -> Self {
        let Self { mut texts, mut unsent } = theirs;
        for key in base.texts.keys().chain(ours.texts.keys()) {
            match (base.texts.get(key), ours.texts.get(key)) {
                (before, now) if before == now => {}
                (_, Some(now)) => drop(texts.insert(key.clone(), now.clone())),
                (_, None) => drop(texts.remove(key)),
            }
        }
        let known = |list: &VecDeque<Unsent>, key: &str| list.iter().any(|unsent| unsent.key == key);
        // What the daemon has got from here is gone; what it has not got is there once, in order.
        unsent.retain(|unsent| !known(&base.unsent, &unsent.key) || known(&ours.unsent, &unsent.key));
        for new in &ours.unsent {
            if !known(&unsent, &new.key) && !known(&base.unsent, &new.key) {
                unsent.push_back(new.clone());
            }
        }
        Self { texts, unsent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::tests::with;

    #[test]
    fn drafts_of_several_clients_are_merged() {
        let (ann, bob) = (Some(with(2)), Some(with(3)));
        let unsent = |key: &str| Unsent { peer: with(2), text: key.into(), key: key.into(), at: 0 };
        let mut base = Drafts::default();
        base.keep(ann, "to ann");
        base.keep(bob, "to bob");
        base.send(unsent("1-1"));
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        ours.keep(bob, "");
        ours.send(unsent("2-1"));
        theirs.keep(ann, "to ann, more");
        theirs.settle("1-1");
        theirs.send(unsent("1-2"));
        let merged = Drafts::merge(&base, &ours, theirs);
        assert_eq!((merged.draft(ann), merged.draft(bob), merged.draft(None)), ("to ann, more", "", ""));
        let keys: Vec<_> = merged.unsent().iter().map(|unsent| unsent.key.as_str()).collect();
        assert_eq!(keys, ["1-2", "2-1"]);
    }
}
