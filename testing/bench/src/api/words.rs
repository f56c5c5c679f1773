//! Texts that are made of words as those of a language are: a few are everywhere and most are rare.

/// Different words.
const WORDS: usize = 20_000;
/// Bytes of a text.
pub(crate) const TEXT: usize = 118;

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        bytes
    }

    /// Between 0 and 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The words, the most frequent one first.
pub(crate) struct Words(Vec<String>);

impl Words {
    pub(crate) fn new() -> Self {
        let mut numbers = Numbers::new(1);
        let mut seen = std::collections::BTreeSet::new();
        let mut words = Vec::with_capacity(WORDS);
        while words.len() < WORDS {
            // The frequent ones are short.
            let syllables = 1 + usize::from(words.len() > 40) + usize::from(words.len() > 2000) + numbers.below(2);
            let mut word = String::new();
            for _ in 0..syllables {
                word.push(char::from(b"bcdfghjklmnprstvwz"[numbers.below(18)]));
                word.push(char::from(b"aeiou"[numbers.below(5)]));
            }
            if numbers.below(2) == 0 {
                word.push(char::from(b"nrst"[numbers.below(4)]));
            }
            if seen.insert(word.clone()) {
                words.push(word);
            }
        }
        Self(words)
    }

    /// A word as often as it occurs: the n-th as often as the first one divided by n (Zipf's law).
    pub(crate) fn draw(&self, numbers: &mut Numbers) -> &str {
        let rank = ((self.0.len() as f64).ln() * numbers.part()).exp() as usize;
        &self.0[rank.saturating_sub(1).min(self.0.len() - 1)]
    }

    /// A text of [`TEXT`] bytes.
    pub(crate) fn text(&self, numbers: &mut Numbers) -> String {
        let mut text = String::with_capacity(TEXT + 16);
        while text.len() < TEXT {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(self.draw(numbers));
        }
        text.truncate(TEXT);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_long_as_they_should_be_and_frequent_words_frequent() {
        let (words, mut numbers) = (Words::new(), Numbers::new(7));
        assert!((0..100).all(|_| words.text(&mut numbers).len() == TEXT));
        let first = (0..10_000).filter(|_| words.draw(&mut numbers) == words.0[0]).count();
        // ln 2 / ln 20,000 of all.
        assert!((500..900).contains(&first), "{first}");
    }
}
