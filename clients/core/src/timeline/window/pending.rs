//! Messages that the daemon has not got yet: they stand behind all others.

use super::entry::PENDING;
use super::{Entry, Window};
use std::collections::BTreeMap;
use torchat_protocol::control::api::ConversationId;
use torchat_protocol::control::api::record::{Direction, Message, MessageState};
use torchat_protocol::id::MessageId;

impl Window {
    /// A message that the daemon has not got yet, at the end. `key`: its `client_id`; `at`: milliseconds since 1970; `re`: in a room,
    /// the number of the message that it answers.
    pub fn put_pending(&mut self, peer: ConversationId, key: &str, text: &str, at: i64, re: Option<i64>) {
        let re = re.and_then(|re| self.entry(re)).map(|answered| answered.message.mid);
        let id = self.entries.keys().next_back().map_or(PENDING, |last| last.saturating_add(1).max(PENDING));
        let message = Message {
            id,
            mid: MessageId([0; 16]),
            peer,
            dir: Direction::Out,
            text: text.to_owned(),
            state: MessageState::Queued,
            at: String::new(),
            sent_at: None,
            done_at: None,
            client_id: Some(key.to_owned()),
            reason: None,
            why: None,
            next_try_at: None,
            from: None,
            order: None,
            re,
            mention: false,
            edited_at: None,
            reacts: BTreeMap::new(),
            flags: Vec::new(),
            stored: None,
        };
        self.insert(Entry { message, at });
    }

    /// A message that the daemon has not got.
    #[must_use]
    pub fn pending(&self, key: &str) -> Option<&Entry> {
        let mut pending = self.entries.range(PENDING..).map(|(_, entry)| entry);
        pending.find(|entry| entry.message.client_id.as_deref() == Some(key))
    }

    /// Takes a message out that the daemon has not got. `None`: there is no such.
    pub fn take_pending(&mut self, key: &str) -> Option<Entry> {
        let id = self.pending(key)?.message.id;
        self.remove(id)
    }
}
