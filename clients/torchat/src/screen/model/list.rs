//! The list: its rows, their order, names that read like others, and its keys.

use super::{Focus, Model, Open};
use crate::screen::layout;
use crate::screen::talk::Talk;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use torchat_client::api::Onion;
use torchat_client::lookalike;

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Request(Onion),
    Talk(Onion),
}

impl Model {
    /// The rows of the list: requests first.
    pub(crate) fn items(&self) -> Vec<Item> {
        let requests = self.requests.iter().map(|request| Item::Request(request.peer));
        requests.chain(self.order.iter().map(|peer| Item::Talk(*peer))).collect()
    }

    /// Whose name a stranger's reads like.
    pub(crate) fn looks_like_whom(&self, peer: Onion, name: &str) -> Option<String> {
        let like = self.order.iter().filter_map(|peer| self.talks.get(peer)).find(|talk| {
            talk.peer() != peer && talk.raw_name().is_some_and(|known| lookalike::looks_like(known, name))
        });
        like.map(|talk| talk.name(20))
    }

    /// The list after something in it has changed: its order, and the place of its cursor.
    pub(super) fn sort(&mut self) {
        let at = self.items().get(self.list_at).copied();
        self.order = self
            .talks
            .values()
            .filter(|talk| !talk.is_nothing() || self.open == Open::Talk(talk.peer()))
            .map(Talk::peer)
            .collect();
        let talks = &self.talks;
        let order = |peer: &Onion| talks.get(peer).map_or(0, Talk::order);
        self.order.sort_by(|a, b| order(b).cmp(&order(a)).then_with(|| a.cmp(b)));
        let items = self.items();
        let found = items.iter().position(|item| Some(*item) == at);
        self.list_at = found.unwrap_or(self.list_at).min(items.len().saturating_sub(1));
    }

    /// Marks the names that read like others. The user's own choices are never marked: they are what is imitated.
    pub(super) fn mark_lookalikes(&mut self) {
        let names: Vec<(Onion, String, bool)> = self
            .talks
            .values()
            .filter_map(|talk| Some((talk.peer(), talk.raw_name()?.to_owned(), talk.contact.name.is_some())))
            .collect();
        for (peer, name, own_choice) in &names {
            let like = !own_choice
                && (lookalike::looks_like_our_word(name)
                    || names.iter().any(|(other, known, _)| other != peer && lookalike::looks_like(known, name)));
            if let Some(talk) = self.talks.get_mut(peer) {
                talk.lookalike = like;
            }
        }
    }

    /// The mark of one contact, after its name has changed, and of those that it may be taken for.
    pub(super) fn mark_lookalike(&mut self, peer: Onion) {
        let Some(name) = self.talks.get(&peer).and_then(Talk::raw_name).map(str::to_owned) else { return };
        let mut like = lookalike::looks_like_our_word(&name);
        for (other, talk) in &mut self.talks {
            if *other != peer && talk.raw_name().is_some_and(|known| lookalike::looks_like(known, &name)) {
                like = true;
                talk.lookalike = talk.contact.name.is_none();
            }
        }
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.lookalike = like && talk.contact.name.is_none();
        }
    }

    /// Opens the conversation above or below.
    pub(super) fn neighbour(&mut self, up: bool) {
        let items = self.items();
        if items.is_empty() {
            return;
        }
        let at = if up { self.list_at.saturating_sub(1) } else { (self.list_at + 1).min(items.len() - 1) };
        self.open_item(at);
    }

    pub(super) fn next_unread(&mut self) {
        let items = self.items();
        let news = |item: &Item| match item {
            Item::Request(peer) => self.open != Open::Request(*peer),
            Item::Talk(peer) => self.talks.get(peer).is_some_and(|talk| talk.unread() > 0),
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
        match self.items().get(at).copied() {
            Some(Item::Talk(peer)) => self.open(Open::Talk(peer)),
            Some(Item::Request(peer)) => self.open(Open::Request(peer)),
            None => return,
        }
        self.focus = Focus::Input;
    }

    /// False: the key is for the input.
    pub(super) fn list_key(&mut self, key: KeyEvent) -> bool {
        let last = self.items().len().saturating_sub(1);
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
                self.focus =
                    if layout::is_wide(self) || self.open != Open::Nothing { Focus::Input } else { Focus::List };
                return false;
            }
            _ => return false,
        }
        true
    }
}
