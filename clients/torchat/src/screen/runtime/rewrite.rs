//! Rows that terminals do not agree about.
//!
//! ratatui writes only the cells that have changed. A terminal that counts other columns for a flag or for a joined emoji keeps
//! something of it in cells that nobody writes again: tmux 3.3a shows the two letters of a flag as two characters, and
//! of a deleted one the second remains. So a row that holds such a thing, or held it, is erased and written whole when it changes,
//! and after each such thing the cursor is told where it is.

use crossterm::cursor::{MoveTo, RestorePosition, SavePosition};
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{Clear, ClearType};
use ratatui::backend::Backend;
use ratatui::buffer::{Buffer, Cell, CellWidth as _};
use std::collections::HashMap;
use std::io::{self, Write};

/// The rows that held such things when they were drawn last.
#[derive(Debug, Default)]
pub(super) struct Disputed(HashMap<u16, Vec<Cell>>);

/// A row to be written whole.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    y: u16,
    cells: Vec<Cell>,
}

impl Disputed {
    /// Everything is drawn anew.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The rows of a buffer that was drawn which must be written again.
    pub(super) fn rows(&mut self, buffer: &Buffer) -> Vec<Row> {
        let mut out = Vec::new();
        let width = usize::from(buffer.area.width).max(1);
        for (y, cells) in (buffer.area.y..).zip(buffer.content.chunks(width)) {
            let held = if cells.iter().any(|cell| is_disputed(cell.symbol())) {
                self.0.insert(y, cells.to_vec())
            } else {
                match self.0.remove(&y) {
                    None => continue,
                    held => held,
                }
            };
            if held.as_deref() != Some(cells) {
                out.push(Row { y, cells: cells.to_vec() });
            }
        }
        self.0.retain(|y, _| *y < buffer.area.bottom());
        out
    }
}

/// Writes rows whole; the cursor stays where it is.
pub(super) fn write(backend: &mut (impl Backend<Error = io::Error> + Write), rows: &[Row]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    queue!(backend, SavePosition)?;
    for Row { y, cells } in rows {
        queue!(backend, MoveTo(0, *y), ResetColor, Clear(ClearType::UntilNewLine))?;
        let mut piece: Vec<(u16, u16, &Cell)> = Vec::new();
        // Behind what was written last: what a wide one covers is not written.
        let mut next = 0;
        for (x, cell) in (0u16..).zip(cells) {
            if x < next {
                continue;
            }
            next = x + cell.cell_width().max(1);
            piece.push((x, *y, cell));
            if is_disputed(cell.symbol()) {
                // Each call begins with the place of its first cell.
                backend.draw(piece.drain(..))?;
            }
        }
        backend.draw(piece.into_iter())?;
    }
    queue!(backend, RestorePosition)
}

/// Whether terminals count different columns for it: flags, joined and coloured emoji, those that are made wide by a
/// selector, and everything else whose characters alone would not take the columns that they take together.
fn is_disputed(symbol: &str) -> bool {
    if symbol.is_ascii() {
        return false;
    }
    let special = |c: char| matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}');
    let alone: u16 = symbol.chars().map(|c| c.encode_utf8(&mut [0; 4]).cell_width()).sum();
    symbol.chars().any(special) || alone != symbol.cell_width()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ratatui::backend::CrosstermBackend;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn buffer(rows: &[&str]) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 3));
        for (y, row) in (0..).zip(rows) {
            buffer.set_string(0, y, row, Style::new());
        }
        buffer
    }

    #[test]
    fn flags_and_joined_emoji_are_disputed_and_letters_are_not() {
        for symbol in ["🇩🇪", "🇩", "👩‍👧", "❤\u{fe0f}", "👍🏽", "1\u{fe0f}\u{20e3}"] {
            assert!(is_disputed(symbol), "{symbol}");
        }
        for symbol in ["a", "ä", "e\u{301}", "日", "👍", "█", "─", "✓", "●"] {
            assert!(!is_disputed(symbol), "{symbol}");
        }
    }

    #[test]
    fn a_row_is_written_again_when_it_changes_and_holds_or_held_a_flag() {
        let mut disputed = Disputed::default();
        let rows = |disputed: &mut Disputed, now: &[&str]| {
            disputed.rows(&buffer(now)).into_iter().map(|row| row.y).collect::<Vec<_>>()
        };
        assert_eq!(rows(&mut disputed, &["one", "two"]), [0u16; 0]);
        assert_eq!(rows(&mut disputed, &["one", "two 🇩🇪"]), [1]);
        assert_eq!(rows(&mut disputed, &["other", "two 🇩🇪"]), [0u16; 0], "it has not changed");
        assert_eq!(rows(&mut disputed, &["other", "two 🇩🇪 x"]), [1]);
        assert_eq!(rows(&mut disputed, &["other", "x"]), [1], "it held one");
        assert_eq!(rows(&mut disputed, &["other", "y"]), [0u16; 0]);
    }

    #[test]
    fn the_cursor_is_told_its_place_behind_each_of_them() {
        let mut disputed = Disputed::default();
        let rows = disputed.rows(&buffer(&["", "a🇩🇪b"]));
        let mut written = Vec::new();
        write(&mut CrosstermBackend::new(&mut written), &rows).unwrap();
        let written = String::from_utf8(written).unwrap();
        let plain = written.replace("\x1b[39m\x1b[49m", "").replace("\x1b[59m", "").replace("\x1b[0m", "");
        assert!(plain.starts_with("\x1b7\x1b[2;1H\x1b[K"), "{written:?}");
        assert!(plain.contains("\x1b[2;4Hb"), "{written:?}");
        assert!(plain.ends_with("\x1b8"), "{written:?}");
        assert!(written.find("\x1b[K") < written.find("a🇩🇪"), "{written:?}");
    }
}
