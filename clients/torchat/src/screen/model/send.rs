//! Messages on their way from the keyboard to the daemon, and what is kept when the program ends.
//!
//! One message at a time is given to the daemon, so that they arrive in the order in which they were typed whatever
//! happens between. Each has a key of its own, so that a repetition is the same message.

use super::{Ask, Effect, Link, Model, Unsent};
use crate::screen::editor::MOST_BYTES;
use torchat_client::api::command::SendAnswer;
use torchat_client::api::{ApiClientError, Onion};

/// After a refusal that passes by itself, in milliseconds.
const RETRY: i64 = 5_000;
/// From the last key to the file with the drafts, in milliseconds.
const SAVE: i64 = 2_000;

impl Model {
    /// Takes a text for a peer; it is on the screen at once.
    pub(super) fn send(&mut self, peer: Onion, text: String) {
        if text.len() > MOST_BYTES {
            self.warn(format!("a message has at most {MOST_BYTES} bytes"));
            self.editor.set(text);
            return;
        }
        self.sent += 1;
        let key = format!("{}-{}", self.session, self.sent);
        let at = self.now;
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.put_local(&key, &text, at);
            talk.new_from = None;
        }
        self.stored.unsent.push_back(Unsent { peer, text, key, at });
        self.save_soon();
        self.go_to_end();
    }

    /// Puts what is kept from before on the screen of its conversation.
    pub(super) fn show_unsent(&mut self) {
        for unsent in &self.stored.unsent {
            if let Some(talk) = self.talks.get_mut(&unsent.peer) {
                talk.drop_local(&unsent.key);
                talk.put_local(&unsent.key, &unsent.text, unsent.at);
            }
        }
    }

    /// Gives the next one to the daemon.
    pub(super) fn send_next(&mut self) {
        if self.sending || self.link != Link::Up || self.retry_at.is_some() {
            return;
        }
        if let Some(Unsent { peer, text, key, .. }) = self.stored.unsent.front().cloned() {
            self.sending = true;
            self.ask(Ask::Send { peer, text, key });
        }
    }

    /// What became of it.
    pub(super) fn sent(&mut self, peer: Onion, key: &str, outcome: Result<SendAnswer, ApiClientError>) {
        self.sending = false;
        let now = self.now;
        let queued = matches!(&outcome, Err(ApiClientError::Refused(error)) if error.queued.is_some());
        match outcome {
            Ok(answer) => {
                if let Some(talk) = self.talks.get_mut(&peer) {
                    talk.accepted(key, answer.id, answer.mid, answer.state, now);
                }
            }
            // Its event shows it.
            Err(_) if queued => {
                if let Some(talk) = self.talks.get_mut(&peer) {
                    talk.drop_local(key);
                }
            }
            Err(error) if error.is_passing() => {
                // The same again, now or when the daemon is back; nothing overtakes it.
                self.retry_at = Some(self.now + RETRY);
                if !matches!(error, ApiClientError::Lost { .. }) {
                    self.warn(error.to_string());
                }
                return;
            }
            Err(error) => {
                let local = self.talks.get_mut(&peer).and_then(|talk| talk.drop_local(key));
                let text = local.map(|entry| entry.message.text);
                self.give_back(peer, text);
                self.warn(format!("not sent: {error}"));
            }
        }
        self.stored.unsent.retain(|unsent| unsent.key != key);
        self.save_soon();
        self.sort();
    }

    /// Puts a text back where it can be changed.
    pub(super) fn give_back(&mut self, peer: Onion, text: Option<String>) {
        let Some(text) = text else { return };
        if self.open == super::Open::Talk(peer) {
            if self.editor.text().is_empty() {
                self.editor.set(text);
            }
        } else {
            self.stored.drafts.entry(peer.0.onion()).or_insert(text);
        }
    }

    /// Under which the draft of what is open is kept.
    pub(super) fn draft_key(&self) -> String {
        match self.open {
            super::Open::Talk(peer) => peer.0.onion(),
            _ => String::new(),
        }
    }

    /// Keeps what is in the input.
    pub(super) fn keep_draft(&mut self) {
        let (key, text) = (self.draft_key(), self.editor.text().to_owned());
        if text.is_empty() {
            self.stored.drafts.remove(&key);
        } else {
            self.stored.drafts.insert(key, text);
        }
        self.save_soon();
    }

    /// The file is written a moment after the last change.
    pub(super) fn save_soon(&mut self) {
        self.save_at = Some(self.save_at.unwrap_or(self.now + SAVE));
    }

    /// The file is written now.
    pub(super) fn save(&mut self) {
        self.keep_draft();
        self.save_at = None;
        self.effects.push(Effect::Save(Box::new(self.stored.clone())));
    }

    /// Ends the program; the daemon goes on.
    pub(super) fn leave(&mut self) {
        self.save();
        self.effects.push(Effect::Leave);
    }
}
