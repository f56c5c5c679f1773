//! A chosen message: replying, taking back, copying.

use super::{Ask, Focus, Link, Model, Overlay};
use crossterm::event::{KeyCode, KeyEvent};
use torchat_client::api::record::Direction;

impl Model {
    /// False: the key is for the input, and no message is chosen any more.
    pub(super) fn message_key(&mut self, key: KeyEvent, id: i64) -> bool {
        match key.code {
            KeyCode::Up => self.choose(true),
            KeyCode::Down => self.choose(false),
            KeyCode::Char('r') | KeyCode::Enter => self.reply(Some(id)),
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
        let draft = self.editor.take();
        // The rest of a very long line is not needed to know what is meant.
        let quote: String =
            if quote.len() > 2_000 { quote.chars().take(500).chain(" [...]\n".chars()).collect() } else { quote };
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
        if local && self.link == Link::Up {
            return self.warn("torchatd has not got it yet: try again");
        }
        if let (true, Some(key)) = (local, message.client_id) {
            // If the connection was lost in the middle, torchatd may have it; then it is shown again.
            self.stored.drafts.settle(&key);
            if let Some(timeline) = self.timeline_mut() {
                timeline.window.take_pending(&key);
            }
            self.save_soon();
            return self.say("taken back");
        }
        self.ask(Ask::Cancel(id, message.mid));
    }
}
