//! Going through the list, and its keys.

use super::{Focus, Model, Open};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use torchat_client::timeline::Item;

impl Model {
    /// Opens the conversation above or below.
    pub(super) fn neighbour(&mut self, up: bool) {
        let items = self.list.items();
        if items.is_empty() {
            return;
        }
        let at = if up { self.list_at.saturating_sub(1) } else { (self.list_at + 1).min(items.len() - 1) };
        self.open_item(at);
    }

    pub(super) fn next_unread(&mut self) {
        let items = self.list.items();
        let news = |item: &Item| match item {
            Item::Request(peer) => self.open != Open::Request(*peer),
            Item::Conversation(peer) => self.list.get(*peer).is_some_and(|timeline| timeline.unread() > 0),
        };
        let order = (self.list_at + 1..items.len()).chain(0..=self.list_at);
        match order.filter(|at| items.get(*at).is_some_and(news)).min_by_key(|at| usize::from(*at <= self.list_at)) {
            Some(at) => self.open_item(at),
            None => self.say("nothing new"),
        }
    }

    /// Opens a row of the list.
    pub(super) fn open_item(&mut self, at: usize) {
        self.list_at = at;
        match self.list.items().get(at).copied() {
            Some(Item::Conversation(peer)) => self.open(Open::Conversation(peer)),
            Some(Item::Request(peer)) => self.open(Open::Request(peer)),
            None => return,
        }
        self.focus = Focus::Input;
    }

    /// False: the key is for the input.
    pub(super) fn list_key(&mut self, key: KeyEvent) -> bool {
        let last = self.list.items().len().saturating_sub(1);
        let page = usize::from(self.areas().list.height.saturating_sub(1)).max(1);
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return false;
        }
        match key.code {
            KeyCode::Up => self.list_at = self.list_at.saturating_sub(1),
            KeyCode::Down => self.list_at = (self.list_at + 1).min(last),
            KeyCode::PageUp => self.list_at = self.list_at.saturating_sub(page),
            KeyCode::PageDown => self.list_at = (self.list_at + page).min(last),
            KeyCode::Home => self.list_at = 0,
            KeyCode::End => self.list_at = last,
            KeyCode::Enter if !self.editor.text().is_empty() && self.editor.text().starts_with('/') => return false,
            KeyCode::Enter => self.open_item(self.list_at),
            KeyCode::Tab | KeyCode::Esc if !self.editor.text().starts_with('/') => {
                self.focus = Focus::Input;
            }
            KeyCode::Char(_) => {
                // Narrow, the list stays under a command that is typed; wide, the list is always there.
                self.focus = if self.is_wide() || self.open != Open::Nothing { Focus::Input } else { Focus::List };
                return false;
            }
            _ => return false,
        }
        true
    }
}
