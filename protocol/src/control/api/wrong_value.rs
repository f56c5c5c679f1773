//! What is wrong with the parameters of a command, in plain words: the key, what it must be, and what was there.
//!
//! Commands are read by serde, whose errors are made for those who wrote the types: "invalid type: integer `3`, expected struct
//! Filter". Only what it refuses is read once more here, by a reader whose errors know the place. It takes the text apart as it is
//! asked for, so that a refusal costs no memory.

use crate::control::words;
use crate::json::Checked;
use serde::Deserialize;
use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use std::fmt;

/// How the types of this crate begin what they want, if it is no single type: see [`super::Ref`].
const MUST: &str = "must be ";

/// A value of a command is missing, or is not what it must be. Its words are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongValue {
    /// Where it is, the innermost step first.
    place: Vec<Step>,
    fault: Fault,
    /// What is there, in words.
    found: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// Some element of a list.
    Element,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    Missing(&'static str),
    /// What it must be.
    Wanted(String),
    /// The type's own sentence.
    Own(String),
}

/// Reads an object. [`WrongValue`] is made only if it does not fit; its syntax must have been read once before.
pub(super) fn read<'a, T: Deserialize<'a>>(object: Checked<'a>) -> Result<T, WrongValue> {
    object.read().or_else(|_| T::deserialize(ValueText(object.text().trim())))
}

impl WrongValue {
    fn new(fault: Fault) -> Self {
        Self { place: Vec::new(), fault, found: None }
    }

    fn one_of(words: &[&str]) -> Self {
        // What only a reader of a later version meets is not to be said.
        let quoted: Vec<_> = words.iter().filter(|word| **word != "unknown").map(|word| format!("{word:?}")).collect();
        Self::new(Fault::Wanted(match quoted.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
            _ => quoted.concat(),
        }))
    }

    fn at(mut self, step: Step) -> Self {
        self.place.push(step);
        self
    }

    fn where_it_is(&self) -> String {
        let steps = self.place.iter().map(|step| match step {
            Step::Key(key) => format!("{key:?}"),
            Step::Element => "each".to_owned(),
        });
        steps.collect::<Vec<_>>().join(" of ")
    }
}

impl fmt::Display for WrongValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.where_it_is();
        match &self.fault {
            Fault::Missing(key) if place.is_empty() => write!(f, "the key {key:?} is missing"),
            Fault::Missing(key) => write!(f, "the key {key:?} is missing in {place}"),
            Fault::Wanted(wanted) => {
                write!(f, "{place} must be {wanted}")?;
                self.found.as_ref().map_or(Ok(()), |found| write!(f, ", and here it is {found}"))
            }
            Fault::Own(sentence) => write!(f, "{place}: {sentence}"),
        }
    }
}

impl std::error::Error for WrongValue {}

impl de::Error for WrongValue {
    fn custom<T: fmt::Display>(sentence: T) -> Self {
        let sentence = sentence.to_string();
        Self::new(match sentence.strip_prefix(MUST) {
            Some(wanted) => Fault::Wanted(wanted.to_owned()),
            None => Fault::Own(sentence),
        })
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Fault::Wanted(plainly(&expected.to_string())))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(_: &str, words: &'static [&'static str]) -> Self {
        Self::one_of(words)
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Fault::Missing(key))
    }
}

/// What serde expects, as people say it.
fn plainly(expected: &str) -> String {
    let most = match expected {
        "u8" => Some(u8::MAX.into()),
        "u16" => Some(u16::MAX.into()),
        "u32" => Some(u32::MAX),
        _ => None,
    };
    if let Some(most) = most {
        return format!("a whole number from 0 to {most}");
    }
    match expected {
        "a string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "i64" => "a whole number",
        "u64" => "a whole number of 0 or more",
        text if text.starts_with("struct ") => "an object",
        other => other,
    }
    .to_owned()
}

/// The text of one value, which is good JSON.
#[derive(Clone, Copy)]
struct ValueText<'a>(&'a str);

impl<'a> ValueText<'a> {
    fn text(self) -> String {
        serde_json::from_str(self.0).unwrap_or_default()
    }

    fn in_words(self) -> String {
        match self.0.bytes().next() {
            Some(b'"') => words::found_text(&self.text()),
            Some(b'[') => "a list".to_owned(),
            Some(b'{') => "an object".to_owned(),
            Some(b'-' | b'0'..=b'9') => {
                format!("the number {}", self.0.chars().take(words::SHOWN_CHARS).collect::<String>())
            }
            _ => self.0.to_owned(),
        }
    }

    /// Names what is there, unless a value inside it is to blame.
    fn blamed(self, mut error: WrongValue) -> WrongValue {
        if error.place.is_empty() && error.found.is_none() {
            error.found = Some(self.in_words());
        }
        error
    }

    /// What is in a list or an object.
    fn inside(self) -> &'a str {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }
}

impl<'de> Deserializer<'de> for ValueText<'de> {
    type Error = WrongValue;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WrongValue> {
        match self.0.bytes().next() {
            Some(b'{') => visitor.visit_map(Members { rest: self.inside(), value: None }),
            Some(b'[') => visitor.visit_seq(Elements(self.inside())),
            Some(b'"') => visitor.visit_string(self.text()),
            Some(b't') => visitor.visit_bool(true),
            Some(b'f') => visitor.visit_bool(false),
            Some(b'n') => visitor.visit_unit(),
            _ => match (self.0.parse(), self.0.parse(), self.0.parse()) {
                (Ok(number), ..) => visitor.visit_u64(number),
                (_, Ok(number), _) => visitor.visit_i64(number),
                (.., Ok(number)) => visitor.visit_f64(number),
                _ => Err(WrongValue::new(Fault::Own("this is not a number".to_owned()))),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WrongValue> {
        if self.0 == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, WrongValue> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WrongValue> {
        if self.0.starts_with('"') {
            visitor.visit_enum(self.text().into_deserializer())
        } else {
            Err(WrongValue::one_of(variants))
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WrongValue> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct identifier
    }
}

/// Splits the next value off: what follows begins behind it and its separator.
fn split_value<'a>(rest: &mut &'a str) -> Option<ValueText<'a>> {
    let text = rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
    let end = crate::json::value_end(text);
    let (value, behind) = text.split_at_checked(end).filter(|(value, _)| !value.is_empty())?;
    *rest = behind;
    Some(ValueText(value))
}

struct Elements<'a>(&'a str);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = WrongValue;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, WrongValue> {
        let value = split_value(&mut self.0);
        value.map(|value| seed.deserialize(value).map_err(|error| value.blamed(error).at(Step::Element))).transpose()
    }
}

struct Members<'a> {
    rest: &'a str,
    value: Option<(String, ValueText<'a>)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = WrongValue;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, WrongValue> {
        let Some((key, value)) = split_value(&mut self.rest).zip(split_value(&mut self.rest)) else { return Ok(None) };
        let key = key.text();
        self.value = Some((key.clone(), value));
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, WrongValue> {
        let Some((key, value)) = self.value.take() else { return Err(de::Error::custom("a value without a key")) };
        seed.deserialize(value).map_err(|error| value.blamed(error).at(Step::Key(key)))
    }
}
