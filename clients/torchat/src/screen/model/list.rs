//! Going through the list, and its keys.

use super::{Focus, Model, Open};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use torchat_client::timeline::{Item, millis};

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

    /// Goes to what is new, where the user was mentioned first, and else the oldest first; after the last one back to where the user was
    /// before the first.
    pub(super) fn next_new(&mut self) {
        let from = match self.jumped {
            Some((from, to)) if to == self.open => from,
            _ => self.open,
        };
        let news = self.list.items().into_iter().enumerate().filter_map(|(at, item)| match item {
            Item::Request(peer) => {
                let request = self.list.request(peer).filter(|_| self.open != Open::Request(peer))?;
                Some((false, millis(&request.at).unwrap_or(0), at))
            }
            Item::Petition(room, peer) => {
                let petition = self.list.petition(room, peer).filter(|_| self.open != Open::Petition(room, peer))?;
                Some((false, millis(&petition.at).unwrap_or(0), at))
            }
            Item::Conversation(peer) => {
                let timeline =
                    self.list.get(peer).filter(|timeline| timeline.unread() > 0 && self.is_active(timeline))?;
                // Where the user was mentioned comes first.
                let others = !(timeline.mentions() > 0 || self.mentioned.contains_key(&peer));
                Some((others, timeline.last().and_then(|last| millis(&last.at)).unwrap_or(0), at))
            }
        });
        match news.min() {
            Some((.., at)) => {
                self.open_item(at);
                self.jumped = Some((from, self.open));
            }
            None if from != self.open => {
                self.jumped = None;
                self.open(from);
            }
            None => self.say("nothing new"),
        }
    }

    /// Opens a row of the list.
    pub(super) fn open_item(&mut self, at: usize) {
        self.list_at = at;
        match self.list.items().get(at).copied() {
            Some(Item::Conversation(peer)) => self.open(Open::Conversation(peer)),
            Some(Item::Request(peer)) => self.open(Open::Request(peer)),
            Some(Item::Petition(room, peer)) => self.open(Open::Petition(room, peer)),
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
