//! Showing what others wrote: the one place where a peer's text is made harmless for a terminal.
//!
//! Texts and names are stored and handed out as they came. Every client passes them through here just before it shows
//! them, and nothing else: [`shown_rows`] for a message over several lines where the client begins every line itself,
//! [`shown_text`] for one where it does not, [`shown_line`] for one line, [`shown_name`] for a name in a space of a number
//! of columns, [`unmarked_name`] for one that a client may put the sign of a verified contact before.
//!
//! **The notation.** What must not reach a terminal is written `\u{hex}`: ESC becomes `\u{1b}`, so the rest of its
//! sequence is plain text. A backslash is left alone, so paths, patterns and commands can be copied, except where the
//! original itself holds `\u{`: there it is written `\u{5c}`. So every `\u{` on the screen was written here, none by the
//! peer, and [`reveal`] gives the original back. Doubling every backslash was rejected: it changes what people copy.
//!
//! **What is left out.** Three things mean something to a writer and nothing to a terminal; in texts, not in names, they
//! are dropped: the carriage return of a CR LF, a zero width joiner between two emoji (the parts stand side by side,
//! which is what a font without the combination shows, and every terminal agrees on the width), and one joiner
//! or non-joiner after a letter of a script whose spelling uses them (Arabic to Sinhala, Myanmar, Khmer, Mongolian).
//! Anywhere else they are written out. Everything else is reversible.
//!
//! **What stays.** Every letter of every script, right-to-left ones too, emoji with their skin tones and their style sign
//! (U+FE0E, U+FE0F), flags of two letters, and up to [`MARKS_PER_BASE`] combining marks on a character. A terminal
//! may still order a right-to-left line with the words that a client puts around it: put the client's own words first.

use torchat_protocol::nick::{is_hidden, is_mark};
use unicode_properties::UnicodeEmoji as _;
use unicode_width::UnicodeWidthChar as _;

pub use torchat_protocol::nick::MARKS_PER_BASE;

/// Characters after which [`shown_text`] and [`shown_rows`] break a line of their own accord: behind its last space, and a
/// line without one behind its last character.
pub const LINE_CHARS: usize = 2_000;

/// The mark at the end of a line that [`shown_text`] broke, and not its writer.
pub const BREAK: &str = "\\u{...}";

/// The mark of a name that was cut. In names an original one is written out, so it always means a cut.
pub const CUT: char = '\u{2026}';

/// What a client puts before the name of a contact whose key was compared.
pub const VERIFIED: char = '✓';

/// The same sign, and what reads like it: no name may hold it.
const CHECK_MARKS: [char; 8] = [VERIFIED, '✔', '✅', '☑', '🗸', '🗹', '√', '⍻'];

const ESCAPE: &str = "\\u{";
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';

/// A message's text, made harmless. Its line feeds and tabs stay; lines of more than [`LINE_CHARS`] are broken, and end
/// with [`BREAK`] there: for logs and files, where nothing else tells whose line feed it is.
///
/// The result has at most seven times the bytes of the text. A client that writes anything before a text (a time, a
/// name) must put something before its further lines too: otherwise a peer writes lines that look like another's.
#[must_use]
pub fn shown_text(text: &str) -> String {
    broken(text, BREAK)
}

/// As [`shown_text`] without the mark, for a client that puts something of its own before every line: there a line that was
/// broken here can be taken for nothing else, and the mark looks like damage.
#[must_use]
pub fn shown_rows(text: &str) -> String {
    broken(text, "")
}

fn broken(text: &str, mark: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The characters of this line; and behind its last space: the place in `out`, and the characters up to there.
    let (mut line, mut space) = (0, None);
    for piece in pieces(text, Place::Text) {
        while line >= LINE_CHARS && !matches!(piece, Piece::Plain('\n') | Piece::Mark(_)) {
            let (place, before) = space.take().unwrap_or((out.len(), line));
            out.insert(place, '\n');
            out.insert_str(place, mark);
            line -= before;
        }
        piece.write(&mut out);
        match piece {
            Piece::Plain('\n') => (line, space) = (0, None),
            _ => line += piece.chars(),
        }
        if matches!(piece, Piece::Plain(' ')) {
            space = Some((out.len(), line));
        }
    }
    out
}

/// A message's text on one line, made harmless: as [`shown_text`] with line feeds and tabs written out, and never broken.
///
/// For lists, logs and programs that read lines.
#[must_use]
pub fn shown_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    pieces(text, Place::Line).iter().for_each(|piece| piece.write(&mut out));
    out
}

/// A name, made harmless, in at most this many columns; a longer one ends with [`CUT`].
///
/// In names only single plain spaces between characters stay blank; other white space, and spaces at the ends, are written
/// out, so that no two names differ by what cannot be seen. The user's own name for a contact goes through here too.
#[must_use]
pub fn shown_name(name: &str, columns: usize) -> String {
    let pieces = pieces(name, Place::Name);
    let mut out = String::new();
    let whole: usize = pieces.iter().map(Piece::columns).sum();
    if whole <= columns {
        pieces.iter().for_each(|piece| piece.write(&mut out));
        return out;
    }
    let Some(mut left) = columns.checked_sub(1) else { return out };
    for piece in &pieces {
        // Most marks take no column, so they stay with the last character that fits.
        let Some(rest) = left.checked_sub(piece.columns()) else { break };
        left = rest;
        piece.write(&mut out);
    }
    out.push(CUT);
    out
}

/// As [`shown_name`], without the signs that clients put at verified contacts and without what reads like them: so no name, whoever
/// chose it, makes a contact look verified. Empty, if the name holds nothing else.
#[must_use]
pub fn unmarked_name(name: &str, columns: usize) -> String {
    let unmarked = name.replace(CHECK_MARKS, "");
    // What stood around the sign is no part of the name any more.
    shown_name(if unmarked.len() == name.len() { name } else { unmarked.trim() }, columns)
}

/// The columns that a shown line or name takes in a terminal, at most: an emoji of several parts may take fewer.
#[must_use]
pub fn columns(shown: &str) -> usize {
    shown.chars().map(|c| if is_style_sign(c) { 1 } else { c.width().unwrap_or(0) }).sum()
}

/// The text that [`shown_text`], [`shown_line`] or an uncut [`shown_name`] was made of, without what they leave out.
#[must_use]
pub fn reveal(shown: &str) -> String {
    let mut out = String::with_capacity(shown.len());
    let mut rest = shown;
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        out.push_str(before);
        let Some((inside, behind)) = after.split_once('}') else {
            // No text of ours: every escape that we write is closed.
            out.push_str(ESCAPE);
            rest = after;
            continue;
        };
        rest = behind;
        if inside == "..." {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        } else if let Some(c) = u32::from_str_radix(inside, 16).ok().and_then(char::from_u32) {
            out.push(c);
        } else {
            out.push_str(ESCAPE);
            out.push_str(inside);
            out.push('}');
        }
    }
    out.push_str(rest);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Line,
    Name,
}

#[derive(Clone, Copy)]
enum Piece {
    /// A character as it is.
    Plain(char),
    /// Drawn on the one before; never separated from it.
    Mark(char),
    /// Written out.
    Escape(char),
}

impl Piece {
    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(c) | Self::Mark(c) => out.push(*c),
            Self::Escape(c) => out.extend(c.escape_unicode()),
        }
    }

    fn chars(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Mark(_) => 1,
            Self::Escape(c) => c.escape_unicode().count(),
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::Plain(c) | Self::Mark(c) => c.width().unwrap_or(0),
            Self::Escape(c) => c.escape_unicode().count(),
        }
    }
}

fn pieces(text: &str, place: Place) -> Vec<Piece> {
    let mut out = Vec::with_capacity(text.len());
    // What the next mark, joiner or style sign would stand on, and how many marks it bears.
    let mut base: Option<(char, usize)> = None;
    let mut joined = false;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        let name = place == Place::Name;
        if !name && !joined && joiner_fits(base, c, next) {
            joined = true;
            continue;
        }
        joined = false;
        let piece = match c {
            '\r' if place == Place::Text && next == Some('\n') => continue,
            '\n' | '\t' if place == Place::Text => Piece::Plain(c),
            '\\' if rest.as_str().starts_with("u{") => Piece::Escape(c),
            CUT if name => Piece::Escape(c),
            ' ' if name && (out.is_empty() || next.is_none_or(|next| next == ' ')) => Piece::Escape(c),
            _ if name && c != ' ' && c.is_whitespace() => Piece::Escape(c),
            _ if is_style_sign(c) && !name && base.is_some_and(|(base, marks)| base.is_emoji_char() && marks == 0) => {
                Piece::Mark(c)
            }
            _ if is_hidden(c) => Piece::Escape(c),
            _ if is_mark(c) => match base {
                Some((_, marks)) if marks < MARKS_PER_BASE => Piece::Mark(c),
                // On nothing, it would change what the client wrote before it.
                _ => Piece::Escape(c),
            },
            _ => Piece::Plain(c),
        };
        base = match (piece, base) {
            (Piece::Plain(c), _) => (!c.is_whitespace()).then_some((c, 0)),
            (Piece::Mark(_), Some((c, marks))) => Some((c, marks + 1)),
            (Piece::Mark(_) | Piece::Escape(_), _) => None,
        };
        out.push(piece);
    }
    out
}

/// Chooses the text or the picture style of the emoji before it.
fn is_style_sign(c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

fn joiner_fits(base: Option<(char, usize)>, joiner: char, next: Option<char>) -> bool {
    let Some((base, _)) = base else { return false };
    let emoji = |c: char| c.is_emoji_char() && !c.is_ascii();
    match joiner {
        JOINER if emoji(base) && next.is_some_and(emoji) => true,
        JOINER | NON_JOINER => spells_with_joiners(base),
        _ => false,
    }
}

/// The blocks from Arabic to Sinhala, Myanmar, and Khmer with Mongolian.
fn spells_with_joiners(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}')
}
