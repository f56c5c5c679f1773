//! The event log: every change of state, numbered, committed together with the change.

use super::record::{Contact, Member, MemberChange, Message, MessageState, Petition, Room, Time};
use super::{ConversationId, Onion};
use crate::control::reason::{Network, Notice};
use crate::id::MessageId;
use serde::{Deserialize, Serialize};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its number. Numbers grow by one; what is missing at the beginning was removed by age or size.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Which message, where its text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessageRef {
    /// The conversation that it is in.
    pub peer: ConversationId,
    /// Its number in this daemon.
    pub id: i64,
    /// Its id, the same at both ends. Drawn by its writer: unique only together with the peer and the direction.
    pub mid: MessageId,
}

/// A message that counts otherwise than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recounted {
    /// Its number in this daemon.
    pub id: i64,
    /// Its id.
    pub mid: MessageId,
    /// How it is now.
    pub state: MessageState,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// A message came in.
    Received {
        /// The message as it came: `unread`. How it is now, HISTORY says.
        message: Message,
    },
    /// A message was accepted from a client.
    Queued {
        /// The message as it was accepted: `queued`. How it is now, HISTORY says.
        message: Message,
    },
    /// A message went out on a link for the first time in this run of the daemon.
    Sent(MessageRef),
    /// A message is durable at the peer.
    Delivered(MessageRef),
    /// A message was not delivered in its time.
    Failed(MessageRef),
    /// A message was taken back.
    Withdrawn(MessageRef),
    /// One of the user's programs has seen a received message.
    Read(MessageRef),
    /// The peer says that messages are lost, as after a restored backup; the mark says how many, by the peer's word.
    Lost {
        /// The mark.
        message: Message,
    },
    /// A stranger asks to become a contact.
    Request {
        /// Who.
        peer: Onion,
        /// The name that they chose.
        nick: String,
        /// Their words.
        text: String,
    },
    /// A request was decided or is too old.
    RequestGone {
        /// Whose.
        peer: Onion,
    },
    /// What a peer is to us has changed: added, accepted, renamed, hidden from, blocked, removed.
    Contact {
        /// The peer as it was after the change.
        contact: Contact,
    },
    /// A contact's link came up or went down.
    Link {
        /// The contact.
        peer: Onion,
        /// Whether it is up now.
        up: bool,
    },
    /// The way into the Tor network opened or closed.
    Tor {
        /// Whether it works.
        usable: bool,
        /// In words.
        sentence: String,
        /// The same for programs; absent: it was stored before there were codes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Network>,
    },
    /// A message of an old TORchat program came in. Nothing proves who wrote it, so its text is not among those that
    /// are proven: LEGACY has it.
    Legacy {
        /// Its number: LEGACY lists those after the one before it.
        id: i64,
        /// Who its writer claimed to be.
        claims: String,
    },
    /// Messages of a conversation were erased here: those from `from` to `upto` that are not in `kept`.
    Erased {
        /// The other side.
        peer: ConversationId,
        /// The first one.
        from: i64,
        /// The last one.
        upto: i64,
        /// Messages between the two that are still there; absent: none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<i64>,
    },
    /// Something that the user should know.
    Notice {
        /// The peer or the room that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<ConversationId>,
        /// In words.
        sentence: String,
        /// The same for programs; absent: it was stored before there were codes, or there are only words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Notice>,
    },
    /// A room has changed, or our place in it: made, joined, named, with other rules, frozen, settled, left, ended.
    Room {
        /// The room as it was after the change.
        room: Box<Room>,
    },
    /// A member of a room has changed.
    Member {
        /// The room.
        peer: ConversationId,
        /// The member as it was after the change.
        member: Member,
        /// What has happened.
        change: MemberChange,
    },
    /// Somebody asks to become a member of a room of ours.
    Petition {
        /// Who, and what they say.
        petition: Petition,
    },
    /// That was decided, or is too old.
    PetitionGone {
        /// The room.
        peer: ConversationId,
        /// Who had asked.
        onion: Onion,
    },
    /// The writer of a message in a room has changed its text.
    Edited {
        /// The room.
        peer: ConversationId,
        /// The message's number in this daemon.
        id: i64,
        /// Its id.
        mid: MessageId,
        /// The new text as it was written: make it harmless before you show it.
        text: String,
        /// When, by the writer's own clock, rounded down to the minute.
        edited_at: Time,
    },
    /// The text of a message in a room was taken away.
    Redacted {
        /// The room.
        peer: ConversationId,
        /// The message's number in this daemon.
        id: i64,
        /// Its id.
        mid: MessageId,
    },
    /// A member has reacted to a message of a room, or has taken that back.
    Reacted {
        /// The room.
        peer: ConversationId,
        /// The message's number in this daemon.
        id: i64,
        /// Its id.
        mid: MessageId,
        /// The member's number.
        member: u32,
        /// The sign, as it is when the event is read; empty: the reaction is taken back.
        sign: String,
    },
    /// Messages of a room count otherwise than before: no more, or again.
    Voided {
        /// The room.
        peer: ConversationId,
        /// Which, and how they are now.
        messages: Vec<Recounted>,
    },
    /// Not stored: here were events that the log no longer holds. Its `seq` is the last of them.
    Gap {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
}

/// The name of a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`What::Received`].
    Received,
    /// [`What::Queued`].
    Queued,
    /// [`What::Sent`].
    Sent,
    /// [`What::Delivered`].
    Delivered,
    /// [`What::Failed`].
    Failed,
    /// [`What::Withdrawn`].
    Withdrawn,
    /// [`What::Read`].
    Read,
    /// [`What::Lost`].
    Lost,
    /// [`What::Request`].
    Request,
    /// [`What::RequestGone`].
    RequestGone,
    /// [`What::Contact`].
    Contact,
    /// [`What::Link`].
    Link,
    /// [`What::Tor`].
    Tor,
    /// [`What::Notice`].
    Notice,
    /// [`What::Legacy`].
    Legacy,
    /// [`What::Erased`].
    Erased,
    /// [`What::Room`].
    Room,
    /// [`What::Member`].
    Member,
    /// [`What::Petition`].
    Petition,
    /// [`What::PetitionGone`].
    PetitionGone,
    /// [`What::Edited`].
    Edited,
    /// [`What::Redacted`].
    Redacted,
    /// [`What::Reacted`].
    Reacted,
    /// [`What::Voided`].
    Voided,
    /// [`What::Gap`]: passes every filter.
    Gap,
}

impl Kind {
    /// All kinds that are stored.
    pub const STORED: [Self; 24] = [
        Self::Received,
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Withdrawn,
        Self::Read,
        Self::Lost,
        Self::Request,
        Self::RequestGone,
        Self::Contact,
        Self::Link,
        Self::Tor,
        Self::Notice,
        Self::Legacy,
        Self::Erased,
        Self::Room,
        Self::Member,
        Self::Petition,
        Self::PetitionGone,
        Self::Edited,
        Self::Redacted,
        Self::Reacted,
        Self::Voided,
    ];
}

impl What {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Received { .. } => Kind::Received,
            Self::Queued { .. } => Kind::Queued,
            Self::Sent(_) => Kind::Sent,
            Self::Delivered(_) => Kind::Delivered,
            Self::Failed(_) => Kind::Failed,
            Self::Withdrawn(_) => Kind::Withdrawn,
            Self::Read(_) => Kind::Read,
            Self::Lost { .. } => Kind::Lost,
            Self::Request { .. } => Kind::Request,
            Self::RequestGone { .. } => Kind::RequestGone,
            Self::Contact { .. } => Kind::Contact,
            Self::Link { .. } => Kind::Link,
            Self::Tor { .. } => Kind::Tor,
            Self::Notice { .. } => Kind::Notice,
            Self::Legacy { .. } => Kind::Legacy,
            Self::Erased { .. } => Kind::Erased,
            Self::Room { .. } => Kind::Room,
            Self::Member { .. } => Kind::Member,
            Self::Petition { .. } => Kind::Petition,
            Self::PetitionGone { .. } => Kind::PetitionGone,
            Self::Edited { .. } => Kind::Edited,
            Self::Redacted { .. } => Kind::Redacted,
            Self::Reacted { .. } => Kind::Reacted,
            Self::Voided { .. } => Kind::Voided,
            Self::Gap { .. } => Kind::Gap,
        }
    }

    /// The conversation that it is about: with whom, if it is about a peer.
    #[must_use]
    pub fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Received { message } | Self::Queued { message } | Self::Lost { message } => Some(message.peer),
            Self::Sent(message)
            | Self::Delivered(message)
            | Self::Failed(message)
            | Self::Withdrawn(message)
            | Self::Read(message) => Some(message.peer),
            Self::Request { peer, .. } | Self::RequestGone { peer } | Self::Link { peer, .. } => {
                Some(peer.conversation())
            }
            Self::Contact { contact } => Some(contact.peer.conversation()),
            Self::Erased { peer, .. }
            | Self::Member { peer, .. }
            | Self::PetitionGone { peer, .. }
            | Self::Edited { peer, .. }
            | Self::Redacted { peer, .. }
            | Self::Reacted { peer, .. }
            | Self::Voided { peer, .. } => Some(*peer),
            Self::Room { room } => Some(room.peer),
            Self::Petition { petition } => Some(petition.peer),
            Self::Notice { peer, .. } => *peer,
            // A claim is no peer.
            Self::Tor { .. } | Self::Legacy { .. } | Self::Gap { .. } => None,
        }
    }
}

/// Which events a program wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Filter {
    /// Of these kinds; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<Kind>>,
    /// About these conversations and their peers; absent: all, and those that are about nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<ConversationId>>,
}

impl Filter {
    /// Whether an event passes. A gap always does: to hide one would be to lose events silently.
    #[must_use]
    pub fn passes(&self, what: &What) -> bool {
        let kind = what.kind();
        kind == Kind::Gap
            || self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
                && self.peers.as_ref().is_none_or(|peers| what.conversation().is_some_and(|id| peers.contains(&id)))
    }
}
