//! The forms of what members say: kinds 16 to 31.

use super::{BoundedText, Keep, Ref, Role};
use crate::limits::NICK_BYTES;
use crate::room::id::{EventId, MemberKey, MemberNo, Signature, TextId};
use crate::room::limits::{MENTIONS, REASON_BYTES, SIGN_BYTES, TEXT_BYTES, TOPIC_BYTES};
use crate::strict::{present, word};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Drawn by the author. Of several texts of a member with one id the first counts.
    pub mid: TextId,
    /// The text, kept as it is; what shows it neutralises what must not reach a terminal.
    pub text: BoundedText<TEXT_BYTES>,
    /// The text that it answers.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub re: Option<Ref>,
    /// Whom it mentions, at most [`MENTIONS`].
    #[serde(default, deserialize_with = "mentions", skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<MemberNo>,
}

fn mentions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<MemberNo>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.len() > MENTIONS { Err(de::Error::custom("a text mentions too many")) } else { Ok(list) }
}

/// Another text in the place of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The text that changes.
    pub of: Ref,
    /// Drawn by the author.
    pub mid: TextId,
    /// What it says now.
    pub text: BoundedText<TEXT_BYTES>,
}

/// A sign on a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The text.
    pub of: Ref,
    /// The sign. Empty: none any more.
    pub sign: BoundedText<SIGN_BYTES>,
}

/// A text is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redact {
    /// The text, or an edit of one.
    pub of: Ref,
    /// Why.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub why: Option<BoundedText<REASON_BYTES>>,
}

/// What a member says is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Who.
    pub who: MemberNo,
    /// What of it is not hidden, because it was said before.
    pub keep: Keep,
    /// Why.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub why: Option<BoundedText<REASON_BYTES>>,
}

/// A mute ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmute {
    /// The mute.
    pub of: Ref,
    /// Up to where the mute still hides.
    pub resume: Keep,
}

/// Another topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// What the room is about.
    pub topic: BoundedText<TOPIC_BYTES>,
}

/// A member goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {}

/// What somebody has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The last event of each chain.
    pub heads: Vec<Ref>,
}

/// A member offers to keep the room for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Whether.
    pub host: bool,
    /// How many bytes.
    pub bytes: u64,
}

/// A moderator speaks for or against somebody who wants to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouch {
    /// The key with which it asked.
    pub sign: MemberKey,
    /// For.
    pub yes: bool,
    /// As what.
    #[serde(deserialize_with = "word")]
    pub role: Role,
}

/// A moderator asks that a member is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expel {
    /// Who.
    pub who: MemberNo,
    /// What counts of what it said.
    pub keep: Keep,
    /// Why.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub why: Option<BoundedText<REASON_BYTES>>,
}

/// Another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nick {
    /// One that breaks the rules of names counts as none.
    pub nick: BoundedText<NICK_BYTES>,
}

/// The owner wants to hand the room over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// To whom.
    pub to: MemberNo,
}

/// Somebody agrees to own the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// The event of kind 30.
    pub proposal: EventId,
    /// Its signature of [`Handover::to_be_signed`](super::acts::Handover::to_be_signed).
    pub accept: Signature,
}
