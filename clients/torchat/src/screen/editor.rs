//! The input: some lines of text with a cursor that moves by graphemes.
//!
//! Its own and not a crate's, because what is pasted is a foreign text: it must be shown harmless, at the width that
//! it is shown with, and the cursor must know both.

use torchat_client::show;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use super::wrap::width;

/// Longest text, in bytes: what the daemon takes as a message.
pub(crate) const TEXT_LIMIT: usize = torchat_protocol::limits::TEXT_BYTES;

/// A text being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Editor {
    text: String,
    /// In bytes, always between two graphemes.
    cursor: usize,
    /// What was cut last.
    kept: String,
    /// What it was before the last changes, newest last.
    before: Vec<(String, usize)>,
}

/// A text as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    /// The rows; at least one.
    pub(crate) rows: Vec<String>,
    /// Of the cursor: row and column.
    pub(crate) cursor: (usize, usize),
    /// Every place where the cursor can be: byte, row, column.
    places: Vec<(usize, usize, usize)>,
}

/// Where the cursor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    Left,
    Right,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    Start,
    End,
}

/// How many steps back are kept.
const STEPS: usize = 50;

impl Editor {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text before the cursor.
    pub(crate) fn before_cursor(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    /// Puts a text in the place of the old one, the cursor at its end. Cannot be undone.
    pub(crate) fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
        self.before.clear();
    }

    /// Shows another text in the place of what is typed, as long as something is looked for; what can be undone stays.
    pub(crate) fn show(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// Undoing leads to this text first, which was in the place of the one that is there now.
    pub(crate) fn was(&mut self, text: &str) {
        if text != self.text {
            self.keep_step(text.to_owned(), text.len());
        }
    }

    /// Adds a text that nobody types at this moment, on a line of its own: the cursor stays where it is, and undoing takes nothing
    /// of it away. May be longer than [`TEXT_LIMIT`].
    pub(crate) fn append(&mut self, text: &str) {
        if self.text.is_empty() {
            self.cursor = text.len();
        }
        for before in self.before.iter_mut().map(|(text, _)| text).chain([&mut self.text]) {
            if !before.is_empty() {
                before.push('\n');
            }
            before.push_str(text);
        }
        self.settle();
    }

    /// Cuts everything: [`Editor::undo`] and [`Editor::put_back`] bring it back.
    pub(crate) fn cut_all(&mut self) {
        self.cursor = self.text.len();
        self.kill(Go::Start);
    }

    /// Takes the text out.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        self.before.clear();
        std::mem::take(&mut self.text)
    }

    /// Inserts at the cursor. False: it would be too long, and nothing was done.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        if self.text.len() + text.len() > TEXT_LIMIT {
            return false;
        }
        // One step back for every word, not for every letter.
        if text.chars().count() != 1 || text.chars().all(char::is_whitespace) || self.before.is_empty() {
            self.note();
        }
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        // A combining mark may have joined what is before or behind it.
        self.settle();
        true
    }

    /// Puts a text in the place of the last `bytes` before the cursor.
    pub(crate) fn complete(&mut self, bytes: usize, text: &str) {
        let from = self.cursor.saturating_sub(bytes);
        if self.text.is_char_boundary(from) {
            self.cut(from, self.cursor);
            self.insert(text);
        }
    }

    /// Removes the grapheme before the cursor.
    pub(crate) fn backspace(&mut self) {
        let from = self.place(Go::Left);
        self.cut(from, self.cursor);
    }

    /// Removes the grapheme behind the cursor.
    pub(crate) fn delete(&mut self) {
        let to = self.place(Go::Right);
        self.cut(self.cursor, to);
    }

    /// Removes up to a place and keeps it for [`Editor::put_back`].
    pub(crate) fn kill(&mut self, go: Go) {
        let place = self.place(go);
        let (from, to) = (place.min(self.cursor), place.max(self.cursor));
        let kept = self.text.get(from..to).unwrap_or_default().to_owned();
        if !kept.is_empty() {
            self.kept = kept;
        }
        self.cut(from, to);
    }

    /// Inserts what was killed last.
    pub(crate) fn put_back(&mut self) -> bool {
        let kept = self.kept.clone();
        kept.is_empty() || self.insert(&kept)
    }

    /// Takes the last change back.
    pub(crate) fn undo(&mut self) {
        if let Some((text, cursor)) = self.before.pop() {
            (self.text, self.cursor) = (text, cursor);
        }
    }

    /// Moves the cursor.
    pub(crate) fn go(&mut self, go: Go) {
        self.cursor = self.place(go);
    }

    /// Moves the cursor to another row of the shown text. False: there is none.
    pub(crate) fn go_row(&mut self, down: bool, columns: usize) -> bool {
        let shown = self.rows(columns);
        let (row, column) = shown.cursor;
        let Some(wanted) = (if down { row.checked_add(1) } else { row.checked_sub(1) }) else { return false };
        let place =
            shown.places.iter().filter(|place| place.1 == wanted && place.2 <= column).max_by_key(|place| place.2);
        if let Some(place) = place {
            self.cursor = place.0;
        }
        place.is_some()
    }

    /// How it is shown in rows of a number of columns. The cursor may stand one behind the last column's character, never
    /// outside.
    pub(crate) fn rows(&self, columns: usize) -> Rows {
        let columns = columns.max(2);
        let mut out = Rows { rows: vec![String::new()], cursor: (0, 0), places: Vec::new() };
        let mut column = 0;
        let mut shown = String::new();
        for (place, grapheme) in self.text.grapheme_indices(true) {
            shown.clear();
            match grapheme {
                "\n" | "\r\n" => {}
                "\t" => shown.push_str("    "),
                _ if grapheme.len() == 1 && !grapheme.chars().all(char::is_control) => shown.push_str(grapheme),
                _ => shown.push_str(&show::shown_line(grapheme)),
            }
            let wide = width(&shown);
            // One column stays free for the cursor behind the last character.
            if column + wide >= columns && column > 0 {
                out.rows.push(String::new());
                column = 0;
            }
            out.places.push((place, out.rows.len() - 1, column));
            if matches!(grapheme, "\n" | "\r\n") {
                out.rows.push(String::new());
                column = 0;
                continue;
            }
            if wide < columns {
                if let Some(row) = out.rows.last_mut() {
                    row.push_str(&shown);
                }
                column += wide;
                continue;
            }
            // One written-out grapheme may be longer than a row.
            for part in super::wrap::wrap(&shown, columns - 1) {
                out.rows.push(String::new());
                column = width(&part);
                if let Some(row) = out.rows.last_mut() {
                    *row = part;
                }
            }
        }
        out.places.push((self.text.len(), out.rows.len() - 1, column));
        let here = out.places.iter().rev().find(|place| place.0 <= self.cursor);
        out.cursor = here.map_or((0, 0), |place| (place.1, place.2));
        out
    }

    fn note(&mut self) {
        self.keep_step(self.text.clone(), self.cursor);
    }

    fn keep_step(&mut self, text: String, cursor: usize) {
        if self.before.len() >= STEPS {
            self.before.remove(0);
        }
        self.before.push((text, cursor));
    }

    fn cut(&mut self, from: usize, to: usize) {
        if from < to {
            self.note();
            self.text.replace_range(from..to, "");
            self.cursor = from;
            self.settle();
        }
    }

    /// Brings the cursor to the end of the grapheme that it stands in.
    fn settle(&mut self) {
        let mut graphemes = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if !graphemes.is_boundary(&self.text, 0).unwrap_or(true) {
            self.cursor = graphemes.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len());
        }
    }

    fn place(&self, go: Go) -> usize {
        let before = self.before_cursor();
        let behind = self.text.get(self.cursor..).unwrap_or_default();
        match go {
            Go::Left => before.grapheme_indices(true).next_back().map_or(0, |(place, _)| place),
            Go::Right => self.cursor + behind.graphemes(true).next().map_or(0, str::len),
            Go::WordLeft => before
                .split_word_bound_indices()
                .rev()
                .find(|(_, word)| !word.trim().is_empty())
                .map_or(0, |(place, _)| place),
            Go::WordRight => behind
                .split_word_bound_indices()
                .find(|(_, word)| !word.trim().is_empty())
                .map_or(self.text.len(), |(place, word)| self.cursor + place + word.len()),
            Go::LineStart => before.rfind('\n').map_or(0, |place| place + 1),
            Go::LineEnd => behind.find('\n').map_or(self.text.len(), |place| self.cursor + place),
            Go::Start => 0,
            Go::End => self.text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn editor(text: &str) -> Editor {
        let mut editor = Editor::default();
        assert!(editor.insert(text));
        editor
    }

    #[test]
    fn the_cursor_moves_by_what_is_seen() {
        let mut text = editor("ae\u{301}日👨‍👩‍👧b");
        for left in ["ae\u{301}日👨‍👩‍👧", "ae\u{301}日", "ae\u{301}", "a", ""] {
            text.go(Go::Left);
            assert_eq!(text.before_cursor(), left);
        }
        text.go(Go::End);
        text.backspace();
        text.backspace();
        assert_eq!(text.text(), "ae\u{301}日");
        text.undo();
        assert_eq!(text.text(), "ae\u{301}日👨‍👩‍👧");
    }

    #[test]
    fn words_and_lines_are_killed_and_come_back() {
        let mut text = editor("one two\nthree four");
        text.kill(Go::WordLeft);
        assert_eq!(text.text(), "one two\nthree ");
        text.kill(Go::LineStart);
        assert_eq!(text.text(), "one two\n");
        assert!(text.put_back());
        assert_eq!(text.text(), "one two\nthree ");
        text.go(Go::Start);
        text.kill(Go::LineEnd);
        assert_eq!(text.text(), "\nthree ");
    }

    #[test]
    fn rows_leave_a_column_for_the_cursor() {
        let shown = editor("abcdef").rows(4);
        assert_eq!(shown.rows, ["abc", "def"]);
        assert_eq!(shown.cursor, (1, 3));
        let shown = editor("日本語").rows(4);
        assert_eq!(shown.rows, ["日", "本", "語"]);
        let shown = editor("a\n").rows(4);
        assert_eq!((shown.rows.len(), shown.cursor), (2, (1, 0)));
        let mut text = editor("abc\ndefg");
        assert!(text.go_row(false, 20));
        assert_eq!(text.before_cursor(), "abc");
        assert!(!text.go_row(false, 20));
        assert!(text.go_row(true, 20));
        assert_eq!(text.before_cursor(), "abc\ndef");
    }

    #[test]
    fn what_is_pasted_is_shown_harmless_and_kept_as_it_is() {
        let text = editor("a\u{1b}[31m\u{202e}b");
        assert_eq!(text.rows(80).rows, ["a\\u{1b}[31m\\u{202e}b"]);
        assert_eq!(text.text(), "a\u{1b}[31m\u{202e}b");
        let mut text = editor(&"x".repeat(TEXT_LIMIT));
        assert!(!text.insert("y"));
    }

    proptest! {
        #[test]
        fn no_place_is_outside(text in "\\PC{0,40}|[\\x00-\\x20\u{301}\u{202e}日👨a]{0,40}", columns in 2usize..30, steps in 0usize..40) {
            let mut editor = editor(&text);
            for step in 0..steps {
                match step % 4 {
                    0 => editor.go(Go::Left),
                    1 => editor.go(Go::WordLeft),
                    2 => { editor.insert("\u{301}"); }
                    _ => editor.backspace(),
                }
                let shown = editor.rows(columns);
                prop_assert!(shown.cursor.0 < shown.rows.len() && shown.cursor.1 < columns);
                prop_assert!(shown.rows.iter().all(|row| width(row) < columns || columns <= 2), "{:?}", shown.rows);
                prop_assert!(!shown.rows.iter().any(|row| row.chars().any(char::is_control)));
            }
        }
    }
}
