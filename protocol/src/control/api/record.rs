//! What answers and events are made of.

mod rooms;

use super::{ConversationId, Onion, Right};
use crate::control::reason::Reason;
use crate::id::MessageId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use rooms::*;

/// A moment: RFC 3339, UTC, with milliseconds.
pub type Time = String;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
    /// A mark of the daemon's own: messages were lost here, the peer says. In a room also what the daemon tells of it, and messages
    /// that do not count.
    Mark,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// Received, and nobody has seen it.
    Unread,
    /// Received and seen.
    Read,
    /// Durable here.
    Queued,
    /// On a link, not confirmed.
    Sent,
    /// Durable here; the peer's user has not accepted us.
    Waiting,
    /// Durable at the peer.
    Delivered,
    /// Taken back before it was delivered, as far as the daemon knows.
    Withdrawn,
    /// Not delivered in its time.
    Failed,
    /// A mark for messages that a restored backup forgot.
    Lost,
    /// In a room: it does not count, because its writer was not a member there or had no right to write it.
    Void,
    /// In a room: its writer was muted, or is blocked by the user.
    Hidden,
    /// In a room: its text was taken away.
    Redacted,
    /// In a room: the daemon tells what was decided.
    System,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl MessageState {
    /// Its name, as on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Read => "read",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Void => "void",
            Self::Hidden => "hidden",
            Self::Redacted => "redacted",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// Its number in this daemon: it grows with time and is never used twice.
    pub id: i64,
    /// Its id, the same at both ends. Drawn by its writer: unique only together with the peer and the direction.
    pub mid: MessageId,
    /// The conversation that it is in.
    pub peer: ConversationId,
    /// Which way.
    pub dir: Direction,
    /// The text as it was written: make it harmless before you show it.
    pub text: String,
    /// How far it has got.
    pub state: MessageState,
    /// When it arrived, or was accepted from a client.
    pub at: Time,
    /// Received: the sender's own time, rounded down to the minute. Not to be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Time>,
    /// Sent: when the peer had it, or when it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Time>,
    /// If this program's user or token sent it: the key that they gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Why it is not delivered, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Reason>,
    /// When the peer is dialled next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Time>,
    /// In a room: who wrote it; absent: the daemon did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// In a room: its place in the order that is the same at all members; absent: it is not published yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// In a room: the message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<MessageId>,
    /// In a room: it mentions the user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention: bool,
    /// In a room: when its writer last changed its text, by their own clock, rounded down to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Time>,
    /// In a room: the signs with which members have reacted, and their numbers. Make the signs harmless before you show them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reacts: BTreeMap<String, Vec<u32>>,
    /// In a room: all that is noted of it, where `state` has one word only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<MessageFlag>,
    /// In a room, of a published message of ours: how many members have it; absent in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

/// What a peer is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ContactState {
    /// Neither.
    Stranger,
    /// A contact of ours that has not accepted us.
    Waiting,
    /// A contact.
    Contact,
    /// Blocked.
    Blocked,
    /// It is a room: see the conversation's `room`.
    Room,
    /// Only when reading: of a later version of the API.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contact {
    /// Who.
    pub peer: Onion,
    /// Whether they are a contact, blocked, or a stranger.
    pub state: ContactState,
    /// The name that the user gave them. Wins over `nick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name that they chose themselves: do not trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// A link is up.
    pub link: bool,
    /// Seconds since they were last heard; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_s: Option<u64>,
    /// They see us only while there is something to deliver.
    pub hidden: bool,
    /// Messages that they have not got.
    pub queued: u64,
    /// Since when the user has marked its key as compared; absent: it is not marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Time>,
    /// Messages of its conversation that are older than this number of days are erased here; absent: they are kept
    /// whatever their age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_days: Option<u32>,
}

/// A stranger who asks to become a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContactRequest {
    /// Who.
    pub peer: Onion,
    /// The name that they chose.
    pub nick: String,
    /// Their words.
    pub text: String,
    /// When it came.
    pub at: Time,
}

/// A conversation at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Conversation {
    /// The other side.
    pub contact: Contact,
    /// Received messages that nobody has seen.
    pub unread: u64,
    /// The last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Message>,
    /// The room, if it is one. Its `contact` has the room's id and name, and the state `room`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<Room>>,
    /// In a room: how many of the unread messages mention the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<u64>,
}

impl Conversation {
    /// Which conversation it is.
    #[must_use]
    pub fn id(&self) -> ConversationId {
        self.contact.peer.conversation()
    }
}

/// A message of an old TORchat program. **Nothing proves who wrote it**: it belongs to no conversation, and every program
/// that shows it must say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OldMessage {
    /// Its number among those of old programs: it grows with time and is never used twice.
    pub id: i64,
    /// Who its writer claimed to be: nothing proves it; it is not a contact's onion, even if it reads like one.
    pub claims: String,
    /// The text as it was written: make it harmless before you show it.
    pub text: String,
    /// When it arrived.
    pub at: Time,
    /// A program has taken it.
    pub taken: bool,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Token {
    /// Its name.
    pub name: String,
    /// What it may do.
    #[serde(deserialize_with = "super::known_rights")]
    pub rights: Vec<Right>,
    /// The conversations that it is good for; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<ConversationId>>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A consumer's place in the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cursor {
    /// The consumer.
    pub consumer: String,
    /// The last event that it has acknowledged.
    pub seq: u64,
    /// How many events came after it.
    pub behind: u64,
}
