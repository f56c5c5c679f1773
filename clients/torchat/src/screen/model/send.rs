//! Messages on their way from the keyboard to the daemon, and what is kept when the program ends.
//!
//! One message at a time is given to the daemon, so that they arrive in the order in which they were typed whatever
//! happens between. Each has a key of its own, so that a repetition is the same message, and the identity that it was typed
//! as, so that no other daemon gets it.

use super::{Ask, Effect, Link, Model, Open};
use crate::screen::editor::TEXT_LIMIT;
use torchat_client::api::command::SendAnswer;
use torchat_client::api::{ApiClientError, ConversationId};
use torchat_client::timeline::{Unsent, Wish};

/// After a refusal that passes by itself, in milliseconds.
pub(super) const RETRY: i64 = 5_000;
/// From the last key to the file with the drafts, in milliseconds.
const SAVE: i64 = 2_000;

impl Model {
    /// Takes a text for a peer; it is on the screen at once. False: it cannot be sent, and the text is still the caller's.
    pub(super) fn send(&mut self, peer: ConversationId, text: &str) -> bool {
        if text.len() > TEXT_LIMIT {
            self.warn(format!("a message has at most {TEXT_LIMIT} bytes"));
            return false;
        }
        if let Some(error) = self.too_long(peer, text) {
            self.warn(error);
            return false;
        }
        let Some(own) = self.own else {
            self.warn("torchatd has not told your onion yet");
            return false;
        };
        let key = self.next_key();
        let at = self.now;
        let addressed = self.addressed(peer, text);
        if let Some(timeline) = self.list.get_mut(peer) {
            timeline.window.put_pending(peer, &key, text, at, addressed.re);
            timeline.new_from = None;
        }
        let text = text.to_owned();
        self.stored.drafts.send(Unsent { own, peer, text, key, at, handed: false, wish: Wish::Send, addressed });
        self.save_soon();
        if self.conversation() == Some(peer) {
            self.go_to_end();
        }
        true
    }

    /// A key that nothing else has: the same again is the same message, or the same room.
    pub(super) fn next_key(&mut self) -> String {
        self.sent += 1;
        format!("{}-{}", self.session, self.sent)
    }

    /// Puts what is kept from before on the screen of its conversation.
    pub(super) fn show_unsent(&mut self) {
        for unsent in self.stored.drafts.unsent_of(self.own, Wish::Send) {
            if let Some(timeline) = self.list.get_mut(unsent.peer) {
                timeline.window.take_pending(&unsent.key);
                let re = unsent.addressed.re;
                timeline.window.put_pending(unsent.peer, &unsent.key, &unsent.text, unsent.at, re);
            }
        }
    }

    /// How many messages wait for the daemon that answered last.
    pub(crate) fn waiting_to_be_sent(&self) -> usize {
        self.stored.drafts.unsent_of(self.own, Wish::Send).count()
    }

    /// Gives the next one to the daemon.
    pub(super) fn send_next(&mut self) {
        if self.sending.is_some() || self.link != Link::Up || self.retry_at.is_some() {
            return;
        }
        let next = self.stored.drafts.unsent_of(self.own, Wish::Send).next();
        let Some(Unsent { peer, text, key, addressed, .. }) = next.cloned() else { return };
        if let Some(unsent) = self.stored.drafts.unsent_mut(&key).filter(|unsent| !unsent.handed) {
            unsent.handed = true;
            self.save_soon();
        }
        self.sending = Some(key.clone());
        self.ask(Ask::Send { peer, text, key, addressed });
    }

    /// What became of it.
    pub(super) fn sent(&mut self, peer: ConversationId, key: &str, outcome: Result<SendAnswer, ApiClientError>) {
        self.sending.take_if(|sending| sending == key);
        let own = self.own;
        // It may be of another identity that was connected before, or taken back meanwhile.
        let Some(unsent) = self.stored.drafts.unsent_mut(key).filter(|unsent| Some(unsent.own) == own) else { return };
        let now = self.now;
        match outcome {
            Ok(answer) => self.change_list(|list| {
                list.accepted(peer, key, &answer, now);
                Vec::new()
            }),
            // Its event shows it.
            Err(ApiClientError::Refused(error)) if error.queued.is_some() => self.take_pending(peer, key),
            Err(error) if error.is_passing() => {
                // The same again, now or when the daemon is back; nothing overtakes it.
                self.retry_at = Some(self.now + RETRY);
                if !matches!(error, ApiClientError::Lost { .. }) {
                    self.warn(super::words::plain(&error));
                }
                return;
            }
            Err(error) => {
                unsent.wish = Wish::GiveBack;
                self.take_pending(peer, key);
                self.warn(format!("not sent: {}", super::words::plain(&error)));
                self.give_back();
                return self.save_soon();
            }
        }
        self.stored.drafts.settle(key);
        self.save_soon();
    }

    pub(super) fn take_pending(&mut self, peer: ConversationId, key: &str) {
        if let Some(timeline) = self.list.get_mut(peer) {
            timeline.window.take_pending(key);
        }
    }

    /// Puts refused texts back where they can be changed: behind what is typed or kept there. A command is not mixed with them,
    /// because it may be about somebody else: then they come when it is gone.
    pub(super) fn give_back(&mut self) {
        let refused: Vec<Unsent> = self.stored.drafts.unsent_of(self.own, Wish::GiveBack).cloned().collect();
        for Unsent { own, peer, text, key, .. } in refused {
            if self.open == Open::Conversation(peer) {
                if is_command(self.editor.text()) || self.recall.is_shown(self.editor.text()) {
                    continue;
                }
                self.editor.append(&as_typed(self.editor.text(), text));
            } else {
                let mut draft = self.stored.drafts.draft(Some(own), Some(peer)).to_owned();
                if is_command(&draft) {
                    continue;
                }
                let text = as_typed(&draft, text);
                if !draft.is_empty() {
                    draft.push('\n');
                }
                self.stored.drafts.keep(Some(own), Some(peer), &(draft + &text));
            }
            self.stored.drafts.settle(&key);
            self.save_soon();
        }
    }

    /// Keeps what is in the input.
    pub(super) fn keep_draft(&mut self) {
        self.note_draft();
        self.save_soon();
    }

    /// The same, without a file.
    pub(super) fn note_draft(&mut self) {
        let shown = self.editor.text();
        // What is only looked at was not typed here.
        let typed = self.recall.typed(shown).unwrap_or(shown);
        self.stored.drafts.keep(self.own, self.conversation(), typed);
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

/// Whether Enter runs it instead of sending it.
pub(super) fn is_command(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// A message as it is typed behind `before`: a slash at the begin of a message is typed twice.
fn as_typed(before: &str, text: String) -> String {
    if before.is_empty() && text.starts_with('/') { format!("/{text}") } else { text }
}

/// Two texts that belong to the same place, the older one first. The result is no command, even if one of them is.
pub(super) fn joined(first: &str, second: &str) -> String {
    match (first, second) {
        ("", text) | (text, "") => text.to_owned(),
        (first, second) if first == second => first.to_owned(),
        (first, second) if is_command(first) => format!("\n{first}\n{second}"),
        (first, second) => format!("{first}\n{second}"),
    }
}
