//! What was sent and which commands were run, to have it again: walking through it, and searching it.
//!
//! Only in memory: on the disk it would be a second copy of messages that nobody asked for. Drafts are kept apart.

use super::Model;
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
    /// Keeps a line that leaves the input: sent to a peer, or a command.
    pub(super) fn keep(&mut self, peer: Option<ConversationId>, text: &str) {
        (self.walk, self.search) = (None, None);
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
                self.editor.set(text);
                self.save_soon();
            }
            None if older => self.say("nothing older was typed here"),
            None => {}
        }
    }

    /// Begins a search through what was typed.
    pub(super) fn open_recall(&mut self) {
        let typed = self.editor.text().to_owned();
        self.recall.search = Some(Search { words: String::new(), at: None, typed });
    }

    /// A key while the search goes on. False: there is none, or it has ended and the key is for the input.
    pub(super) fn recall_key(&mut self, key: KeyEvent) -> bool {
        if self.overlay.is_some() {
            self.recall.search = None;
        }
        let conversation = self.conversation();
        let Some(mut search) = self.recall.search.take() else { return false };
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let from = match key.code {
            KeyCode::Char('r') if ctrl => search.at.unwrap_or(0),
            KeyCode::Char('g' | 'c') if ctrl => return self.end_recall(search),
            KeyCode::Esc => return self.end_recall(search),
            // Into the input, where it can be changed; only the next Enter sends it.
            KeyCode::Enter => return true,
            KeyCode::Backspace => {
                search.words.pop();
                usize::MAX
            }
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => {
                search.words.push(c);
                // The line that is shown may have the longer words, too.
                search.at.map_or(usize::MAX, |at| at + 1)
            }
            _ => return false,
        };
        let again = ctrl && search.at.is_some();
        if search.words.is_empty() {
            search.at = None;
            self.editor.set(search.typed.clone());
        } else {
            match self.recall.find(conversation, &search.words, from) {
                Some(at) => {
                    search.at = Some(at);
                    let text = self.recall.lines.get(at).map(|line| line.text.clone()).unwrap_or_default();
                    self.editor.set(text);
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
        self.editor.set(search.typed);
        true
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
