//! Keys and pasted texts.

use super::send::is_command;
use super::{Effect, Focus, Model, Open, Overlay};
use crate::screen::address;
use crate::screen::editor::{Editor, Go};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// All keys, for `?`: what to press and what it does.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("Enter", "send; run a command"),
    ("Alt+Enter, Ctrl+J", "a new line"),
    ("Tab", "complete a command or a name; else go to the list and back"),
    ("Alt+↑ ↓, Ctrl+P N", "the conversation above, below"),
    ("Alt+1 to 9", "the conversation in this row of the list"),
    ("Alt+A", "what is new, oldest first; then back to where you were"),
    ("PgUp PgDn", "scroll a page; Shift+↑ ↓ a row"),
    ("Alt+Home End", "the first, the last message"),
    ("↑", "with nothing typed, or at the beginning of the text: choose a message"),
    ("  r  c  y", "the chosen message: reply, take back, copy"),
    ("  e  x  +", "in a room: change it, take it away at all members, react"),
    ("  Enter", "on an invitation to a room: join it"),
    ("Alt+P N, Ctrl+↑ ↓", "what you sent and ran before: older, newer"),
    ("Ctrl+R", "search what you sent and ran before"),
    ("Ctrl+F", "search; Enter jumps to the result"),
    ("Ctrl+A E", "beginning, end of the line"),
    ("Ctrl+← →, Alt+B F", "a word to the left, right"),
    ("Ctrl+W U K Y", "cut a word, to the beginning, to the end; paste"),
    ("Ctrl+_", "undo"),
    ("Esc", "close, go back"),
    ("Ctrl+L", "redraw the screen"),
    ("Ctrl+Z", "stop; `fg` goes on"),
    ("Ctrl+C twice, Ctrl+Q", "leave; torchatd goes on"),
    ("Ctrl+D twice", "with nothing typed: the same"),
    ("?", "with nothing typed: these keys; /help: the commands"),
];

impl Model {
    /// A key.
    pub(super) fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.key_shows_attention();
        self.notice_read();
        let Some(key) = self.settings.keymap.translate(key) else { return };
        let leaving = std::mem::take(&mut self.leaving);
        if self.recall_key(key) {
            return;
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        if ctrl {
            match key.code {
                KeyCode::Char('c') => return self.interrupt(leaving),
                KeyCode::Char('d') if self.overlay.is_none() && self.editor.text().is_empty() => {
                    return self.interrupt(leaving);
                }
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
            let typed = self.editor.text().to_owned();
            if !self.recall.is_shown(&typed) {
                let peer = self.conversation().filter(|_| !is_command(&typed));
                self.recall.keep(peer, &typed);
            }
            self.editor.cut_all();
            self.save_soon();
            self.leaving = true;
            self.say("Ctrl+_ brings it back; Ctrl+C once more to leave, torchatd goes on");
        } else if again {
            self.leave();
        } else {
            self.leaving = true;
            self.say("press it once more to leave; torchatd goes on");
        }
    }

    /// A pasted text: never a command, never a key.
    pub(super) fn paste(&mut self, text: &str) {
        self.key_shows_attention();
        self.notice_read();
        // Into the line that a search has found: Esc must not take it away.
        self.take_found();
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
            KeyCode::Tab if self.complete_name() => {}
            KeyCode::Tab => self.focus = Focus::List,
            KeyCode::Up if alt => self.neighbour(true),
            KeyCode::Down if alt => self.neighbour(false),
            KeyCode::Char('p') if ctrl => self.neighbour(true),
            KeyCode::Char('n') if ctrl => self.neighbour(false),
            KeyCode::Char('a') if alt => self.next_new(),
            KeyCode::Char(digit @ '1'..='9') if alt => self.open_number(usize::from(digit as u8 - b'0')),
            KeyCode::Char('p') if alt => self.recall(true),
            KeyCode::Char('n') if alt => self.recall(false),
            KeyCode::Up if ctrl => self.recall(true),
            KeyCode::Down if ctrl => self.recall(false),
            KeyCode::Char('r') if ctrl => self.open_recall(),
            KeyCode::PageUp => self.scroll_up(page),
            KeyCode::PageDown => self.scroll_down(page),
            KeyCode::Up if shift => self.scroll_up(1),
            KeyCode::Down if shift => self.scroll_down(1),
            KeyCode::Home if alt || ctrl => self.go_to_start(),
            KeyCode::End if alt || ctrl => self.go_to_end(),
            KeyCode::Char('f') if ctrl => self.open_search(""),
            KeyCode::F(1) => self.overlay = Some(Overlay::Help { scroll: 0 }),
            KeyCode::Esc => self.escape(),
            KeyCode::Char('?') if empty && !ctrl && !alt => self.overlay = Some(Overlay::Keys { scroll: 0 }),
            KeyCode::Up if self.editor.before_cursor().is_empty() => self.choose(true),
            KeyCode::Up | KeyCode::Down => {
                let columns = self.input_columns();
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

    pub(super) fn type_text(&mut self, text: &str) {
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
            let typed = self.editor.text().to_owned();
            self.recall.keep_all(self.conversation(), None, &typed);
            return self.run_line(&command);
        }
        match self.open {
            Open::Conversation(peer) if self.list.get(peer).is_some() => {
                // Two slashes are one that is no command.
                let said = text.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(text);
                // The line ends that a pasted text ends with are no part of what was said.
                let said = said.trim_end_matches('\n').to_owned();
                if self.send(peer, &said) {
                    let text = self.editor.take();
                    self.recall.keep_all(Some(peer), Some(peer), &text);
                    self.keep_draft();
                }
            }
            _ => {
                if address::read(text).is_some() {
                    let command = format!("add {text}");
                    self.run_line(&command);
                } else if address::read_room(text).is_some() {
                    let command = format!("join {text}");
                    self.run_line(&command);
                } else {
                    self.warn(match self.open {
                        Open::Request(_) => "accept the request first: /accept",
                        Open::Petition(..) => "/admit lets them into the room, /refuse does not",
                        _ => "no conversation is open: paste an onion or an invite, or choose a conversation with Tab",
                    });
                }
            }
        }
    }

    fn escape(&mut self) {
        if self.forget_reply() {
        } else if !self.is_wide() && self.focus == Focus::Input {
            self.focus = Focus::List;
        } else {
            self.go_to_end();
        }
    }

    /// The focus is never on what is not there.
    pub(super) fn focus_settles(&mut self) {
        if let Focus::Message(id) = self.focus
            && self.timeline().is_none_or(|timeline| timeline.window.entry(id).is_none())
        {
            self.focus = Focus::Input;
        }
        // A small screen shows the list when there is nothing else to show.
        let idle = self.open == Open::Nothing && self.overlay.is_none() && self.editor.text().is_empty();
        if idle && self.focus == Focus::Input && !self.is_wide() && !self.list.items().is_empty() {
            self.focus = Focus::List;
        }
    }
}

/// Keys that change a text. `None`: not such a key. `Some(false)`: it would be too long.
pub(super) fn edit(editor: &mut Editor, key: KeyEvent) -> Option<bool> {
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
