//! Nicknames: what a name may be, and which characters are never shown as they are.
//!
//! A nickname is what a peer would like to be called. It proves nothing: the onion is the identity, and the user's own
//! name for a contact wins. The rules here keep a name from being something else on the screen: a control sequence, a
//! turned line, an invisible difference, an onion, or one of our own words. Whether two names look alike is asked where
//! names are shown (the client library), because it needs bigger tables and only a person can answer it.
//!
//! The tables are those of one Unicode version, and two daemons may have different ones. So a nickname that is refused
//! counts as no nickname; it is never a reason to refuse its owner or to close a link.

use crate::limits::NICK_BYTES;
use std::fmt;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Most combining marks on one character, in names and wherever texts are shown.
///
/// Vietnamese needs 2, pointed Hebrew and Arabic 3, Tibetan rarely 4. More of them climb over the lines above.
pub const MARKS_PER_BASE: usize = 4;

/// Words by which our programs speak of themselves and of peers. A name that is one of them could be read as ours.
///
/// Lower case; compared without case and without everything that is no letter or digit, so `[System]` is one too.
pub const OWN_WORDS: [&str; 20] = [
    "blocked",
    "contact",
    "daemon",
    "delivered",
    "error",
    "legacy",
    "lost",
    "me",
    "myself",
    "notice",
    "peer",
    "self",
    "stranger",
    "system",
    "tor",
    "torchat",
    "torchatd",
    "unauthenticated",
    "unknown",
    "you",
];

/// Shortest run of `a-z2-7` with a digit in it that counts as a piece of an onion.
///
/// A whole onion has 56 characters and does not fit a nickname; people compare its beginning.
const ONION_RUN: usize = 16;

/// A nickname that keeps the rules of [`Nick::parse`].
///
/// `Debug` shows only its length, because logs may be stolen. `Display` is the name itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nick(String);

/// Why a text is no nickname. The words never repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NickError {
    /// There is nothing.
    #[error("a name has at least one character")]
    Empty,
    /// Longer than [`NICK_BYTES`].
    #[error("a name has at most {NICK_BYTES} bytes of UTF-8, this one has {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character that is invisible, turns the line, moves a cursor or has no meaning: see [`is_hidden`].
    #[error("the character U+{:04X} may not stand in a name", u32::from(*character))]
    Character {
        /// The first such character.
        character: char,
    },
    /// White space at an end, two spaces in a row, or white space other than the plain space.
    #[error("a name has only single plain spaces, and none at its ends")]
    Space,
    /// A combining mark on nothing, or more than [`MARKS_PER_BASE`] on one character.
    #[error("a combining mark needs a character below it, and at most {MARKS_PER_BASE} fit on one")]
    Marks,
    /// Not in normalization form C: the same name has another spelling.
    #[error("the name is not in Unicode normalization form C")]
    NotNormal,
    /// Neither a letter nor a digit nor a symbol.
    #[error("a name needs a letter, a digit or a symbol")]
    OnlyPunctuation,
    /// It could be taken for an onion or an invitation.
    #[error("the name looks like an onion address")]
    LooksLikeOnion,
    /// It could be taken for a word of ours.
    #[error("{word:?} is a word of the program itself")]
    OwnWord {
        /// Which one, out of [`OWN_WORDS`].
        word: &'static str,
    },
}

impl Nick {
    /// The nickname that a text is, if it keeps every rule: 1 to [`NICK_BYTES`] bytes of UTF-8 in normalization form C;
    /// no hidden character ([`is_hidden`]); single plain spaces, none at the ends; at most [`MARKS_PER_BASE`] combining
    /// marks on a character; at least one letter, digit or symbol; neither `…` nor `\u{`, by which clients mark what
    /// they cut or replaced; nothing like an onion or an invitation; none of [`OWN_WORDS`].
    ///
    /// This is for names from peers. Nothing is repaired, so what passes is stored and compared as it came.
    ///
    /// # Errors
    /// [`NickError`], the first rule that is broken.
    pub fn parse(text: &str) -> Result<Self, NickError> {
        match text.len() {
            0 => return Err(NickError::Empty),
            bytes if bytes > NICK_BYTES => return Err(NickError::TooLong { bytes }),
            _ => {}
        }
        if let Some(character) = text.chars().find(|c| is_hidden(*c) || *c == '\u{2026}') {
            return Err(NickError::Character { character });
        }
        if text.contains("\\u{") {
            return Err(NickError::Character { character: '\\' });
        }
        let strange = |c: char| c != ' ' && c.is_whitespace();
        if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") || text.contains(strange) {
            return Err(NickError::Space);
        }
        marks_are_few(text)?;
        if !is_nfc(text) {
            return Err(NickError::NotNormal);
        }
        let carries = |c: char| {
            use GeneralCategoryGroup::{Letter, Number, Symbol};
            matches!(c.general_category_group(), Letter | Number | Symbol)
        };
        if !text.contains(carries) {
            return Err(NickError::OnlyPunctuation);
        }
        if looks_like_onion(text) {
            return Err(NickError::LooksLikeOnion);
        }
        let plain: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        match OWN_WORDS.into_iter().find(|word| *word == plain) {
            Some(word) => Err(NickError::OwnWord { word }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// As [`Nick::parse`] for what the user typed: white space at the ends is cut, the emoji style sign U+FE0F, which
    /// keyboards add, is left out, and the rest is brought into normalization form C.
    ///
    /// # Errors
    /// As [`Nick::parse`].
    pub fn typed(text: &str) -> Result<Self, NickError> {
        // Looked at first: normalization costs time by length, and no longer text can become a name.
        if text.trim().len() > NICK_BYTES * 4 {
            return Err(NickError::TooLong { bytes: text.trim().len() });
        }
        let normal: String = text.trim().chars().filter(|c| *c != '\u{fe0f}').nfc().collect();
        Self::parse(&normal)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Nick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nick({} bytes)", self.0.len())
    }
}

/// Whether a character must never reach a screen as it is: controls (Cc), format characters (Cf: bidi overrides, isolates
/// and marks, zero width, soft hyphen, tags), line and paragraph separators, private use, noncharacters and what this
/// Unicode version has not assigned, variation selectors, and the letters and symbols that show nothing (fillers).
///
/// Line feeds and tabs are hidden in this sense too; who shows whole texts lets them pass.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned};
    matches!(
        c.general_category(),
        Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned
    ) || matches!(c,
        '\u{34f}'                  // combining grapheme joiner
        | '\u{115f}' | '\u{1160}'  // Hangul fillers
        | '\u{17b4}' | '\u{17b5}'  // Khmer inherent vowels
        | '\u{180b}'..='\u{180f}'  // Mongolian variation selectors
        | '\u{2800}'               // braille pattern blank
        | '\u{3164}' | '\u{ffa0}'  // Hangul fillers
        | '\u{fe00}'..='\u{fe0f}'  // variation selectors
        | '\u{16fe4}'              // Khitan filler
        | '\u{1d159}'              // musical null notehead
        | '\u{e0100}'..='\u{e01ef}' // variation selectors
    )
}

/// Whether a character is drawn on the one before it: combining marks, and the Hangul vowels and tails that a terminal
/// gives no column of their own.
#[must_use]
pub fn is_mark(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Mark
        || matches!(c, '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}')
}

fn marks_are_few(text: &str) -> Result<(), NickError> {
    let mut marks = None;
    for c in text.chars() {
        marks = match marks {
            _ if !is_mark(c) => (c != ' ').then_some(0),
            Some(n) if n < MARKS_PER_BASE => Some(n + 1),
            _ => return Err(NickError::Marks),
        };
    }
    Ok(())
}

fn looks_like_onion(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.contains(".onion")
        || lower.contains("torchat:")
        || lower.split(|c: char| !matches!(c, 'a'..='z' | '2'..='7')).any(|run| {
            // Without a digit it is a long word, and real ones have 16 letters and more.
            run.len() >= ONION_RUN && run.contains(|c: char| c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests;
