//! A request of the classic contract, as its bytes say it.
//!
//! The first TORchat's programs mixed numbers and texts, so `portno` may be either, and so may `msg` where it is a number. What
//! is wrong is told by the key, what it must be and what was there, because people read it.

use super::words::{self, SHOWN_CHARS};
use crate::json::{self, JsonError};
use crate::limits;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Commands whose `msg` is a number.
const NUMBERED: [&str; 3] = ["HISTORY", "INVITE", "LEGACY"];

/// A request. Unknown keys are ignored; a wrong type and a repeated key are errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub cmd: String,
    /// Mostly the peer.
    pub id: String,
    /// The argument; a number as its digits.
    pub msg: String,
    /// Echoed as it came: a whole number, or a text that is one.
    pub portno: Value,
    /// SEND: `delivered` to answer only when the peer has the message.
    pub wait: Option<String>,
    /// SEND: how long to wait, in seconds.
    pub timeout: Option<u64>,
}

/// Why bytes are not a request, for an ERR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not one strict JSON object.
    #[error("{0}")]
    Json(JsonError),
    /// A key that must be there.
    #[error("the key \"cmd\" is missing: {{\"cmd\":\"HOST\"}}")]
    NoCommand,
    /// A value of another type.
    #[error("\"{key}\" must be {wanted}, and here it is {found}")]
    Type {
        /// Whose value.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is, in words.
        found: String,
    },
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it, for an ERR reply.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        let raw: Raw = json::from_slice(bytes, limits::CONTROL_OBJECT_BYTES, limits::JSON_DEPTH)?;
        let cmd = raw.cmd.text("cmd")?.ok_or(RequestError::NoCommand)?;
        let msg = match raw.msg {
            Given::Whole(number) if NUMBERED.contains(&cmd.as_str()) => Some(number.to_string()),
            msg => msg.text("msg")?,
        };
        Ok(Self {
            id: raw.id.text("id")?.unwrap_or_default(),
            msg: msg.unwrap_or_default(),
            portno: raw.portno.portno()?,
            wait: raw.wait.or_null().text("wait")?,
            timeout: raw.timeout.or_null().seconds()?,
            cmd,
        })
    }
}

impl From<JsonError> for RequestError {
    fn from(error: JsonError) -> Self {
        Self::Json(error.in_plain_words())
    }
}

/// The keys, whatever their types.
#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    cmd: Given,
    #[serde(default)]
    id: Given,
    #[serde(default)]
    msg: Given,
    #[serde(default)]
    portno: Given,
    #[serde(default)]
    wait: Given,
    #[serde(default)]
    timeout: Given,
}

/// A value, as far as an error tells it.
#[derive(Default)]
enum Given {
    #[default]
    Absent,
    Null,
    Text(String),
    Whole(i64),
    /// Not a whole number, or one of more than 63 bits.
    Number(f64),
    Truth(bool),
    List,
    Object,
}

impl Given {
    /// A value that may be null, which is as if it were not there.
    fn or_null(self) -> Self {
        if matches!(self, Self::Null) { Self::Absent } else { self }
    }

    fn text(self, key: &'static str) -> Result<Option<String>, RequestError> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            other => Err(other.wrong(key, "a text")),
        }
    }

    fn portno(self) -> Result<Value, RequestError> {
        match self {
            Self::Absent => Ok(0.into()),
            Self::Whole(number) => Ok(number.into()),
            Self::Text(text) if text.len() <= SHOWN_CHARS && text.trim().parse::<i64>().is_ok() => Ok(text.into()),
            other => Err(other.wrong("portno", "a whole number")),
        }
    }

    fn seconds(self) -> Result<Option<u64>, RequestError> {
        match self {
            Self::Absent => Ok(None),
            Self::Whole(number) if number >= 0 => Ok(Some(number.unsigned_abs())),
            other => Err(other.wrong("timeout", "a whole number of seconds")),
        }
    }

    fn wrong(&self, key: &'static str, wanted: &'static str) -> RequestError {
        let found = match self {
            Self::Absent => "missing".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Text(text) => words::found_text(text),
            Self::Whole(number) => format!("the number {number}"),
            Self::Number(number) => format!("the number {number}"),
            Self::Truth(truth) => truth.to_string(),
            Self::List => "a list".to_owned(),
            Self::Object => "an object".to_owned(),
        };
        RequestError::Type { key, wanted, found }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Given, E> {
        Ok(Given::Truth(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Given, E> {
        Ok(Given::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given, E> {
        // The strict reader lets no whole number through that is larger than 2^53-1.
        Ok(i64::try_from(number).map_or(Given::Number(f64::INFINITY), Given::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(Given::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Given, E> {
        Ok(Given::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Given, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Given, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Given::Object)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        Request::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn requests_have_defaults_and_types() {
        let request = Request::parse(br#"{"cmd":"HOST"}"#).unwrap();
        assert_eq!((request.id.as_str(), request.msg.as_str(), request.portno), ("", "", Value::from(0)));
        let old = br#"{"id": "localhost", "portno": 8000, "msg": "", "cmd": "HOST", "date": "[12:34] "}"#;
        assert_eq!(Request::parse(old).unwrap().portno, 8000);
        for bad in [
            &br#"{"cmd":1}"#[..],
            br#"{"cmd":"HOST","portno":1.5}"#,
            br#"{"cmd":"HOST","id":null}"#,
            br#"{"msg":"x"}"#,
            br#"{"cmd":"HOST","cmd":"EXIT"}"#,
            br#"{"cmd":"HOST","x":1,"x":1}"#,
        ] {
            assert!(Request::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn numbers_and_texts_are_taken_alike_where_old_programs_mixed_them() {
        for (text, portno) in [("80", Value::from(80)), ("\"80\"", "80".into()), ("-1", (-1).into())] {
            let request = Request::parse(format!(r#"{{"cmd":"HOST","portno":{text}}}"#).as_bytes()).unwrap();
            assert_eq!(request.portno, portno, "as it came");
        }
        for cmd in ["HISTORY", "INVITE", "LEGACY"] {
            let request = Request::parse(format!(r#"{{"cmd":"{cmd}","msg":3}}"#).as_bytes()).unwrap();
            assert_eq!(request.msg, "3");
        }
        assert_eq!(error(r#"{"cmd":"SEND","msg":3}"#), "\"msg\" must be a text, and here it is the number 3");
        assert_eq!(Request::parse(br#"{"cmd":"SEND","wait":null,"timeout":null}"#).unwrap().wait, None);
    }

    #[test]
    fn errors_name_the_key_what_it_must_be_and_what_was_there() {
        for (text, words) in [
            (
                r#"{"cmd":"HOST","portno":"eighty"}"#,
                "\"portno\" must be a whole number, and here it is the text \"eighty\"",
            ),
            (r#"{"cmd":"HOST","portno":1.5}"#, "\"portno\" must be a whole number, and here it is the number 1.5"),
            (r#"{"cmd":"HOST","id":["a"]}"#, "\"id\" must be a text, and here it is a list"),
            (r#"{"cmd":{"a":1}}"#, "\"cmd\" must be a text, and here it is an object"),
            (
                r#"{"cmd":"SEND","timeout":-1}"#,
                "\"timeout\" must be a whole number of seconds, and here it is the number -1",
            ),
            (r#"{"cmd":"SEND","wait":true}"#, "\"wait\" must be a text, and here it is true"),
            (r#"{"id":"x"}"#, "the key \"cmd\" is missing: {\"cmd\":\"HOST\"}"),
            (r#"{"cmd":HOST}"#, "this is not JSON at character 8: an object looks like {\"cmd\":\"HOST\"}"),
        ] {
            assert_eq!(error(text), words);
        }
    }

    proptest! {
        #[test]
        fn no_error_has_the_words_of_the_reader(
            key in "cmd|id|msg|portno|wait|timeout|date|x",
            value in r#"null|true|-?[0-9]{1,17}(\.[0-9]{1,3})?(e[0-9])?|"[a-z0-9\\"]{0,40}"|\[[0-9,]{0,5}\]|\{("a":1)?\}|[a-z\[\]{}:,"]{1,9}"#,
            cmd in "SEND|HISTORY|UPDATE|LEGACY|INVITE|EXIT",
        ) {
            let text = format!(r#"{{"cmd":"{cmd}","{key}":{value}}}"#);
            let other = format!(r#"{{"{key}":{value}}}"#);
            for text in [text, other] {
                if let Err(error) = Request::parse(text.as_bytes()) {
                    let words = error.to_string();
                    for theirs in ["line 1 column", "expected", "invalid type", "invalid value", "missing field"] {
                        prop_assert!(!words.contains(theirs) || text.contains(theirs), "{text}: {words}");
                    }
                }
            }
        }
    }
}
