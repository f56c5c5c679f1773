//! Which keys do what: a table of actions with their keys, and what `[keys]` of the file changes.
//!
//! A key that is bound to an action is turned into that action's first own key before anything else sees it. So the rest of the
//! screen knows one set of keys, and what they mean where.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::{BTreeMap, HashMap};
use toml::Spanned;

/// The names of all actions, with the keys that they have by themselves.
pub(crate) const ACTIONS: &[(&str, &[&str])] = &[
    ("enter", &["Enter"]),
    ("newline", &["Alt+Enter", "Ctrl+J", "Shift+Enter"]),
    ("tab", &["Tab"]),
    ("previous", &["Alt+Up", "Ctrl+P"]),
    ("next", &["Alt+Down", "Ctrl+N"]),
    ("window-1", &["Alt+1"]),
    ("window-2", &["Alt+2"]),
    ("window-3", &["Alt+3"]),
    ("window-4", &["Alt+4"]),
    ("window-5", &["Alt+5"]),
    ("window-6", &["Alt+6"]),
    ("window-7", &["Alt+7"]),
    ("window-8", &["Alt+8"]),
    ("window-9", &["Alt+9"]),
    ("activity", &["Alt+A"]),
    ("page-up", &["PgUp"]),
    ("page-down", &["PgDn"]),
    ("row-up", &["Shift+Up"]),
    ("row-down", &["Shift+Down"]),
    ("start", &["Alt+Home", "Ctrl+Home"]),
    ("end", &["Alt+End", "Ctrl+End"]),
    ("up", &["Up"]),
    ("down", &["Down"]),
    ("older", &["Alt+P", "Ctrl+Up"]),
    ("newer", &["Alt+N", "Ctrl+Down"]),
    ("recall", &["Ctrl+R"]),
    ("search", &["Ctrl+F"]),
    ("line-begin", &["Ctrl+A", "Home"]),
    ("line-end", &["Ctrl+E", "End"]),
    ("word-left", &["Alt+B", "Ctrl+Left", "Alt+Left"]),
    ("word-right", &["Alt+F", "Ctrl+Right", "Alt+Right"]),
    ("cut-word", &["Ctrl+W", "Alt+Backspace", "Ctrl+Backspace"]),
    ("cut-word-right", &["Alt+D"]),
    ("cut-to-begin", &["Ctrl+U"]),
    ("cut-to-end", &["Ctrl+K"]),
    ("put-back", &["Ctrl+Y"]),
    ("undo", &["Ctrl+_", "Ctrl+7", "Ctrl+/"]),
    ("escape", &["Esc"]),
    ("redraw", &["Ctrl+L"]),
    ("suspend", &["Ctrl+Z"]),
    ("interrupt", &["Ctrl+C"]),
    ("leave", &["Ctrl+Q"]),
    ("delete-or-leave", &["Ctrl+D"]),
    ("keys", &["?"]),
    ("help", &["F1"]),
];

/// A key with what is held down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Chord(KeyCode, KeyModifiers);

/// What the user has bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Keymap {
    /// What a key is turned into; `None`: it does nothing any more.
    turned: HashMap<Chord, Option<Chord>>,
    /// Actions with their keys as the user wrote them.
    bound: BTreeMap<&'static str, Vec<String>>,
}

impl Keymap {
    /// From `[keys]` of the file. The error has the place in the file.
    pub(super) fn new(table: &BTreeMap<Spanned<String>, Vec<Spanned<String>>>) -> Result<Self, (usize, String)> {
        let mut keymap = Self::default();
        let mut owners: HashMap<Chord, &str> = HashMap::new();
        // In the order of the file, so that of two conflicting lines the second is told.
        let mut rows: Vec<_> = table.iter().collect();
        rows.sort_by_key(|(name, _)| name.span().start);
        let mut wanted = Vec::new();
        for (name, keys) in rows {
            let Some((action, own)) = ACTIONS.iter().find(|(action, _)| action == name.get_ref()) else {
                let all = ACTIONS.iter().map(|(action, _)| *action).collect::<Vec<_>>().join(", ");
                return Err((
                    name.span().start,
                    format!("there is no action {:?}; the actions are {all}", name.get_ref()),
                ));
            };
            let own: Vec<_> = own.iter().filter_map(|key| chord(key)).collect();
            for key in &own {
                keymap.turned.insert(*key, None);
            }
            for key in keys {
                let at = key.span().start;
                let text = key.get_ref();
                let Some(pressed) = chord(text) else {
                    return Err((at, format!("{text:?} is not a key: write Alt+J, Ctrl+Up, PgDn, F5")));
                };
                let is_typed = matches!(pressed, Chord(KeyCode::Char(_), held) if held.is_empty());
                if is_typed && !own.contains(&pressed) {
                    return Err((at, format!("{text:?} alone could not be typed any more: add Alt+ or Ctrl+")));
                }
                if let Some(other) = owners.insert(pressed, action) {
                    return Err((at, format!("{text} is bound to {other} already")));
                }
                wanted.push((pressed, own.first().copied()));
            }
            keymap.bound.insert(action, keys.iter().map(|key| key.get_ref().clone()).collect());
        }
        keymap.turned.extend(wanted);
        Ok(keymap)
    }

    /// The key that the screen knows for the one that was pressed. `None`: it does nothing.
    pub(crate) fn translate(&self, key: KeyEvent) -> Option<KeyEvent> {
        if self.turned.is_empty() {
            return Some(key);
        }
        match self.turned.get(&normal(key.code, key.modifiers)) {
            None => Some(key),
            Some(None) => None,
            Some(Some(Chord(code, held))) => Some(KeyEvent { code: *code, modifiers: *held, ..key }),
        }
    }

    /// The keys of an action that the user has bound, as a text; `None`: it has its own.
    pub(crate) fn keys_of(&self, action: &str) -> Option<String> {
        let keys = self.bound.get(action)?;
        Some(if keys.is_empty() { "no key".into() } else { keys.join(", ") })
    }

    /// The actions that the user has bound.
    pub(crate) fn bound(&self) -> impl Iterator<Item = &'static str> {
        self.bound.keys().copied()
    }
}

/// A key as terminals may tell it, in one form.
fn normal(code: KeyCode, held: KeyModifiers) -> Chord {
    let held = held & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
    match code {
        KeyCode::Char(c) if held.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            Chord(KeyCode::Char(c.to_ascii_lowercase()), held - KeyModifiers::SHIFT)
        }
        KeyCode::Char(_) => Chord(code, held - KeyModifiers::SHIFT),
        code => Chord(code, held),
    }
}

/// A key by its name. `None`: it is no key.
fn chord(text: &str) -> Option<Chord> {
    let mut held = KeyModifiers::NONE;
    let mut rest = text.trim();
    while let Some((name, behind)) = rest.split_once('+').filter(|(_, behind)| !behind.is_empty()) {
        held |= match name.trim().to_ascii_lowercase().as_str() {
            "ctrl" => KeyModifiers::CONTROL,
            "alt" => KeyModifiers::ALT,
            "shift" => KeyModifiers::SHIFT,
            _ => return None,
        };
        rest = behind.trim();
    }
    let mut characters = rest.chars();
    let code = match (characters.next(), characters.next()) {
        (Some(c), None) => KeyCode::Char(c),
        _ => match rest.to_ascii_lowercase().as_str() {
            "enter" => KeyCode::Enter,
            "tab" => KeyCode::Tab,
            "esc" => KeyCode::Esc,
            "up" => KeyCode::Up,
            "down" => KeyCode::Down,
            "left" => KeyCode::Left,
            "right" => KeyCode::Right,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "pgup" => KeyCode::PageUp,
            "pgdn" => KeyCode::PageDown,
            "backspace" => KeyCode::Backspace,
            "delete" => KeyCode::Delete,
            "insert" => KeyCode::Insert,
            "space" => KeyCode::Char(' '),
            other => KeyCode::F(other.strip_prefix('f')?.parse().ok().filter(|number| (1..=24).contains(number))?),
        },
    };
    Some(normal(code, held))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parse;
    use super::*;

    #[test]
    fn every_action_has_keys_of_its_own_and_no_two_the_same() {
        let mut owners = HashMap::new();
        for (action, keys) in ACTIONS {
            for key in *keys {
                let pressed = chord(key).unwrap_or_else(|| panic!("{key}"));
                assert_eq!(owners.insert(pressed, action), None, "{key}");
            }
        }
    }

    #[test]
    fn a_bound_key_is_turned_into_the_actions_own_and_its_old_one_does_nothing() {
        let keymap =
            parse("[keys]\nactivity = [\"Alt+J\", \"F5\"]\nsearch = [\"Ctrl+A\"]\nundo = []\n").unwrap().keymap;
        let press = |code, held| keymap.translate(KeyEvent::new(code, held)).map(|key| (key.code, key.modifiers));
        let (alt, ctrl, none) = (KeyModifiers::ALT, KeyModifiers::CONTROL, KeyModifiers::NONE);
        let activity = Some((KeyCode::Char('a'), alt));
        assert_eq!(press(KeyCode::Char('j'), alt), activity);
        assert_eq!(press(KeyCode::Char('J'), alt | KeyModifiers::SHIFT), activity);
        assert_eq!(press(KeyCode::F(5), none), activity);
        assert_eq!(press(KeyCode::Char('a'), alt), None);
        // What the user says wins over what a key does by itself.
        assert_eq!(press(KeyCode::Char('a'), ctrl), Some((KeyCode::Char('f'), ctrl)));
        assert_eq!(press(KeyCode::Char('_'), ctrl), None);
        assert_eq!(press(KeyCode::Char('x'), none), Some((KeyCode::Char('x'), none)));
        assert_eq!(keymap.keys_of("undo").unwrap(), "no key");
    }
}
