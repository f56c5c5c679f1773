//! Names that look like other names.
//!
//! A peer chooses its nickname, so it may choose one that reads like a contact's. No rule can forbid that: names in one
//! script are honest names too. So a client asks [`looks_like`] about every new name and the names it already shows,
//! and warns: "this name looks like your contact X".

use std::sync::LazyLock;
use torchat_protocol::nick::OWN_WORDS;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Whether a person may take one name for the other. Equal names do look alike.
///
/// Compared without case, spaces, punctuation and the accents of Latin, Greek and Cyrillic, by the table of confusable
/// characters of Unicode's UTS 39: Cyrillic а is a, Greek ο is o, l, I, 1 and | are one, 0 is O, rn is m, full width and
/// mathematical letters are plain ones. It is a reason to warn and not to refuse: José and Jose look alike too.
///
/// Both names should be of bounded length: the work grows with it.
#[must_use]
pub fn looks_like(a: &str, b: &str) -> bool {
    Look::of(a).is_like(&Look::of(b))
}

/// Whether a name may be taken for a word by which our programs speak of themselves, in any script.
#[must_use]
pub fn looks_like_our_word(name: &str) -> bool {
    static WORDS: LazyLock<Vec<Look>> = LazyLock::new(|| OWN_WORDS.into_iter().map(Look::of).collect());
    let look = Look::of(name);
    WORDS.iter().any(|word| word.is_like(&look))
}

/// What is left of a name when everything is taken away by which a person does not tell names apart: for comparing one
/// name with many without the work of [`looks_like`] for each. Two names are alike if their looks share a [part](Self::parts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look(Vec<Part>);

/// A part of a [`Look`], to find names by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// The name itself, if it has no letter or digit. Never empty.
    Exact(String),
    /// Its letters by their shape.
    Shape(String),
    /// The shape of its small letters.
    Small(String),
}

impl Look {
    /// Of a name. The work grows with its length.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // Twice, because I looks like l and i is its lower case: "aIice" is "alice" by its shape, "ALICE" is by its case.
        let parts = [Part::Shape(folded(name, false)), Part::Small(folded(name, true))];
        let mut parts: Vec<Part> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() && !name.is_empty() {
            parts.push(Part::Exact(name.to_owned()));
        }
        Self(parts)
    }

    /// At most two; none of an empty name.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Whether a person may take the one for the other. Two empty names are equal.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.iter().any(|part| other.0.contains(part))
    }
}

impl Part {
    fn is_empty(&self) -> bool {
        let (Self::Exact(text) | Self::Shape(text) | Self::Small(text)) = self;
        text.is_empty()
    }
}

fn folded(name: &str, lower_first: bool) -> String {
    let plain: String = name.nfkd().filter(|c| !is_accent(*c)).collect();
    let plain = if lower_first { plain.to_lowercase() } else { plain };
    let shape: String = skeleton(&plain).collect();
    let letters = shape.nfkd().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric() && !is_accent(*c));
    // UTS 39 writes m as rn, but leaves the small capital alone.
    letters.map(base_shape).collect::<String>().replace("rn", "m")
}

/// The combining marks that no script's spelling depends on. Vowel signs of Hebrew to Khmer are not among them.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The letters shaped like small capitals, to which UTS 39 brings Cyrillic ones, and the dotless i.
fn base_shape(c: char) -> char {
    match c {
        '\u{299}' => 'b',
        '\u{29c}' => 'h',
        '\u{131}' => 'i',
        '\u{138}' | '\u{1d0b}' => 'k',
        '\u{28d}' | '\u{1d0d}' => 'm',
        '\u{1d1b}' => 't',
        other => other,
    }
}
