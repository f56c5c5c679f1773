//! The forms of the acts, which whoever owns the room says: kinds 1 to 7.

use super::{BoundedText, Keep, Role, at_most};
use crate::limits::NICK_BYTES;
use crate::room::id::{BoxKey, EventId, Identity, InviteId, MemberKey, MemberNo, Salt, Signature};
use crate::room::limits::{HOSTS, NAME_BYTES, REASON_BYTES, ROSTER_ENTRIES, SLOW_S, TOPIC_BYTES};
use crate::strict::{object, present, present_object, word};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A member, as the owner enters it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The member's number.
    pub no: MemberNo,
    /// The key by which it signs.
    pub sign: MemberKey,
    /// The key for which bodies of sealed rooms are encrypted.
    #[serde(rename = "box")]
    pub sealing: BoxKey,
    /// What it may do at first.
    #[serde(deserialize_with = "word")]
    pub role: Role,
    /// Its identity, by the owner's word; a link proves it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<Identity>,
    /// What it would like to be called. One that breaks the rules of names counts as none.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub nick: Option<BoundedText<NICK_BYTES>>,
    /// The invite that it came with: how often one was used is counted in the acts, so that an owner that was restored from
    /// a backup lets nobody use it twice.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub via: Option<InviteId>,
}

/// Who may read a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readers {
    /// Its members.
    Members,
    /// Anybody who has the id.
    Anyone,
}

/// Who decides besides the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deciders {
    /// Nobody.
    Owner,
    /// The moderators: the owner's daemon follows them.
    Mods,
}

/// Whose daemons keep a copy. Never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replicas {
    /// Those of members.
    Members,
    /// Others too, which cannot read it. Reserved.
    Any,
    /// One daemon, for the users of its machine.
    Local,
}

/// The rules of a room. Nothing here decides what counts of what was said, so a change voids nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Who reads.
    #[serde(deserialize_with = "word")]
    pub read: Readers,
    /// The role of those who join: `member` or `reader`.
    #[serde(deserialize_with = "joining")]
    pub joins: Role,
    /// Who lets people in.
    #[serde(deserialize_with = "word")]
    pub admit: Deciders,
    /// Who removes people.
    #[serde(deserialize_with = "word")]
    pub expel: Deciders,
    /// How many events a newcomer gets.
    pub history: u64,
    /// For how many days bodies are kept; 0: always.
    pub keep_days: u64,
    /// Shortest pause between two texts of a member, in seconds, at most [`SLOW_S`].
    #[serde(deserialize_with = "slow")]
    pub slow_s: u64,
    /// Whether members say what they have seen.
    pub seen: bool,
    /// Who keeps copies.
    #[serde(deserialize_with = "word")]
    pub replicas: Replicas,
}

impl Default for Policy {
    /// A group of friends.
    fn default() -> Self {
        Self {
            read: Readers::Members,
            joins: Role::Member,
            admit: Deciders::Owner,
            expel: Deciders::Owner,
            history: 1_000,
            keep_days: 0,
            slow_s: 0,
            seen: false,
            replicas: Replicas::Members,
        }
    }
}

fn joining<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    match word(deserializer)? {
        role @ (Role::Member | Role::Reader) => Ok(role),
        _ => Err(de::Error::custom("nobody joins as more than a member")),
    }
}

fn slow<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        seconds @ 0..=SLOW_S => Ok(seconds),
        _ => Err(de::Error::custom("a pause is too long")),
    }
}

/// The room begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// Who makes it: member 1, the owner.
    #[serde(deserialize_with = "object")]
    pub owner: Entry,
    /// Its name.
    pub name: BoundedText<NAME_BYTES>,
    /// What it is about.
    pub topic: BoundedText<TOPIC_BYTES>,
    /// Its rules.
    #[serde(deserialize_with = "object")]
    pub policy: Policy,
    /// Drawn until the event's id has the shape of an identity.
    pub salt: Salt,
}

/// Who is a member, and as what. Final for the chains that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// New members.
    #[serde(default, deserialize_with = "at_most::<_, _, ROSTER_ENTRIES>", skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Entry>,
    /// Members that are none any more.
    #[serde(default, deserialize_with = "at_most::<_, _, ROSTER_ENTRIES>", skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Cut>,
    /// Members that may something else from now on.
    #[serde(default, deserialize_with = "at_most::<_, _, ROSTER_ENTRIES>", skip_serializing_if = "Vec::is_empty")]
    pub role: Vec<Promotion>,
}

/// Somebody is no member any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Who.
    pub no: MemberNo,
    /// What counts of what it said.
    pub keep: Keep,
    /// Why.
    #[serde(deserialize_with = "word")]
    pub why: CutReason,
}

/// Why somebody is no member any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutReason {
    /// It went.
    Left,
    /// The owner removed it.
    Removed,
    /// It has another number now.
    Replaced,
}

/// Somebody may something else from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Who.
    pub no: MemberNo,
    /// As what. Nobody becomes the owner so.
    #[serde(deserialize_with = "word")]
    pub role: Role,
    /// What it said before as what it was.
    pub keep: Keep,
}

/// What changes of name, topic and rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The name.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<BoundedText<NAME_BYTES>>,
    /// The topic.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub topic: Option<BoundedText<TOPIC_BYTES>>,
    /// The rules. Who keeps copies stays as it was.
    #[serde(default, deserialize_with = "present_object", skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// Who keeps the room for others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// Each once.
    #[serde(deserialize_with = "hosts")]
    pub hosts: Vec<Host>,
}

/// One that keeps the room for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its identity.
    pub id: Identity,
    /// Its number as a member; 0: it is none.
    pub no: u32,
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Host>, D::Error> {
    let hosts: Vec<Host> = at_most::<_, _, HOSTS>(deserializer)?;
    let twice = hosts.iter().enumerate().any(|(n, host)| hosts.iter().take(n).any(|other| other.id == host.id));
    if twice { Err(de::Error::custom("a host is named twice")) } else { Ok(hosts) }
}

/// The room passes to another member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// To whom.
    pub to: MemberNo,
    /// The event of kind 30 that both mean. Used once.
    pub proposal: EventId,
    /// The new owner's signature of [`Handover::to_be_signed`].
    pub accept: Signature,
    /// What counts as the owner's of what the old one said.
    pub old: Keep,
    /// What counts as a lesser member's of what the new one said.
    pub new: Keep,
}

impl Handover {
    /// What the new owner signs.
    #[must_use]
    pub fn to_be_signed(room: crate::room::RoomId, proposal: EventId, to: MemberNo) -> Vec<u8> {
        [b"torchatd/1 room handover\0", &room.0[..], &proposal.0, &to.get().to_be_bytes()].concat()
    }
}

/// Which of two branches of acts holds: the one that this stands on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// How many acts of the other one are lost.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

/// The room ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroy {
    /// Why.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub why: Option<BoundedText<REASON_BYTES>>,
}
