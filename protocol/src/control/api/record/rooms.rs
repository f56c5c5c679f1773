//! What answers and events tell of rooms.

use super::Time;
use crate::control::api::{ConversationId, Onion};
use crate::control::reason::RoomTrouble;
use crate::room::{Author, InviteId};
use serde::{Deserialize, Serialize};

/// Defines words, which are the names of the variants in small letters with hyphens.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $kind:ident,)+ })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            #[serde(rename_all = "kebab-case")]
            pub enum $name {
                $($(#[$word_meta])* $kind,)+
                /// Only when reading: of a later version of the API.
                #[serde(other)]
                #[cfg_attr(feature = "schema", schemars(skip))]
                Unknown,
            }
        )+
    };
}

words! {
    /// What a member of a room may do. Each may all that those before it may.
    Role {
        /// Reads.
        Reader,
        /// Writes.
        Member,
        /// Mutes members, and redacts what they say.
        Moderator,
        /// Decides who is a member and what the rules are.
        Owner,
    }
    /// How far we are in a room.
    RoomState {
        /// We have asked to become a member, or do not yet have what a newcomer gets.
        Joining,
        /// We are a member.
        Member,
        /// We leave as soon as another member knows it.
        Leaving,
        /// We have left.
        Left,
        /// The owner has removed us.
        Removed,
        /// The owner has ended the room. The daemon has erased what it had of it.
        Destroyed,
        /// A member has shown us that the owner has ended the room, and we lack what was decided before. What we have of it stays
        /// until the user erases it.
        Ended,
        /// The room needs what this version of the daemon does not have.
        NeedsNewer,
    }
    /// How the members of a room are linked.
    RoomForm {
        /// Each with each other, without hosts: at most 8 members.
        Mesh,
    }
    /// Which messages of a room a program should notify its user of.
    Notify {
        /// All.
        All,
        /// Those that mention the user.
        Mentions,
        /// None.
        None,
    }
    /// What a member of a room is now.
    MemberState {
        /// A member.
        In,
        /// A member whose messages are hidden.
        Muted,
        /// Has left.
        Left,
        /// The owner has removed them.
        Removed,
        /// Has another number now, because they joined again with new keys.
        Replaced,
    }
    /// How it is known whose daemon a member is.
    Proof {
        /// Their own daemon has proven it on a link to ours.
        Link,
        /// The owner of the room says so.
        Owner,
    }
    /// What has happened to a member.
    MemberChange {
        /// They came.
        Joined,
        /// They left.
        Left,
        /// The owner removed them.
        Removed,
        /// They joined again, under another number.
        Replaced,
        /// Their role is another one.
        Role,
        /// A moderator hides what they say from now on.
        Muted,
        /// That has ended.
        Unmuted,
        /// They call themselves otherwise.
        Nick,
        /// Two histories of their messages were found, as after a restored backup: only what is before the difference counts.
        Forked,
    }
    /// What is noted of a message of a room.
    MessageFlag {
        /// It mentions the user.
        Mention,
        /// It does not count: its writer was no member there, or had no right to say it.
        Void,
        /// A moderator has muted its writer, or the user has blocked them.
        Hidden,
        /// Its text was taken away.
        Redacted,
        /// Its writer has changed its text.
        Edited,
        /// The daemon wrote it: it tells what was decided in the room.
        System,
    }
}

/// Who wrote a message of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sender {
    /// Their number in the room.
    pub member: u32,
    /// What they called themselves when the message came: make it harmless before you show it. Empty: nothing.
    pub name: String,
    /// Their onion, by the owner's word; absent: the owner did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onion: Option<Onion>,
    /// It is this daemon's user.
    pub me: bool,
    /// Their role when they wrote it.
    pub role: Role,
}

/// The place of a message in the order that is the same at all members: compare from left to right. HISTORY has the order of
/// arrival, in which nothing appears above what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "(u64, u32, u64)", into = "(u64, u32, u64)")]
#[cfg_attr(feature = "schema", schemars(with = "(u64, u32, u64)"))]
pub struct Order {
    /// The room's logical clock.
    pub lamport: u64,
    /// The author: 256 times the member's number, plus the number of its chain.
    pub author: u32,
    /// The number in that chain.
    pub seq: u64,
}

impl Order {
    /// Whose message it is. `None`: it is no member's.
    #[must_use]
    pub fn member(&self) -> Option<u32> {
        Author::new(self.author)?.member().map(crate::room::MemberNo::get)
    }
}

impl From<(u64, u32, u64)> for Order {
    fn from((lamport, author, seq): (u64, u32, u64)) -> Self {
        Self { lamport, author, seq }
    }
}

impl From<Order> for (u64, u32, u64) {
    fn from(order: Order) -> Self {
        (order.lamport, order.author, order.seq)
    }
}

/// How many members have a message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stored {
    /// Other members whose daemons have said so since this daemon has started; at least 1 if the message is delivered.
    pub members: u64,
    /// Other members that there are now.
    pub of: u64,
}

/// Our own place in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Me {
    /// Our number.
    pub member: u32,
    /// Our role.
    pub role: Role,
}

/// The owner's wish that somebody else becomes the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Handover {
    /// The owner that wishes it.
    pub by: u32,
    /// Who is to become the owner.
    pub to: u32,
}

/// The rules of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomPolicy {
    /// The role of those whom the owner admits without saying which: `member` or `reader`.
    pub joins: Role,
    /// How many events of the room a newcomer gets: about as many messages. 9,007,199,254,740,991: all.
    pub history: u64,
    /// For how many days each member's daemon keeps what is said, from its arrival there; absent: as long as its user wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u64>,
}

/// Something that keeps a room from working as it should, or that somebody should decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomProblem {
    /// In words.
    pub sentence: String,
    /// The same for programs.
    pub why: RoomTrouble,
}

impl From<RoomTrouble> for RoomProblem {
    fn from(why: RoomTrouble) -> Self {
        Self { sentence: why.sentence(), why }
    }
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Room {
    /// Its id: it names the room's conversation wherever a peer's onion names theirs.
    pub peer: ConversationId,
    /// The name that the owner gave it: make it harmless before you show it. Empty while we are joining.
    pub name: String,
    /// The name that the user gave it. Wins over `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// What it is about: make it harmless before you show it.
    pub topic: String,
    /// How far we are in it.
    pub state: RoomState,
    /// How its members are linked.
    pub form: RoomForm,
    /// Our own place; absent: we are not a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<Me>,
    /// The number of the owner; absent: we are joining and do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// How many members there are, ourselves included.
    pub members: u64,
    /// With how many of them our daemon has the room open at this moment; absent in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<u64>,
    /// Its rules.
    pub policy: RoomPolicy,
    /// The owner's daemon has made decisions that contradict each other: no new ones are taken until the owner settles it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// The owner wants somebody else to become the owner, who has not agreed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// Messages of ours that no other member has.
    pub queued: u64,
    /// Events without what they say, for which the daemon asks the other members; absent: none, and in events.
    #[serde(default, skip_serializing_if = "is_none")]
    pub missing: u64,
    /// How many bytes of its log are stored here; only in the answer of ROOM, because they are counted for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Which messages to notify of.
    pub notify: Notify,
    /// What is wrong, or to be decided; absent: nothing, and in events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<RoomProblem>,
}

// serde asks so.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_none(number: &u64) -> bool {
    *number == 0
}

/// A member of a room, or somebody who was one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Member {
    /// Their number in the room, which nobody else ever gets.
    pub no: u32,
    /// What they call themselves: make it harmless before you show it. Empty: nothing.
    pub name: String,
    /// Their onion, by the owner's word; absent: the owner did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onion: Option<Onion>,
    /// How it is known that the onion is theirs.
    pub proven: Proof,
    /// Their role.
    pub role: Role,
    /// What they are now.
    pub state: MemberState,
    /// It is this daemon's user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub me: bool,
    /// The room is open on a link to them at this moment; absent in events.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link: bool,
    /// No invite lets them in again until ROOM_PARDON; only the owner's daemon knows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub banned: bool,
    /// When their last message arrived here; absent: none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at: Option<Time>,
}

/// Somebody who asks to become a member of a room of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Petition {
    /// The room.
    pub peer: ConversationId,
    /// Who asks. Their link has proven it.
    pub onion: Onion,
    /// What they would like to be called: make it harmless before you show it. Empty: nothing.
    pub name: String,
    /// Their words: make them harmless before you show them.
    pub text: String,
    /// The invite of ours that they have shown; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<InviteId>,
    /// When it came.
    pub at: Time,
}

/// An invite to a room that is still good, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutstandingInvite {
    /// Names it.
    pub id: InviteId,
    /// The role that it gives.
    pub role: Role,
    /// How often it can be used, in all; absent: without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// How often it was used.
    pub used: u64,
    /// Until when it can be used.
    pub until: Time,
    /// The only one who can use it; absent: anybody.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub whom: Option<Onion>,
    /// The user's words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
