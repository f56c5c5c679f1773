//! What was sent and which commands were run, to have it again: walking through it, and searching it.
//!
//! Only in memory: on the disk it would be a second copy of messages that nobody asked for. Drafts are kept apart.

use super::Model;
use super::send::is_command;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::VecDeque;
use torchat_client::api::ConversationId;

/// Lines that are kept at most; the oldest ones go first.
pub(crate) const LINES: usize = 200;
/// Bytes of all lines together at most.
pub(crate) const BYTES: usize = 64 << 10;

/// What was typed and left the input, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recall {
    lines: VecDeque<Line>,
    walk: Option<Walk>,
    search: Option<Search>,
}

#[derive(Debug, Clone)]
struct Line {
    /// To whom it was sent. A command belongs to every conversation.
    peer: Option<ConversationId>,
    text: String,
}

/// A walk that ends when the input is changed.
#[derive(Debug, Clone)]
struct Walk {
    at: usize,
    /// What was in the input before.
    typed: String,
    shown: String,
}

/// A search that goes on while its words are typed.
#[derive(Debug, Clone)]
struct Search {
    words: String,
    /// The line that is shown; with none, the words are in no line.
    at: Option<usize>,
    typed: String,
}

impl Recall {
    /// Keeps a line that leaves the input, as [`Recall::keep`] does, and before it what was typed where `conversation` is open
    /// before the line was looked up.
    pub(super) fn keep_all(&mut self, conversation: Option<ConversationId>, peer: Option<ConversationId>, text: &str) {
        if let Some(typed) = self.walk.take().map(|walk| walk.typed).filter(|typed| !typed.is_empty()) {
            self.keep(conversation.filter(|_| !is_command(&typed)), &typed);
        }
        self.keep(peer, text);
    }

    /// Whether this text, which is in the input, is one that was looked up and was not changed.
    pub(super) fn is_shown(&self, text: &str) -> bool {
        self.typed(text).is_some()
    }

    /// What was typed before this text, which is in the input, was looked up. `None`: it was not.
    pub(super) fn typed(&self, text: &str) -> Option<&str> {
        let searched = self.search.as_ref().map(|search| search.typed.as_str());
        searched.or_else(|| self.walk.as_ref().filter(|walk| walk.shown == text).map(|walk| walk.typed.as_str()))
    }

    /// Another text is in the input, in which nothing was looked up.
    pub(super) fn end(&mut self) {
        (self.walk, self.search) = (None, None);
    }

    /// A search ends with `text` in the input. What was typed before is behind the newest line again.
    fn take(&mut self, search: Search, text: &str) {
        let at = search.at.unwrap_or(self.lines.len());
        self.walk = (search.typed != text).then(|| Walk { at, typed: search.typed, shown: text.to_owned() });
    }

    /// Keeps a line that leaves the input: sent to a peer, or a command.
    pub(super) fn keep(&mut self, peer: Option<ConversationId>, text: &str) {
        self.end();
        if self.lines.back().is_some_and(|last| last.peer == peer && last.text == text) {
            return;
        }
        self.lines.push_back(Line { peer, text: text.to_owned() });
        while self.lines.len() > LINES || self.lines.iter().map(|line| line.text.len()).sum::<usize>() > BYTES {
            self.lines.pop_front();
        }
    }

    /// The next older or newer line of a conversation; `typed` is what is in the input. `None`: there is none.
    fn step(&mut self, conversation: Option<ConversationId>, older: bool, typed: &str) -> Option<String> {
        let walk = self.walk.take().filter(|walk| walk.shown == typed);
        let is_new = walk.is_none();
        let fits =
            |at: &usize| self.lines.get(*at).is_some_and(|line| line.peer.is_none() || line.peer == conversation);
        let mut walk =
            walk.unwrap_or_else(|| Walk { at: self.lines.len(), typed: typed.to_owned(), shown: String::new() });
        let found = if older { (0..walk.at).rev().find(fits) } else { (walk.at + 1..self.lines.len()).find(fits) };
        let text = match found {
            Some(at) => {
                walk.at = at;
                self.lines.get(at).map(|line| line.text.clone()).unwrap_or_default()
            }
            // Behind the newest line is what was typed before the walk.
            None if !older && !is_new => return Some(walk.typed),
            None => {
                self.walk = Some(walk).filter(|_| !is_new);
                return None;
            }
        };
        walk.shown.clone_from(&text);
        self.walk = Some(walk);
        Some(text)
    }

    /// The newest line before `before` with these words, in any case of letters.
    fn find(&self, conversation: Option<ConversationId>, words: &str, before: usize) -> Option<usize> {
        let words = words.to_lowercase();
        (0..before.min(self.lines.len())).rev().find(|at| {
            self.lines.get(*at).is_some_and(|line| {
                (line.peer.is_none() || line.peer == conversation) && line.text.to_lowercase().contains(&words)
            })
        })
    }
}

impl Model {
    /// Puts an older or newer line into the input.
    pub(super) fn recall(&mut self, older: bool) {
        let (conversation, typed) = (self.conversation(), self.editor.text().to_owned());
        match self.recall.step(conversation, older, &typed) {
            Some(text) => {
                self.editor.show(text);
                self.editor.was(&typed);
                self.save_soon();
            }
            None if older => self.say("nothing older was typed here"),
            None => {}
        }
    }

    /// Begins a search through what was typed.
    pub(super) fn open_recall(&mut self) {
        let shown = self.editor.text();
        let typed = self.recall.typed(shown).unwrap_or(shown).to_owned();
        self.editor.show(typed.clone());
        self.recall.walk = None;
        self.recall.search = Some(Search { words: String::new(), at: None, typed });
    }

    /// A key while the search goes on. False: there is none, or it has ended and the key is for the input.
    pub(super) fn recall_key(&mut self, key: KeyEvent) -> bool {
        if self.overlay.is_some() {
            self.take_found();
        }
        let conversation = self.conversation();
        let Some(mut search) = self.recall.search.clone() else { return false };
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let from = match key.code {
            KeyCode::Char('r') if ctrl => search.at.unwrap_or(0),
            KeyCode::Char('g' | 'c') if ctrl => return self.end_recall(search),
            KeyCode::Esc => return self.end_recall(search),
            // Into the input, where it can be changed; only the next Enter sends it.
            KeyCode::Enter => {
                self.take_found();
                return true;
            }
            KeyCode::Backspace => {
                search.words.pop();
                usize::MAX
            }
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => {
                search.words.push(c);
                // The line that is shown may have the longer words, too.
                search.at.map_or(usize::MAX, |at| at + 1)
            }
            _ => {
                self.take_found();
                return false;
            }
        };
        let again = ctrl && search.at.is_some();
        if search.words.is_empty() {
            search.at = None;
            self.editor.show(search.typed.clone());
        } else {
            match self.recall.find(conversation, &search.words, from) {
                Some(at) => {
                    search.at = Some(at);
                    let text = self.recall.lines.get(at).map(|line| line.text.clone()).unwrap_or_default();
                    self.editor.show(text);
                }
                // The oldest one stays.
                None if again => {}
                None => search.at = None,
            }
        }
        self.recall.search = Some(search);
        self.save_soon();
        true
    }

    fn end_recall(&mut self, search: Search) -> bool {
        self.recall.end();
        self.editor.show(search.typed);
        true
    }

    /// The line that a search has found is in the input like one that was typed; undoing leads to what was there before.
    pub(super) fn take_found(&mut self) {
        if let Some(search) = self.recall.search.take() {
            self.editor.was(&search.typed);
            self.recall.take(search, self.editor.text());
        }
    }

    /// What was typed before the line that is in the input was looked up.
    #[cfg(test)]
    pub(crate) fn looked_up_over(&self) -> Option<&str> {
        self.recall.typed(self.editor.text())
    }

    /// All that can be looked up.
    #[cfg(test)]
    pub(crate) fn looked_up_in(&self) -> &Recall {
        &self.recall
    }

    /// What the last line says while the search goes on.
    pub(crate) fn recall_hint(&self) -> Option<String> {
        let search = self.recall.search.as_ref()?;
        let words = torchat_client::show::shown_line(&search.words);
        Some(match (search.words.is_empty(), search.at) {
            (true, _) => "search what you typed: some letters of it  Esc back".into(),
            (_, Some(_)) => format!("\"{words}\"  Ctrl+R older  Enter takes it  Esc back"),
            (_, None) => format!("\"{words}\" is in nothing that you typed here"),
        })
    }

    /// Another identity: nothing of the old one comes back.
    pub(super) fn forget_recall(&mut self) {
        self.recall = Recall::default();
    }
}
