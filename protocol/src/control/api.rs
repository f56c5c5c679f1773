//! API 1: what a local program says after HELLO, and what it hears.
//!
//! One JSON object a line, both ways. A request has `cmd`, maybe `ref`, and the command's parameters beside them; unknown
//! keys are ignored. Answers come in any order: `{"ref":..,"ok":{..}}` or `{"ref":..,"error":{..}}`. An event that a
//! subscription pushes is `{"sub":REF,"event":{..}}`, REF being that of the SUBSCRIBE; `{"sub":REF,"upto":N}` says how far
//! the log was looked through when its filter drops what is there.
//!
//! A command is a type: its parameters, its name, the right that it needs, what it answers ([`Call`]). The table of
//! all commands ([`COMMANDS`]) drives parsing, permissions, documentation and the schema, so that they cannot differ.

pub mod command;
pub mod event;
pub mod record;
mod wrong_value;

use super::code::Code;
use crate::id::{MessageId, PeerId, parse_local_onion};
use crate::json::{Checked, JsonError};
use crate::limits;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

pub use crate::conversation::ConversationId;
pub use command::COMMANDS;
pub use wrong_value::WrongValue;

/// The version that HELLO names.
pub const VERSION: u32 = 1;
/// Longest text of a `ref`, in bytes.
pub const REF_BYTES: usize = 128;

/// What a program may do. `Admin` includes the others; else each stands for itself, so that a program can send and not
/// read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Conversations, contacts, events, the state of the daemon.
    Read,
    /// Write to contacts, take back, mark as read.
    Send,
    /// Decide who is a contact.
    Contacts,
    /// Make, join and leave rooms, and decide in them what our role allows.
    Rooms,
    /// Everything, tokens and the end of the daemon among it.
    Admin,
}

/// Reads what a daemon says of rights: those of a later version of the API are left out, because a program that does not
/// know them cannot use them. What a daemon is told is read strictly, by [`Right`] itself.
pub(crate) fn known_rights<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Right>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Found {
        Known(Right),
        Unknown(serde::de::IgnoredAny),
    }
    let found = Vec::<Found>::deserialize(deserializer)?;
    let known = |found| if let Found::Known(right) = found { Some(right) } else { None };
    Ok(found.into_iter().filter_map(known).collect())
}

/// Reads a record that must be an object. What serde makes for a record takes a list of its values in their order, too.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Object(PhantomData))
}

/// The same of a record that may be left out.
pub(crate) fn optional_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Optional<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Optional<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            object(deserializer).map(Some)
        }
    }
    deserializer.deserialize_option(Optional(PhantomData))
}

/// A request's own name, given back with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "must be a whole number or a text")]
pub enum Ref {
    /// A number.
    Number(i64),
    /// A text of at most [`REF_BYTES`].
    Text(String),
}

/// What is common to all requests.
#[derive(Deserialize)]
struct Common<'a> {
    #[serde(borrow)]
    cmd: Cow<'a, str>,
    #[serde(default, rename = "ref")]
    reference: Option<Ref>,
}

/// A request, as far as it was read: its name and its `ref`.
#[derive(Debug, Clone)]
pub struct Envelope<'a> {
    /// Which command is meant.
    pub name: Cow<'a, str>,
    /// The request's own name.
    pub reference: Option<Ref>,
    object: Checked<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads what is common to all requests.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, RequestError> {
        let object = Checked::new(bytes, limits::CONTROL_OBJECT_BYTES, limits::JSON_DEPTH)?;
        let Common { cmd: name, reference } = object.read().or_else(|_| {
            object.read::<IgnoredAny>()?;
            wrong_value::read(object).map_err(RequestError::Value)
        })?;
        if matches!(&reference, Some(Ref::Text(text)) if text.len() > REF_BYTES) {
            return Err(RequestError::Reference);
        }
        Ok(Self { name, reference, object })
    }

    /// Reads the parameters of the command that is meant.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parameters<C: Call>(&self) -> Result<C, WrongValue> {
        // What has no parameters need not be read twice: the syntax was checked with the name.
        wrong_value::read(if size_of::<C>() == 0 { Checked::EMPTY } else { self.object })
    }
}

/// A command: the type of its parameters.
pub trait Call: for<'de> Deserialize<'de> + Serialize {
    /// Its name.
    const NAME: &'static str;
    /// What is needed for it; `None`: everybody who may connect.
    const RIGHT: Option<Right>;
    /// What the answer holds under `ok`.
    type Answer: for<'de> Deserialize<'de> + Serialize;
}

/// A row of [`COMMANDS`].
#[derive(Debug, Clone, Copy)]
pub struct CommandInfo {
    /// The name.
    pub name: &'static str,
    /// What is needed for it; `None`: everybody who may connect.
    pub right: Option<Right>,
    /// What it does, in Markdown: the first paragraph of its type's documentation.
    pub about: &'static str,
    /// The JSON Schema of its parameters.
    #[cfg(feature = "schema")]
    pub parameters: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    /// The JSON Schema of what it answers.
    #[cfg(feature = "schema")]
    pub answer: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

/// Why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No JSON object. Nothing after it is executed.
    #[error("{0}")]
    Object(JsonError),
    /// Its `cmd` or its `ref` is not what it must be. Nothing after it is executed.
    #[error("{0}")]
    Value(WrongValue),
    /// Its `ref` is too long to be given back.
    #[error("a \"ref\" has at most {REF_BYTES} bytes")]
    Reference,
}

impl From<JsonError> for RequestError {
    fn from(error: JsonError) -> Self {
        Self::Object(error.in_plain_words())
    }
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{message} ({code})")]
pub struct ApiError {
    /// For programs; never changes its meaning.
    pub code: Code,
    /// For people.
    pub message: String,
    /// What to do about it, if something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// SEND: the message is queued all the same, so it must not be sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<MessageId>,
    /// The numbers and names in `message`: `codes` says which each code has.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
}

/// Parameters of a code, by name. A program skips those that it does not know.
pub type Params = serde_json::Map<String, serde_json::Value>;

impl ApiError {
    /// An error with the hint of its code's row.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let hint = code.info().map(|row| row.hint.to_owned());
        Self { code, message: message.into(), hint, queued: None, params: Params::new() }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        debug_assert!(
            self.code.info().is_some_and(|row| row.params.iter().any(|(known, _)| *known == name)),
            "{name:?}"
        );
        self.params.insert(name.to_owned(), value.into());
        self
    }
}

/// What a line from the daemon is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "nearly every line that is kept for a moment is an event")]
pub enum Line<Answer> {
    /// A command was done.
    Ok {
        /// The request's.
        #[serde(rename = "ref")]
        reference: Option<Ref>,
        /// What it answers.
        ok: Answer,
    },
    /// A command was refused.
    Error {
        /// The request's.
        #[serde(rename = "ref")]
        reference: Option<Ref>,
        /// Why.
        error: ApiError,
    },
    /// An event of a subscription.
    Event {
        /// The `ref` of the SUBSCRIBE.
        sub: Option<Ref>,
        /// What happened.
        event: event::Event,
    },
    /// A subscription has looked through the log up to here; whatever passes its filter was pushed before.
    Upto {
        /// The `ref` of the SUBSCRIBE.
        sub: Option<Ref>,
        /// The last event that was looked at: ACK may name it.
        upto: u64,
    },
    /// A subscription ended without the program's wish.
    End {
        /// The `ref` of the SUBSCRIBE.
        sub: Option<Ref>,
        /// Why.
        end: ApiError,
    },
}

/// A person: a peer, written as its onion with `.onion`; read with or without it. Where a room can stand as well,
/// records have a [`ConversationId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Onion(pub PeerId);

impl Onion {
    /// The conversation with this peer.
    #[must_use]
    pub fn conversation(self) -> ConversationId {
        ConversationId::from(self.0)
    }
}

impl Serialize for Onion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.onion())
    }
}

impl<'de> Deserialize<'de> for Onion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_local_onion(&text).map(Self).map_err(D::Error::custom)
    }
}

impl From<Onion> for ConversationId {
    fn from(peer: Onion) -> Self {
        peer.conversation()
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Onion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Onion".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z2-7]{56}(\\.onion)?$",
            "description": "A v3 onion; answers always have the suffix.",
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for MessageId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MessageId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

#[cfg(test)]
mod tests;
