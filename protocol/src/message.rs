//! What one daemon says to another on an authenticated link: JSON objects told apart by `t`.
//!
//! No message carries the sender's id: the sender is the link's identity, proven by the handshake. No control verb
//! exists here, so no byte from an onion stream can stop the daemon or read its mail.

use crate::id::{Chain, LaneId, MessageId, RunId};
use crate::strict::{object, objects, word};
use crate::{json, limits};
use serde::{Deserialize, Serialize};

/// A message between daemons. The wire form is one JSON object, `t` first; see `golden/` for the exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t")]
pub enum PeerMessage {
    /// First on every link, and again (to a contact) when the receiver must state its lanes anew.
    #[serde(rename = "HELLO")]
    Hello(Hello),
    /// A message of a lane. RECV is the name that the ancestor's users know.
    #[serde(rename = "RECV")]
    Recv(Recv),
    /// Everything of the lane up to `hwm` is durable at the receiver.
    #[serde(rename = "ACK")]
    Ack(LaneState),
    /// The sender will never send the numbers up to `to`.
    #[serde(rename = "SKIP")]
    Skip(Skip),
    /// Asks to become a contact.
    #[serde(rename = "CONTACT_REQ")]
    ContactReq(ContactReq),
    /// Says whether messages are accepted on this link.
    #[serde(rename = "CONTACT_RES")]
    ContactRes(ContactRes),
    /// Asks for a sign of life.
    #[serde(rename = "PING")]
    Ping(Nonce),
    /// The sign of life, with the number of the question.
    #[serde(rename = "PONG")]
    Pong(Nonce),
    /// The last words on a link.
    #[serde(rename = "BYE")]
    Bye(Bye),
}

/// What a daemon says of itself and, to a contact, of the lanes it receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Always `torchatd`; other programs may speak the protocol under their own names.
    pub app: String,
    /// Protocol version, 1.
    pub v: u32,
    /// Optional abilities; unknown ones are ignored.
    #[serde(default)]
    pub features: Vec<String>,
    /// The receiver's state of each lane of this sender; empty to a stranger.
    #[serde(default, deserialize_with = "objects")]
    pub lanes: Vec<LaneState>,
    /// What this receiver takes.
    #[serde(deserialize_with = "object")]
    pub limits: Limits,
    /// Which run of the speaker's process this is; absent to a stranger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The last run of the listener that the speaker met before this link. A listener that does not know it as one of
    /// its own is not the only daemon with its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<RunId>,
}

/// The receiver's end of a lane: everything up to `hwm` is durable, and `chain` is the digest there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// The lane.
    pub lane: LaneId,
    /// Highest number that is durable at the receiver; 0 when none is.
    pub hwm: u64,
    /// The lane's digest after `hwm`.
    pub chain: Chain,
}

/// What a receiver takes on one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest text in bytes: at least [`limits::TEXT_BYTES`]. A receiver that took less would never get a text that its
    /// sender has accepted already, so version 1 has none.
    pub msg: u64,
    /// Most messages unacknowledged.
    pub inflight: u64,
    /// Most bytes (JSON objects of RECV) unacknowledged.
    pub credit: u64,
}

/// One message of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recv {
    /// The sender's lane to this receiver.
    pub lane: LaneId,
    /// 1, 2, 3 .. without gaps.
    pub seq: u64,
    /// The lane's digest before this message.
    pub prev: Chain,
    /// The message's id.
    pub mid: MessageId,
    /// When the sender accepted it: seconds since 1970, rounded down to the minute so that clocks are no fingerprint.
    pub sent: u64,
    /// The content.
    #[serde(deserialize_with = "object")]
    pub body: Body,
}

impl Recv {
    /// What `sent` says of a moment in milliseconds since 1970; 0 before that.
    #[must_use]
    pub fn minute(at_ms: i64) -> u64 {
        u64::try_from(at_ms / 60_000 * 60).unwrap_or(0)
    }
}

/// The content of a message, told apart by `k`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "k", try_from = "BodyFields")]
pub enum Body {
    /// Text of at most [`crate::limits::TEXT_BYTES`].
    #[serde(rename = "text")]
    Text {
        /// The text, kept as it is; the edges that show it neutralise what must not reach a terminal.
        text: String,
    },
}

/// The keys of every [`Body`]. Read by name, because serde would take the variant's index for `k` as well.
#[derive(Deserialize)]
struct BodyFields {
    k: String,
    text: Option<String>,
}

impl TryFrom<BodyFields> for Body {
    type Error = &'static str;

    fn try_from(fields: BodyFields) -> Result<Self, Self::Error> {
        match (fields.k.as_str(), fields.text) {
            ("text", Some(text)) => Ok(Self::Text { text }),
            ("text", None) => Err("a text body without a text"),
            _ => Err("an unknown kind of body"),
        }
    }
}

/// Numbers that will never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The lane.
    pub lane: LaneId,
    /// The last number that is skipped.
    pub to: u64,
    /// The lane's digest after `to`.
    pub chain: Chain,
    /// Why. Only `lost` shows a mark at the receiver.
    #[serde(deserialize_with = "word")]
    pub why: SkipReason,
}

/// Why numbers of a lane are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkipReason {
    /// The receiver once acknowledged them and has forgotten them: it was restored from a backup.
    Lost,
    /// The sender's user took them back.
    Withdrawn,
    /// They waited too long.
    Expired,
}

/// A request to become a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactReq {
    /// The name that the sender would like, at most [`crate::limits::NICK_BYTES`].
    #[serde(default)]
    pub nick: String,
    /// A few words, at most [`crate::limits::REQUEST_TEXT_BYTES`].
    #[serde(default)]
    pub text: String,
    /// The secret of an invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
}

/// The answer to a peer that wants to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRes {
    /// Accepted, or not yet.
    #[serde(deserialize_with = "word")]
    pub st: ContactState,
}

/// Whether messages of a peer are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContactState {
    /// Not, or not yet: unknown, undecided, refused and blocked look the same.
    Pending,
    /// Yes.
    Accepted,
}

/// A number that a PONG repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce {
    /// The number.
    pub n: u64,
}

/// The last words on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// Why the link ends.
    #[serde(deserialize_with = "word")]
    pub why: ByeReason,
}

/// Why a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ByeReason {
    /// The daemon stops.
    Shutdown,
    /// Another link to the same peer serves.
    Dup,
    /// A limit was passed.
    Limit,
    /// The store cannot take more mail now.
    Full,
    /// The peer broke the protocol.
    Protocol,
    /// Nothing is to be said for a while.
    Idle,
    /// The listener's certificate is older than one that the speaker has met: another copy of the identity replaced it.
    Superseded,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Why bytes are no peer message. The words are ours: nothing of what the peer said stands in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not strict JSON, an unknown `t`, or a missing field.
    #[error(transparent)]
    Json(json::JsonError),
    /// A field passes its limit.
    #[error("{0} passes its limit")]
    Limit(&'static str),
}

impl PeerMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`]: the link's peer broke the protocol.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let message: Self = json::from_slice(bytes, limits::PEER_OBJECT_BYTES, limits::JSON_DEPTH)
            .map_err(|error| MessageError::Json(error.in_our_words()))?;
        match message.passed_limit() {
            Some(field) => Err(MessageError::Limit(field)),
            None => Ok(message),
        }
    }

    /// The wire form: compact JSON in UTF-8.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Strings, integers and lists of them cannot fail to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn passed_limit(&self) -> Option<&'static str> {
        let number = |n: u64| (1..=MAX_NUMBER).contains(&n);
        match self {
            Self::Hello(hello) if hello.app.len() > 64 => Some("app"),
            Self::Hello(hello) if hello.features.len() > 32 || hello.features.iter().any(|f| f.len() > 64) => {
                Some("features")
            }
            Self::Hello(hello) if hello.lanes.len() > limits::LANES_PER_PEER => Some("lanes"),
            Self::Hello(hello) if hello.limits.msg < limits::TEXT_BYTES as u64 => Some("limits.msg"),
            Self::Recv(recv) if !number(recv.seq) => Some("seq"),
            Self::Recv(Recv { body: Body::Text { text }, .. }) if text.len() > limits::TEXT_BYTES => Some("text"),
            Self::Skip(skip) if !number(skip.to) => Some("to"),
            Self::ContactReq(request) if request.nick.len() > limits::NICK_BYTES => Some("nick"),
            Self::ContactReq(request) if request.text.len() > limits::REQUEST_TEXT_BYTES => Some("text"),
            Self::ContactReq(request) if request.invite.as_ref().is_some_and(|i| i.len() > 64) => Some("invite"),
            _ => None,
        }
    }
}

/// Lane numbers are integers that every JSON reader keeps exactly.
const MAX_NUMBER: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_that_is_said_is_finer_than_a_minute() {
        assert_eq!([-60_001, 59_999, 60_000, 1_790_000_039_999].map(Recv::minute), [0, 0, 60, 1_789_999_980]);
    }
}
