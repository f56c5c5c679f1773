//! What covers the body, and its keys: help, codes, the search, questions.

use super::covers;
use super::erase::Found;
use super::keys::edit;
use super::room::{MembersPage, Question};
use super::{Ask, Decision, Effect, Erasing, Link, Model, Open};
use crate::screen::editor::Editor;
use crossterm::event::{KeyCode, KeyEvent};
use torchat_client::api::record::Message;
use torchat_client::api::{ConversationId, Onion};
use torchat_client::timeline::Anchor;

/// What covers the body.
#[derive(Debug, Clone)]
pub(crate) enum Overlay {
    Keys {
        scroll: usize,
    },
    Help {
        scroll: usize,
    },
    /// Text lines, harmless already.
    Text {
        title: String,
        lines: Vec<String>,
        scroll: usize,
    },
    /// A QR code with its text.
    Code {
        title: String,
        text: String,
    },
    /// Text lines, harmless already, with a QR code beside them where there is room.
    Compare {
        lines: Vec<String>,
        code: String,
        scroll: usize,
    },
    Search(Search),
    /// Who is in a room.
    Members(MembersPage),
    Confirm(Confirm),
}

/// A search and what it found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    pub(crate) editor: Editor,
    pub(crate) peer: Option<ConversationId>,
    /// What was asked last.
    pub(crate) asked: String,
    /// The same, with where it is looked for and from which message on: only its answer counts.
    pub(super) question: Option<Box<Ask>>,
    pub(crate) found: Vec<Message>,
    pub(crate) more: bool,
    pub(crate) complete: bool,
    pub(crate) waiting: bool,
    pub(crate) at: usize,
}

/// What is done only after a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Confirm {
    /// Stop the daemon.
    Exit,
    /// Start a daemon.
    Start,
    Block(Onion),
    Remove(Onion),
    /// Erase messages. `found`: how many there are; until that is known, nothing can be confirmed.
    Erase {
        id: ConversationId,
        what: Erasing,
        found: Option<Found>,
    },
    Room(Box<Question>),
}

impl Model {
    /// Opens the search, with words to look for at once.
    pub(super) fn open_search(&mut self, words: &str) {
        let mut search = Search { complete: true, ..Default::default() };
        search.peer = self.conversation();
        search.editor.set(words.to_owned());
        self.overlay = Some(Overlay::Search(search));
        self.search(false);
    }

    pub(super) fn overlay_key(&mut self, key: KeyEvent) {
        let page = usize::from(self.areas().body.height.saturating_sub(2)).max(1);
        let body = self.areas().body;
        let (columns, rows) = (usize::from(body.width), usize::from(body.height));
        let about = |id: ConversationId| self.about(id);
        let lines = self
            .overlay
            .as_ref()
            .map_or(0, |overlay| covers::lines(overlay, &self.settings.keymap, about, (columns, rows)).len());
        let Some(overlay) = &mut self.overlay else { return };
        match overlay {
            Overlay::Keys { scroll }
            | Overlay::Help { scroll }
            | Overlay::Text { scroll, .. }
            | Overlay::Compare { scroll, .. } => {
                let most = (lines + 1).saturating_sub(rows);
                match key.code {
                    KeyCode::Up => *scroll = scroll.saturating_sub(1),
                    KeyCode::Down => *scroll = (*scroll + 1).min(most),
                    KeyCode::PageUp => *scroll = scroll.saturating_sub(page),
                    KeyCode::PageDown | KeyCode::Char(' ') => *scroll = (*scroll + page).min(most),
                    KeyCode::Home => *scroll = 0,
                    KeyCode::End => *scroll = most,
                    _ => self.overlay = None,
                }
            }
            Overlay::Code { text, .. } => match key.code {
                KeyCode::Char('y') => {
                    let text = text.clone();
                    self.copy(if text.starts_with("torchat") { "the invite" } else { "the onion" }, text);
                }
                _ => self.overlay = None,
            },
            Overlay::Search(_) => self.search_key(key),
            Overlay::Members(_) => self.members_key(key),
            Overlay::Confirm(confirm) => {
                let confirm = confirm.clone();
                match key.code {
                    // There is no question yet: it is being counted.
                    KeyCode::Char(_) if matches!(confirm, Confirm::Erase { found: None, .. }) => {}
                    KeyCode::Char('y' | 'Y') => {
                        self.overlay = None;
                        self.confirmed(confirm);
                    }
                    KeyCode::Enter if confirm == Confirm::Start => {
                        self.overlay = None;
                        self.confirmed(confirm);
                    }
                    _ => self.overlay = None,
                }
            }
        }
    }

    fn confirmed(&mut self, confirm: Confirm) {
        match confirm {
            Confirm::Exit => self.ask(Ask::Exit),
            Confirm::Start => self.start_daemon(),
            Confirm::Block(peer) => self.ask(Ask::Decide(Decision::Block, peer)),
            Confirm::Remove(peer) => self.ask(Ask::Decide(Decision::Remove, peer)),
            Confirm::Erase { id, what, found: Some(found) } => self.erase_confirmed(id, what, found),
            Confirm::Erase { found: None, .. } => {}
            Confirm::Room(question) => self.ask_room(question.ask),
        }
    }

    /// Starts a daemon, if there is none.
    pub(super) fn start_daemon(&mut self) {
        if self.link == Link::Up {
            return self.say("torchatd runs");
        }
        self.say("starting torchatd");
        self.effects.push(Effect::StartDaemon);
    }

    fn search_key(&mut self, key: KeyEvent) {
        let page = usize::from(self.areas().body.height.saturating_sub(2)).max(1);
        let Some(Overlay::Search(search)) = &mut self.overlay else { return };
        let last = search.found.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => self.overlay = None,
            KeyCode::Up => search.at = search.at.saturating_sub(1),
            KeyCode::PageUp => search.at = search.at.saturating_sub(page),
            KeyCode::Down | KeyCode::PageDown => {
                let step = if key.code == KeyCode::Down { 1 } else { page };
                search.at = (search.at + step).min(last);
                if search.more && search.at == last && !search.waiting {
                    // More of the same; a changed text begins anew.
                    let same = search.editor.text().trim() == search.asked;
                    search.asked.clear();
                    self.search(same);
                }
            }
            KeyCode::Tab => {
                let open = match self.open {
                    Open::Conversation(peer) => Some(peer),
                    _ => None,
                };
                search.peer = if search.peer.is_some() { None } else { open };
                search.asked.clear();
                self.search(false);
            }
            KeyCode::Enter => {
                let asked = search.editor.text().trim() == search.asked;
                match search.found.get(search.at).map(|message| (message.peer, message.id)).filter(|_| asked) {
                    Some((peer, id)) => {
                        self.overlay = None;
                        self.jump(peer, id);
                    }
                    None => self.search(false),
                }
            }
            _ => {
                edit(&mut search.editor, key);
            }
        }
    }

    /// Goes to a message, wherever it is.
    pub(super) fn jump(&mut self, conversation: ConversationId, id: i64) {
        if self.list.get(conversation).is_none() {
            return self.warn("this conversation is not in the list any more");
        }
        self.open(Open::Conversation(conversation));
        self.ask_page(Anchor::Around(id));
    }
}
