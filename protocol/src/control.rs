//! What a local program says to its daemon: the classic contract, one JSON object a request.
//!
//! Nothing here can come from an onion stream: peers have types of their own in [`crate::message`].

pub mod api;
pub mod code;
pub mod finder;
pub mod reason;
mod request;
pub mod status;
pub mod token;
pub mod words;

pub use request::{Request, RequestError};

use crate::limits;
use code::Code;
use serde_json::Value;

/// Bytes of a reply without its texts, mostly.
const SHORT_BYTES: usize = 96;

/// A reply: keys in alphabetical order, compact, raw UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply(Vec<(&'static str, Field)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// A text of ours that needs no escape.
    Word(&'static str),
    Value(Value),
    /// JSON already.
    Json(Vec<u8>),
}

impl Field {
    /// Bytes that a text takes, about. What has other forms is small or grows as it is written.
    fn len(&self) -> usize {
        match self {
            Self::Word(word) => word.len(),
            Self::Value(Value::String(text)) => text.len(),
            Self::Value(_) => 0,
            Self::Json(json) => json.len(),
        }
    }
}

/// Writes what needs no escape.
fn quote(bytes: &mut Vec<u8>, word: &str) {
    bytes.push(b'"');
    bytes.extend_from_slice(word.as_bytes());
    bytes.push(b'"');
}

impl Reply {
    /// A reply with the four keys that every reply has. `portno` is the request's, a number or a text.
    #[must_use]
    pub fn new(cmd: &'static str, id: impl Into<String>, msg: impl Into<String>, portno: impl Into<Value>) -> Self {
        let value = |value: Value| Field::Value(value);
        let mut fields = Vec::with_capacity(8);
        fields.push(("cmd", Field::Word(cmd)));
        fields.push(("id", value(id.into().into())));
        fields.push(("msg", value(msg.into().into())));
        fields.push(("portno", value(portno.into())));
        Self(fields)
    }

    /// An error: `code` is stable and for programs, `msg` for people.
    #[must_use]
    pub fn error(code: Code, id: impl Into<String>, msg: impl Into<String>, portno: impl Into<Value>) -> Self {
        Self::new("ERR", id, msg, portno).put("code", Field::Word(code.known_text()))
    }

    /// Adds a key.
    #[must_use]
    pub fn with(self, key: &'static str, value: impl Into<Value>) -> Self {
        self.put(key, Field::Value(value.into()))
    }

    /// Adds a key with what is JSON already: a long list as values would take ten times the memory of its bytes.
    #[must_use]
    pub fn with_json(self, key: &'static str, json: Vec<u8>) -> Self {
        self.put(key, Field::Json(json))
    }

    /// Puts a field where its key belongs.
    fn put(mut self, key: &'static str, field: Field) -> Self {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => {
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = field;
                }
            }
            Err(at) => self.0.insert(at, (key, field)),
        }
        self
    }

    fn field(&self, key: &str) -> Option<&Field> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, field)| field)
    }

    /// The code of an error; `None`: it is none.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self.field("code")? {
            Field::Word(code) => Some(Code::of(code)),
            Field::Value(_) | Field::Json(_) => None,
        }
    }

    /// The object's bytes, without what frames it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let long: usize = self.0.iter().map(|(_, field)| field.len()).sum();
        let mut bytes = Vec::with_capacity(SHORT_BYTES + long);
        bytes.push(b'{');
        for (n, (key, field)) in self.0.iter().enumerate() {
            if n > 0 {
                bytes.push(b',');
            }
            // Keys are words of ours. Strings, numbers and maps with text keys cannot fail to serialise, and a Vec takes
            // every byte.
            quote(&mut bytes, key);
            bytes.push(b':');
            match field {
                Field::Word(word) => quote(&mut bytes, word),
                Field::Value(value) => drop(serde_json::to_writer(&mut bytes, value)),
                Field::Json(json) => bytes.extend_from_slice(json),
            }
        }
        bytes.push(b'}');
        bytes
    }

    /// The bytes of one write: plain with a newline at the end, or framed by four digits. A framed reply that is too
    /// long for four digits becomes an error.
    #[must_use]
    pub fn frame(&self, framing: finder::Framing) -> Vec<u8> {
        let mut object = self.to_bytes();
        match framing {
            finder::Framing::Plain => {
                object.push(b'\n');
                object
            }
            finder::Framing::Digits => {
                if object.len() > limits::FRAMED_OBJECT_BYTES {
                    let text = format!(
                        "the reply has {} bytes, a framed one at most {}: use the plain framing",
                        object.len(),
                        limits::FRAMED_OBJECT_BYTES
                    );
                    let portno = match self.field("portno") {
                        Some(Field::Value(portno)) => portno.clone(),
                        _ => 0.into(),
                    };
                    object = Self::error(Code::TooLong, "", text, portno).to_bytes();
                }
                let mut bytes = format!("{:04}", object.len()).into_bytes();
                bytes.extend(object);
                bytes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::finder::Framing;
    use super::*;

    #[test]
    fn replies_are_golden() {
        let reply = Reply::new("UPDATE", "p.onion", "ü\n", 80).with("date", "2026-01-02T03:04:05Z");
        let object =
            "{\"cmd\":\"UPDATE\",\"date\":\"2026-01-02T03:04:05Z\",\"id\":\"p.onion\",\"msg\":\"ü\\n\",\"portno\":80}";
        assert_eq!(reply.frame(Framing::Plain), format!("{object}\n").into_bytes());
        assert_eq!(reply.frame(Framing::Digits), format!("0086{object}").into_bytes());
        let long = Reply::new("HISTORY", "", "x".repeat(10_000), 1).frame(Framing::Digits);
        assert!(String::from_utf8(long).unwrap().contains("\"code\":\"too-long\""));
    }
}
