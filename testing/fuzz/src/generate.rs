//! Inputs: mutations of the corpus, and random bytes.

use crate::Target;

/// Pseudo-random numbers (SplitMix64, public domain, by Sebastiano Vigna). Not from a crate: a printed seed must give
/// the same inputs after every update of the dependencies.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end as u64;
        usize::try_from(self.next_u64().checked_rem(end).unwrap_or(0)).unwrap_or(0)
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.next_u64().to_le_bytes()[0]
    }

    /// Fills a buffer.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// The input number `index` of a run with this seed, from these corpus files of the target.
#[must_use]
pub fn input(target: &Target, corpus: &[Vec<u8>], seed: u64, index: u64) -> Vec<u8> {
    // One more step between the two, or neighbouring seeds would share most of their inputs.
    let mut dice = Dice::new(Dice::new(seed).next_u64().wrapping_add(index));
    let mut bytes = match dice.below(8) {
        0 => random(&mut dice, target.longest.min(64)),
        1 => random(&mut dice, target.longest),
        _ => corpus.get(dice.below(corpus.len())).cloned().unwrap_or_default(),
    };
    for _ in 0..[0, 1, 1, 1, 2, 3, 5, 9][dice.below(8)] {
        mutate(target, corpus, &mut dice, &mut bytes);
    }
    bytes.truncate(target.longest);
    bytes
}

fn random(dice: &mut Dice, longest: usize) -> Vec<u8> {
    let mut bytes = vec![0; dice.below(longest + 1)];
    dice.fill(&mut bytes);
    bytes
}

const INTERESTING: [u8; 16] = [0, 1, 2, 7, 8, 9, 10, 31, 32, 34, 92, 123, 127, 128, 254, 255];

fn mutate(target: &Target, corpus: &[Vec<u8>], dice: &mut Dice, bytes: &mut Vec<u8>) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(10) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = dice.byte();
            }
        }
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = INTERESTING[dice.below(INTERESTING.len())];
            }
        }
        4 => {
            let longest = [1, 4, 40][dice.below(3)];
            let piece = random(dice, longest);
            bytes.splice(at..at, piece);
        }
        5 => {
            let longest = [1, 4, 40][dice.below(3)];
            let end = bytes.len().min(at + 1 + dice.below(longest));
            bytes.drain(at.min(end)..end);
        }
        6 => {
            let end = bytes.len().min(at + 1 + dice.below(24));
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        7 | 8 if !target.words.is_empty() => {
            let word = target.words[dice.below(target.words.len())].as_bytes();
            // Sometimes over what is there, so that lengths still fit.
            let end = if dice.below(2) == 0 { at } else { bytes.len().min(at + word.len()) };
            bytes.splice(at..end, word.iter().copied());
        }
        _ => {
            let Some(other) = corpus.get(dice.below(corpus.len())) else { return };
            let from = dice.below(other.len() + 1);
            let to = other.len().min(from + dice.below(other.len() + 1));
            let end = if dice.below(2) == 0 { bytes.len() } else { at };
            bytes.splice(at..end, other[from..to].iter().copied());
        }
    }
}
