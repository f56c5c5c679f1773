//! The strict reader against an independent judgement: serde's lenient one, with what it lets through judged here.

use crate::Seen;
use crate::script::Script;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use torchat_protocol::json;

const LARGEST: u64 = (1 << 53) - 1;

/// The bytes as one strict JSON object; the first byte says how deep it may be.
///
/// # Panics
/// When the strict reader takes what must be refused, or refuses what must be taken.
pub fn strict(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let depth = 1 + script.below(8);
    let bytes = script.rest();
    let found = json::from_slice::<Tree>(bytes, bytes.len(), depth);
    let lenient = std::str::from_utf8(bytes).ok().and_then(|text| serde_json::from_str::<Tree>(text).ok());
    assert!(json::from_slice::<Tree>(bytes, bytes.len().saturating_sub(1), depth).is_err(), "a byte too long");
    match (found, lenient) {
        (Ok(found), Some(lenient)) => {
            assert_eq!(found, lenient, "both read the same");
            assert!(matches!(found, Tree::Object(_)), "an object");
            assert!(found.depth() <= depth, "too deep");
            assert!(found.keys_differ(), "a key twice, or too many");
            assert!(found.numbers_are(&|number| number.is_kept()), "a number that others round");
            Seen::Taken
        }
        (Ok(_), None) => panic!("no JSON, and taken"),
        (Err(error), Some(tree)) => {
            let sound = matches!(tree, Tree::Object(_))
                && tree.depth() <= depth
                && tree.keys_differ()
                && tree.numbers_are(&|number| number.is_surely_kept());
            assert!(!sound, "refused without a reason: {error}");
            Seen::Refused
        }
        (Err(_), None) => Seen::Refused,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Whole(u64),
    Negative(i64),
    Fraction(f64),
}

impl Number {
    fn is_kept(self) -> bool {
        match self {
            Self::Whole(n) => n <= LARGEST,
            Self::Negative(n) => n.unsigned_abs() <= LARGEST,
            Self::Fraction(n) => n.is_finite(),
        }
    }

    /// Whole numbers beyond 64 bits look like fractions here, so large fractions prove nothing.
    fn is_surely_kept(self) -> bool {
        self.is_kept() && !matches!(self, Self::Fraction(n) if n.abs() > 9e15)
    }
}

/// JSON with everything that a map would forget.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    Text(String),
    Number(Number),
    Word(Option<bool>),
}

impl Tree {
    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Object(entries) => Box::new(entries.iter().map(|entry| &entry.1)),
            Self::Array(list) => Box::new(list.iter()),
            Self::Text(_) | Self::Number(_) | Self::Word(_) => Box::new(std::iter::empty()),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Object(_) | Self::Array(_) => 1 + self.children().map(Self::depth).max().unwrap_or(0),
            Self::Text(_) | Self::Number(_) | Self::Word(_) => 0,
        }
    }

    fn keys_differ(&self) -> bool {
        let differ = match self {
            Self::Object(entries) => {
                let mut keys: Vec<_> = entries.iter().map(|entry| &entry.0).collect();
                keys.sort();
                keys.windows(2).all(|pair| pair[0] != pair[1]) && keys.len() <= 64
            }
            _ => true,
        };
        differ && self.children().all(Self::keys_differ)
    }

    fn numbers_are(&self, good: &dyn Fn(Number) -> bool) -> bool {
        let this = if let Self::Number(number) = self { good(*number) } else { true };
        this && self.children().all(|child| child.numbers_are(good))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Word(Some(value)))
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Word(None))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(Number::Whole(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(Number::Negative(value)))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(Number::Fraction(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Tree::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Object(entries))
    }
}
