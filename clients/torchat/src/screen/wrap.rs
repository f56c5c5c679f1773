//! Breaking lines, by what a terminal shows: graphemes and columns.

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// A tab goes to the next multiple of this.
const TAB: usize = 4;
/// Stands for what is wider than the whole row.
const TOO_WIDE: &str = "\u{fffd}";

/// The columns of a shown text: as the drawing counts them, grapheme by grapheme.
pub(crate) fn width(shown: &str) -> usize {
    if shown.is_ascii() {
        return shown.len();
    }
    shown.graphemes(true).map(|grapheme| usize::from(grapheme.cell_width())).sum()
}

/// Breaks a shown text into rows of at most `columns`. Words stay whole where they fit into a row.
pub(crate) fn wrap(shown: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut rows = Vec::new();
    for line in shown.split('\n') {
        let from = rows.len();
        wrap_line(line, columns, &mut rows);
        // In some scripts a row has other graphemes than the line had, and so another width: what sticks out is broken again.
        let mut at = from;
        while let Some(row) = rows.get(at) {
            if let Some(rest) = sticks_out(row, columns) {
                let rest = row.get(rest..).unwrap_or_default().to_owned();
                if let Some(row) = rows.get_mut(at) {
                    row.truncate(row.len() - rest.len());
                }
                rows.insert(at + 1, rest);
            }
            at += 1;
        }
    }
    rows
}

/// Where the part of a row begins that does not fit; never at its beginning.
fn sticks_out(row: &str, columns: usize) -> Option<usize> {
    if row.len() <= columns || width(row) <= columns {
        return None;
    }
    let mut used = 0;
    let places = row.grapheme_indices(true).find(|(place, grapheme)| {
        used += width(grapheme);
        used > columns && *place > 0
    });
    places.map(|(place, _)| place)
}

fn wrap_line(line: &str, columns: usize, rows: &mut Vec<String>) {
    let mut row = String::new();
    let mut used = 0;
    // Behind the last blank of the row, where it may be broken: a place in bytes.
    let mut blank: Option<usize> = None;
    for grapheme in line.graphemes(true) {
        let (text, wide) = match grapheme {
            "\t" => (" ".repeat(TAB - used % TAB), TAB - used % TAB),
            _ if width(grapheme) > columns => (TOO_WIDE.to_owned(), 1),
            _ => (grapheme.to_owned(), width(grapheme)),
        };
        let is_blank = text.starts_with(' ');
        if used + wide > columns {
            if is_blank {
                rows.push(std::mem::take(&mut row));
                (used, blank) = (0, None);
                continue;
            }
            let rest = blank.map(|place| row.split_off(place)).unwrap_or_default();
            rows.push(row.trim_end_matches(' ').to_owned());
            used = width(&rest);
            row = rest;
            blank = None;
        }
        row.push_str(&text);
        used += wide;
        if is_blank {
            blank = Some(row.len());
        }
    }
    rows.push(row);
}

/// The beginning of a shown text that fits into `columns`, with a sign if something was cut.
pub(crate) fn cut(shown: &str, columns: usize) -> String {
    if width(shown) <= columns {
        return shown.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for grapheme in shown.graphemes(true) {
        used += width(grapheme);
        if used > columns {
            break;
        }
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push(torchat_client::show::CUT);
    }
    out
}

/// A shown text in exactly `columns`: cut or filled with blanks.
pub(crate) fn fill(shown: &str, columns: usize) -> String {
    let mut out = cut(shown, columns);
    out.push_str(&" ".repeat(columns.saturating_sub(width(&out))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_is_measured_as_it_is_drawn() {
        for columns in 2..20 {
            let rows = wrap(" ವ✌ැ¡aaa!0®0aെ!¡a!a0០𐬀౦0🌭", columns);
            assert!(rows.iter().all(|row| width(row) <= columns), "{rows:?}");
        }
    }

    #[test]
    fn words_stay_whole_and_wide_characters_count_twice() {
        assert_eq!(wrap("hello there, you", 8), ["hello", "there,", "you"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("日本語です", 5), ["日本", "語で", "す"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
        assert_eq!(wrap("a\tb", 9), ["a   b"]);
        assert_eq!(wrap("日", 1), [TOO_WIDE]);
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(fill("日本", 3), "日…");
        assert_eq!(fill("日", 3), "日 ");
    }

    proptest! {
        #[test]
        fn no_row_is_wider_and_no_letter_is_lost(text in "\\PC{0,80}", columns in 1usize..30) {
            let shown = torchat_client::show::shown_rows(&text);
            let rows = wrap(&shown, columns);
            for row in &rows {
                prop_assert!(width(row) <= columns, "{row:?} in {columns}");
            }
            if columns > 2 {
                let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(letters(&rows.concat()), letters(&shown));
            }
        }
    }
}
