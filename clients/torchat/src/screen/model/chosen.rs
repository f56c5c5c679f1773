//! A chosen message: replying, taking back, copying.

use super::send::RETRY;
use super::{Answer, Ask, Focus, Link, Model, Overlay, words};
use crate::screen::editor::TEXT_LIMIT;
use crossterm::event::{KeyCode, KeyEvent};
use torchat_client::api::record::Direction;
use torchat_client::api::{ApiClientError, ConversationId};
use torchat_client::timeline::{Unsent, Wish};

impl Model {
    /// False: the key is for the input, and no message is chosen any more.
    pub(super) fn message_key(&mut self, key: KeyEvent, id: i64) -> bool {
        match key.code {
            KeyCode::Up => self.choose(true),
            KeyCode::Down => self.choose(false),
            KeyCode::Enter if self.join_from(id) => {}
            KeyCode::Char('r') | KeyCode::Enter if self.open_room().is_some() => self.reply_in_room(Some(id)),
            KeyCode::Char('r') | KeyCode::Enter => self.reply(Some(id)),
            KeyCode::Char(key @ ('e' | 'x' | '+')) if self.room_message_key(key, id) => {}
            KeyCode::Char('c') | KeyCode::Delete => self.cancel(Some(id)),
            KeyCode::Char('y') => {
                if let Some(entry) = self.timeline().and_then(|timeline| timeline.window.entry(id)) {
                    let text = entry.message.text.clone();
                    self.copy("the message", text);
                }
            }
            KeyCode::Esc => {
                self.focus = Focus::Input;
                self.go_to_end();
            }
            KeyCode::PageUp | KeyCode::PageDown => {
                self.focus = Focus::Input;
                return false;
            }
            KeyCode::Char('?') => self.overlay = Some(Overlay::Keys { scroll: 0 }),
            _ => {
                self.focus = Focus::Input;
                return false;
            }
        }
        true
    }

    /// Quotes a message in the input: the chosen one, else the last one of the other side.
    pub(super) fn reply(&mut self, id: Option<i64>) {
        let Some(timeline) = self.timeline() else { return self.warn("no conversation is open") };
        let last = || timeline.window.entries().values().rev().find(|entry| entry.message.dir == Direction::In);
        let Some(entry) = id.and_then(|id| timeline.window.entry(id)).or_else(last) else {
            return self.warn("there is nothing to reply to");
        };
        let text = &entry.message.text;
        let mut quote: String = text.lines().take(6).flat_map(|line| ["> ", line, "\n"]).collect();
        if text.lines().count() > 6 {
            quote.push_str("> [...]\n");
        }
        self.focus = Focus::Input;
        // The rest of a very long line is not needed to know what is meant.
        let quote: String =
            if quote.len() > 2_000 { quote.chars().take(500).chain(" [...]\n".chars()).collect() } else { quote };
        if quote.len() + self.editor.text().len() > TEXT_LIMIT {
            return self.warn("too long: a message has at most 65536 bytes");
        }
        let draft = self.editor.take();
        self.editor.set(quote);
        self.type_text(&draft);
    }

    /// Takes a message back: the chosen one, else the last one that is not delivered.
    pub(super) fn cancel(&mut self, id: Option<i64>) {
        let Some(timeline) = self.timeline() else { return self.warn("no conversation is open") };
        let last = || timeline.window.entries().values().rev().find(|entry| entry.is_under_way());
        let Some(entry) = id.map_or_else(last, |id| timeline.window.entry(id)) else {
            return self.warn("nothing waits to be delivered");
        };
        if !entry.is_under_way() {
            return self.warn("you can take back only your own undelivered messages");
        }
        let (id, message, local) = (timeline.id(), entry.message.clone(), entry.is_pending());
        self.focus = Focus::Input;
        if let (true, Some(key)) = (local, message.client_id) {
            return self.take_unsent_back(id, &key);
        }
        self.ask(Ask::Cancel(id, message.mid));
    }

    /// Takes a message back that is not with the daemon, as far as is known here.
    fn take_unsent_back(&mut self, peer: ConversationId, key: &str) {
        if self.link == Link::Up && self.sending.as_deref() == Some(key) {
            return self.warn("torchatd has not got it yet: try again");
        }
        let Some(unsent) = self.stored.drafts.unsent_mut(key) else { return };
        // The connection was lost in the middle: whether it has arrived is known when torchatd is back.
        let handed = unsent.handed;
        unsent.wish = Wish::TakeBack;
        if !handed {
            self.stored.drafts.settle(key);
        }
        self.take_pending(peer, key);
        self.save_soon();
        self.say(if handed { "taking back: torchatd may have it" } else { "taken back" });
    }

    /// Asks the daemon for the next message back that it may have.
    pub(super) fn take_next_back(&mut self) {
        if self.taking.is_some() || self.link != Link::Up || self.retry_at.is_some() {
            return;
        }
        let next = self.stored.drafts.unsent_of(self.own, Wish::TakeBack).next();
        if let Some(Unsent { peer, key, at, .. }) = next.cloned() {
            self.taking = Some(key.clone());
            self.ask(Ask::TakeBack { peer, key, typed: at });
        }
    }

    /// What became of it.
    pub(super) fn taken_back(&mut self, key: &str, outcome: Result<Answer, ApiClientError>) {
        self.taking.take_if(|taking| taking == key);
        if self.stored.drafts.unsent_mut(key).is_none_or(|unsent| Some(unsent.own) != self.own) {
            return;
        }
        match outcome {
            Err(error) if error.is_passing() => return self.retry_at = Some(self.now + RETRY),
            Ok(Answer::TakenBack(Some(certain))) => self.say(cancelled(certain)),
            Ok(_) => self.say("taken back: torchatd never had it"),
            Err(error) => self.warn(format!("not taken back: {}", words::plain(&error))),
        }
        self.stored.drafts.settle(key);
        self.save_soon();
    }
}

/// What CANCEL has done. `certain`: as the daemon says.
pub(super) fn cancelled(certain: bool) -> &'static str {
    if certain {
        "taken back: it never left this machine"
    } else {
        "taking it back: the peer may have it already; the sign next to the message will say"
    }
}
