//! Messages on their way from the keyboard to the daemon, and what is kept when the program ends.
//!
//! One message at a time is given to the daemon, so that they arrive in the order in which they were typed whatever
//! happens between. Each has a key of its own, so that a repetition is the same message.

use super::{Ask, Effect, Link, Model};
use crate::screen::editor::TEXT_LIMIT;
use torchat_client::api::command::SendAnswer;
use torchat_client::api::{ApiClientError, ConversationId};
use torchat_client::timeline::Unsent;

/// After a refusal that passes by itself, in milliseconds.
const RETRY: i64 = 5_000;
/// From the last key to the file with the drafts, in milliseconds.
const SAVE: i64 = 2_000;

impl Model {
    /// Takes a text for a peer; it is on the screen at once.
    pub(super) fn send(&mut self, peer: ConversationId, text: String) {
        if text.len() > TEXT_LIMIT {
            self.warn(format!("a message has at most {TEXT_LIMIT} bytes"));
            self.editor.set(text);
            return;
        }
        self.sent += 1;
        let key = format!("{}-{}", self.session, self.sent);
        let at = self.now;
        if let Some(timeline) = self.list.get_mut(peer) {
            timeline.window.put_pending(peer, &key, &text, at);
            timeline.new_from = None;
        }
        self.stored.drafts.send(Unsent { peer, text, key, at });
        self.save_soon();
        self.go_to_end();
    }

    /// Puts what is kept from before on the screen of its conversation.
    pub(super) fn show_unsent(&mut self) {
        for unsent in self.stored.drafts.unsent() {
            if let Some(timeline) = self.list.get_mut(unsent.peer) {
                timeline.window.take_pending(&unsent.key);
                timeline.window.put_pending(unsent.peer, &unsent.key, &unsent.text, unsent.at);
            }
        }
    }

    /// Gives the next one to the daemon.
    pub(super) fn send_next(&mut self) {
        if self.sending || self.link != Link::Up || self.retry_at.is_some() {
            return;
        }
        if let Some(Unsent { peer, text, key, .. }) = self.stored.drafts.unsent().front().cloned() {
            self.sending = true;
            self.ask(Ask::Send { peer, text, key });
        }
    }

    /// What became of it.
    pub(super) fn sent(&mut self, peer: ConversationId, key: &str, outcome: Result<SendAnswer, ApiClientError>) {
        self.sending = false;
        let now = self.now;
        let queued = matches!(&outcome, Err(ApiClientError::Refused(error)) if error.queued.is_some());
        match outcome {
            Ok(answer) => self.change_list(|list| {
                list.accepted(peer, key, &answer, now);
                Vec::new()
            }),
            // Its event shows it.
            Err(_) if queued => {
                if let Some(timeline) = self.list.get_mut(peer) {
                    timeline.window.take_pending(key);
                }
            }
            Err(error) if error.is_passing() => {
                // The same again, now or when the daemon is back; nothing overtakes it.
                self.retry_at = Some(self.now + RETRY);
                if !matches!(error, ApiClientError::Lost { .. }) {
                    self.warn(super::words::plain(&error));
                }
                return;
            }
            Err(error) => {
                let local = self.list.get_mut(peer).and_then(|timeline| timeline.window.take_pending(key));
                let text = local.map(|entry| entry.message.text);
                self.give_back(peer, text);
                self.warn(format!("not sent: {}", super::words::plain(&error)));
            }
        }
        self.stored.drafts.settle(key);
        self.save_soon();
    }

    /// Puts a text back where it can be changed.
    pub(super) fn give_back(&mut self, peer: ConversationId, text: Option<String>) {
        let Some(text) = text else { return };
        if self.open == super::Open::Conversation(peer) {
            if self.editor.text().is_empty() {
                self.editor.set(text);
            }
        } else if self.stored.drafts.draft(Some(peer)).is_empty() {
            self.stored.drafts.keep(Some(peer), &text);
        }
    }

    /// Keeps what is in the input.
    pub(super) fn keep_draft(&mut self) {
        self.stored.drafts.keep(self.conversation(), self.editor.text());
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
