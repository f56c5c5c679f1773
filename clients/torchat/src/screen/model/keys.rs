//! Keys, pasted texts and the mouse.

use super::{Ask, Confirm, Decision, Effect, Focus, Item, Link, Model, Open, Overlay, Place};
use crate::screen::editor::Go;
use crate::screen::layout;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use torchat_client::api::record::Direction;

/// All keys, for `?`: what to press and what it does.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("Enter", "send; run a command"),
    ("Alt+Enter, Ctrl+J", "a new line"),
    ("Tab", "complete a command; else go to the list and back"),
    ("Alt+↑ ↓, Ctrl+P N", "the conversation above, below"),
    ("Alt+A", "the next conversation with something new"),
    ("PgUp PgDn", "scroll a page; Shift+↑ ↓ a row"),
    ("Alt+Home End", "the first, the last message"),
    ("↑", "with nothing typed: choose a message"),
    ("  r  c  y", "the chosen message: reply, take back, copy"),
    ("Ctrl+F", "search; Enter jumps to what was found"),
    ("Ctrl+A E", "begin, end of the line"),
    ("Ctrl+← →, Alt+B F", "a word to the left, right"),
    ("Ctrl+W U K Y", "cut a word, to the begin, to the end; put back"),
    ("Ctrl+_", "undo"),
    ("Esc", "close, go back"),
    ("Ctrl+L", "draw everything again"),
    ("Ctrl+Z", "stop; `fg` goes on"),
    ("Ctrl+C twice, Ctrl+Q", "leave; torchatd goes on"),
    ("?", "with nothing typed: these keys; /help: the commands"),
];

impl Model {
    /// A key.
    pub(super) fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let leaving = std::mem::take(&mut self.leaving);
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl {
            match key.code {
                KeyCode::Char('c') => return self.interrupt(leaving),
                KeyCode::Char('q') => return self.leave(),
                KeyCode::Char('z') => {
                    self.save();
                    return self.effects.push(Effect::Suspend);
                }
                KeyCode::Char('l') => return self.effects.push(Effect::Repaint),
                _ => {}
            }
        }
        match (self.overlay.is_some(), self.focus) {
            (true, _) => self.overlay_key(key),
            (false, Focus::List) if self.list_key(key) => {}
            (false, Focus::Message(id)) if self.message_key(key, id) => {}
            _ => self.input_key(key),
        }
    }

    /// Ctrl+C: closes, empties, or leaves when it comes twice.
    fn interrupt(&mut self, again: bool) {
        if self.overlay.take().is_some() {
        } else if !self.editor.text().is_empty() && !again {
            self.editor.set(String::new());
            self.save_soon();
            self.leaving = true;
        } else if again {
            self.leave();
        } else {
            self.leaving = true;
            self.say("once more leaves; torchatd goes on");
        }
    }

    /// A pasted text: never a command, never a key.
    pub(super) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let taken = match &mut self.overlay {
            Some(Overlay::Search(search)) => search.editor.insert(&text.replace('\n', " ")),
            Some(_) => true,
            None => {
                self.focus = Focus::Input;
                self.editor.insert(&text)
            }
        };
        if !taken {
            self.warn("too long: a message has at most 65536 bytes; nothing was pasted");
        }
        self.save_soon();
    }

    fn input_key(&mut self, key: KeyEvent) {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let page = usize::from(self.areas().body.height.saturating_sub(2)).max(1);
        let empty = self.editor.text().is_empty();
        match key.code {
            KeyCode::Enter if alt || shift => self.type_text("\n"),
            KeyCode::Char('j') if ctrl => self.type_text("\n"),
            KeyCode::Enter => self.enter(),
            KeyCode::Tab if self.editor.text().starts_with('/') => self.complete(),
            KeyCode::Tab => self.focus = Focus::List,
            KeyCode::Up if alt => self.neighbour(true),
            KeyCode::Down if alt => self.neighbour(false),
            KeyCode::Char('p') if ctrl => self.neighbour(true),
            KeyCode::Char('n') if ctrl => self.neighbour(false),
            KeyCode::Char('a') if alt => self.next_unread(),
            KeyCode::PageUp => self.scroll_up(page),
            KeyCode::PageDown => self.scroll_down(page),
            KeyCode::Up if shift => self.scroll_up(1),
            KeyCode::Down if shift => self.scroll_down(1),
            KeyCode::Home if alt || ctrl => self.go_to_start(),
            KeyCode::End if alt || ctrl => self.go_to_end(),
            KeyCode::Up if ctrl => self.choose(true),
            KeyCode::Char('f') if ctrl => self.open_search(""),
            KeyCode::F(1) => self.overlay = Some(Overlay::Help { scroll: 0 }),
            KeyCode::Esc => self.escape(),
            KeyCode::Char('d') if ctrl && empty => self.leave(),
            KeyCode::Char('?') if empty && !ctrl && !alt => self.overlay = Some(Overlay::Keys { scroll: 0 }),
            KeyCode::Up if empty => self.choose(true),
            KeyCode::Up | KeyCode::Down => {
                let columns = layout::input_columns(self);
                let down = key.code == KeyCode::Down;
                if !self.editor.go_row(down, columns) {
                    self.editor.go(if down { Go::End } else { Go::Start });
                }
            }
            _ => {
                let typed = edit(&mut self.editor, key);
                if typed == Some(false) {
                    self.warn("too long: a message has at most 65536 bytes");
                }
                if typed.is_some() {
                    self.save_soon();
                }
            }
        }
    }

    fn type_text(&mut self, text: &str) {
        self.focus = Focus::Input;
        if !self.editor.insert(text) {
            self.warn("too long: a message has at most 65536 bytes");
        }
        self.save_soon();
    }

    /// Sends, or runs a command.
    fn enter(&mut self) {
        let text = self.editor.text();
        if text.trim().is_empty() {
            return;
        }
        if let Some(command) = text.strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
            let command = command.to_owned();
            self.editor.take();
            self.keep_draft();
            return self.run(&command);
        }
        match self.open {
            Open::Talk(peer) if self.talks.contains_key(&peer) => {
                let text = self.editor.take();
                // Two slashes are one that is no command.
                let text =
                    text.strip_prefix('/').filter(|rest| rest.starts_with('/')).map(str::to_owned).unwrap_or(text);
                self.keep_draft();
                self.send(peer, text);
            }
            _ => {
                let first = text.split_whitespace().next().unwrap_or_default();
                let is_peer = first.starts_with("torchat:") || torchat_protocol::id::parse_onion(first).is_ok();
                if is_peer {
                    let command = format!("add {}", self.editor.take());
                    self.keep_draft();
                    self.run(&command);
                } else {
                    self.warn("nobody is chosen: paste an onion or an invite, or choose a conversation with Tab");
                }
            }
        }
    }

    fn escape(&mut self) {
        if !layout::is_wide(self) && self.focus == Focus::Input {
            self.focus = Focus::List;
        } else {
            self.go_to_end();
        }
    }

    /// Opens the conversation above or below.
    fn neighbour(&mut self, up: bool) {
        let items = self.items();
        if items.is_empty() {
            return;
        }
        let at = if up { self.list_at.saturating_sub(1) } else { (self.list_at + 1).min(items.len() - 1) };
        self.open_item(at);
    }

    fn next_unread(&mut self) {
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
    fn list_key(&mut self, key: KeyEvent) -> bool {
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

    /// False: the key is for the input, and no message is chosen any more.
    fn message_key(&mut self, key: KeyEvent, id: i64) -> bool {
        match key.code {
            KeyCode::Up => self.choose(true),
            KeyCode::Down => self.choose(false),
            KeyCode::Char('r') | KeyCode::Enter => self.reply(Some(id)),
            KeyCode::Char('c') | KeyCode::Delete => self.cancel(Some(id)),
            KeyCode::Char('y') => {
                if let Some(entry) = self.talk().and_then(|talk| talk.entry(id)) {
                    let text = entry.message.text.clone();
                    self.effects.push(Effect::Copy(text));
                    self.say("copied, if the terminal allows it");
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
        let Some(talk) = self.talk() else { return self.warn("no conversation is open") };
        let last = || talk.entries().values().rev().find(|entry| entry.message.dir == Direction::In);
        let Some(entry) = id.and_then(|id| talk.entry(id)).or_else(last) else {
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
        let Some(talk) = self.talk() else { return self.warn("no conversation is open") };
        let last = || talk.entries().values().rev().find(|entry| entry.is_under_way());
        let Some(entry) = id.map_or_else(last, |id| talk.entry(id)) else {
            return self.warn("nothing waits to be delivered");
        };
        if !entry.is_under_way() {
            return self.warn("only a message of yours that is not delivered can be taken back");
        }
        let (peer, message, local) = (talk.peer(), entry.message.clone(), entry.is_local());
        self.focus = Focus::Input;
        if local && self.link == Link::Up {
            return self.warn("it is on its way to torchatd: try again");
        }
        if let (true, Some(key)) = (local, message.client_id) {
            // If the connection was lost in the middle, torchatd may have it; then it is shown again.
            self.stored.unsent.retain(|unsent| unsent.key != key);
            if let Some(talk) = self.talk_mut() {
                talk.drop_local(&key);
            }
            self.save_soon();
            return self.say("taken back");
        }
        self.ask(Ask::Cancel(peer, message.mid));
    }

    /// Opens the search, with words to look for at once.
    pub(super) fn open_search(&mut self, words: &str) {
        let mut search = super::Search { complete: true, ..Default::default() };
        search.peer = match self.open {
            Open::Talk(peer) => Some(peer),
            _ => None,
        };
        search.editor.set(words.to_owned());
        self.overlay = Some(Overlay::Search(search));
        self.search(false);
    }

    fn overlay_key(&mut self, key: KeyEvent) {
        let page = usize::from(self.areas().body.height.saturating_sub(2)).max(1);
        let lines = crate::screen::view::overlay_rows(self);
        let rows = usize::from(self.areas().body.height);
        let Some(overlay) = &mut self.overlay else { return };
        match overlay {
            Overlay::Keys { scroll } | Overlay::Help { scroll } | Overlay::Text { scroll, .. } => {
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
                    self.effects.push(Effect::Copy(text));
                    self.say("copied, if the terminal allows it");
                }
                _ => self.overlay = None,
            },
            Overlay::Search(_) => self.search_key(key),
            Overlay::Confirm(confirm) => {
                let confirm = *confirm;
                match key.code {
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
            Confirm::Start => {
                self.say("torchatd is being started");
                self.effects.push(Effect::StartDaemon);
            }
            Confirm::Block(peer) => self.ask(Ask::Decide(Decision::Block, peer)),
            Confirm::Remove(peer) => self.ask(Ask::Decide(Decision::Remove, peer)),
        }
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
                    Open::Talk(peer) => Some(peer),
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
    fn jump(&mut self, peer: torchat_client::api::Onion, id: i64) {
        if !self.talks.contains_key(&peer) {
            return self.warn("this conversation is not in the list any more");
        }
        self.open(Open::Talk(peer));
        if let Some(talk) = self.talk_mut() {
            talk.loading = true;
        }
        self.ask(Ask::Page(peer, Place::Around(id)));
    }

    /// The focus is never on what is not there.
    pub(super) fn focus_settles(&mut self) {
        if let Focus::Message(id) = self.focus
            && self.talk().is_none_or(|talk| talk.entry(id).is_none())
        {
            self.focus = Focus::Input;
        }
        // A small screen shows the list when there is nothing else to show.
        let idle = self.open == Open::Nothing && self.overlay.is_none() && self.editor.text().is_empty();
        if idle && self.focus == Focus::Input && !layout::is_wide(self) && !self.items().is_empty() {
            self.focus = Focus::List;
        }
    }

    /// The mouse, if it was switched on: wheel and click.
    pub(super) fn mouse(&mut self, mouse: MouseEvent) {
        let areas = self.areas();
        let inside = |area: ratatui::layout::Rect| area.contains((mouse.column, mouse.row).into());
        let up = mouse.kind == MouseEventKind::ScrollUp;
        match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if inside(areas.list) => {
                let last = self.items().len().saturating_sub(1);
                self.list_at = if up { self.list_at.saturating_sub(1) } else { (self.list_at + 1).min(last) };
            }
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown if self.overlay.is_some() => {
                let code = if up { KeyCode::Up } else { KeyCode::Down };
                self.overlay_key(KeyEvent::new(code, KeyModifiers::NONE));
            }
            MouseEventKind::ScrollUp => self.scroll_up(3),
            MouseEventKind::ScrollDown => self.scroll_down(3),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_some() => {}
            MouseEventKind::Down(MouseButton::Left) if inside(areas.list) => {
                let at =
                    crate::screen::view::list_offset(self, areas.list.height) + usize::from(mouse.row - areas.list.y);
                if at < self.items().len() {
                    self.open_item(at);
                }
            }
            MouseEventKind::Down(MouseButton::Left) if inside(areas.body) => {
                let rows = self.visible();
                let missing = usize::from(areas.body.height).saturating_sub(rows.len());
                let at = usize::from(mouse.row - areas.body.y).checked_sub(missing);
                if let Some(row) = at.and_then(|at| rows.get(at)) {
                    self.focus = Focus::Message(row.id);
                }
            }
            MouseEventKind::Down(MouseButton::Left) if inside(areas.input) => self.focus = Focus::Input,
            _ => {}
        }
    }
}

/// Keys that change a text. `None`: not such a key. `Some(false)`: it would be too long.
fn edit(editor: &mut crate::screen::editor::Editor, key: KeyEvent) -> Option<bool> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Left if ctrl || alt => editor.go(Go::WordLeft),
        KeyCode::Right if ctrl || alt => editor.go(Go::WordRight),
        KeyCode::Char('b') if alt => editor.go(Go::WordLeft),
        KeyCode::Char('f') if alt => editor.go(Go::WordRight),
        KeyCode::Left => editor.go(Go::Left),
        KeyCode::Right => editor.go(Go::Right),
        KeyCode::Char('b') if ctrl => editor.go(Go::Left),
        KeyCode::Home => editor.go(Go::LineStart),
        KeyCode::End => editor.go(Go::LineEnd),
        KeyCode::Char('a') if ctrl => editor.go(Go::LineStart),
        KeyCode::Char('e') if ctrl => editor.go(Go::LineEnd),
        KeyCode::Backspace if ctrl || alt => editor.kill(Go::WordLeft),
        KeyCode::Char('w') if ctrl => editor.kill(Go::WordLeft),
        KeyCode::Char('d') if alt => editor.kill(Go::WordRight),
        KeyCode::Char('u') if ctrl => editor.kill(Go::LineStart),
        KeyCode::Char('k') if ctrl => editor.kill(Go::LineEnd),
        KeyCode::Char('y') if ctrl => return Some(editor.put_back()),
        // Terminals send Ctrl+_ as Ctrl+7 or Ctrl+/.
        KeyCode::Char('_' | '7' | '/') if ctrl => editor.undo(),
        KeyCode::Backspace => editor.backspace(),
        KeyCode::Char('h') if ctrl => editor.backspace(),
        KeyCode::Delete => editor.delete(),
        KeyCode::Char('d') if ctrl => editor.delete(),
        KeyCode::Char(c) if !ctrl && !alt => return Some(editor.insert(c.encode_utf8(&mut [0; 4]))),
        _ => return None,
    }
    Some(true)
}
