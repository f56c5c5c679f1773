//! The seed of an onion as 24 English words (BIP39), for paper.
//!
//! 256 bits of the seed and 8 bits of its SHA-256, 11 bits a word: a wrong word is noticed in 255 of 256 cases. The words
//! are the seed itself; BIP39's own passphrase and its PBKDF2 are not used.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// Words of a seed.
pub(crate) const COUNT: usize = 24;
/// Words on a line, so that they fit on paper and can be counted.
const ON_A_LINE: usize = 6;

/// Why words are no seed. The words themselves are not in it: what goes wrong is printed, and may be kept somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WordsError {
    /// The word with this number, from 1 on, is not in the list.
    #[error("word {0} is not one of the 2,048 words of the list: check its spelling")]
    Unknown(usize),
    /// Not as many as there must be.
    #[error("there are {0} words; there must be {COUNT}")]
    Count(usize),
    /// All are in the list, but not these, or not in this order.
    #[error("the checksum of the words 1 to {COUNT} does not match: one of them is wrong, or two are swapped")]
    Checksum,
}

/// The words, several on a line.
pub(crate) fn of_seed(seed: &[u8; 32]) -> Result<Zeroizing<String>, bip39::Error> {
    let words = Mnemonic::from_entropy(seed)?;
    // The longest word has 8 letters. A text that grows leaves copies in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(COUNT * 9));
    for (at, word) in words.words().enumerate() {
        text.push_str(word);
        text.push(if (at + 1) % ON_A_LINE == 0 { '\n' } else { ' ' });
    }
    Ok(text)
}

/// The seed. White space and upper case do not matter.
///
/// # Errors
/// See [`WordsError`].
pub(crate) fn to_seed(text: &str) -> Result<Zeroizing<[u8; 32]>, WordsError> {
    let text = Zeroizing::new(text.to_ascii_lowercase());
    // Before they are counted: a stray character between two words is better named than counted.
    if let Some(at) = text.split_whitespace().position(|word| Language::English.find_word(word).is_none()) {
        return Err(WordsError::Unknown(at + 1));
    }
    let count = text.split_whitespace().count();
    if count != COUNT {
        return Err(WordsError::Count(count));
    }
    let words = Mnemonic::parse_in_normalized(Language::English, &text).map_err(|_| WordsError::Checksum)?;
    let bytes = Zeroizing::new(words.to_entropy_array().0);
    bytes.first_chunk().map(|seed| Zeroizing::new(*seed)).ok_or(WordsError::Count(count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The vectors of 256 bits in BIP39's reference (`vectors.json` of python-mnemonic).
    const VECTORS: [(&str, &str); 4] = [
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal \
             winner thank year wave sausage worth title",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel tennis \
             maple dilemma loan word shrug inflict delay length",
        ),
    ];

    fn seed(hex: &str) -> [u8; 32] {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_reference_vectors_go_both_ways() {
        for (hex, words) in VECTORS {
            let text = of_seed(&seed(hex)).unwrap();
            assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), words);
            assert_eq!(text.lines().count(), COUNT / ON_A_LINE);
            assert!(text.ends_with('\n') && text.capacity() == COUNT * 9, "it did not grow");
            assert_eq!(*to_seed(words).unwrap(), seed(hex));
        }
    }

    #[test]
    fn white_space_and_case_do_not_matter() {
        let (hex, words) = VECTORS[3];
        let odd = format!("\n\t {}\r\n\n", words.to_uppercase().replace(' ', " \t\r\n "));
        assert_eq!(*to_seed(&odd).unwrap(), seed(hex));
    }

    #[test]
    fn a_slip_is_named_by_its_place_and_not_repeated() {
        let words: Vec<&str> = VECTORS[3].1.split(' ').collect();
        for at in 0..COUNT {
            let mut slip = words.clone();
            slip[at] = "hamstre";
            let error = to_seed(&slip.join(" ")).unwrap_err();
            assert_eq!(error, WordsError::Unknown(at + 1));
            assert!(error.to_string().contains(&format!("word {} ", at + 1)), "{error}");
            assert!(!error.to_string().contains("hamstre"), "{error}");
        }
        // A prefix of a word is no word, and neither is one of another alphabet.
        assert_eq!(to_seed("hams").unwrap_err(), WordsError::Unknown(1));
        assert_eq!(to_seed(&format!("{} ärt", words.join(" "))).unwrap_err(), WordsError::Unknown(25));
    }

    #[test]
    fn the_number_of_words_is_told() {
        let words: Vec<&str> = VECTORS[3].1.split(' ').collect();
        assert_eq!(to_seed("").unwrap_err(), WordsError::Count(0));
        assert_eq!(to_seed(&words[..23].join(" ")).unwrap_err(), WordsError::Count(23));
        assert_eq!(to_seed(&format!("{} art", words.join(" "))).unwrap_err(), WordsError::Count(25));
        // A well-formed mnemonic of 128 bits is not a seed of ours.
        let twelve = "legal winner thank year wave sausage worth useful legal winner thank yellow";
        assert_eq!(to_seed(twelve).unwrap_err(), WordsError::Count(12));
    }

    #[test]
    fn words_that_do_not_belong_together() {
        let words: Vec<&str> = VECTORS[3].1.split(' ').collect();
        let mut swapped = words.clone();
        swapped.swap(2, 3);
        assert_eq!(to_seed(&swapped.join(" ")).unwrap_err(), WordsError::Checksum);
        let mut other = words.clone();
        other[23] = "art";
        assert_eq!(to_seed(&other.join(" ")).unwrap_err(), WordsError::Checksum);
    }
}
