//! What the user has set: the file `client.toml`, and the changes that commands make to it.
//!
//! One file for both, because two places that set the same thing need an order that users must learn: docs/adr/0012-client-settings.md.
//! Everything here works on texts; the runtime reads and writes the file.

mod change;
pub(crate) mod keymap;

use super::notify::Notify;
use super::theme::Theme;
use crate::logs::Choice;
use keymap::Keymap;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use torchat_client::api::ConversationId;

pub(crate) use change::Change;

/// Bytes of the file at most: it is written by hand.
pub(crate) const FILE_BYTES: u64 = 256 << 10;
/// Words that are looked for in each message at most, and characters of each.
const WORDS: (usize, usize) = (100, 64);
/// Columns of the list, where they are set.
const LIST: std::ops::RangeInclusive<u16> = 12..=60;

/// What is set. `None`: nothing, so the default counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) theme: Option<Theme>,
    pub(crate) notify: Option<Notify>,
    pub(crate) mouse: Option<bool>,
    /// Columns of the list where it stands beside the conversation.
    pub(crate) list_width: Option<u16>,
    /// Words of the user: a message with one of them is marked, and comes through a mute.
    pub(crate) highlight: Vec<String>,
    /// Conversations that neither ring nor count as activity.
    pub(crate) muted: BTreeSet<ConversationId>,
    /// Conversations whose messages are written to text files.
    pub(crate) logs: Choice,
    pub(crate) keymap: Keymap,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    theme: Option<Theme>,
    notify: Option<Notify>,
    mouse: Option<bool>,
    list_width: Option<Spanned<u16>>,
    highlight: Vec<Spanned<String>>,
    muted: BTreeSet<ConversationId>,
    logs: Choice,
    keys: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
}

/// Reads the file's text.
///
/// # Errors
/// A sentence that begins with the line: an unknown key with those that exist, a value that is none, an unknown action or key, a key
/// that is bound twice.
pub(crate) fn parse(text: &str) -> Result<Settings, String> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let wrong = |at: usize, why: String| format!("line {}: {why}", line(at));
    let file: File = toml::from_str(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().replace('\n', " ")))?;
    if let Some(width) = file.list_width.as_ref().filter(|width| !LIST.contains(width.get_ref())) {
        return Err(wrong(width.span().start, format!("list_width is {} to {}", LIST.start(), LIST.end())));
    }
    let mut highlight = Vec::new();
    for word in &file.highlight {
        match checked_word(word.get_ref()) {
            Ok(word) => highlight.push(word),
            Err(why) => return Err(wrong(word.span().start, why)),
        }
    }
    if highlight.len() > WORDS.0 {
        return Err(format!("highlight has more than {} words", WORDS.0));
    }
    let keymap = Keymap::new(&file.keys).map_err(|(at, why)| wrong(at, why))?;
    Ok(Settings {
        theme: file.theme,
        notify: file.notify,
        mouse: file.mouse,
        list_width: file.list_width.map(Spanned::into_inner),
        highlight,
        muted: file.muted,
        logs: file.logs,
        keymap,
    })
}

/// A word that can be looked for.
///
/// # Errors
/// Why it cannot.
pub(crate) fn checked_word(word: &str) -> Result<String, String> {
    let word = word.trim();
    if word.is_empty() || word.chars().count() > WORDS.1 || word.chars().any(char::is_control) {
        return Err(format!("a highlight word has 1 to {} characters", WORDS.1));
    }
    Ok(word.to_owned())
}

/// Whether a text has one of the words: whole, in any case of letters.
pub(crate) fn mentions(text: &str, words: &[String]) -> bool {
    if words.is_empty() {
        return false;
    }
    let text = text.to_lowercase();
    words.iter().any(|word| {
        let word = word.to_lowercase();
        text.match_indices(&word).any(|(at, found)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let behind = text.get(at + found.len()..).and_then(|behind| behind.chars().next());
            !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_names_the_line_and_what_is_right() {
        for (text, line, words) in [
            ("theme = \"dark\"\nthme = 1\n", 2, "`thme`"),
            ("thme = 1\n", 1, "`theme`"),
            ("\n\ntheme = \"pink\"\n", 3, "`light`"),
            ("mouse = \"on\"\n", 1, "boolean"),
            ("\nlist_width = 3\n", 2, "12 to 60"),
            ("highlight = [\"a\",\n \" \"]\n", 2, "1 to 64 characters"),
            ("muted = [\"bob\"]\n", 1, "copy the whole id"),
            ("[logs]\nconversations = [\"bob\"]\n", 2, "copy the whole id"),
            ("[logs]\nall = true\nnone = true\n", 3, "`none`"),
            ("[keys]\n\nactivty = [\"Alt+J\"]\n", 3, "activity"),
            ("[keys]\nactivity = [\"Alt+Jay\"]\n", 2, "Alt+Jay"),
            ("[keys]\nactivity = [\"j\"]\n", 2, "could not be typed"),
            ("[keys]\nactivity = [\"Alt+J\"]\nsearch = [\"alt+j\"]\n", 3, "activity"),
            ("theme = \n", 1, ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(words), "{text:?}: {error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn words_are_whole_and_in_any_case() {
        let words = ["bob".to_owned(), "C++".to_owned(), "Änne".to_owned()];
        for text in ["Bob!", "ask BOB.", "@bob", "i like c++", "frag änne", "bobby or bob"] {
            assert!(mentions(text, &words), "{text}");
        }
        for text in ["bobby", "kebob", "c+", "", "bob2"] {
            assert!(!mentions(text, &words), "{text}");
        }
        assert!(!mentions("anything", &[]));
    }
}
