//! Compare words: what two people read to each other to see that each has the other's onion.
//!
//! Both sides see the same words, made of both onions, so one look compares both. A man in the middle who gave each of the two an onion
//! of his own would need two onions that make the same words with each of theirs. He may choose both, so [`COUNT`] words of 11 bits
//! bear half of their bits against him: 66. (Six words, with 66 bits, were rejected: he would need 2^33 onions of each kind, which a
//! computer makes in a day. One half of the words for each onion was rejected, too: it would let one search serve for all users.)

use bip39::Language;
use sha2::{Digest as _, Sha256};
use torchat_protocol::id::PeerId;

/// Words that are compared.
pub const COUNT: usize = 12;
/// Bits of a word.
const BITS: usize = 11;
/// Says what the digest is for.
const LABEL: &[u8] = b"torchatd/1 compare\0";

/// The words of two onions, the same for both: the first 132 bits of the SHA-256 of a label, the smaller key and the larger one, 11 bits
/// a word, the highest bit first, in the English list of BIP39.
#[must_use]
pub fn words(one: &PeerId, other: &PeerId) -> [&'static str; COUNT] {
    let (low, high) = if one.as_bytes() <= other.as_bytes() { (one, other) } else { (other, one) };
    let digest =
        Sha256::new().chain_update(LABEL).chain_update(low.as_bytes()).chain_update(high.as_bytes()).finalize();
    let list = Language::English.word_list();
    std::array::from_fn(|word| {
        let number = (word * BITS..(word + 1) * BITS).fold(0, |number, bit| {
            let byte = digest.get(bit / 8).copied().unwrap_or_default();
            number << 1 | usize::from(byte >> (7 - bit % 8) & 1)
        });
        list.get(number).copied().unwrap_or_default()
    })
}

/// What a QR code of the words holds: the words in capital letters, with a blank between them. Both ends show the same code, and every
/// reader of codes shows the words, so they can be compared without typing. Capital letters and blanks fit into a smaller code than
/// small letters do.
#[must_use]
pub fn code(words: &[&str]) -> String {
    words.join(" ").to_uppercase()
}

/// Whether a text is these words and nothing else: heard and typed, or read from a QR code. Case, blanks and what stands between
/// words do not count.
#[must_use]
pub fn is_same(words: &[&str], text: &str) -> bool {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).eq(words.iter().copied())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::Value;

    /// The pairs of onions and their words that the second implementation reads too.
    const VECTORS: &str = include_str!("../../../docs/vectors/compare.json");

    #[test]
    fn both_sides_see_the_words_of_the_vectors() {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        let pairs = vectors["pairs"].as_array().unwrap();
        for pair in pairs {
            let onion = |key: &str| torchat_protocol::id::parse_onion(pair[key].as_str().unwrap()).unwrap();
            let (a, b) = (onion("a"), onion("b"));
            let expected: Vec<_> =
                pair["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            assert_eq!(words(&a, &b).to_vec(), expected);
            assert_eq!(words(&b, &a).to_vec(), expected);
        }
        assert!(pairs.len() > 1 && pairs[0]["words"] != pairs[1]["words"]);
    }

    #[test]
    fn what_a_code_holds_is_the_same_words_and_nothing_else_is() {
        let words = ["battle", "unknown", "pluck"];
        assert_eq!(code(&words), "BATTLE UNKNOWN PLUCK");
        for same in [code(&words).as_str(), "battle unknown pluck", " Battle, unknown\nPLUCK.\n"] {
            assert!(is_same(&words, same), "{same}");
        }
        for other in ["", "battle unknown", "battle pluck unknown", "battle unknown pluck pet", "battleunknown pluck"] {
            assert!(!is_same(&words, other), "{other}");
        }
    }

    #[test]
    fn a_code_holds_only_what_its_smallest_form_can() {
        // The 45 characters of QR's alphanumeric mode have no small letters.
        let longest = Language::English.word_list().iter().map(|word| word.len()).max().unwrap();
        assert!(COUNT * (longest + 1) - 1 <= 114, "version 4 of a code, level L, holds 114 of them");
        assert!(Language::English.word_list().iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    }
}
